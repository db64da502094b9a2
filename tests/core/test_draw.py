"""Who checks whom: oldest first, never oneself, two at a time, and no draw is lost."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tests.core.lies import (
    accuse_part,
    accusing,
    check_caught,
    check_honest,
    read,
    saying,
)
from tests.core.plain import peer
from tests.core.toy import Ring
from zpeer.core.draw import assign_duties, is_suspended, split_lapsed, validators_in_force
from zpeer.faults import FaultKind
from zpeer.ids import PeerId, digest
from zpeer.messages import Accusation
from zpeer.record import Draw, Matter, Outcome
from zpeer.signed import Stage


def draw_of(i: int, step: int = 0) -> Draw:
    """A draw on peer i."""
    return Draw(peer(i), digest("attempt", bytes([step])), step, counted=True, opened=step)


def accuse(draw: Draw, fault: FaultKind) -> Matter:
    """An accusation out of a draw."""
    return Matter(peer(9), Accusation(fault, draw.target, draw.attempt), digest("made"))


def test_workers_stay_the_majority() -> None:
    assert [validators_in_force(2, n) for n in (1, 2, 3, 4, 5, 6, 16)] == [0, 0, 1, 1, 2, 2, 2]
    assert validators_in_force(0, 16) == 0


def test_duties_are_one_draw_each_then_a_second_oldest_first_and_never_on_oneself() -> None:
    draws = [draw_of(1), draw_of(2, 1), draw_of(3, 2), draw_of(4, 3), draw_of(5, 4)]
    duties = assign_duties([peer(1), peer(2)], draws, [])
    assert duties == ((draws[1], draws[2]), (draws[0], draws[3]))
    assert assign_duties([peer(1)], [draw_of(1)], []) == ((),)
    assert assign_duties([], draws, []) == ()


def test_a_draw_whose_accusation_is_open_waits() -> None:
    draw = draw_of(1)
    for fault in (FaultKind.WRONG_GRADIENT, FaultKind.WRONG_PROJECTION):
        assert is_suspended(draw, [accuse(draw, fault)])
    assert not is_suspended(draw, [accuse(draw, FaultKind.PART_NOT_FINITE)])
    assert not is_suspended(draw, [accuse(draw_of(1, 1), FaultKind.WRONG_GRADIENT)])
    assert not is_suspended(draw, [accuse(draw_of(2), FaultKind.WRONG_GRADIENT)])
    matters = [accuse(draw, FaultKind.WRONG_GRADIENT)]
    assert assign_duties([peer(2)], [draw, draw_of(3)], matters) == ((draw_of(3),),)


def test_a_draw_lapses_only_after_twice_as_many_counted_steps_as_peers() -> None:
    draw = draw_of(1, 3)
    assert split_lapsed([draw], 3 + 10, 5) == ((draw,), ())
    assert split_lapsed([draw], 3 + 11, 5) == ((), (draw,))


def test_a_draw_that_nobody_takes_lapses_and_the_record_says_so() -> None:
    """Without validators nobody reports on who was removed."""
    lie = accusing(accuse_part(FaultKind.PART_NOT_FINITE, 0), publish=False)
    ring = Ring(4, steps=16, validators=0, tampers={1: lie}).run()
    records = check_caught(ring, {1: FaultKind.ACCUSATION_FELL})
    opening = next(r for r in records if r.draws)
    (draw,) = opening.draws
    assert draw.target == peer(1)
    lapsing = next(r for r in records if r.lapsed)
    assert lapsing.lapsed == (draw,)
    assert lapsing.counted == draw.opened + 2 * len(lapsing.roster) + 1
    assert draw not in lapsing.draws


def test_draws_come_from_the_second_beacon_over_the_roster_that_the_attempt_ran_with() -> None:
    ring = Ring(5, steps=6).run()
    policy = ring.toys[peer(0)].core._context.policy
    roster = ring.genesis.peers
    validators: tuple[PeerId, ...] = ()
    for record in check_honest(ring):
        if record.outcome is not Outcome.COUNTED:
            continue
        workers = tuple(p for p in roster if p not in validators)
        drawn = {d.target for d in record.draws if d.attempt == record.previous}
        is_last = record.counted == ring.genesis.steps
        count = len(workers) if is_last else 1
        assert drawn == set(policy.targets(record.secret_beacon, workers, count))
        count = len(roster) if is_last else 1
        assert record.validators == policy.validators(record.secret_beacon, roster, count)
        validators = record.validators


def test_a_void_attempt_keeps_the_validators_of_the_step_and_has_a_target_of_its_own() -> None:
    def spoil(toy: Any, message: Any) -> Any:
        step = toy.core._context.attempt.base.step
        return replace(message, share=bytes([7]) * 32) if step == 1 else None

    ring = Ring(7, tampers={1: saying(Stage.REVEAL, spoil)}).run()
    records = ring.check_agreement(1)
    at = next(k for k, r in enumerate(records) if r.outcome is Outcome.VOID)
    before, void = records[at - 1], records[at]
    policy = ring.toys[peer(0)].core._context.policy
    assert void.validators == policy.validators(before.secret_beacon, void.roster, 1)
    if peer(1) not in before.validators:
        assert void.validators == before.validators
    assert void.draw_beacon == before.secret_beacon != void.secret_beacon
    fresh = [d for d in void.draws if d.attempt == void.previous]
    workers = tuple(p for p in before.roster if p not in before.validators)
    (target,) = policy.targets(void.secret_beacon, workers, 1)
    assert [d.target for d in fresh] == ([target] if target != peer(1) else [])
    assert not any(d.counted for d in fresh)


def test_every_draw_is_reported_on_before_the_end() -> None:
    ring = Ring(6, steps=12, validators=2).run()
    records = check_honest(ring)
    opened = {(d.target, d.attempt) for r in records for d in r.draws}
    reported = set()
    toy = ring.toys[peer(0)]
    for _, me, _, done in ring.trace:
        for effect in done:
            if getattr(effect, "stage", None) is Stage.CHECK and me in ring.toys:
                message = read(toy, ring.sign(ring.toys[me], effect))
                reported |= {(r.target, r.attempt) for r in message.reports}
    assert opened == reported
    assert not any(r.lapsed for r in records)
