"""Many lies, each too small to be accused."""

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


class SmallLies(Colluder):
    """States, on the part of every honest worker, a projection that is `units` off (see
    `wrong_projection`), all of the plot to the same side: the sums are to fail, and the honest
    owners to be banned for them.

    Below 60 nobody is accused, and no sum fails: its tolerance is wider than what all workers may
    be off unaccused. Above: WRONG_PROJECTION, by every owner.
    """

    def __init__(self, units: float = 100.0) -> None:
        self.units = units

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """Every honest part, a little off."""
        if not isinstance(message, Projections) or not message.norms:
            return message
        for owner in context.honest_workers:
            message = nudge(context, message, context.workers.index(owner), self.units)
        return message


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"small_lies": SmallLies}
