"""Single peers of a run of three, whose workers are asked by hand."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NoReturn, TypeVar

import numpy as np

from tests.swarms import DIMENSION, Softmax, make_shared
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.compute.gradients import Gradients
from zpeer.compute.measures import Measures
from zpeer.compute.worker import Arrival
from zpeer.genesis import Protection
from zpeer.ids import NOTHING, PeerId, digest
from zpeer.numerics.dealing import to_bytes
from zpeer.parts import Bulk, Layout
from zpeer.record import Outcome, Record
from zpeer.shell.assembly import Numerics, Own, assemble
from zpeer.shell.reporting import Traffic
from zpeer.signed import PROTOCOL_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zpeer.compute.worker import Job
    from zpeer.ids import Digest
    from zpeer.interfaces import Aggregator, Float32
    from zpeer.shell.assembly import Peer

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
    learning_rate: Callable[[int], float] | None = None,
    submit: Callable[[Job], None] = never,
) -> Peer:
    """A peer of a run of three; its store, worker and files are what is tested."""
    shared = make_shared(WORKERS, aggregator=aggregator, protection=protection)
    if learning_rate is not None:
        shared = shared._replace(learning_rate=learning_rate)
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
        submit=submit,
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


def exchange(
    tmp_path: Path,
    radius: float = 2.0,
    *,
    learning_rate: Callable[[int], float] | None = None,
) -> tuple[list[Peer], list[ev.Projected]]:
    """Three peers that have each other's parts and results."""
    peers = [make_peer(tmp_path, place, learning_rate=learning_rate) for place in range(WORKERS)]
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


def recompute(
    peer: Peer, target: int = 1, radii: tuple[float, ...] = (2.0,) * WORKERS, seed: Digest = SEED
) -> ev.Recomputed:
    ids = peers_of(peer)
    job = fx.Recompute(
        head_of(peer), ids[target], peer.files.digest, seed, ids, BEACON, radii, (ids[0],)
    )
    return ask(peer, job, ev.Recomputed)


def make_record(peer: Peer, outcome: Outcome, parameters: Digest) -> Record:
    """What decides the first attempt, as far as a worker looks into it."""
    ids = peers_of(peer)
    return Record(
        version=PROTOCOL_VERSION,
        run=head_of(peer),
        previous=head_of(peer),
        step=0,
        attempt=0,
        outcome=outcome,
        counted=int(outcome is Outcome.COUNTED),
        parameters=parameters,
        optimizer=NOTHING,
        roster=ids,
        seed_beacon=BEACON,
        draw_beacon=BEACON,
        beacon=BEACON,
        secret_beacon=BEACON,
        validators=ids[:1],
        duties=((),),
        draws=(),
        matters=(),
        typical=1.0,
        typical_window=(),
        delta_floor=0.0,
        sets=(),
    )
