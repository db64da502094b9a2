"""With payloads in the log (record = "full") the numerics are computed again, too.

What the core was told (`PartAggregated`, `Projected`, ...) is compared with what the recorded bytes
give: on the machine that made the log bit for bit, on another one the last digits may differ.
Gradients are not computed again here; that is what validators do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from zpeer import effects as fx
from zpeer import events as ev
from zpeer.describe import describe, list_differences
from zpeer.genesis import Protection
from zpeer.ids import digest_bytes
from zpeer.numerics.dealing import from_bytes, is_finite, to_bytes
from zpeer.numerics.directions import directions
from zpeer.numerics.fixed import norm as compute_norm
from zpeer.numerics.projections import column, residual, scalars
from zpeer.parts import Layout
from zpeer.recorded.zlog import PayloadKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.genesis import Genesis
    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import Aggregator, Float32
    from zpeer.narrator import Narrator
    from zpeer.numerics.directions import Directions
    from zpeer.recorded.zlog import Payload

Requested = fx.AggregatePart | fx.Project | fx.ProjectBlob | fx.TestAverage
Result = ev.PartAggregated | ev.Projected | ev.BlobProjected | ev.AverageTested
RESULT_OF: dict[type[Requested], type[Result]] = {
    fx.AggregatePart: ev.PartAggregated,
    fx.Project: ev.Projected,
    fx.ProjectBlob: ev.BlobProjected,
    fx.TestAverage: ev.AverageTested,
}
Name = tuple[PayloadKind, "Digest", "PeerId", int]


@dataclass
class Reexecution:
    """The bytes of one log, and the computations whose results have not come yet."""

    genesis: Genesis
    me: PeerId
    aggregator: Aggregator
    narrator: Narrator
    compared: int = field(default=0, init=False)
    lacking: int = field(default=0, init=False)
    """Results whose bytes are not in the log."""
    _bytes: dict[Name, bytearray] = field(default_factory=dict, init=False)
    _blobs: dict[Digest, bytes] = field(default_factory=dict, init=False)
    _requested: dict[tuple[type[Result], Digest, object], Requested] = field(
        default_factory=dict, init=False
    )

    def take(self, payload: Payload) -> None:
        """Keep recorded bytes until they are released."""
        name = (payload.kind, payload.head, payload.peer, payload.part)
        if payload.offset == 0:
            self._bytes[name] = bytearray()
        whole = self._bytes.setdefault(name, bytearray())
        whole += payload.data
        if len(whole) == payload.size_bytes:
            data = bytes(whole)
            self._blobs[digest_bytes(data)] = data

    def turn(self, event: Event, effects: Sequence[Effect]) -> tuple[str, ...]:
        """Compare an event with what its bytes give; note what was asked for and released."""
        differences: tuple[str, ...] = ()
        if isinstance(event, Result):
            request = self._requested.pop((type(event), event.head, get_key(event)), None)
            if request is not None:
                differences = self._compare(request, event)
        for effect in effects:
            if isinstance(effect, Requested):
                self._requested[RESULT_OF[type(effect)], effect.head, get_key(effect)] = effect
            elif isinstance(effect, fx.Place):
                self._place(effect)
            elif isinstance(effect, fx.Release):
                self._release(effect)
        return differences

    def _compare(self, request: Requested, recorded: Result) -> tuple[str, ...]:
        try:
            computed = self._compute(request)
        except (KeyError, ValueError):
            self.lacking += 1
            return ()
        self.compared += 1
        plain = [describe(event, self.narrator) for event in (recorded, computed)]
        return tuple(list_differences(plain[0], plain[1], "numerics"))

    def _place(self, effect: fx.Place) -> None:
        """Bytes that came by their digest lie where a PART or RESULT belongs."""
        data = self._blobs.get(effect.blob)
        if data is not None:
            kind = PayloadKind[effect.kind.name]
            self._bytes[kind, effect.head, effect.sender, -1] = bytearray(data)

    def _release(self, effect: fx.Release) -> None:
        for name in [name for name in self._bytes if name[1] in effect.heads]:
            self._blobs.pop(digest_bytes(bytes(self._bytes.pop(name))), None)
        for blob in effect.blobs:
            self._blobs.pop(blob, None)

    # --- the numerics ----------------------------------------------------------------------------

    def _compute(self, request: Requested) -> Result:
        match request:
            case fx.AggregatePart():
                return self._aggregate(request)
            case fx.Project():
                return self._project(request)
            case fx.ProjectBlob():
                return self._project_blob(request)
            case fx.TestAverage():
                return self._test_average(request)

    def _aggregate(self, request: fx.AggregatePart) -> ev.PartAggregated:
        rows_ND = self._rows(request.head, request.part, request.parts, request.rows)
        if rows_ND.shape[1] == 0 or self.genesis.protection is Protection.NONE:
            result = rows_ND.mean(axis=0, dtype=np.float64).astype(np.float32)
        else:
            result = self.aggregator.aggregate(rows_ND, request.radius)
        return ev.PartAggregated(request.head, digest_bytes(to_bytes(result)))

    def _project(self, request: fx.Project) -> ev.Projected:
        row: list[ev.Scalars] = []
        mine: tuple[ev.Scalars, ...] = ()
        results = [self._result(request.head, owner) for owner in request.workers]
        axes = [
            self._axes(request.beacon, part, len(request.workers)) for part in range(len(results))
        ]
        weight = self.aggregator.weight
        for part, result in enumerate(results if request.part >= 0 else ()):
            own = usable(self._get(PayloadKind.PART, request.head, self.me, part), len(result))
            row.append(scalars(own, result, request.radii[part], weight, axes[part]))
        if request.part >= 0:
            part, parts = request.part, len(request.workers)
            rows_ND = self._rows(request.head, part, parts, request.rows)
            mine = column(rows_ND, results[part], request.radii[part], weight, axes[part])
        return ev.Projected(
            request.head,
            tuple(row),
            mine,
            tuple(compute_norm(result) for result in results),
            tuple(each.norms() for each in axes),
        )

    def _project_blob(self, request: fx.ProjectBlob) -> ev.BlobProjected:
        result = self._result(request.head, request.owner)
        data = self._blobs[request.blob]
        row = from_bytes(data) if len(data) == result.nbytes else None
        if row is None or not is_finite(row):
            return ev.BlobProjected(request.head, request.part, request.blob, None)
        axes = self._axes(request.beacon, request.part, request.parts)
        found = scalars(row, result, request.radius, self.aggregator.weight, axes)
        return ev.BlobProjected(request.head, request.part, request.blob, found)

    def _test_average(self, request: fx.TestAverage) -> ev.AverageTested:
        result = self._result(request.head, request.owner)
        zeros = np.zeros_like(result)
        rows = [zeros if b is None else from_bytes(self._blobs[b]) for b in request.blobs]
        size, norms = residual(rows, result, request.radius, self.aggregator.weight)
        return ev.AverageTested(request.head, request.part, size, norms)

    # --- the bytes -------------------------------------------------------------------------------

    def _get(self, kind: PayloadKind, head: Digest, peer: PeerId, part: int) -> bytes:
        return bytes(self._bytes[kind, head, peer, part])

    def _result(self, head: Digest, owner: PeerId) -> Float32:
        return from_bytes(self._get(PayloadKind.RESULT, head, owner, -1))

    def _rows(self, head: Digest, part: int, parts: int, rows: Sequence[PeerId | None]) -> Float32:
        length = self._layout(parts).length(part)
        rows_ND = np.zeros((len(rows), length), dtype=np.float32)
        for place, worker in enumerate(rows):
            if worker is not None:
                key = part if worker == self.me else -1
                rows_ND[place] = usable(self._get(PayloadKind.PART, head, worker, key), length)
        return rows_ND

    def _layout(self, parts: int) -> Layout:
        return Layout(self.genesis.dimension, self.genesis.block, parts)

    def _axes(self, beacon: Digest, part: int, parts: int) -> Directions:
        length = self._layout(parts).length(part)
        return directions(beacon, part, length, self.genesis.directions)


def get_key(value: Requested | Result) -> object:
    """What tells several computations of one attempt apart."""
    match value:
        case fx.ProjectBlob(blob=blob) | ev.BlobProjected(blob=blob):
            return blob
        case fx.TestAverage(part=part) | ev.AverageTested(part=part):
            return part
        case _:
            return None


def usable(data: bytes, length: int) -> Float32:
    """A row as numbers; zeros where its owner takes it as zeros: not finite, or of wrong length."""
    row = from_bytes(data) if len(data) == 4 * length else np.zeros(length, np.float32)
    return row if is_finite(row) else np.zeros(length, np.float32)
