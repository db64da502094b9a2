"""The mean: fast, not robust. One attacker moves it anywhere, and no check of it can help."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from zpeer.hookspecs import hookimpl
from zpeer.numerics.centered_clip import solve
from zpeer.numerics.clipping import clip_weight

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Aggregator, Float32


class Mean:
    """The point v with sum_i (g_i - v) = 0: CenteredClip with an infinite radius."""

    verification: Literal["residual", "audit"] = "residual"

    def aggregate(self, rows_ND: Float32, radius: float) -> Float32:
        """See `Aggregator.aggregate`."""
        return solve(rows_ND, radius).vector

    def radius(self, typical: float) -> float:  # noqa: ARG002 - nothing is clipped
        """See `Aggregator.radius`."""
        return math.inf

    def weight(self, norm: float, radius: float) -> float:
        """See `Aggregator.weight`."""
        return clip_weight(norm, radius)


@hookimpl
def zpeer_aggregators() -> dict[str, Callable[..., Aggregator]]:
    """See `zpeer.hookspecs`."""
    return {"mean": Mean}
