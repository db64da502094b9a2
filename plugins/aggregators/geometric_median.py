"""The geometric median: the worked example of an aggregator, one file named in the run file.

Three questions decide whether a rule can be checked by its residual. *What is psi?* Here the unit
vector from v to a row: the median is where they sum to zero. *Is psi continuous?* No: on a row it
jumps, and an attacker can copy a row. So the median is smoothed: within a small radius psi grows in
proportion, which is CenteredClip, and its solver serves. *Is the radius large enough?* What is
checked is known to some u ||v||, so the residual's relative error is in proportion to 1 / radius: a
tenth of the typical distance is small enough for a median, and large enough for the check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zpeer.errors import ConfigError
from zpeer.hookspecs import hookimpl
from zpeer.numerics.centered_clip import solve
from zpeer.numerics.clipping import clip_weight

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Aggregator, Float32


class GeometricMedian:
    """The point with the least sum of distances to the rows, smoothed within a radius.

    `smoothing`: that radius as a share of the typical distance.
    """

    verification: Literal["residual", "audit"] = "residual"

    def __init__(self, smoothing: float = 0.1) -> None:
        if not 0.01 <= smoothing <= 1:
            raise ConfigError(
                f"geometric_median: smoothing = {smoothing}; expected 0.01 to 1 (below, rounding "
                "would hide what the check looks for)"
            )
        self.smoothing = smoothing

    def aggregate(self, rows_ND: Float32, radius: float) -> Float32:
        """The point v, shape (D,), at which the clipped differences of all rows sum to zero."""
        return solve(rows_ND, radius).vector

    def radius(self, typical: float) -> float:
        """The smoothing radius, in the unit of `typical`: per square root of a part's length."""
        return self.smoothing * typical

    def weight(self, norm: float, radius: float) -> float:
        """Factor that gives a difference the length `radius`; 1 within the radius."""
        return clip_weight(norm, radius)


@hookimpl
def zpeer_aggregators() -> dict[str, Callable[..., Aggregator]]:
    """See `zpeer.hookspecs`."""
    return {"geometric_median": GeometricMedian}
