"""The coordinate-wise median: shows what an aggregator without a residual says of itself.

Signs of differences do not sum to zero where numbers are equal or their count is even, so no sum
of projections can check it: it would have to be aggregated again by auditors. A run that names it
is refused until audits exist.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from zpeer.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Aggregator, Float32


class CoordinateMedian:
    """The median of every coordinate; of an even count the lower one."""

    verification: Literal["residual", "audit"] = "audit"

    def aggregate(self, rows_ND: Float32, radius: float) -> Float32:  # noqa: ARG002 - no radius
        """See `Aggregator.aggregate`."""
        middle = (len(rows_ND) - 1) // 2
        median_D: Float32 = np.partition(rows_ND, middle, axis=0)[middle]
        return np.ascontiguousarray(median_D)

    def radius(self, typical: float) -> float:  # noqa: ARG002 - nothing is clipped
        """See `Aggregator.radius`."""
        return math.inf

    def weight(self, norm: float, radius: float) -> float:
        """Reported norms are those of whole differences: nothing is clipped."""
        return 1.0 if norm <= radius else 0.0


@hookimpl
def zpeer_aggregators() -> dict[str, Callable[..., Aggregator]]:
    """See `zpeer.hookspecs`."""
    return {"coordinate_median": CoordinateMedian}
