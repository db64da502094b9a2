"""The shell of one toy peer: arithmetic in plain Python, small enough to follow by hand.

Every number is real (gradients from seeds, means, projections, digests), only the vectors are
short. Tests lie by replacing its methods.
"""

from __future__ import annotations

from math import fsum, hypot, inf, isfinite
from typing import TYPE_CHECKING, Any

from tests.core.plain import (
    BLOCK,
    ByHash,
    Clip,
    is_finite,
    to_bytes,
    to_floats,
    verify,
)
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.machine import Core
from zpeer.ids import Digest, PeerId, digest, digest_bytes, number
from zpeer.parts import Bulk
from zpeer.wire import WireLimits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.genesis import Genesis
    from zpeer.record import Record


class Toy:
    """The shell of one peer: plain Python arithmetic and dictionaries of bytes."""

    def __init__(self, genesis: Genesis, me: PeerId, radius: float) -> None:
        self.genesis = genesis
        self.me = me
        self.clip = Clip(radius)
        self.core = Core(
            genesis,
            me,
            aggregator=self.clip,
            policy=ByHash(),
            limits=WireLimits(len(genesis.peers), genesis.directions),
            verify=verify,
        )
        self.parts: dict[bytes, list[bytes]] = {}
        self.rows: dict[tuple[bytes, bytes], bytes] = {}
        self.results: dict[tuple[bytes, bytes], bytes] = {}
        self.blobs: dict[bytes, bytes] = {}
        self.records: list[Record] = []
        self.evidence: list[fx.WriteEvidence] = []
        self.warnings: list[fx.Warn] = []
        self.stop: fx.Stop | None = None
        self.timer = inf

    @property
    def ended(self) -> fx.Stop:
        """How it ended."""
        assert self.stop is not None, "the peer still waits"
        return self.stop

    def tell(self, event: ev.Event, now: float) -> list[Any]:
        """Let its core hear of something, without carrying out what follows."""
        return list(self.core.handle(event, now))

    # --- arithmetic -------------------------------------------------------------------------------

    def honest_gradient(self, parameters: Digest, seed: Digest) -> list[float]:
        """A common direction and noise, from the seed."""
        noise = [b for k in range(4) for b in digest("noise", parameters, seed, number(k))]
        return [1.0 + (b - 128) / 256 for b in noise[: self.genesis.dimension]]

    def gradient(self, parameters: Digest, seed: Digest) -> list[float]:
        """What this peer commits to."""
        return self.honest_gradient(parameters, seed)

    def deal(self, gradient: Sequence[float], parts: int) -> list[bytes]:
        """Blocks round robin."""
        dealt: list[list[float]] = [[] for _ in range(parts)]
        for block, start in enumerate(range(0, len(gradient), BLOCK)):
            dealt[block % parts] += gradient[start : start + BLOCK]
        return [to_bytes(part) for part in dealt]

    def aggregate(self, rows: Sequence[Sequence[float]], radius: float) -> list[float]:
        """Fixed point of the clipped mean."""
        point = [fsum(column) / len(rows) for column in zip(*rows, strict=True)]
        for _ in range(2000 if radius < inf else 0):
            shift = [0.0] * len(point)
            for row in rows:
                gap = [a - b for a, b in zip(row, point, strict=True)]
                weight = self.clip.weight(hypot(*gap), radius)
                shift = [s + weight * g / len(rows) for s, g in zip(shift, gap, strict=True)]
            point = [p + s for p, s in zip(point, shift, strict=True)]
            if hypot(*shift) <= 1e-12 * hypot(*point):  # far below float32
                break
        return point

    def directions(self, beacon: Digest, part: int, length: int) -> list[list[float]]:
        """Random vectors from the beacon."""
        return [
            [
                digest("z", beacon, number(part), number(k), number(i))[0] / 128 - 1
                for i in range(length)
            ]
            for k in range(self.genesis.directions)
        ]

    def scalars(
        self, row: Sequence[float], point: Sequence[float], radius: float, z: list[list[float]]
    ) -> ev.Scalars:
        """Projections of the clipped residual, and the norm of the difference."""
        gap = [a - b for a, b in zip(row, point, strict=True)]
        norm = hypot(*gap)
        weight = self.clip.weight(norm, radius)
        sums = tuple(fsum(weight * g * d for g, d in zip(gap, each, strict=True)) for each in z)
        return ev.Scalars(sums, norm)

    # --- effects ----------------------------------------------------------------------------------

    def compute(self, effect: fx.Computation) -> ev.Event:  # noqa: PLR0911 - one table
        """Carry out a computation."""
        match effect:
            case fx.DrawSecret(head=head, place=place):
                return ev.SecretDrawn(head, digest("secret", self.me, place))
            case fx.ComputeParts():
                gradient = self.gradient(effect.parameters, effect.batch_seed)
                self.parts[effect.head] = self.deal(gradient, effect.parts)
                digests = tuple(digest_bytes(p) for p in self.parts[effect.head])
                return ev.PartsComputed(effect.head, digests)
            case fx.AggregatePart():
                rows = self.get_rows(effect.head, effect.part, effect.rows)
                data = to_bytes(self.aggregate(rows, effect.radius))
                self.results[effect.head, self.me] = data
                return ev.PartAggregated(effect.head, digest_bytes(data))
            case fx.Project():
                return self.project(effect)
            case fx.Recompute():
                return self.recompute(effect)
            case fx.ProjectBlob():
                return self.project_blob(effect)
            case fx.TestAverage():
                return self.test_average(effect)
            case fx.Update():
                owners = [self.results[effect.head, owner] for owner in effect.workers]
                return ev.Updated(
                    effect.head, digest("x", effect.parameters, *owners), digest("o", *owners)
                )

    def get_rows(
        self, head: Digest, part: int, rows: tuple[PeerId | None, ...]
    ) -> list[list[float]]:
        """Rows of my part, zeros where there is none."""
        length = len(self.parts[head][part]) // 4
        found = []
        for worker in rows:
            if worker is None:
                found.append([0.0] * length)
            elif worker == self.me:
                found.append(to_floats(self.parts[head][part]))
            else:
                found.append(to_floats(self.rows[head, worker]))
        return found

    def project(self, effect: fx.Project) -> ev.Projected:
        """My row and my column."""
        results = [to_floats(self.results[effect.head, owner]) for owner in effect.workers]
        zs = [self.directions(effect.beacon, j, len(v)) for j, v in enumerate(results)]
        row: list[ev.Scalars] = []
        column: list[ev.Scalars] = []
        if effect.part >= 0:
            mine = self.parts[effect.head]
            row = [
                self.scalars(to_floats(mine[j]), v, effect.radii[j], zs[j])
                for j, v in enumerate(results)
            ]
            j = effect.part
            column = [
                self.scalars(each, results[j], effect.radii[j], zs[j])
                for each in self.get_rows(effect.head, j, effect.rows)
            ]
        return ev.Projected(
            effect.head,
            tuple(row),
            tuple(column),
            tuple(hypot(*v) for v in results),
            tuple(tuple(hypot(*z) for z in each) for each in zs),
        )

    def recompute(self, effect: fx.Recompute) -> ev.Recomputed:
        """Another's honest gradient."""
        gradient = self.honest_gradient(effect.parameters, effect.batch_seed)
        parts = self.deal(gradient, len(effect.workers))
        row = []
        for j, owner in enumerate(effect.workers if effect.radii else ()):
            v = to_floats(self.results[effect.head, owner])
            z = self.directions(effect.beacon, j, len(v))
            row.append(self.scalars(to_floats(parts[j]), v, effect.radii[j], z))
        return ev.Recomputed(
            effect.head,
            effect.target,
            tuple(digest_bytes(p) for p in parts),
            tuple(row),
            tuple(digest("report", v, to_bytes(gradient)) for v in effect.validators),
        )

    def project_blob(self, effect: fx.ProjectBlob) -> ev.BlobProjected:
        """A published part."""
        data = self.find_blob(effect.blob)
        v = to_floats(self.results[effect.head, effect.owner])
        usable = len(data) == 4 * len(v) and all(isfinite(x) for x in to_floats(data))
        z = self.directions(effect.beacon, effect.part, len(v))
        scalars = self.scalars(to_floats(data), v, effect.radius, z) if usable else None
        return ev.BlobProjected(effect.head, effect.part, effect.blob, scalars)

    def test_average(self, effect: fx.TestAverage) -> ev.AverageTested:
        """Published rows against their aggregate."""
        v = to_floats(self.results[effect.head, effect.owner])
        total = [0.0] * len(v)
        norms = []
        for blob in effect.blobs:
            data = self.find_blob(blob) if blob else b""
            usable = len(data) == 4 * len(v) and is_finite(data)  # a liar's own may not be
            row = to_floats(data) if usable else [0.0] * len(v)
            gap = [a - b for a, b in zip(row, v, strict=True)]
            norms.append(hypot(*gap))
            weight = self.clip.weight(norms[-1], effect.radius)
            total = [t + weight * g for t, g in zip(total, gap, strict=True)]
        return ev.AverageTested(effect.head, effect.part, hypot(*total), tuple(norms))

    def find_blob(self, name: Digest) -> bytes:
        """Bytes by digest: published ones, or ones I hold anyway."""
        mine = [part for parts in self.parts.values() for part in parts]
        held = [*self.blobs.values(), *self.rows.values(), *self.results.values(), *mine]
        return next(data for data in held if digest_bytes(data) == name)

    def place(self, effect: fx.Place) -> None:
        """Bytes that came by their digest become a row of mine, or an owner's result."""
        slots = self.rows if effect.kind is Bulk.PART else self.results
        slots[effect.head, effect.sender] = self.find_blob(effect.blob)
