"""An aggregate far away, with the sum covered by all of the plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.hookspecs import hookimpl
from zpeer.messages import Projections

from ._colluder import Colluder
from ._shift import cover, move

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext, Float32
    from zpeer.messages import Message


class WrongAverage(Colluder):
    """Moves its part's aggregate by `distance` times Δ_max; all colluding workers together state,
    on every part of the plot, the projections that make the sum zero.

    No projection is accused, since its only witness is in the plot; but more than half of the
    workers report a norm beyond Δ_max, and the whole residual is tested: the attempt is void, and
    WRONG_AVERAGE bans the owner in the next record. Where too few cover too much, the sum fails
    first: WRONG_SUM.
    """

    def __init__(self, distance: float = 2.0) -> None:
        self.distance = distance

    def aggregate(self, context: AttackContext, honest: Float32) -> Float32:
        """The moved one."""
        return move(context, honest, self.distance * context.delta_max[context.my_part])

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """My share of every cover."""
        if not isinstance(message, Projections) or not message.norms or not self.distance:
            return message
        plot = [peer for peer in context.workers if peer in context.colluders]
        for owner in plot:
            message = cover(context, message, context.workers.index(owner), plot)
        return message


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"wrong_average": WrongAverage}
