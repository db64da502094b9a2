"""A true accusation of an accomplice, to explain a sum that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.faults import FaultKind
from zpeer.hookspecs import hookimpl
from zpeer.messages import Check, Projections

from ._accuse import accuse, accuse_over_my_part
from .wrong_projection import nudge
from .wrong_sum import WrongSum

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.ids import PeerId
    from zpeer.interfaces import Attack, AttackContext, Float32
    from zpeer.messages import Message


class Sacrifice(WrongSum):
    """The first colluding worker moves its aggregate by `shift` clipping radii; the last misstates
    a projection on that part, and the first accuses it of that.

    The accusation is true and so clears the owner: WRONG_PROJECTION for the other, in the next
    record. The attempt is void all the same, and the trick costs a place each time. Who is left
    alone is banned for the sum.
    """

    def __init__(self, shift: float = 1.0) -> None:
        super().__init__(shift)

    def aggregate(self, context: AttackContext, honest: Float32) -> Float32:
        """Only the first one's is moved."""
        return super().aggregate(context, honest) if self._is_owner(context) else honest

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """What the last one misstates, and the first one says of it."""
        plot = find_plot(context)
        if context.me not in plot or len(plot) < 2:
            return message
        if isinstance(message, Projections) and message.norms and context.me == plot[-1]:
            return nudge(context, message, context.workers.index(plot[0]), 1000.0)
        if isinstance(message, Check) and context.me == plot[0]:
            fault = FaultKind.WRONG_PROJECTION
            return accuse(message, accuse_over_my_part(context, fault, plot[-1]))
        return message

    def _is_owner(self, context: AttackContext) -> bool:
        return context.me == find_plot(context)[0]


def find_plot(context: AttackContext) -> list[PeerId]:
    """Colluding workers, in worker order."""
    return [peer for peer in context.workers if peer in context.colluders]


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"sacrifice": Sacrifice}
