"""Who leaves: findings, shields, matters that wait or fall, and what a removal leaves open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from tests.core.lies import (
    Shifting,
    accuse_part,
    accusing,
    all_of,
    attempt_of,
    check_caught,
    check_honest,
    dropping,
    misstate,
    saying,
)
from tests.core.plain import peer
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer.faults import FaultKind
from zpeer.ids import Digest, PeerId, digest
from zpeer.messages import Guilt
from zpeer.record import Outcome
from zpeer.signed import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

UNPUBLISHED = accuse_part(FaultKind.PART_NOT_FINITE, 0)


class ShiftingOnce(Shifting):
    """Shifts its aggregate in the first attempt alone."""

    def aggregate(self, rows: Sequence[Sequence[float]], radius: float) -> list[float]:
        is_first = not attempt_of(self).base.record
        return super().aggregate(rows, radius) if is_first else Toy.aggregate(self, rows, radius)


def voting(guilt: Guilt, times: int) -> Any:
    """Say this on every matter, so many times."""

    def change(_toy: Toy, message: Any) -> Any:
        if not message.findings:
            return None
        findings = tuple(replace(f, guilt=guilt, lacking=()) for f in message.findings)
        return replace(message, findings=findings)

    return saying(Stage.CHECK, change, times=times)


# --- findings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("guilt", [Guilt.LACKING, Guilt.INNOCENT])
def test_findings_of_exactly_half_the_roster_decide_nothing(guilt: Guilt) -> None:
    """Two of four say guilty: the matter stays, until a third does."""
    tampers = {
        1: all_of(misstate(0, 100), voting(guilt, 2)),
        2: voting(guilt, 2),
    }
    ring = Ring(4, steps=6, tampers=tampers).run()
    records = ring.check_agreement(1)
    ages = [[m.age for m in r.matters] for r in records[:4]]
    assert ages == [[0], [1], [2], []]
    assert ring.departures(1) == {1: "WRONG_PROJECTION"}
    assert records[3].departures


def test_a_minority_that_calls_the_accused_innocent_does_not_save_it() -> None:
    tampers = {1: all_of(misstate(0, 100), voting(Guilt.INNOCENT, 9)), 2: voting(Guilt.INNOCENT, 9)}
    ring = Ring(5, tampers=tampers).run()
    assert ring.departures(1, 2) == {1: "WRONG_PROJECTION"}
    check_honest(ring, 1)


def test_a_minority_that_calls_an_honest_peer_guilty_does_not_ban_it() -> None:
    tampers = {
        1: all_of(accusing(accuse_part(FaultKind.PART_NOT_FINITE, 0)), voting(Guilt.GUILTY, 9)),
        2: voting(Guilt.GUILTY, 9),
    }
    ring = Ring(5, tampers=tampers).run()
    assert ring.departures(1, 2) == {1: "FALSE_ACCUSATION"}
    check_honest(ring, 1)


# --- ACCUSATION_FELL ------------------------------------------------------------------------------


def test_an_accusation_whose_bytes_never_come_falls_after_three_records() -> None:
    ring = Ring(5, steps=6, tampers={1: accusing(UNPUBLISHED, publish=False)}).run()
    records = check_caught(ring, {1: FaultKind.ACCUSATION_FELL})
    assert [[m.age for m in r.matters] for r in records[:4]] == [[0], [1], [2], []]
    (departure,) = records[3].departures
    assert departure.peer == peer(1)
    assert "removed" in ring.toys[peer(1)].ended.reason


def test_bytes_that_come_late_but_in_time_decide_at_once() -> None:
    class Late(Ring):
        def push(self, to: PeerId, event: Any, delay: float = 0.001) -> None:
            slow = type(event).__name__ == "BlobArrived"
            super().push(to, event, delay + 3.0 * slow)  # of the 3.3 s that bytes are waited for

    ring = Late(5, tampers={1: misstate(0, 100)}).run()
    records = check_caught(ring, {1: FaultKind.WRONG_PROJECTION})
    assert records[1].departures


def test_bytes_that_most_lack_at_first_are_asked_for_and_decide_later() -> None:
    """The accuser sends them to one peer alone; whoever has them answers who asks."""

    def to_one(ring: Ring, toy: Toy, effects: list[fx.Effect]) -> list[fx.Effect]:
        return [
            replace(e, to=(peer(3),)) if isinstance(e, fx.SendBlob) and len(e.to) > 1 else e
            for e in effects
        ]

    ring = Ring(5, tampers={0: to_one, 1: misstate(0, 100)}).run()
    check_caught(ring, {1: FaultKind.WRONG_PROJECTION})
    asked = [e for _, _, _, done in ring.trace for e in done if isinstance(e, fx.SendBlobRequest)]
    assert asked


def test_evidence_that_is_not_what_the_accused_committed_to_is_false_at_once() -> None:
    def made_up(toy: Toy) -> Any:
        accusation = UNPUBLISHED(toy)
        return accusation and replace(accusation, evidence=bytes([9]) * 32)

    ring = Ring(5, tampers={1: accusing(made_up, publish=False)}).run()
    records = check_caught(ring, {1: FaultKind.FALSE_ACCUSATION})
    assert records[1].departures
    assert not [e for _, _, _, d in ring.trace for e in d if isinstance(e, fx.SendBlobRequest)]


# --- several matters ------------------------------------------------------------------------------


def test_several_accusations_of_one_peer_ban_it_once_for_the_first() -> None:
    ring = Ring(6, tampers={1: all_of(misstate(0, 100), misstate(2, 100), misstate(3, 100))}).run()
    records = check_caught(ring, {1: FaultKind.WRONG_PROJECTION})
    assert [m.accuser for m in records[0].matters] == [peer(0), peer(2), peer(3)]
    assert [d.accuser for d in records[1].departures] == [peer(0)]
    assert not records[1].matters


def test_colluders_cannot_hide_an_accomplice_behind_matters_that_wait() -> None:
    """The true accusation is judged at once, whatever stands before it."""
    smoke = {i: accusing(accuse_part(FaultKind.PART_NOT_FINITE, 1), publish=False) for i in (0, 2)}
    ring = Ring(7, steps=6, tampers={1: misstate(5, 100), **smoke}).run()
    records = ring.check_agreement(0, 1, 2)
    assert [m.accuser for m in records[0].matters] == [peer(0), peer(2), peer(5)]
    assert [d.peer for d in records[1].departures] == [peer(1)]
    check_honest(ring, 1)


def test_of_several_matters_between_two_peers_the_clock_of_the_later_ones_stands() -> None:
    """Who was wrong once is heard no more."""
    lies = [
        accusing(accuse_part(fault, 0), publish=False)
        for fault in (FaultKind.PART_NOT_FINITE, FaultKind.WRONG_PROJECTION)
    ]
    ring = Ring(6, steps=9, tampers={1: all_of(*lies)}).run()
    records = check_caught(ring, {1: FaultKind.ACCUSATION_FELL})
    ages = [[m.age for m in r.matters] for r in records[:4]]
    assert ages == [[0, 0], [1, 0], [2, 0], []]


def test_a_matter_outlives_its_accuser() -> None:
    """An accuser that is banned for something else was right all the same."""
    secret = saying(Stage.CHECK, lambda _, m: replace(m, secret=bytes([9]) * 32))
    ring = Ring(6, tampers={0: secret, 1: misstate(0, 100)}).run()
    records = check_caught(ring, {0: FaultKind.WRONG_SECRET, 1: FaultKind.WRONG_PROJECTION})
    assert [d.peer for d in records[0].departures] == [peer(0)]
    assert [m.accuser for m in records[0].matters] == [peer(0)]
    assert [d.peer for d in records[1].departures] == [peer(1)]


def test_a_fallen_accusation_of_who_is_banned_already_removes_nobody_again() -> None:
    secret = saying(Stage.CHECK, lambda _, m: replace(m, secret=bytes([9]) * 32))
    ring = Ring(6, steps=6, tampers={1: all_of(accusing(UNPUBLISHED, publish=False), secret)}).run()
    records = check_caught(ring, {1: FaultKind.WRONG_SECRET})
    assert sum(len(r.departures) for r in records) == 1
    assert [[m.age for m in r.matters] for r in records[:4]] == [[0], [1], [2], []]


# --- shields --------------------------------------------------------------------------------------


def test_an_upheld_accusation_clears_the_owner_whose_sum_failed() -> None:
    ring = Ring(5, tampers={1: misstate(0, 1e4)}).run()
    records = check_caught(ring, {1: FaultKind.WRONG_PROJECTION})
    assert records[0].outcome is Outcome.VOID
    assert records[0].matters[0].shields


def test_an_accusation_of_an_innocent_peer_does_not_shield_a_shifted_sum() -> None:
    lie = accusing(accuse_part(FaultKind.WRONG_PROJECTION, 2))
    ring = Ring(5, toys={1: ShiftingOnce}, tampers={1: lie}).run()
    records = check_caught(ring, {1: FaultKind.FALSE_ACCUSATION})
    assert records[0].outcome is Outcome.VOID
    assert records[0].matters[0].shields
    assert not records[0].departures


def test_a_shield_whose_bytes_never_come_bans_for_the_sum() -> None:
    lie = accusing(accuse_part(FaultKind.WRONG_PROJECTION, 2), publish=False)
    tampers = {1: lie, 2: dropping(fx.SendBlob)}
    ring = Ring(5, steps=6, toys={1: ShiftingOnce}, tampers=tampers).run()
    records = check_caught(ring, {1: FaultKind.WRONG_SUM})
    assert records[3].departures[0].attempt == ring.genesis.run
    assert len(ring.toys[peer(0)].evidence) == 1


def test_who_is_accused_in_vain_shows_the_bytes_itself_while_it_holds_them() -> None:
    """A void attempt is repeated with the same gradient: its parts are still the same."""
    lie = accusing(accuse_part(FaultKind.WRONG_PROJECTION, 2), publish=False)
    ring = Ring(5, toys={1: ShiftingOnce}, tampers={1: lie}).run()
    records = check_caught(ring, {1: FaultKind.FALSE_ACCUSATION})
    assert records[1].departures
    assert not any(
        isinstance(e, fx.SendBlob) for _, me, _, d in ring.trace for e in d if me != peer(2)
    )


def test_a_moot_accusation_clears_the_owner() -> None:
    """Its accused is banned in the same record: one of the two has paid for the void attempt."""
    lie = accusing(accuse_part(FaultKind.WRONG_PROJECTION, 2), publish=False)
    ring = Ring(
        6,
        toys={1: ShiftingOnce},
        tampers={1: lie, 2: saying(Stage.CHECK, lambda _, __: b"x")},
    ).run()
    assert ring.departures(2) == {2: "INVALID_BODY"}
    check_honest(ring, 2)


def test_an_accusation_over_another_part_or_by_another_peer_does_not_shield() -> None:
    ring = Ring(
        5,
        toys={1: ShiftingOnce},
        tampers={2: accusing(accuse_part(FaultKind.WRONG_PROJECTION, 3))},
    ).run()
    check_caught(ring, {1: FaultKind.WRONG_SUM, 2: FaultKind.FALSE_ACCUSATION})


# --- removals -------------------------------------------------------------------------------------


class FlippingOnce(Toy):
    """Commits to the opposite of its gradient in step 3."""

    def gradient(self, parameters: Digest, seed: Digest) -> list[float]:
        honest = self.honest_gradient(parameters, seed)
        return [-x for x in honest] if attempt_of(self).base.step == 3 else honest


def test_the_last_gradient_of_who_was_removed_is_drawn_and_a_conviction_makes_it_a_ban() -> None:
    for k in range(10):
        lie = accusing(UNPUBLISHED, publish=False)
        toys, run = {1: FlippingOnce}, digest("fall", bytes([k]))
        ring = Ring(6, steps=8, toys=toys, tampers={1: lie}, run=run).run()
        records = check_honest(ring, 1)
        if peer(1) not in records[2].validators:
            break
    removing = next(r for r in records if r.departures)
    assert removing.step == 3
    assert (peer(1), removing.previous) in {(d.target, d.attempt) for d in removing.draws}
    deeds = [d.fault for r in records for d in r.departures]
    assert deeds == [FaultKind.ACCUSATION_FELL, FaultKind.WRONG_GRADIENT]
    for toy in ring.honest(1):
        assert [e.departure.fault for e in toy.evidence] == [FaultKind.WRONG_GRADIENT]


def test_a_ban_overrides_a_removal_in_the_same_record() -> None:
    def late(toy: Toy, message: Any) -> Any:
        ages = [matter.age for matter in attempt_of(toy).base.matters]
        return replace(message, secret=bytes([9]) * 32) if ages == [2] else None

    lie = all_of(accusing(UNPUBLISHED, publish=False), saying(Stage.CHECK, late))
    ring = Ring(5, steps=6, tampers={1: lie}).run()
    records = check_caught(ring, {1: FaultKind.WRONG_SECRET})
    assert len(records[3].departures) == 1


def test_an_honest_gradient_of_who_was_removed_leaves_it_removed() -> None:
    ring = Ring(5, steps=6, tampers={1: accusing(UNPUBLISHED, publish=False)}).run()
    records = check_caught(ring, {1: FaultKind.ACCUSATION_FELL})
    removing = next(r for r in records if r.departures)
    assert peer(1) in {d.target for d in removing.draws}


def test_who_is_removed_while_it_validates_is_drawn_for_its_last_gradient() -> None:
    for k in range(40):
        run = bytes([k]) * 32
        ring = Ring(5, steps=6, tampers={1: accusing(UNPUBLISHED, publish=False)}, run=run).run()
        records = ring.check_agreement(1)
        at = next(i for i, r in enumerate(records) if r.departures)
        if peer(1) in records[at - 1].validators and peer(1) not in records[at - 2].validators:
            drawn = {d.attempt: d for d in records[at].draws if d.target == peer(1)}
            assert records[at].previous not in drawn
            assert drawn[records[at - 1].previous].counted
            return
    pytest.fail("no run in which the removed peer validated")
