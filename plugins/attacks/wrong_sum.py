"""An aggregate that its own rows disown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.faults import FaultKind
from zpeer.hookspecs import hookimpl
from zpeer.messages import Check

from ._accuse import accuse, accuse_over_my_part, publish
from ._colluder import Colluder
from ._shift import move, radius_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext, Float32
    from zpeer.messages import Message


class WrongSum(Colluder):
    """Moves its part's aggregate by `shift` clipping radii along the plot's direction and hopes.

    The projections of the part no longer add up: WRONG_SUM by all, in the same attempt, which is
    void. With `shield` it accuses the first honest worker over that part, which puts the ban off by
    one record and changes its name to FALSE_ACCUSATION.
    """

    def __init__(self, shift: float = 1.0, shield: bool = False) -> None:
        self.shift = shift
        self.shield = shield

    def aggregate(self, context: AttackContext, honest: Float32) -> Float32:
        """The moved one."""
        return move(context, honest, self.shift * radius_of(context, honest))

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """The shield rests on bytes that have to be published."""
        outgoing = super().effects(context, effects)
        return publish(context, outgoing) if self.shield else outgoing

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """The shield."""
        if not self.shield or not isinstance(message, Check) or context.my_part < 0:
            return message
        fault = FaultKind.WRONG_PROJECTION
        return accuse(message, accuse_over_my_part(context, fault, context.honest_workers[0]))


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"wrong_sum": WrongSum}
