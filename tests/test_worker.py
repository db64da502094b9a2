"""The worker: an event a computation, each number as the numerics say, and no byte raises."""

from __future__ import annotations

from math import fsum, inf
from typing import TYPE_CHECKING, NoReturn, TypeVar

import numpy as np
import pytest
from msgspec.structs import replace

from plugins.aggregators.centered_clip import CenteredClip
from tests.swarm import DIMENSION, Softmax, make_shared, make_swarm
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.assembly import Numerics, Own, assemble
from zpeer.errors import PluginError
from zpeer.genesis import Protection
from zpeer.gradients import Gradients
from zpeer.ids import NOTHING, PeerId, digest, digest_bytes
from zpeer.measures import Measures
from zpeer.numerics.dealing import deal, from_bytes, to_bytes
from zpeer.parts import Layout
from zpeer.reporting import Traffic
from zpeer.store import Bulk
from zpeer.worker import Adopt, Arrival, digest_report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zpeer.assembly import Peer
    from zpeer.ids import Digest
    from zpeer.interfaces import Aggregator, Batch, Float32
    from zpeer.record import Record
    from zpeer.worker import Job

WORKERS = 3
SEED = digest("seed")
BEACON = digest("beacon")


def never(*_: object) -> NoReturn:
    """What a worker never asks for."""
    raise AssertionError("the worker does its job alone")


class Nowhere:
    """A network that nothing leaves by."""

    send_control = never
    send_bulk = never


def make_peer(
    path: Path,
    place: int = 0,
    *,
    aggregator: Aggregator | None = None,
    trainer: Softmax | None = None,
    entropy: bytes = b"e" * 32,
    protection: Protection = Protection.FULL,
) -> Peer:
    """A peer of a run of three; its store, worker and files are what is tested."""
    shared = make_shared(WORKERS, aggregator=aggregator, protection=protection)
    trainer = trainer or Softmax()
    me = shared.genesis.peers[place]
    own = Own(
        name=shared.genesis.names[place],
        me=me,
        directory=path / str(place),
        entropy=entropy,
        sign=never,
        verify=never,
        observe=never,
        traffic=Traffic,
    )
    return assemble(
        shared,
        own,
        Numerics(trainer, Gradients(trainer), Measures(shared.aggregator.weight)),
        network=Nowhere(),
        submit=never,
        opener=lambda frame: frame if isinstance(frame, bytes) else None,
    )


Kind = TypeVar("Kind")


def ask(peer: Peer, job: Job, kind: type[Kind]) -> Kind:
    """The worker's answer, which is an event of that kind."""
    answer = peer.worker.run(job)
    assert isinstance(answer, kind)
    return answer


def peers_of(peer: Peer) -> tuple[PeerId, ...]:
    return peer.session._genesis.peers


def head_of(peer: Peer) -> Digest:
    return peer.session._genesis.run


def compute(peer: Peer, seed: Digest = SEED) -> ev.PartsComputed:
    effect = fx.ComputeParts(head_of(peer), peer.files.digest, seed, WORKERS)
    return ask(peer, effect, ev.PartsComputed)


def give_rows(owner: Peer, rows_ND: Float32) -> None:
    """Let an owner hold a row of its part from each peer; its own one is that of its gradient."""
    for sender, row in zip(peers_of(owner), rows_ND, strict=True):
        if sender != owner.worker._me:
            job = Arrival(Bulk.PART, head_of(owner), sender, bytes(to_bytes(row)))
            assert isinstance(owner.worker.run(job), ev.PartArrived)


def aggregate(
    owner: Peer, part: int = 0, rows: tuple[PeerId | None, ...] | None = None, radius: float = inf
) -> ev.PartAggregated:
    rows = peers_of(owner) if rows is None else rows
    return ask(
        owner, fx.AggregatePart(head_of(owner), part, WORKERS, rows, radius), ev.PartAggregated
    )


def length(part: int = 0) -> int:
    return Layout(DIMENSION, 4, WORKERS).length(part)


def make_rows(scale: float = 1.0) -> Float32:
    """Rows of part 0 with a spread, shape (workers, length)."""
    numbers = np.arange(WORKERS * length(), dtype=np.float32).reshape(WORKERS, length())
    return np.sin(numbers) * np.float32(scale)


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


# --- projections ----------------------------------------------------------------------------------


def exchange(tmp_path: Path, radius: float = 2.0) -> tuple[list[Peer], list[ev.Projected]]:
    """Three peers that have each other's parts and results."""
    peers = [make_peer(tmp_path, place) for place in range(WORKERS)]
    ids = peers_of(peers[0])
    head = head_of(peers[0])
    for peer, me in zip(peers, ids, strict=True):
        compute(peer, digest("seed of", me))
    for part, owner in enumerate(peers):
        for sender, peer in zip(ids, peers, strict=True):
            if sender != ids[part]:
                data = bytes(peer.store.own(head, part).data)
                owner.worker.run(Arrival(Bulk.PART, head, sender, data))
        aggregate(owner, part, radius=radius)
    for part, owner in enumerate(peers):
        data = bytes(owner.store.result(head, ids[part]).data)
        for peer in peers:
            if peer is not owner:
                peer.worker.run(Arrival(Bulk.RESULT, head, ids[part], data))
    return peers, [
        ask(peer, make_project(peer, part), ev.Projected) for part, peer in enumerate(peers)
    ]


def make_project(peer: Peer, part: int, radius: float = 2.0) -> fx.Project:
    ids = peers_of(peer)
    rows = ids if part >= 0 else ()
    return fx.Project(head_of(peer), BEACON, ids, part, rows, (radius,) * WORKERS)


def test_what_a_worker_states_is_what_the_owner_of_the_part_computes(tmp_path: Path) -> None:
    _, projected = exchange(tmp_path)
    for worker in range(WORKERS):
        for part in range(WORKERS):
            assert projected[worker].row[part] == projected[part].column[worker]


def test_the_projections_of_a_part_sum_to_zero_within_rounding(tmp_path: Path) -> None:
    _, projected = exchange(tmp_path)
    for part in range(WORKERS):
        columns = zip(*(each.row[part].projections for each in projected), strict=True)
        pulls = sum(min(each.row[part].norm, 2.0) for each in projected)
        assert all(abs(fsum(values)) < 96 * 2**-24 * pulls for values in columns)


def test_a_validator_gets_the_norms_that_all_compute_alike_and_no_rows(tmp_path: Path) -> None:
    peers, projected = exchange(tmp_path)
    seen = ask(peers[0], make_project(peers[0], -1), ev.Projected)
    assert (seen.row, seen.column) == ((), ())
    assert seen.result_norms == projected[1].result_norms
    assert seen.direction_norms == projected[2].direction_norms
    assert all(norm > 0 for norms in seen.direction_norms for norm in norms)


def recompute(
    peer: Peer, target: int = 1, radii: tuple[float, ...] = (2.0,) * WORKERS, seed: Digest = SEED
) -> ev.Recomputed:
    ids = peers_of(peer)
    job = fx.Recompute(
        head_of(peer), ids[target], peer.files.digest, seed, ids, BEACON, radii, (ids[0],)
    )
    return ask(peer, job, ev.Recomputed)


def test_a_recomputed_gradient_gives_what_its_owner_committed_to_and_stated(tmp_path: Path) -> None:
    peers, projected = exchange(tmp_path)
    ids = peers_of(peers[0])
    seed = digest("seed of", ids[1])
    answer = recompute(peers[0], 1, seed=seed)
    head = head_of(peers[0])
    assert answer.digests == tuple(peers[1].store.own(head, part).digest for part in range(3))
    assert answer.row == projected[1].row
    gradient, _ = Softmax().gradient(np.zeros(DIMENSION, np.float32), seed)
    assert answer.reports == (digest("zpeer/report", ids[0], gradient.tobytes()),)


def test_a_report_depends_on_the_validator_and_on_every_number() -> None:
    gradient = np.arange(5, dtype=np.float32)
    other = gradient.copy()
    other[4] = np.nextafter(other[4], np.float32(9))
    reports = {
        digest_report(validator, vector)
        for validator in (PeerId(b"a" * 32), PeerId(b"b" * 32))
        for vector in (gradient, other)
    }
    assert len(reports) == 4


def project_blob(peer: Peer, data: bytes, part: int = 1) -> ev.BlobProjected:
    answer = ask(peer, Arrival(Bulk.BLOB, NOTHING, peers_of(peer)[2], data), ev.BlobArrived)
    owner = peers_of(peer)[part]
    effect = fx.ProjectBlob(head_of(peer), part, owner, WORKERS, answer.digest, BEACON, 2.0)
    return ask(peer, effect, ev.BlobProjected)


def test_a_published_part_gives_what_its_worker_stated(tmp_path: Path) -> None:
    peers, projected = exchange(tmp_path)
    data = bytes(peers[2].store.own(head_of(peers[0]), 1).data)
    assert project_blob(peers[0], data).scalars == projected[2].row[1]


@pytest.mark.parametrize("data", [b"", b"123", b"\0" * 16, b"\xff" * (4 * length(1))])
def test_published_bytes_that_are_no_part_give_nothing(tmp_path: Path, data: bytes) -> None:
    peers, _ = exchange(tmp_path)
    assert project_blob(peers[0], data).scalars is None


def test_an_honest_average_has_no_residual_and_a_moved_one_has(tmp_path: Path) -> None:
    peers, projected = exchange(tmp_path)
    head = head_of(peers[0])
    ids = peers_of(peers[0])
    blobs = tuple(peer.store.own(head, 0).digest for peer in peers)
    owner = peers[0]
    effect = fx.TestAverage(head, 0, ids[0], WORKERS, blobs, 2.0)
    honest = ask(owner, effect, ev.AverageTested)
    assert honest.residual < 1e-6
    assert honest.norms == tuple(each.norm for each in projected[0].column)
    lacking = fx.TestAverage(head, 0, ids[0], WORKERS, (*blobs[:2], None), 2.0)
    without = ask(owner, lacking, ev.AverageTested)
    assert without.residual > 1e-3


# --- updates --------------------------------------------------------------------------------------


def update(peer: Peer, step: int = 0) -> ev.Updated:
    ids = peers_of(peer)
    job = fx.Update(head_of(peer), step, ids, peer.files.digest, True)
    return ask(peer, job, ev.Updated)


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A record as a run makes them."""
    return make_swarm(tmp_path_factory.mktemp("run"), peers=3, steps=1).run()[0].records[0]


def test_all_peers_update_to_the_same_parameters_and_state(tmp_path: Path) -> None:
    peers, _ = exchange(tmp_path)
    answers = {update(peer) for peer in peers}
    assert len(answers) == 1
    assert answers.pop().parameters != peers[0].files.digest


def test_the_update_is_written_beside_the_present_parameters_until_adopted(
    tmp_path: Path, decided: Record
) -> None:
    peers, _ = exchange(tmp_path)
    peer = peers[0]
    before = peer.files.digest
    answer = update(peer)
    assert peer.files.digest == before
    assert peer.files.path(answer.parameters).exists()
    peer.worker.run(Adopt(replace(decided, parameters=answer.parameters)))
    assert peer.files.digest == answer.parameters
    assert digest_bytes(peer.files.current.tobytes()) == answer.parameters


def test_a_discarded_update_leaves_the_optimizer_as_it_was(tmp_path: Path, decided: Record) -> None:
    peers, _ = exchange(tmp_path)
    peer = peers[0]
    first = update(peer)
    peer.worker.run(Adopt(replace(decided, parameters=peer.files.digest)))
    assert peer.worker._optimizer.state() == {}
    assert update(peer) == first


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


def test_released_bytes_and_parameters_are_gone(tmp_path: Path, decided: Record) -> None:
    peers, _ = exchange(tmp_path)
    peer = peers[0]
    old = peer.files.digest
    answer = update(peer)
    peer.worker.run(Adopt(replace(decided, parameters=answer.parameters)))
    peer.worker.run(fx.Release((head_of(peer),), (old,)))
    assert peer.store.size_bytes == 0
    assert not peer.files.path(old).exists()
