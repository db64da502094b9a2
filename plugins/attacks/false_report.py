"""A validator that finds what is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zpeer.hookspecs import hookimpl
from zpeer.messages import Check

from ._accuse import accuse_targets
from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message


class FalseReport(Colluder):
    """As a validator accuses its honest target of a wrong `gradient`, of a wrong `projection`, or
    an honest peer of having `concealed` one.

    Everybody computes the gradient again: FALSE_ACCUSATION, in the next record.
    """

    def __init__(self, of: Literal["gradient", "projection", "concealed"] = "gradient") -> None:
        self.of = of

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """Nothing is well."""
        if not isinstance(message, Check) or not message.reports:
            return message
        return accuse_targets(context, message, self.of)


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"false_report": FalseReport}
