"""A statement that does not follow from the bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.events import Scalars
from zpeer.hookspecs import hookimpl
from zpeer.messages import Projections

from ._colluder import Colluder
from ._shift import state

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message


class WrongProjection(Colluder):
    """States, on the part of the first honest worker, a projection that is `units` times
    u·min(norm, τ) off (u = 2⁻²⁴: the unit of the thresholds in protocol section 3).

    Above 60 the owner accuses with the bytes: WRONG_PROJECTION, in the next record. Below it nobody
    does. Where it is large enough to spoil the part's sum the attempt is void, and the accusation
    clears the owner.
    """

    def __init__(self, units: float = 1000.0) -> None:
        self.units = units

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """One row moved, on one direction."""
        if not isinstance(message, Projections) or not message.norms:
            return message
        part = context.workers.index(context.honest_workers[0])
        return nudge(context, message, part, self.units)


def nudge(context: AttackContext, message: Projections, part: int, units: float) -> Projections:
    """My first projection on a part, that many units off."""
    norm = message.norms[part]
    first, *others = message.projections[part]
    first += units * UNIT * min(norm, context.radii[part])
    return state(message, part, Scalars((first, *others), norm))


UNIT = 2.0**-24
"""u: half a unit in the last place of a float32 near one."""


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"wrong_projection": WrongProjection}
