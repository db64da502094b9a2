"""Judging: what is computed for a matter, which bytes are kept, and who is asked for them."""

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
from tests.core.pieces import run_to, started, wanted_by
from tests.core.plain import peer
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.judge import plan_recomputations
from zpeer.core.state import Arrival
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, Digest, PeerId, digest
from zpeer.messages import Guilt
from zpeer.parts import Bulk
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


# --- published bytes ------------------------------------------------------------------------------


def test_bytes_that_nothing_rests_on_are_let_go_at_once() -> None:
    toy = run_to(Ring(4), Stage.CHECK)
    (effect,) = toy.tell(ev.BlobArrived(digest("junk"), 8, finite=True), 0.1)
    assert effect == fx.Release((), (), (digest("junk"),))
    assert not toy.core._context.state.blobs


def test_bytes_that_may_be_accused_in_this_attempt_are_kept_until_its_record() -> None:
    ring = Ring(4)
    toy = run_to(ring, Stage.PROJECTIONS)
    commit = read(toy, attempt_of(toy).messages[Stage.COMMIT][peer(2)])
    name = commit.parts[1]
    assert toy.tell(ev.BlobArrived(name, 8, finite=True), ring.now) == []
    assert name in toy.core._context.state.blobs
    run_to(ring, Stage.COMMIT, records=1)
    assert name not in toy.core._context.state.blobs
    released = [b for e in wanted_by(ring, 0, fx.Release) for b in e.blobs]
    assert released == [name]


def test_published_bytes_are_shown_once_to_each_who_asks() -> None:
    ring = Ring(5, toys={1: BadParts})
    toy = run_to(ring, Stage.COMMIT, records=1)
    (name,) = toy.core._context.state.blobs
    ask = ev.BlobRequested(peer(3), name)
    assert toy.tell(ask, ring.now) == [fx.SendBlob(name, (peer(3),))]
    assert toy.tell(ask, ring.now) == []
    assert toy.tell(ev.BlobRequested(peer(3), digest("other")), ring.now) == []


def test_the_rows_of_an_averaging_are_published_by_their_owners_and_by_the_parts_owner() -> None:
    ring = Ring(4, steps=1, delta_multiple=0.05)
    run_to(ring, Stage.AGGREGATED, records=1)
    past = ring.toys[peer(0)].core._context.state.past[ring.genesis.run]
    parts = {
        i: read(ring.toys[peer(0)], past.messages[Stage.COMMIT][peer(i)]).parts for i in range(4)
    }
    for i in range(4):
        sent = {e.digest for e in wanted_by(ring, i, fx.SendBlob)}
        assert sent == {*parts[i], *(parts[k][i] for k in range(4))}
        assert sent <= set(ring.toys[peer(i)].core._context.state.blobs)  # nobody lacks its own


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


# --- bytes that come by their digest --------------------------------------------------------------


def lacking_part() -> tuple[Ring, Toy, Digest]:
    """Peer 0, which lacks the PART of peer 1, and what peer 1 committed to."""
    ring = Ring(4, tampers={1: dropping(fx.SendPart)})
    toy = run_to(ring, Stage.AGGREGATED)
    while set(attempt_of(toy).parts) != {peer(2), peer(3)}:
        ring.step()
    commit = read(toy, attempt_of(toy).messages[Stage.COMMIT][peer(1)])
    return ring, toy, commit.parts[0]


def test_a_part_that_came_by_its_digest_is_put_in_its_place_and_used() -> None:
    ring, toy, name = lacking_part()
    effects = toy.tell(ev.BlobArrived(name, 24, finite=True), 0.1)
    place, aggregate = effects
    assert place == fx.Place(ring.genesis.run, Bulk.PART, peer(1), name)
    assert isinstance(aggregate, fx.AggregatePart)
    assert aggregate.rows == ring.genesis.peers
    assert attempt_of(toy).parts[peer(1)] == Arrival(name, 24, finite=True)
    assert toy.tell(ev.BlobArrived(name, 24, finite=True), 0.1) == []


def test_one_that_is_no_part_counts_as_zeros_however_it_came() -> None:
    _, toy, name = lacking_part()
    _, aggregate = toy.tell(ev.BlobArrived(name, 7, finite=True), 0.1)
    assert aggregate.rows == (peer(0), None, peer(2), peer(3))


def test_a_part_that_came_altered_is_replaced_by_the_true_one() -> None:
    ring, toy, name = lacking_part()
    head = ring.genesis.run
    altered = digest("altered")
    assert toy.tell(ev.PartArrived(head, peer(1), altered, 24, finite=True), 0.1) == []
    effects = toy.tell(ev.BlobArrived(name, 24, finite=True), 0.1)
    assert effects[0] == fx.Place(head, Bulk.PART, peer(1), name)
    assert attempt_of(toy).parts[peer(1)].digest == name


def test_other_bytes_and_the_parts_of_others_take_no_place() -> None:
    _, toy, _ = lacking_part()
    commit = read(toy, attempt_of(toy).messages[Stage.COMMIT][peer(1)])
    for name in (digest("junk"), commit.parts[2]):
        effects = toy.tell(ev.BlobArrived(name, 24, finite=True), 0.1)
        assert not [e for e in effects if isinstance(e, fx.Place)]
    assert set(attempt_of(toy).parts) == {peer(2), peer(3)}


def test_a_result_that_came_by_its_digest_is_put_in_its_place_and_the_copy_let_go() -> None:
    ring = Ring(4, tampers={1: dropping(fx.SendResult)})
    toy = run_to(ring, Stage.PROJECTIONS)
    while set(attempt_of(toy).results) != {peer(2), peer(3)}:
        ring.step()
    name = read(toy, attempt_of(toy).messages[Stage.AGGREGATED][peer(1)]).result
    place, release, project = toy.tell(ev.BlobArrived(name, 24, finite=True), ring.now)
    assert place == fx.Place(ring.genesis.run, Bulk.RESULT, peer(1), name)
    assert release == fx.Release((), (), (name,))
    assert isinstance(project, fx.Project)
    assert attempt_of(toy).results[peer(1)] == Arrival(name, 24, finite=True)
    assert not toy.core._context.state.blobs


def test_a_validator_takes_results_and_no_parts() -> None:
    ring = Ring(5, steps=3, tampers={i: dropping(fx.SendPart) for i in range(5)})
    toy = run_to(ring, Stage.COMMIT, records=1)
    (validator,) = attempt_of(toy).base.validators
    toy = run_to(ring, Stage.REVEAL, records=1, i=validator[0])
    commit = read(toy, attempt_of(toy).messages[Stage.COMMIT][attempt_of(toy).base.workers[0]])
    for name in commit.parts:
        effects = toy.tell(ev.BlobArrived(name, 24, finite=True), ring.now)
        assert not [e for e in effects if isinstance(e, fx.Place)]


def test_an_asker_gets_my_part_for_it_my_result_and_those_of_others_once_each() -> None:
    ring = Ring(4)
    toy = run_to(ring, Stage.CHECK)
    attempt = attempt_of(toy)
    mine, result = attempt.own_parts, attempt.own_result
    assert mine is not None
    assert result is not None
    for name in (*mine, result, *(arrival.digest for arrival in attempt.results.values())):
        ask = ev.BlobRequested(peer(2), name)
        assert toy.tell(ask, ring.now) == [fx.SendBlob(name, (peer(2),))]
        assert toy.tell(ask, ring.now) == []
    rows = attempt.parts[peer(1)].digest  # a part sent to me is none to pass on
    assert toy.tell(ev.BlobRequested(peer(2), rows), ring.now) == []


def test_before_there_is_anything_nothing_is_shown() -> None:
    ring = started(4)
    toy = ring.toys[peer(0)]
    assert toy.tell(ev.BlobRequested(peer(2), NOTHING), 0.0) == []
    assert toy.tell(ev.BlobRequested(peer(2), digest("x")), 0.0) == []
