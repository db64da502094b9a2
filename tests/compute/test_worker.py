"""The worker: an event a computation, each number as the numerics say, and no byte raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from msgspec.structs import replace

from plugins.aggregators.centered_clip import CenteredClip
from tests.bench import (
    SEED,
    WORKERS,
    aggregate,
    ask,
    compute,
    exchange,
    give_rows,
    head_of,
    length,
    make_peer,
    make_project,
    make_record,
    make_rows,
    peers_of,
    recompute,
)
from tests.swarms import DIMENSION, Softmax
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.compute.worker import Adopt, Arrival, LetGo
from zpeer.errors import PluginError
from zpeer.genesis import Protection
from zpeer.ids import NOTHING, digest, digest_bytes
from zpeer.numerics.dealing import deal, from_bytes, to_bytes
from zpeer.parts import Bulk, Layout
from zpeer.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zpeer.ids import Digest
    from zpeer.interfaces import Batch, Float32
    from zpeer.record import Record
    from zpeer.shell.assembly import Peer

# --- secrets --------------------------------------------------------------------------------------


def test_a_secret_is_a_function_of_entropy_place_and_peer(tmp_path: Path) -> None:
    first, other = make_peer(tmp_path), make_peer(tmp_path, 1)
    stranger = make_peer(tmp_path / "x", entropy=b"f" * 32)
    drawn = {
        ask(peer, fx.DrawSecret(digest("head"), place), ev.SecretDrawn).secret
        for peer in (first, other, stranger)
        for place in (digest("one"), digest("two"))
    }
    assert len(drawn) == 6
    job = fx.DrawSecret(digest("head"), digest("one"))
    again = ask(make_peer(tmp_path / "y"), job, ev.SecretDrawn)
    assert again.secret in drawn


# --- gradients ------------------------------------------------------------------------------------


def test_the_digests_are_those_of_the_dealt_gradient(tmp_path: Path) -> None:
    peer = make_peer(tmp_path)
    answer = compute(peer)
    gradient, loss = Softmax().gradient(np.zeros(DIMENSION, np.float32), SEED)
    parts = deal(gradient, Layout(DIMENSION, 4, WORKERS))
    assert answer.digests == tuple(digest_bytes(part.tobytes()) for part in parts)
    assert bytes(peer.store.own(head_of(peer), 1).data) == parts[1].tobytes()
    assert peer.worker.losses[head_of(peer)] == loss


class Counting(Softmax):
    """Counts how often a gradient is computed."""

    def __init__(self) -> None:
        self.count = 0

    def gradient(
        self,
        parameters: Float32,
        batch_seed: Digest,
        transform: Callable[[Batch], Batch] | None = None,
    ) -> tuple[Float32, float]:
        self.count += 1
        return super().gradient(parameters, batch_seed, transform)


def test_a_repeated_attempt_needs_no_new_gradient_only_new_parts(tmp_path: Path) -> None:
    trainer = Counting()
    peer = make_peer(tmp_path, trainer=trainer)
    compute(peer)
    effect = fx.ComputeParts(digest("attempt 1"), peer.files.digest, SEED, 2)
    assert len(ask(peer, effect, ev.PartsComputed).digests) == 2
    assert trainer.count == 1


class Broken(Softmax):
    """A task whose gradient is not finite."""

    def gradient(
        self,
        parameters: Float32,
        batch_seed: Digest,
        transform: Callable[[Batch], Batch] | None = None,
    ) -> tuple[Float32, float]:
        gradient, loss = super().gradient(parameters, batch_seed, transform)
        gradient[7] = np.nan
        return gradient, loss


def test_a_gradient_that_is_not_finite_is_replaced_by_zeros_also_when_checked(
    tmp_path: Path,
) -> None:
    peer = make_peer(tmp_path, trainer=Broken())
    computed = compute(peer)
    zeros = deal(np.zeros(DIMENSION, np.float32), Layout(DIMENSION, 4, WORKERS))
    assert computed.digests == tuple(digest_bytes(part.tobytes()) for part in zeros)
    assert recompute(peer, radii=()).digests == computed.digests


# --- aggregation ----------------------------------------------------------------------------------


def test_the_aggregate_balances_the_rows_that_arrived(tmp_path: Path) -> None:
    owner = make_peer(tmp_path)
    compute(owner)
    rows = make_rows()
    give_rows(owner, rows)
    radius = 2.0
    answer = aggregate(owner, radius=radius)
    held = owner.store.result(head_of(owner), owner.worker._me)
    assert answer.digest == held.digest
    rows[0] = from_bytes(owner.store.own(head_of(owner), 0).data)
    residuals = rows - from_bytes(held.data)
    norms = np.linalg.norm(residuals, axis=1)
    force = (residuals * np.minimum(1, radius / norms)[:, None]).sum(axis=0)
    assert np.linalg.norm(force) < 1e-5 * radius


def test_a_missing_a_wrong_and_an_infinite_row_count_as_zeros(tmp_path: Path) -> None:
    owner = make_peer(tmp_path)
    compute(owner)
    _, alice, bob = peers_of(owner)
    infinite = np.full(length(), np.inf, np.float32)
    owner.worker.run(Arrival(Bulk.PART, head_of(owner), alice, infinite.tobytes()))
    owner.worker.run(Arrival(Bulk.PART, head_of(owner), bob, b"\0" * 12))
    aggregate(owner, rows=peers_of(owner))
    own = from_bytes(owner.store.own(head_of(owner), 0).data)
    result = from_bytes(owner.store.result(head_of(owner), owner.worker._me).data)
    assert np.allclose(result, own / 3, atol=1e-7)


def test_without_protection_the_aggregate_is_the_mean_whatever_the_aggregator(
    tmp_path: Path,
) -> None:
    owner = make_peer(tmp_path, protection=Protection.NONE)
    compute(owner)
    give_rows(owner, make_rows(1000.0))
    aggregate(owner, radius=1e-3)
    rows = make_rows(1000.0)
    rows[0] = from_bytes(owner.store.own(head_of(owner), 0).data)
    result = from_bytes(owner.store.result(head_of(owner), owner.worker._me).data)
    assert np.array_equal(result, rows.mean(axis=0, dtype=np.float64).astype(np.float32))


class Raising(CenteredClip):
    def aggregate(self, rows_ND: Float32, radius: float) -> Float32:
        raise RuntimeError("no idea")


class Short(CenteredClip):
    def aggregate(self, rows_ND: Float32, radius: float) -> Float32:
        return np.asarray(rows_ND[0, :-1])


class Double(CenteredClip):
    def aggregate(self, rows_ND: Float32, radius: float) -> Float32:
        return rows_ND[0].astype(np.float64)  # type: ignore[no-any-return] # the point


class Nan(CenteredClip):
    def aggregate(self, rows_ND: Float32, radius: float) -> Float32:
        return np.asarray(rows_ND[0] * np.float32(np.nan))


class Listing(CenteredClip):
    def aggregate(self, rows_ND: Float32, radius: float) -> Float32:
        return [0.0]  # type: ignore[return-value] # the point


@pytest.mark.parametrize(
    ("plugin", "found"),
    [
        (Raising, "RuntimeError: no idea"),
        (Short, rf"float32 of shape \({length() - 1},\)"),
        (Double, rf"float64 of shape \({length()},\)"),
        (Nan, "not finite"),
        (Listing, "a list"),
    ],
)
def test_a_broken_aggregator_is_named_with_what_it_did(
    tmp_path: Path, plugin: type[CenteredClip], found: str
) -> None:
    owner = make_peer(tmp_path, aggregator=plugin())
    compute(owner)
    give_rows(owner, make_rows())
    with pytest.raises(PluginError, match=f"{plugin.__name__}.*{found}"):
        aggregate(owner)


# --- updates --------------------------------------------------------------------------------------


def update(peer: Peer, step: int = 0) -> ev.Updated:
    ids = peers_of(peer)
    job = fx.Update(head_of(peer), step, ids, peer.files.digest, True)
    return ask(peer, job, ev.Updated)


def test_all_peers_update_to_the_same_parameters_and_state(tmp_path: Path) -> None:
    peers, _ = exchange(tmp_path)
    answers = {update(peer) for peer in peers}
    assert len(answers) == 1
    assert answers.pop().parameters != peers[0].files.digest


def adopt(peer: Peer, record: Record) -> None:
    assert peer.worker.run(Adopt(record)) is None


def state_of(peer: Peer) -> tuple[Digest, bytes, dict[str, bytes], list[str]]:
    """All that an update may change, bit for bit."""
    state = peer.worker._updates.optimizer.state()
    arrays = {name: array.tobytes() for name, array in state.items()}
    files = sorted(path.name for path in peer.files.path(peer.files.digest).parent.iterdir())
    return peer.files.digest, peer.files.current.tobytes(), arrays, files


def test_the_update_is_written_beside_the_present_parameters_until_adopted(
    tmp_path: Path,
) -> None:
    peers, _ = exchange(tmp_path)
    peer = peers[0]
    before = peer.files.digest
    answer = update(peer)
    assert peer.files.digest == before
    assert peer.files.path(answer.parameters).exists()
    adopt(peer, make_record(peer, Outcome.COUNTED, answer.parameters))
    assert peer.files.digest == answer.parameters
    assert digest_bytes(peer.files.current.tobytes()) == answer.parameters


def test_an_update_of_an_attempt_that_came_to_nothing_leaves_no_trace(
    tmp_path: Path,
) -> None:
    peers, _ = exchange(tmp_path)
    for rounds, peer in enumerate(peers):
        before = state_of(peer)
        answers = [update(peer) for _ in range(rounds)]
        assert len(set(answers)) <= 1
        adopt(peer, make_record(peer, Outcome.VOID, before[0]))
        assert state_of(peer) == before
        assert [update(peer)] * rounds == answers


def test_an_update_that_changes_the_optimizer_alone_is_undone_as_well(
    tmp_path: Path,
) -> None:
    """Its parameters are those of the void record, which must not be taken for its own: who had not
    come as far as the update would go on with another momentum."""
    peers, _ = exchange(tmp_path, learning_rate=lambda _step: 0.0)
    peer = peers[0]
    before = state_of(peer)
    answer = update(peer)
    assert answer.parameters == before[0]
    adopt(peer, make_record(peer, Outcome.VOID, answer.parameters))
    assert state_of(peer) == before
    update(peer)
    adopt(peer, make_record(peer, Outcome.COUNTED, answer.parameters))
    assert state_of(peer)[2] != before[2]


def test_jobs_of_an_attempt_that_is_decided_meanwhile_do_no_harm(
    tmp_path: Path,
) -> None:
    """The slow path decides whatever the worker is at: the jobs that the core gave it before are
    done behind the record, and the next attempt is as if they had never been."""
    late, plain = (exchange(tmp_path / name)[0][0] for name in ("late", "plain"))
    before = state_of(late)
    update(late)
    record = make_record(late, Outcome.VOID, before[0])
    for peer in (late, plain):
        adopt(peer, record)
    old = head_of(late)
    compute(late)
    aggregate(late)
    project = make_project(late, 0)
    ask(late, project, ev.Projected)
    update(late)
    for answer in (late, plain):
        answer.worker.run(LetGo(fx.Release((old,), ()), 0))
    assert late.store.size_bytes == plain.store.size_bytes == 0
    nothing = make_record(late, Outcome.VOID, before[0])
    for peer in (late, plain):
        adopt(peer, replace(nothing, previous=record.head))
    assert state_of(late) == state_of(plain) == before


def test_a_record_that_counts_what_was_never_updated_is_our_bug(
    tmp_path: Path,
) -> None:
    peers, _ = exchange(tmp_path)
    with pytest.raises(AssertionError, match="counts"):
        adopt(peers[0], make_record(peers[0], Outcome.COUNTED, digest("unknown")))


def test_placed_bytes_are_what_the_next_job_works_with(tmp_path: Path) -> None:
    peers, _ = exchange(tmp_path)
    peer, head, owner = peers[0], head_of(peers[0]), peers_of(peers[0])[1]
    first = update(peer)
    moved = from_bytes(peer.store.result(head, owner).data) + np.float32(1)
    job = Arrival(Bulk.BLOB, NOTHING, peers_of(peer)[2], bytes(to_bytes(moved)))
    arrived = ask(peer, job, ev.BlobArrived)
    assert peer.worker.run(fx.Place(head, Bulk.RESULT, owner, arrived.digest)) is None
    assert update(peer).parameters != first.parameters


# --- arrivals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "finite"),
    [
        (b"", True),
        (np.array([1, 2], np.float32).tobytes(), True),
        (np.array([1, np.nan], np.float32).tobytes(), False),
        (np.array([3e38, 3e38], np.float32).tobytes(), True),
        (b"12345", False),
    ],
)
def test_an_arrival_is_described_as_it_is(tmp_path: Path, data: bytes, finite: bool) -> None:
    peer = make_peer(tmp_path)
    sender = peers_of(peer)[1]
    answer = peer.worker.run(Arrival(Bulk.PART, head_of(peer), sender, data))
    assert answer == ev.PartArrived(head_of(peer), sender, digest_bytes(data), len(data), finite)


def test_what_does_not_open_or_has_no_slot_is_no_event(tmp_path: Path) -> None:
    peer = make_peer(tmp_path)
    sender = peers_of(peer)[1]
    assert peer.worker.run(Arrival(Bulk.RESULT, head_of(peer), sender, None)) is None
    assert peer.worker.run(Arrival(Bulk.RESULT, head_of(peer), sender, b"1234")) is not None
    assert peer.worker.run(Arrival(Bulk.RESULT, head_of(peer), sender, b"5678")) is None


def test_released_bytes_and_parameters_are_gone(tmp_path: Path) -> None:
    peers, _ = exchange(tmp_path)
    peer = peers[0]
    old = peer.files.digest
    answer = update(peer)
    adopt(peer, make_record(peer, Outcome.COUNTED, answer.parameters))
    peer.worker.run(LetGo(fx.Release((head_of(peer),), (old,)), 0))
    assert peer.store.size_bytes == 0
    assert not peer.files.path(old).exists()
