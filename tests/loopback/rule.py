"""An aggregator as a user writes it: a clipped mean whose radius follows the typical norm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zpeer.hookspecs import hookimpl
from zpeer.numerics.centered_clip import solve
from zpeer.numerics.clipping import clip_weight

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Aggregator, Float32

MULTIPLE = 1.25


class Rule:
    """Clips at so many typical norms."""

    verification: Literal["residual", "audit"] = "residual"

    def aggregate(self, rows_ND: Float32, radius: float) -> Float32:
        return solve(rows_ND, radius).vector

    def radius(self, typical: float) -> float:
        return MULTIPLE * typical

    def weight(self, norm: float, radius: float) -> float:
        return clip_weight(norm, radius)


@hookimpl
def zpeer_aggregators() -> dict[str, Callable[..., Aggregator]]:
    return {"rule": Rule}
