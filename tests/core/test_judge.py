"""Judging: what is computed for a matter, and what a peer finds by it."""

from __future__ import annotations

from msgspec.structs import replace

from tests.core.lies import (
    BadParts,
    accuse_draw,
    accuse_part,
    accusing,
    attempt_of,
    check_caught,
    check_honest,
    decode,
    dropping,
    misstate,
    read,
    saying,
)
from tests.core.pieces import run_to, wanted_by
from tests.core.plain import peer
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.judge import plan_recomputations
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, PeerId, digest
from zpeer.messages import Guilt
from zpeer.record import Outcome
from zpeer.signed import Stage
from zpeer.wire import encode_payload

# --- gradients computed again ---------------------------------------------------------------------


def test_a_draw_is_computed_by_its_validator_and_its_target_alone() -> None:
    ring = Ring(5).run()
    records = check_honest(ring)
    (draw,) = records[0].draws
    (validator,) = records[0].validators
    for i in range(5):
        asked = [e for e in wanted_by(ring, i, fx.Recompute) if e.head == draw.attempt]
        involved = peer(i) in (validator, draw.target)
        assert len(asked) == involved
        assert all(e.target == draw.target and e.validators == (validator,) for e in asked)


def test_a_gradient_that_is_accused_is_computed_by_everybody() -> None:
    ring = Ring(5, steps=6, tampers={1: accusing(accuse_draw(FaultKind.WRONG_GRADIENT))}).run()
    records = check_caught(ring, {1: FaultKind.FALSE_ACCUSATION})
    matter = next(m for r in records for m in r.matters)
    key = (matter.accusation.attempt, matter.accusation.accused)
    for i in range(5):
        assert key in {(e.head, e.target) for e in wanted_by(ring, i, fx.Recompute)}


def test_a_gradient_of_an_attempt_without_results_is_computed_without_projections() -> None:
    lie = saying(Stage.COMMIT, lambda _, __: b"x")
    ring = Ring(6, tampers={1: lie}, run=digest("toy run", b"another is drawn")).run()
    void = ring.check_agreement(1)[0]
    assert void.outcome is Outcome.VOID
    asked = [
        e for i in range(6) for e in wanted_by(ring, i, fx.Recompute) if e.head == void.previous
    ]
    assert asked
    assert all(e.radii == () for e in asked)


def test_plans_name_each_gradient_once_however_many_matters_rest_on_it() -> None:
    ring = Ring(5, steps=6, tampers={1: accusing(accuse_draw(FaultKind.WRONG_PROJECTION, 0))})
    toy = run_to(ring, Stage.COMMIT)
    while not any(m.accuser == peer(1) for m in attempt_of(toy).base.matters):
        ring.step()
    plans = plan_recomputations(toy.core._context)
    assert len(plans) == len({(p.attempt, p.target) for p in plans})


# --- findings by published bytes ------------------------------------------------------------------


def test_a_part_that_is_not_finite_counts_as_zeros_in_an_averaging_too() -> None:
    ring = Ring(5, steps=2, delta_multiple=0.05, toys={1: BadParts}).run()
    records = check_caught(ring, {1: FaultKind.PART_NOT_FINITE})
    tests = [e for e in wanted_by(ring, 3, fx.TestAverage) if e.head == ring.genesis.run]
    assert {e.part for e in tests} == {0, 1, 2, 3, 4}
    assert [e.blobs.count(None) for e in sorted(tests, key=lambda e: e.part)] == [1, 0, 0, 0, 0]
    assert records[-1].counted == 2


def test_a_part_that_cannot_be_projected_does_not_follow() -> None:
    """Its owner says WRONG_PROJECTION of what is no part at all."""
    lie = accusing(accuse_part(FaultKind.WRONG_PROJECTION, 1))

    def only_that(ring: Ring, toy: Toy, effects: list[fx.Effect]) -> list[fx.Effect]:
        done: list[fx.Effect] = []
        for effect in lie(ring, toy, effects):
            if isinstance(effect, fx.Broadcast) and effect.stage is Stage.CHECK:
                check = decode(toy, effect)
                kept = tuple(
                    a for a in check.accusations if a.fault is not FaultKind.PART_NOT_FINITE
                )
                said = encode_payload(replace(check, accusations=kept))
                done.append(replace(effect, payload=said))
            else:
                done.append(effect)
        return done

    ring = Ring(5, toys={1: BadParts}, tampers={0: only_that}).run()
    check_caught(ring, {1: FaultKind.WRONG_PROJECTION})


def test_a_peer_whose_numerics_are_slow_waits_for_its_finding_and_says_no_other() -> None:
    class Slow(Ring):
        def push(self, to: PeerId, event: ev.Event, delay: float = 0.001) -> None:
            slow = isinstance(event, ev.BlobProjected) and to == peer(3)
            super().push(to, event, delay + 5.0 * slow)  # longer than bytes are waited for

    ring = Slow(5, tampers={1: misstate(0, 100)}).run()
    records = check_caught(ring, {1: FaultKind.WRONG_PROJECTION})
    assert records[1].departures
    found = [
        finding.guilt
        for _, me, _, done in ring.trace
        for e in done
        if isinstance(e, fx.Broadcast) and e.stage is Stage.CHECK and me == peer(3)
        for finding in read(ring.toys[me], ring.sign(ring.toys[me], e)).findings
    ]
    assert found == [Guilt.GUILTY]


def test_a_slow_averaging_is_waited_for_likewise() -> None:
    class Slow(Ring):
        def push(self, to: PeerId, event: ev.Event, delay: float = 0.001) -> None:
            slow = isinstance(event, ev.AverageTested | ev.Recomputed)
            super().push(to, event, delay + 4.0 * slow)

    check_honest(Slow(4, steps=1, delta_multiple=0.05).run())


def test_bytes_that_do_not_come_are_named_after_a_third_of_the_time() -> None:
    ring = Ring(5, steps=6, tampers={0: dropping(fx.SendBlob), 1: misstate(0, 100)}).run()
    assert ring.departures(0, 1)[0] == "ACCUSATION_FELL"  # a draw may catch the other all the same
    check_honest(ring, 0, 1)
    checks = [
        (now, e, me)
        for now, me, _, done in ring.trace
        for e in done
        if isinstance(e, fx.Broadcast) and e.stage is Stage.CHECK and me == peer(3)
    ]
    first, second = checks[0], checks[1]
    assert second[0] - first[0] > 10.0 / 3
    message = read(ring.toys[peer(3)], ring.sign(ring.toys[peer(3)], second[1]))
    (finding,) = message.findings
    assert (finding.guilt, finding.lacking) == (Guilt.LACKING, (peer(1),))
    assert NOTHING not in finding.lacking
