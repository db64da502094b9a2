"""Tolerances of the projections (numerics, *The sum check*), and the distances between them.

All are in units of u * min(norm, tau), u = 2^-24. Honest values of two machines differ by less than
HONEST = 20. Each threshold is further out than the one before by more than that, so that honest
peers never contradict each other: what one peer accuses (60) every other finds guilty (40); and a
peer is blamed for keeping quiet only about what it must have seen itself. A validator blames what
it sees beyond 100: others then see more than 80, which upholds it, and the blamed saw more than 60,
at which an honest peer accuses.

As a law: what all workers together may be off unaccused, plus an honest sum, stays below the sum's
tolerance (60 + 0.13 * 96 < 96). Else one sacrificed liar, or the small lies of many, would get an
honest owner banned.
"""

from __future__ import annotations

from math import fsum, inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zpeer.events import Scalars

UNIT = 2.0**-24
HONEST = 20.0
UPHELD = 40.0
ACCUSED = 60.0
BLAME_UPHELD = 80.0
BLAMED = 100.0
SUM_PULL = 96.0
SUM_ROUNDING = 32.0
FLOOR = 2.0**-120
"""What every tolerance has at least: float32 below 2^-126 is rounded absolutely, to 2^-149, and a
sum of 10^8 such errors stays below. What hides under it moves no parameter.
"""


def distance(stated: Scalars, computed: Scalars, pull: float) -> float:
    """How far stated scalars are from computed ones, in the units above.

    `pull` is min(norm, tau) of the computed norm; the norm itself is held to u * norm.
    """
    gaps = [
        ratio(abs(said - found), UNIT * pull + FLOOR)
        for said, found in zip(stated.projections, computed.projections, strict=True)
    ]
    return max([*gaps, ratio(abs(stated.norm - computed.norm), UNIT * computed.norm + FLOOR)])


def ratio(gap: float, unit: float) -> float:
    """gap / unit; NaN counts as infinitely far."""
    far = gap / unit
    return far if far >= 0 else inf


def is_accused(far: float) -> bool:
    """Whether who holds the bytes accuses."""
    return far > ACCUSED


def is_upheld(far: float) -> bool:
    """Whether others find that guilty."""
    return far > UPHELD


def is_blamed(far: float) -> bool:
    """Whether a validator blames the owner who held the bytes and kept quiet."""
    return far > BLAMED


def is_blame_upheld(far: float) -> bool:
    """Whether others find a quiet owner guilty."""
    return far > BLAME_UPHELD


def compute_sum_tolerance(
    norms: Sequence[float],
    radius: float,
    result_norm: float,
    weight: Callable[[float, float], float],
) -> float:
    """u (96 sum_i min(norm_i, tau) + 32 lambda n ||v||): honest sums stay below 0.13 of it.

    The floor counts for every row as in `distance`, or the law would not hold where all rows are
    equal: what a liar may be off there unaccused would fail the sum of an honest owner.

    lambda is the mean weight: an error of v in its last bit counts once for every row that is not
    clipped, and v is stored in float32.
    """
    weights = [weight(norm, radius) for norm in norms]
    pulls = fsum(each * norm for each, norm in zip(weights, norms, strict=True))
    floor = FLOOR * SUM_PULL * len(norms)
    return UNIT * (SUM_PULL * pulls + SUM_ROUNDING * fsum(weights) * result_norm) + floor


def sum_fails(columns: Sequence[Sequence[float]], tolerance: float) -> bool:
    """Whether some direction's sum is not zero within the tolerance; `columns` has shape (workers,
    directions).

    `fsum` is exact, so the order of peers cannot matter. NaN fails.
    """
    return any(not abs(fsum(values)) <= tolerance for values in zip(*columns, strict=True))
