"""Published bytes: which are kept, who is shown them, and where what came by its digest is put."""

from __future__ import annotations

from tests.core.lies import BadParts, attempt_of, dropping, read
from tests.core.pieces import run_to, started, wanted_by
from tests.core.plain import peer
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.state import Arrival
from zpeer.ids import NOTHING, Digest, digest
from zpeer.parts import Bulk
from zpeer.signed import Stage

# --- what matters rest on -------------------------------------------------------------------------


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
