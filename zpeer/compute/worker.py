"""The numerics of a peer, off its loop: takes one job at a time, answers with what the core must
hear.

A job is a computation the core asked for, an arrival to open and hash, or bookkeeping of the tensor
store. Every computation is answered by exactly one event; jobs are done in the order they were
given, so the store needs no lock. There is no thread in here: a peer runs this in one, a simulation
calls it in place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import msgspec
import numpy as np
from blake3 import blake3

from zpeer.compute.measures import Axes, Measures, Named, get_axes
from zpeer.compute.store import Held, hold
from zpeer.compute.updates import Updates
from zpeer.effects import (
    AggregatePart,
    Computation,
    ComputeParts,
    DrawSecret,
    Place,
    Project,
    ProjectBlob,
    Recompute,
    Release,
    TestAverage,
    Update,
)
from zpeer.errors import PluginError
from zpeer.events import (
    AverageTested,
    BlobArrived,
    BlobProjected,
    Event,
    PartAggregated,
    PartArrived,
    PartsComputed,
    Projected,
    Recomputed,
    ResultArrived,
    Scalars,
    SecretDrawn,
    Updated,
)
from zpeer.genesis import Protection
from zpeer.ids import NOTHING, Digest, PeerId, digest_bytes, number
from zpeer.numerics.dealing import deal, from_bytes, gather, is_finite, to_bytes
from zpeer.numerics.projections import residual
from zpeer.observations import Evaluated
from zpeer.parts import Bulk, Layout
from zpeer.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zpeer.compute.gradients import Gradients
    from zpeer.compute.parameters import ParameterFiles
    from zpeer.compute.store import Bytes, TensorStore
    from zpeer.conduct import Conduct
    from zpeer.genesis import Genesis
    from zpeer.interfaces import Aggregator, Float32
    from zpeer.numerics.optimizers import Optimizer

LOSSES_REMEMBERED = 4


class Arrival(msgspec.Struct, frozen=True):
    """Bulk bytes of a peer, still sealed."""

    kind: Bulk
    head: Digest
    """NOTHING for published bytes: they are named by their digest alone."""
    sender: PeerId
    frame: object
    """As the transport gave it; the worker's opener makes bytes of it."""
    size_bytes: int = 0
    """Of the frame."""


class Adopt(msgspec.Struct, frozen=True):
    """A record is final: its parameters are the present ones."""

    record: Record


class LetGo(msgspec.Struct, frozen=True):
    """Nothing rests on these any longer, as far as the core knew when it had heard of published
    bytes `told` times."""

    release: Release
    told: int


class Evaluate(msgspec.Struct, frozen=True):
    """Evaluate the present parameters on held-out samples -> Evaluated."""

    step: int


Job = Computation | Arrival | Place | Adopt | Evaluate | LetGo
Answer = Event | Evaluated | None


class Worker:
    """One peer's numerics. `entropy`: 32 secret bytes that its a_i are made from."""

    def __init__(
        self,
        name: str,
        me: PeerId,
        genesis: Genesis,
        *,
        aggregator: Aggregator,
        optimizer: Optimizer,
        learning_rate: Callable[[int], float],
        gradients: Gradients,
        measures: Measures,
        evaluate: Callable[[Float32], dict[str, float]],
        files: ParameterFiles,
        store: TensorStore,
        conduct: Conduct,
        entropy: bytes,
        opener: Callable[[object], Bytes | None],
    ) -> None:
        self._name = name
        self._me = me
        self._genesis = genesis
        self._aggregator = aggregator
        self._updates = Updates(optimizer, learning_rate, files)
        self._gradients = gradients
        self._measures = measures
        self._evaluate = evaluate
        self._files = files
        self._store = store
        self._conduct = conduct
        self._entropy = entropy
        self._open = opener
        self.losses: dict[Digest, float] = {}
        """Of my minibatch, by head; of the last few attempts."""

    def run(self, job: Job) -> Answer:  # noqa: C901, PLR0911, PLR0912 - one table
        """Do one job. Raises ZpeerError where a plugin or the disk fails."""
        match job:
            case DrawSecret():
                return self._draw_secret(job)
            case ComputeParts():
                return self._compute_parts(job)
            case AggregatePart():
                return self._aggregate(job)
            case Project():
                return self._project(job)
            case Recompute():
                return self._recompute(job)
            case ProjectBlob():
                return self._project_blob(job)
            case TestAverage():
                return self._test_average(job)
            case Update():
                return self._update(job)
            case Arrival():
                return self._arrive(job)
            case Place():
                self._store.place(job.head, job.kind, job.sender, job.blob)
                return None
            case Evaluate(step=step):
                return Evaluated(self._name, step, self._evaluate(self._files.current))
            case Adopt(record=record):
                self._adopt(record)
                return None
            case LetGo(release=release, told=told):
                self._store.release(release.heads, release.blobs, told)
                self._files.release(release.parameters)
                return None
            case _:
                assert_never(job)

    # --- mine -------------------------------------------------------------------------------------

    def _draw_secret(self, job: DrawSecret) -> SecretDrawn:
        """a_i: a keyed function of run, step and attempt (the place names them) and of me."""
        secret = blake3(job.place + self._me, key=self._entropy).digest()
        return SecretDrawn(job.head, Digest(secret))

    def _compute_parts(self, job: ComputeParts) -> PartsComputed:
        honest = self._gradients.get(job.parameters, self._files.load, job.batch_seed)
        self._note_loss(job.head, honest.loss)
        vector = self._conduct.gradient(job.head, honest.vector)
        held = [
            hold(self._conduct.committed_part(job.head, place, to_bytes(part)))
            for place, part in enumerate(deal(vector, self._layout(job.parts)))
        ]
        self._store.put_own(job.head, held)
        return PartsComputed(job.head, tuple(each.digest for each in held))

    def _note_loss(self, head: Digest, loss: float) -> None:
        self.losses[head] = loss
        while len(self.losses) > LOSSES_REMEMBERED:
            del self.losses[next(iter(self.losses))]

    def _aggregate(self, job: AggregatePart) -> PartAggregated:
        rows_ND = self._rows(job.head, job.part, job.parts, job.rows)
        result = self._conduct.aggregate(job.head, self._apply_aggregator(rows_ND, job.radius))
        held = hold(to_bytes(result))
        self._store.put_result(job.head, held)
        return PartAggregated(job.head, held.digest)

    def _apply_aggregator(self, rows_ND: Float32, radius: float) -> Float32:
        """The plugin's aggregate; without protection the mean.

        Raises PluginError where the plugin breaks its contract.
        """
        length = rows_ND.shape[1]
        if length == 0 or self._genesis.protection is Protection.NONE:
            return np.asarray(rows_ND.mean(axis=0, dtype=np.float64), dtype=np.float32)
        name = type(self._aggregator).__name__
        try:
            result = self._aggregator.aggregate(rows_ND, radius)
        except Exception as problem:
            raise PluginError(
                f"aggregator {name} raised {type(problem).__name__}: {problem}; it was given rows"
                f" of shape {rows_ND.shape} and radius {radius}"
            ) from problem
        problem_found = find_problem(result, length)
        if problem_found:
            raise PluginError(
                f"aggregator {name} returned {problem_found}; expected finite float32 of shape"
                f" ({length},) for rows of shape {rows_ND.shape}"
            )
        return result

    def _project(self, job: Project) -> Projected:
        """My row against every result, my column against mine, and the norms all compute alike."""
        row: list[Scalars] = []
        column: list[Scalars] = []
        results = [self._result(job.head, owner) for owner in job.workers]
        axes_of = self._axes(job.beacon, len(job.workers))
        for part, (result, axes, radius) in enumerate(
            zip(results, axes_of, job.radii, strict=True)
        ):
            if job.part >= 0:
                mine = self._row(job.head, self._me, part, result.vector)
                row.append(self._measures.scalars(mine, result, radius, axes))
            if part == job.part:
                rows = [self._row(job.head, who, part, result.vector) for who in job.rows]
                column = [self._measures.scalars(each, result, radius, axes) for each in rows]
        result_norms = tuple(self._measures.norm(result) for result in results)
        direction_norms = tuple(axes.norms for axes in axes_of)
        return Projected(job.head, tuple(row), tuple(column), result_norms, direction_norms)

    def _update(self, job: Update) -> Updated:
        results = [self._result(job.head, worker).vector for worker in job.workers]
        return self._updates.write(job, gather(results, self._layout(len(job.workers))))

    def _adopt(self, record: Record) -> None:
        self._store.adopt(record.head)
        self._updates.decide(record)

    # --- judging others ---------------------------------------------------------------------------

    def _recompute(self, job: Recompute) -> Recomputed:
        gradient = self._gradients.get(job.parameters, self._files.load, job.batch_seed).vector
        dealt = deal(gradient, self._layout(len(job.workers)))
        parts = [Named(digest_bytes(to_bytes(part)), part) for part in dealt]
        owners = job.workers[: len(job.radii)]  # no radii where it came to no projections
        results = [self._result(job.head, owner) for owner in owners]
        axes = self._axes(job.beacon, len(job.workers)) if owners else ()
        row = map(self._measures.scalars, parts, results, job.radii, axes)
        return Recomputed(
            job.head,
            job.target,
            tuple(part.digest for part in parts),
            tuple(row),
            tuple(digest_report(validator, gradient) for validator in job.validators),
        )

    def _project_blob(self, job: ProjectBlob) -> BlobProjected:
        result = self._result(job.head, job.owner)
        row = read_row(self._find(job.blob), result.vector)
        if row is None:
            return BlobProjected(job.head, job.part, job.blob, None)
        axes = self._axes(job.beacon, job.parts)[job.part]
        found = self._measures.scalars(Named(job.blob, row), result, job.radius, axes)
        return BlobProjected(job.head, job.part, job.blob, found)

    def _test_average(self, job: TestAverage) -> AverageTested:
        result = self._result(job.head, job.owner).vector
        zeros = np.zeros_like(result)
        rows = [zeros if blob is None else self._blob_row(blob, zeros) for blob in job.blobs]
        size, norms = residual(rows, result, job.radius, self._aggregator.weight)
        return AverageTested(job.head, job.part, size, norms)

    def _blob_row(self, blob: Digest, zeros: Float32) -> Float32:
        """A published row.

        An attacker's own one may be unusable, though its core takes it for its gradient.
        """
        row = read_row(self._find(blob), zeros)
        return zeros if row is None else row

    # --- the store --------------------------------------------------------------------------------

    def _arrive(self, job: Arrival) -> Event | None:
        """Open and hash what came, if there is a slot for it."""
        is_blob = job.kind is Bulk.BLOB
        if not is_blob and not self._store.is_welcome(job.kind, job.head, job.sender):
            return None
        data = self._open(job.frame)
        if data is None:
            return None
        held = hold(data)
        finite = held.numbers is not None
        if is_blob:
            kept = self._store.publish(job.sender, held)
            return BlobArrived(held.digest, held.size_bytes, finite) if kept else None
        self._store.arrive(job.kind, job.head, job.sender, held)
        event = PartArrived if job.kind is Bulk.PART else ResultArrived
        return event(job.head, job.sender, held.digest, held.size_bytes, finite)

    def _rows(self, head: Digest, part: int, parts: int, rows: Sequence[PeerId | None]) -> Float32:
        """Rows of my part in worker order, shape (workers, length)."""
        rows_ND = np.empty((len(rows), self._layout(parts).length(part)), dtype=np.float32)
        for place, worker in enumerate(rows):
            rows_ND[place] = self._row(head, worker, part, rows_ND[place]).vector
        return rows_ND

    def _row(self, head: Digest, worker: PeerId | None, part: int, like: Float32) -> Named:
        """A row as its owner takes it.

        Zeros where it is missing, too short, too long or not finite.
        """
        if worker is not None:
            held = self._store.row(head, worker, part)
            row = read_row(held, like)
            if row is not None:
                return Named(held.digest, row)
        return Named(NOTHING, np.zeros_like(like))

    def _result(self, head: Digest, owner: PeerId) -> Named:
        held = self._store.result(head, owner)
        numbers = held.numbers
        return Named(held.digest, from_bytes(held.data) if numbers is None else numbers)

    def _find(self, blob: Digest) -> Held:
        held = self._store.find_held(blob)
        assert held is not None, "the core asks only for bytes it was told of"
        return held

    def _layout(self, parts: int) -> Layout:
        return Layout(self._genesis.dimension, self._genesis.block, parts)

    def _axes(self, beacon: Digest, parts: int) -> tuple[Axes, ...]:
        return get_axes(beacon, self._layout(parts), self._genesis.directions)


def read_row(held: Held, like: Float32) -> Float32 | None:
    """Bytes as finite numbers, as many as in `like`; None if they are not."""
    return held.numbers if held.size_bytes == like.nbytes else None


def find_problem(result: object, length: int) -> str:
    """What is wrong with an aggregate; the empty string if nothing is."""
    if not isinstance(result, np.ndarray):
        return f"a {type(result).__name__}"
    if result.dtype != np.float32 or result.shape != (length,):
        return f"{result.dtype} of shape {result.shape}"
    return "" if is_finite(result) else "numbers that are not finite"


def digest_report(validator: PeerId, gradient: Float32) -> Digest:
    """H(v || g): `digest("zpeer/report", v, bytes of g)`, without joining them first."""
    hasher = blake3()
    for field in (b"zpeer/report", validator, to_bytes(gradient)):
        hasher.update(number(len(field)))
        hasher.update(field)
    return Digest(hasher.digest())
