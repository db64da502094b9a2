"""An accusation of an innocent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from zpeer.effects import SendBlob
from zpeer.faults import FaultKind
from zpeer.hookspecs import hookimpl
from zpeer.messages import Accusation, Check

from ._accuse import accuse, accuse_over_my_part, publish
from ._colluder import Colluder
from ._speech import get_honest, read_check

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
    finite, or, as a target, a validator of its `report`; or of a `gradient` that it has not drawn.

    The published bytes, or the gradient that all compute again, clear the accused:
    FALSE_ACCUSATION, in the next record; also where they were published `to` one honest peer alone,
    whom the others ask. Where `nobody` gets them nobody can judge, so after three records the
    accusation falls and its author is removed: ACCUSATION_FELL. Unless the accused shows them. What
    is not the accuser's to say is INVALID_BODY.
    """

    def __init__(
        self,
        of: Literal["projection", "part", "report", "gradient"] = "projection",
        to: Literal["all", "one", "nobody"] = "all",
    ) -> None:
        self.of = of
        self.to = to
        self._reports: dict[PeerId, tuple[Report, ...]] = {}

    def observe(self, context: AttackContext, event: Event) -> None:
        """Note the reports on me: what I may accuse in the next CHECK."""
        said = read_check(context, event)
        if said is not None and said[0] not in context.colluders:
            sender, check = said
            self._reports[sender] = tuple(r for r in check.reports if r.target == context.me)

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """The bytes, for whom they are meant."""
        outgoing = super().effects(context, effects)
        if self.of in ("projection", "part"):
            outgoing = publish(context, outgoing)
        if self.to == "all":
            return outgoing
        few = get_honest(context)[-1:] if self.to == "one" else ()
        return [replace(e, to=few) if isinstance(e, SendBlob) else e for e in outgoing]

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """One accusation more."""
        if not isinstance(message, Check):
            return message
        if self.of == "report":
            return accuse(message, *self._accuse_reports(context))
        if context.my_part < 0:
            return message
        victim = context.honest_workers[0]
        if self.of == "gradient":
            return accuse(message, Accusation(FaultKind.WRONG_GRADIENT, victim, context.head))
        kinds = {"projection": FaultKind.WRONG_PROJECTION, "part": FaultKind.PART_NOT_FINITE}
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
