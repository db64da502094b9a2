"""Deeds that show later: wrong gradients, reports without work, false accusations.

Like `truth`, found out without the core; each needs what was said in an attempt that is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer import events as ev
from zpeer.compute.worker import digest_report
from zpeer.core.mprng import compute_batch_seed
from zpeer.errors import ZpeerError
from zpeer.faults import FaultKind
from zpeer.messages import Check, Commit, Projections
from zpeer.signed import Stage
from zpeer.simulate.promises.truth import Attempt, Deed, is_far

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zpeer.compute.gradients import Gradients
    from zpeer.events import Event
    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import Float32
    from zpeer.messages import Report
    from zpeer.simulate.host import Host

ACCUSED_RECORDS = 3
"""CHECK sets until a report is punished: its own, the accusation, the findings."""
FALLEN_RECORDS = 5
"""The same for an accusation that is false: at the latest when it falls."""


class Hindsight:
    """One honest peer's memory. `past`: what it saw of attempts that are over, by head."""

    hears: tuple[type[Event], ...] = (ev.Recomputed, ev.MessageReceived)

    def __init__(
        self, suspects: frozenset[PeerId], gradients: Gradients, past: Mapping[Digest, Attempt]
    ) -> None:
        self._suspects = suspects
        self._gradients = gradients
        self._past = past

    def see(self, host: Host, attempt: Attempt, event: Event) -> Iterator[Deed]:
        """The deeds that an event shows."""
        match event:
            case ev.Recomputed(target=target) if target in self._suspects:
                yield from self._compare(attempt, event)
            case ev.MessageReceived(signed=signed) if (
                signed.stage is Stage.CHECK
                and signed.head == attempt.base.head
                and signed.sender in self._suspects
            ):
                yield from self._check(host, attempt, signed.sender)
            case _:
                pass

    def _compare(self, attempt: Attempt, event: ev.Recomputed) -> Iterator[Deed]:
        """What the gradient is, against what its worker committed to.

        When a call made the attempt void, its draws stay open and perhaps another validator's: who
        is to look at the gradient again is told of it again.
        """
        past = self._past.get(event.head)
        commit = past.said(Stage.COMMIT, event.target) if past else None
        if past is None or not isinstance(commit, Commit) or past.is_doubtful(event.target):
            return
        if commit.parts != event.digests:
            fault = FaultKind.WRONG_GRADIENT
            yield Deed(fault, event.target, attempt.base.head, survives=False, matter=True)
        elif any(
            draw.counted and (draw.target, draw.attempt) == (event.target, event.head)
            for draw in attempt.base.duty_of(attempt.me)
        ):
            yield from self._compare_statements(attempt, past, event)

    def _compare_statements(
        self, attempt: Attempt, past: Attempt, event: ev.Recomputed
    ) -> Iterator[Deed]:
        """What I drew a peer for, besides: its own statements, and who held the bytes of a wrong
        one and kept quiet."""
        head, said = attempt.base.head, past.said(Stage.PROJECTIONS, event.target)
        if not isinstance(said, Projections) or len(said.norms) != len(event.row):
            return
        for part, (owner, found) in enumerate(zip(past.base.workers, event.row, strict=True)):
            if not is_far(said, part, found, past.base.radii[part]):
                continue
            fault = FaultKind.WRONG_PROJECTION
            yield Deed(fault, event.target, head, survives=False, matter=True)
            is_here = owner in self._suspects and owner in attempt.base.roster
            if is_here and owner != event.target and self._was_quiet(past, owner, event.target):
                fault = FaultKind.CONCEALED_PROJECTION
                yield Deed(fault, owner, head, survives=False, matter=True)

    def _was_quiet(self, past: Attempt, owner: PeerId, worker: PeerId) -> bool:
        """Whether the owner of a part did not accuse a worker in that attempt."""
        check = past.said(Stage.CHECK, owner)
        return (
            isinstance(check, Check)
            and not past.is_doubtful(owner)
            and all(each.accused != worker for each in check.accusations)
        )

    def _check(self, host: Host, attempt: Attempt, sender: PeerId) -> Iterator[Deed]:
        """Reports on me, and accusations of who is honest."""
        check = attempt.said(Stage.CHECK, sender)
        if not isinstance(check, Check):
            return
        head = attempt.base.head
        for report in check.reports:
            if report.target == attempt.me and self._is_idle(host, sender, report):
                fault, records = FaultKind.WRONG_REPORT, ACCUSED_RECORDS
                yield Deed(fault, sender, head, survives=False, matter=True, records=records)
        if any(each.accused not in self._suspects for each in check.accusations):
            fault, records = FaultKind.FALSE_ACCUSATION, FALLEN_RECORDS
            yield Deed(fault, sender, head, survives=False, matter=True, records=records)

    def _is_idle(self, host: Host, validator: PeerId, report: Report) -> bool:
        """Whether a report on me does not follow from my gradient."""
        past = self._past.get(report.attempt)
        if past is None or host.me not in past.base.workers:
            return False
        try:
            return report.gradient != digest_report(validator, self._find(host, past))
        except ZpeerError:  # its parameters are gone: nothing rests on them any more
            return False

    def _find(self, host: Host, past: Attempt) -> Float32:
        """My gradient of an attempt."""
        base = past.base
        seed = compute_batch_seed(base.seed_beacon, base.step, host.me)
        return self._gradients.get(base.parameters, host.peer.files.load, seed).vector
