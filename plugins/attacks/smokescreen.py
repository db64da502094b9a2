"""False accusations of an accomplice, so that the true one has to wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.faults import FaultKind
from zpeer.hookspecs import hookimpl
from zpeer.messages import Check

from ._accuse import accuse, accuse_over_my_part
from .sign_flip import SignFlip

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext, Float32
    from zpeer.messages import Message


class Smokescreen(SignFlip):
    """The first of the plot flips signs (`scale`); the others accuse it all the time of what it did
    not do, and publish nothing, so that each accusation hangs for three records.

    If matters against one peer stood in one queue, a few sacrifices would buy it hundreds of steps.
    They do not: each accuser's first is judged at once, and who is wrong once is heard no more.
    WRONG_GRADIENT for the one, ACCUSATION_FELL for the others, three records after they began.
    """

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:
        """Only the first one's is wrong."""
        is_first = context.me == context.colluders[0]
        return super().gradient(context, honest) if is_first else honest

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """Two accusations of the first, with evidence that nobody else gets."""
        first = context.colluders[0]
        can_accuse = context.my_part >= 0 and first in context.workers and first != context.me
        if not isinstance(message, Check) or not can_accuse:
            return message
        kinds = (FaultKind.PART_NOT_FINITE, FaultKind.WRONG_PROJECTION)
        return accuse(message, *(accuse_over_my_part(context, kind, first) for kind in kinds))


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"smokescreen": Smokescreen}
