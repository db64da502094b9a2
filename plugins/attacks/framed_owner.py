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

    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import Attack, AttackContext, Float32
    from zpeer.messages import Message, Report

ATTEMPTS_REMEMBERED = 50


class FramedOwner(SmallLies):
    """States projections that are `units` off on every honest part: so much that all find it guilty
    (above 40), and so little that its owner need not accuse it (below 60). A colluding validator
    that draws such a liar gives it away, and accuses the owners of having concealed it.

    An owner is blamed only for what it must have seen (above 100; upheld above 80): all find it
    innocent. WRONG_PROJECTION for the liar and FALSE_ACCUSATION for the validator, one record after
    its report. Takes two.
    """

    def __init__(self, units: float = 55.0) -> None:
        super().__init__(units)
        self._workers: dict[Digest, tuple[PeerId, ...]] = {}

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:
        """Honest; only note who owns what."""
        self._workers[context.head] = context.workers
        while len(self._workers) > ATTEMPTS_REMEMBERED:
            del self._workers[next(iter(self._workers))]
        return honest

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """The lies; and the accusations of whoever held the bytes."""
        if not isinstance(message, Check):
            return super().lie(context, message)
        known = [report for report in message.reports if self._is_given_away(context, report)]
        reports = tuple(
            replace(report, follows=False) if report in known else report
            for report in message.reports
        )
        framed = [each for report in known for each in self._blame(context, report)]
        return accuse(replace(message, reports=reports), *framed)

    def _is_given_away(self, context: AttackContext, report: Report) -> bool:
        """One of the plot, in an attempt in which I worked myself."""
        return report.target in context.colluders and report.attempt in self._workers

    def _blame(self, context: AttackContext, report: Report) -> list[Accusation]:
        """The liar, over the first honest part; and every honest owner."""
        target, attempt = report.target, report.attempt
        owners = [
            (part, owner)
            for part, owner in enumerate(self._workers[attempt])
            if owner in context.roster and owner not in context.colluders
        ]
        fault = FaultKind.CONCEALED_PROJECTION
        blamed = [Accusation(fault, owner, attempt, part, target) for part, owner in owners]
        first = owners[0][0]
        return [Accusation(FaultKind.WRONG_PROJECTION, target, attempt, first), *blamed]


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"framed_owner": FramedOwner}
