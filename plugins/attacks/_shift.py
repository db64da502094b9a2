"""Moving an aggregate, and making the projections add up to zero again."""

from __future__ import annotations

from math import fsum, isfinite
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from msgspec.structs import replace

from zpeer.events import Scalars
from zpeer.numerics.directions import directions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import AttackContext, Float32
    from zpeer.messages import Projections

Item = TypeVar("Item")


def move(context: AttackContext, honest: Float32, distance: float) -> Float32:
    """The aggregate of my part, moved by `distance` along the plot's common direction."""
    axis = context.deal(context.shared_vector("shift"))[context.my_part]
    size = float(np.linalg.norm(axis))
    if size == 0 or distance == 0:
        return honest
    return np.asarray(honest + (distance / size) * axis, dtype=np.float32)


def radius_of(context: AttackContext, honest: Float32) -> float:
    """tau of my part; the aggregate's own norm where nothing is clipped."""
    radius = context.radii[context.my_part]
    return radius if isfinite(radius) else float(np.linalg.norm(honest))


def cover(
    context: AttackContext, message: Projections, part: int, bearers: Sequence[PeerId]
) -> Projections:
    """My PROJECTIONS, with my share of what `bearers` lie so that a part's sum is zero.

    Data are public, so I know what every honest worker will state. As far as Cauchy-Schwarz lets
    me: beyond it my body would be impossible, and short of it the sum fails.
    """
    stated = context.stated_honestly(part, message.beacon)
    mine = stated[context.my_part]
    columns = zip(*(each.projections for each in stated), strict=True)
    excess = [fsum(column) / len(bearers) for column in columns]
    wanted = [value - each for value, each in zip(mine.projections, excess, strict=True)]
    return state(message, part, limit(context, message.beacon, part, wanted, mine.norm))


def limit(
    context: AttackContext, beacon: Digest, part: int, wanted: Sequence[float], norm: float
) -> Scalars:
    """Projections that some residual could have, and the least norm it would have."""
    length = context.layout.length(part)
    bounds = directions(beacon, part, length, len(wanted)).norms()
    pull = max(abs(value) / bound for value, bound in zip(wanted, bounds, strict=True))
    share = min(1.0, context.radii[part] / pull) if pull > 0 else 1.0
    return Scalars(tuple(value * share for value in wanted), max(norm, pull * share))


def state(message: Projections, part: int, scalars: Scalars) -> Projections:
    """PROJECTIONS with other numbers for one part."""
    return replace(
        message,
        projections=put(message.projections, part, scalars.projections),
        norms=put(message.norms, part, scalars.norm),
    )


def put(items: tuple[Item, ...], place: int, item: Item) -> tuple[Item, ...]:
    """The tuple with one item replaced."""
    return (*items[:place], item, *items[place + 1 :])
