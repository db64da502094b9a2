"""A liar sacrificed, so that honest owners look as if they had kept quiet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from zpeer.faults import FaultKind
from zpeer.hookspecs import hookimpl
from zpeer.messages import Accusation, Check

from ._accuse import accuse
from .small_lies import SmallLies

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message, Report


class FramedOwner(SmallLies):
    """States projections that are `units` off on every honest part: so much that a validator might
    see a lie, and so little that its owner need not have. A colluding validator that draws such a
    liar gives it away, and accuses the owners of having concealed it.

    What an owner accuses (60) lies below what it is blamed for (100): below 60 all find it
    innocent. FALSE_ACCUSATION for the validator, one record after its report. Above, the owners
    have accused: WRONG_PROJECTION for the liar.
    """

    def __init__(self, units: float = 55.0) -> None:
        super().__init__(units)

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """The lies; and the accusations of whoever held the bytes."""
        if not isinstance(message, Check):
            return super().lie(context, message)
        known = [report for report in message.reports if report.target in context.colluders]
        reports = tuple(
            replace(report, follows=False) if report in known else report
            for report in message.reports
        )
        framed = [each for report in known for each in self._blame(context, report)]
        return accuse(replace(message, reports=reports), *framed)

    @staticmethod
    def _blame(context: AttackContext, report: Report) -> list[Accusation]:
        """The liar, and the first honest peer as the owner of each part in question."""
        target, attempt = report.target, report.attempt
        owner = next(peer for peer in context.roster if peer not in context.colluders)
        fault = FaultKind.CONCEALED_PROJECTION
        blamed = [Accusation(fault, owner, attempt, part, target) for part in range(context.parts)]
        return [Accusation(FaultKind.WRONG_PROJECTION, target, attempt, 0), *blamed[:1]]


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"framed_owner": FramedOwner}
