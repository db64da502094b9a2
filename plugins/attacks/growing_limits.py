"""Limits that follow what is reported, led on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.events import Scalars
from zpeer.hookspecs import hookimpl
from zpeer.messages import Projections

from ._shift import state
from .wrong_average import WrongAverage

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message


class GrowingLimits(WrongAverage):
    """Makes all norms large that it can: states `factor` times its own on every part of the plot,
    and moves its part's aggregate by `distance` times Δ_max, covered by all of the plot.

    τ and Δ_max follow the median over parts of the median over workers: a minority owns less than
    half of both. WRONG_PROJECTION by the first honest validator that draws it, or WRONG_SUM where
    the shift is too long to be covered.
    """

    def __init__(self, factor: float = 3.0, distance: float = 0.05) -> None:
        super().__init__(distance)
        self.factor = factor

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """What covers the shift, with larger norms."""
        said = super().lie(context, message)
        if not isinstance(said, Projections) or not said.norms:
            return said
        for part, owner in enumerate(context.workers):
            if owner in context.colluders:
                row, norm = said.projections[part], said.norms[part]
                said = state(said, part, Scalars(row, norm * self.factor))
        return said


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"growing_limits": GrowingLimits}
