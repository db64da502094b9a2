"""A report without the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from zpeer.hookspecs import hookimpl
from zpeer.messages import Check

from ._accuse import without_duties
from ._colluder import Colluder, other

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message


class LazyValidator(Colluder):
    """As a validator reports that all is well, with a digest that it made up.

    An honest target knows what the digest had to be and accuses: WRONG_REPORT, two records after
    the report. A colluding target says nothing.
    """

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:  # noqa: ARG002 - the interface
        """All is well."""
        if not isinstance(message, Check) or not message.reports:
            return message
        return replace(
            without_duties(message),
            reports=tuple(
                replace(report, follows=True, gradient=other(report.gradient))
                for report in message.reports
            ),
        )


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"lazy_validator": LazyValidator}
