"""A report without the work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from zpeer.hookspecs import hookimpl
from zpeer.messages import Check

from ._accuse import without_duties
from ._colluder import Colluder, other
from ._speech import read_check

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.events import Event
    from zpeer.ids import Digest
    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message, Report


class LazyValidator(Colluder):
    """As a validator reports that all is well, with a digest that it made up (`guess`), or with the
    last one that somebody else reported (`copy`); or reports nothing (`omit`).

    An honest target knows what the digest had to be and accuses: WRONG_REPORT, two records after
    the report. A colluding target says nothing. A CHECK without its reports: INVALID_BODY.
    """

    def __init__(self, mode: Literal["guess", "copy", "omit"] = "guess") -> None:
        self.mode = mode
        self._seen: Digest | None = None

    def observe(self, context: AttackContext, event: Event) -> None:
        """Note what others report."""
        said = read_check(context, event)
        if said is not None and said[0] != context.me and said[1].reports:
            self._seen = said[1].reports[-1].gradient

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:  # noqa: ARG002 - the interface
        """All is well."""
        if not isinstance(message, Check) or not message.reports:
            return message
        if self.mode == "omit":
            return replace(without_duties(message), reports=())
        reports = tuple(self._guess(report) for report in message.reports)
        return replace(without_duties(message), reports=reports)

    def _guess(self, report: Report) -> Report:
        copied = self._seen if self.mode == "copy" else None
        return replace(report, follows=True, gradient=copied or other(report.gradient))


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"lazy_validator": LazyValidator}
