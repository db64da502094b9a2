"""An accusation of an innocent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zpeer.effects import SendBlob
from zpeer.errors import WireError
from zpeer.events import MessageReceived
from zpeer.faults import FaultKind
from zpeer.hookspecs import hookimpl
from zpeer.messages import Accusation, Check
from zpeer.signed import Stage

from ._accuse import accuse, accuse_over_my_part, publish
from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.ids import PeerId
    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message, Report


class FalseAccusation(Colluder):
    """Accuses the first honest other worker, of its projection on my part, of that `part` not being
    finite, or, as a target, a validator of its `report`.

    The published bytes, or the gradient that all compute again, clear the accused:
    FALSE_ACCUSATION, in the next record. Without `publish` nobody can judge, so after three records
    the accusation falls and its author is removed: ACCUSATION_FELL.
    """

    def __init__(
        self, of: Literal["projection", "part", "report"] = "projection", publish: bool = True
    ) -> None:
        self.of = of
        self.publish = publish
        self._reports: dict[PeerId, tuple[Report, ...]] = {}

    def observe(self, context: AttackContext, event: Event) -> None:
        """Note the reports on me: what I may accuse in the next CHECK."""
        if not isinstance(event, MessageReceived) or event.signed.stage is not Stage.CHECK:
            return
        try:
            message = context.decode(event.signed)
        except WireError:
            return
        if isinstance(message, Check) and event.signed.sender not in context.colluders:
            mine = tuple(report for report in message.reports if report.target == context.me)
            self._reports[event.signed.sender] = mine

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """The bytes, if they are to be published."""
        outgoing = super().effects(context, effects)
        if not self.publish:
            return [each for each in outgoing if not isinstance(each, SendBlob)]
        return outgoing if self.of == "report" else publish(context, outgoing)

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """One accusation more."""
        if not isinstance(message, Check):
            return message
        if self.of == "report":
            return accuse(message, *self._accuse_reports(context))
        if context.my_part < 0:
            return message
        kinds = {"projection": FaultKind.WRONG_PROJECTION, "part": FaultKind.PART_NOT_FINITE}
        victim = context.honest_workers[0]
        return accuse(message, accuse_over_my_part(context, kinds[self.of], victim))

    def _accuse_reports(self, context: AttackContext) -> list[Accusation]:
        """Every report on me in the last set."""
        found = [
            Accusation(
                FaultKind.WRONG_REPORT,
                peer,
                report.attempt,
                about=context.me,
                evidence=report.gradient,
            )
            for peer, reports in self._reports.items()
            for report in reports
            if peer in context.roster
        ]
        self._reports = {}
        return found


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"false_accusation": FalseAccusation}
