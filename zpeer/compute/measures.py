"""Directions, norms and projections, each computed once: all are pure functions of bytes named by
digest.

A target projects its own row twice (in PROJECTIONS, and when it checks its validator's report), the
norms of an aggregate are wanted with every check of it, and in a simulation sixteen peers look at
the same bytes. What is kept is small: directions are Kronecker factors, the rest are scalars.
"""

from __future__ import annotations

from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from zpeer.numerics.directions import Directions, directions
from zpeer.numerics.fixed import norm
from zpeer.numerics.projections import scalars

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from zpeer.events import Scalars
    from zpeer.ids import Digest
    from zpeer.interfaces import Float32
    from zpeer.parts import Layout

REMEMBERED = 1 << 13
AXES_REMEMBERED = 16
"""Beacons: the present one, and those of the attempts that are still judged."""


class Axes(NamedTuple):
    """The directions of a part, and what names them."""

    beacon: Digest
    part: int
    directions: Directions
    norms: tuple[float, ...]
    """Bit-equal on any hardware."""


@lru_cache(maxsize=AXES_REMEMBERED)
def get_axes(beacon: Digest, layout: Layout, count: int) -> tuple[Axes, ...]:
    """The first `count` directions of every part."""
    drawn = [directions(beacon, part, length, count) for part, length in enumerate(layout.lengths)]
    return tuple(Axes(beacon, part, each, each.norms()) for part, each in enumerate(drawn))


class Named(NamedTuple):
    """A vector and the digest of its bytes."""

    digest: Digest
    vector: Float32


class Measures:
    """A memory of scalars for one weight function. Safe to use from several threads."""

    def __init__(self, weight: Callable[[float, float], float]) -> None:
        self._weight = weight
        self._known: dict[Hashable, float | Scalars] = {}
        self._lock = Lock()

    def norm(self, result: Named) -> float:
        """Norm of an aggregate, bit-equal on any hardware."""
        known = self._known.get(result.digest)
        return known if isinstance(known, float) else self._norm(result)

    def _norm(self, result: Named) -> float:
        value = norm(result.vector)
        self._keep(result.digest, value)
        return value

    def scalars(self, row: Named, result: Named, radius: float, axes: Axes) -> Scalars:
        """What a row gives against an aggregate."""
        key = (row.digest, result.digest, radius, axes.beacon, axes.part)
        known = self._known.get(key)
        if known is None or isinstance(known, float):
            known = scalars(row.vector, result.vector, radius, self._weight, axes.directions)
            self._keep(key, known)
        return known

    def _keep(self, key: Hashable, value: float | Scalars) -> None:
        with self._lock:
            self._known[key] = value
            if len(self._known) > REMEMBERED:
                del self._known[next(iter(self._known))]
