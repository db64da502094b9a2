"""CenteredClip (Karimireddy, He, Jaggi 2021), the paper's aggregator, checked by its residual."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from zpeer.errors import ConfigError
from zpeer.hookspecs import hookimpl
from zpeer.numerics.centered_clip import solve
from zpeer.numerics.clipping import clip_weight

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Aggregator, Float32


class CenteredClip:
    """The point v with sum_i (g_i - v) min(1, radius / ||g_i - v||) = 0.

    `tau`: the clipping radius per square root of a part's length. Parts grow when the roster
    shrinks, and the norm of a part grows with the root of its length; so one number fits all
    parts and rosters. For a gradient of d numbers whose noise has norm s, s / sqrt(d) clips about
    half of the honest rows. `"auto"`: `multiple` times the typical norm that peers agree on.
    """

    verification: Literal["residual", "audit"] = "residual"

    def __init__(self, tau: float | Literal["auto"] = "auto", multiple: float = 1.0) -> None:
        if isinstance(tau, str):
            if tau != "auto":
                raise ConfigError(f'centered_clip: tau = {tau!r}; expected a number or "auto"')
        else:
            _require_positive("tau", tau)
        _require_positive("multiple", multiple)
        self.tau = tau
        self.multiple = multiple

    def aggregate(self, rows_ND: Float32, radius: float) -> Float32:
        """See `Aggregator.aggregate`."""
        return solve(rows_ND, radius).vector

    def radius(self, typical: float) -> float:
        """See `Aggregator.radius`."""
        return self.multiple * typical if isinstance(self.tau, str) else float(self.tau)

    def weight(self, norm: float, radius: float) -> float:
        """See `Aggregator.weight`."""
        return clip_weight(norm, radius)


def _require_positive(name: str, value: float) -> None:
    if isinstance(value, bool) or not 0 < value < math.inf:
        raise ConfigError(f"centered_clip: {name} = {value}; expected a finite number above 0")


@hookimpl
def zpeer_aggregators() -> dict[str, Callable[..., Aggregator]]:
    """See `zpeer.hookspecs`."""
    return {"centered_clip": CenteredClip}
