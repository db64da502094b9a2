"""What rows give against an aggregate: projections and norms for the sum check, the whole residual
for its appeal.

Notation: d_i = g_i - v for row g_i and aggregate v, psi_i = weight(||d_i||) d_i.

*Norms and weights are bit-equal on any hardware*: d_i is one float32 subtraction a number, its norm
is taken in fixed order (`fixed.rounded_norm`: relative error at most 2.5 u beside u/2 from the
subtraction). Where float32 squares cannot hold the sum (rows of 10^30, of denormals), subtraction
and norm are made in double instead; which of both is decided by the same bits everywhere.
*Projections are tolerated*: see `directions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zpeer.events import Scalars
from zpeer.numerics.fixed import norm, try_rounded_norm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zpeer.interfaces import Float32
    from zpeer.numerics.directions import Directions

    Float64 = NDArray[np.float64]
    Weight = Callable[[float, float], float]

BLOCK = 1 << 14


def scalars(
    row: Float32, aggregate: Float32, radius: float, weight: Weight, directions: Directions
) -> Scalars:
    """Projections of psi on every direction and norm of the difference; vectors of shape (D,)."""
    return column((row,), aggregate, radius, weight, directions)[0]


def column(
    rows: Sequence[Float32] | Float32,
    aggregate: Float32,
    radius: float,
    weight: Weight,
    directions: Directions,
) -> tuple[Scalars, ...]:
    """`scalars` of many rows against one aggregate, sharing the space for the differences."""
    space = np.empty_like(aggregate)
    found = []
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for row in rows:
            difference, size = _difference(row, aggregate, space)
            factor = weight(size, radius)
            values = tuple([factor * value for value in directions.project(difference)])
            found.append(Scalars(values, size))
    return tuple(found)


def _difference(
    row: Float32, aggregate: Float32, space: Float32
) -> tuple[Float32 | Float64, float]:
    """g - v and its norm; in float32, written into `space`, wherever that has the range for it.
    Where it has not, numpy would say so."""
    difference = np.subtract(row, aggregate, out=space)
    size = try_rounded_norm(difference)
    if size is not None:
        return difference, size
    wide = np.subtract(row, aggregate, dtype=np.float64)
    return wide, norm(wide)


def residual(
    rows_ND: Sequence[Float32] | Float32, aggregate: Float32, radius: float, weight: Weight
) -> tuple[float, tuple[float, ...]]:
    """||sum_i psi_i||, summed directly in double, and the norms ||d_i|| with the bits that
    `scalars` gives.

    This is the test of CheckAveraging; both results are bit-equal on any hardware, since rows are
    added in order.
    """
    space = np.empty_like(aggregate)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        norms = tuple([_difference(row, aggregate, space)[1] for row in rows_ND])
    weights = [weight(size, radius) for size in norms]
    return norm(_sum_of_forces(rows_ND, aggregate, weights)), norms


def _sum_of_forces(
    rows: Sequence[Float32] | Float32, aggregate: Float32, weights: Sequence[float]
) -> Float64:
    """sum_i weight_i (g_i - v), elementwise in double, in blocks that stay in the cache."""
    total = np.zeros(len(aggregate))
    spare = np.empty(min(BLOCK, len(aggregate)))
    for start in range(0, len(aggregate), BLOCK):
        stop = min(start + BLOCK, len(aggregate))
        force = spare[: stop - start]
        for row, factor in zip(rows, weights, strict=True):
            np.subtract(row[start:stop], aggregate[start:stop], out=force, dtype=np.float64)
            force *= factor
            total[start:stop] += force
    return total
