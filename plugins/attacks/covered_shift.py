"""A lone owner covers its shift with its own projection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.hookspecs import hookimpl
from zpeer.messages import Projections

from ._colluder import Colluder
from ._shift import cover, move, radius_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext, Float32
    from zpeer.messages import Message


class CoveredShift(Colluder):
    """Moves its part's aggregate by `shift` clipping radii and states, on that part, the
    projections that make the sum zero.

    Nobody else holds its own part's bytes, so nobody accuses; Δ_max bounds the harm. The draw ends
    it: a validator computes the gradient and its projections. WRONG_PROJECTION, by the first honest
    validator that draws it.
    """

    def __init__(self, shift: float = 0.1) -> None:
        self.shift = shift

    def aggregate(self, context: AttackContext, honest: Float32) -> Float32:
        """The moved one."""
        return move(context, honest, self.shift * radius_of(context, honest))

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """What is missing to zero, on my own part."""
        if not isinstance(message, Projections) or not message.norms:
            return message
        return cover(context, message, context.my_part, (context.me,))


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"covered_shift": CoveredShift}
