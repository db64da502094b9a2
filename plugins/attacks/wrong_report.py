"""The work was done, the report is another's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from zpeer.hookspecs import hookimpl
from zpeer.messages import Check

from ._accuse import accuse_targets
from ._colluder import Colluder, other

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message


class WrongReport(Colluder):
    """As a validator accuses its honest target of a wrong gradient, with a digest that it made up.

    Two wrongs: the accusation is judged first. FALSE_ACCUSATION, one record after the report; else
    WRONG_REPORT in the next, by the target.
    """

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """Nothing is well."""
        if not isinstance(message, Check) or not message.reports:
            return message
        accused = accuse_targets(context, message, "gradient")
        reports = tuple(replace(each, gradient=other(each.gradient)) for each in accused.reports)
        return replace(accused, reports=reports)


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"wrong_report": WrongReport}
