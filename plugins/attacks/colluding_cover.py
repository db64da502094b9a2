"""One moves its aggregate, another covers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.hookspecs import hookimpl
from zpeer.messages import Projections

from ._colluder import Colluder
from ._shift import cover, move, radius_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.ids import PeerId
    from zpeer.interfaces import Attack, AttackContext, Float32
    from zpeer.messages import Message


class ColludingCover(Colluder):
    """Moves its part's aggregate by `shift` clipping radii; the next colluding worker states, on
    that part, the projections that make the sum zero, and the owner keeps quiet about it.

    Everybody in the plot is an owner, and the cover of the one before it; or one after the other,
    in consecutive attempts (`in_turns`). Alone it covers itself.
    The draw ends it for two at once: WRONG_PROJECTION for who covered and CONCEALED_PROJECTION for
    the owner, by the first honest validator that draws the former.
    """

    def __init__(self, shift: float = 0.1, in_turns: bool = False) -> None:
        self.shift = shift
        self.in_turns = in_turns

    def aggregate(self, context: AttackContext, honest: Float32) -> Float32:
        """The moved one."""
        if not self._is_turn(context, context.me):
            return honest
        return move(context, honest, self.shift * radius_of(context, honest))

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """What is missing to zero, on the part of the one before me."""
        if not isinstance(message, Projections) or not message.norms:
            return message
        plot = [peer for peer in context.workers if peer in context.colluders]
        covered = plot[plot.index(context.me) - 1]
        if not self._is_turn(context, covered):
            return message
        return cover(context, message, context.workers.index(covered), (context.me,))

    def _is_turn(self, context: AttackContext, owner: PeerId) -> bool:
        """Whether an owner moves its aggregate in this attempt."""
        plot = [peer for peer in context.workers if peer in context.colluders]
        turn = plot[(context.step + context.attempt) % len(plot)]
        return owner == turn or not self.in_turns


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"colluding_cover": ColludingCover}
