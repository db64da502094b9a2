"""A small lie that its witness keeps to itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.hookspecs import hookimpl
from zpeer.messages import Projections

from ._colluder import Colluder
from .wrong_projection import nudge

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message


class ConcealedProjection(Colluder):
    """States projections that are `units` off (see `wrong_projection`) on the part of the colluding
    worker before it, who holds the bytes and says nothing.

    Too small to spoil the sum, and worth nothing but a test of who is blamed: the draw convicts the
    liar (WRONG_PROJECTION) and, above 100 units, the owner (CONCEALED_PROJECTION). Alone it lies on
    its own part.
    """

    def __init__(self, units: float = 200.0) -> None:
        self.units = units

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """One row moved, on the part of the one before me."""
        if not isinstance(message, Projections) or not message.norms:
            return message
        plot = [peer for peer in context.workers if peer in context.colluders]
        owner = plot[plot.index(context.me) - 1]
        return nudge(context, message, context.workers.index(owner), self.units)


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"concealed_projection": ConcealedProjection}
