"""A norm that does not follow from the bytes."""

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


class WrongNorm(Colluder):
    """States, on the part of the first honest worker, a norm `factor` times the true one: τ and
    Δ_max follow what is reported.

    The owner accuses with the bytes: WRONG_PROJECTION, in the next record. Less than 60·2⁻²⁴ off,
    nobody does. Smaller norms may make the projections impossible: INVALID_BODY at once.
    """

    def __init__(self, factor: float = 1.5) -> None:
        self.factor = factor

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """One norm of the row."""
        if not isinstance(message, Projections) or not message.norms:
            return message
        part = context.workers.index(context.honest_workers[0])
        row, norm = message.projections[part], message.norms[part]
        return state(message, part, Scalars(row, norm * self.factor))


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"wrong_norm": WrongNorm}
