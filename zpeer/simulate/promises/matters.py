"""The promise that no accusation is forgotten: a matter stays open until somebody pays for it.

Held to what the peer itself found, in its own CHECK: guilty, and the accused leaves; innocent, and
the accuser does; lacking, and it stays open, or falls on who keeps back what is lacking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.events import MessageReceived
from zpeer.faults import FaultKind, is_ban
from zpeer.messages import Check, Finding, Guilt
from zpeer.signed import Stage
from zpeer.simulate.promises.forms import read
from zpeer.simulate.promises.truth import CHECKED_SETS
from zpeer.simulate.promises.verdicts import Idle, ViolationError

if TYPE_CHECKING:
    from zpeer.core.state import Base
    from zpeer.events import Event
    from zpeer.ids import Digest, PeerId
    from zpeer.record import Matter, Record
    from zpeer.simulate.host import Host
    from zpeer.simulate.promises.verdicts import Decision, Setting
    from zpeer.wire import WireLimits


class Matters(Idle):
    """See the module."""

    hears: tuple[type[Event], ...] = (MessageReceived,)

    def __init__(self, setting: Setting, limits: WireLimits) -> None:
        self._setting = setting
        self._limits = limits
        self._found: dict[tuple[PeerId, Digest], tuple[Finding, ...]] = {}

    def saw(self, host: Host, before: Base, event: Event, now: float) -> None:  # noqa: ARG002 - the interface
        """What the peer itself found."""
        if not isinstance(event, MessageReceived) or not before.matters:
            return
        signed = event.signed
        if (signed.sender, signed.stage, signed.head) != (host.me, Stage.CHECK, before.head):
            return
        check = read(signed, self._limits)
        if isinstance(check, Check):
            self._found[host.me, before.head] = check.findings

    def decided(self, decision: Decision) -> None:
        """What became of it."""
        key = (decision.host.me, decision.before.head)
        findings = self._found.pop(key, ())
        if len(decision.record.sets) < CHECKED_SETS:
            return
        self._count(decision, findings)
        open_ = {matter.name for matter in decision.record.matters}
        by_name = {matter.name: matter for matter in decision.before.matters}
        for finding in findings:
            matter = by_name.get(finding.matter)
            if matter is not None and matter.shields and finding.matter not in open_:
                self._judge_shield(decision, matter)
            if matter is not None and finding.matter not in open_:
                self._judge(decision, matter, finding)

    def _judge(self, decision: Decision, matter: Matter, finding: Finding) -> None:
        record, accusation = decision.record, matter.accusation
        averaging = accusation.fault is FaultKind.WRONG_AVERAGE
        if finding.guilt is Guilt.GUILTY:
            fair = self._is_gone(decision, record, accusation.accused)
        elif finding.guilt is Guilt.INNOCENT:
            fair = averaging or self._is_gone(decision, record, matter.accuser)
        else:
            named = (matter.accuser, accusation.accused, *finding.lacking)
            fair = any(self._is_gone(decision, record, peer) for peer in named)
        if not fair:
            about = f"{accusation.fault.name} of {self._setting.name(accusation.accused)}"
            raise ViolationError(
                "forgotten",
                f"the matter of {about}, found {finding.guilt.name} by"
                f" {self._setting.name(decision.host.me)}, costs nobody anything in record"
                f" {decision.height}",
            )

    def _count(self, decision: Decision, findings: tuple[Finding, ...]) -> None:
        """Of those between the same two one is judged at a time: each costs all a gradient."""
        judged = {finding.matter for finding in findings}
        pairs = [
            (matter.accuser, matter.accusation.accused)
            for matter in decision.before.matters
            if matter.name in judged
        ]
        if len(set(pairs)) < len(pairs):
            name = self._setting.name(decision.host.me)
            raise ViolationError("work", f"{name} judged two matters between the same two peers")

    def _judge_shield(self, decision: Decision, matter: Matter) -> None:
        """An excuse for a failed sum ends with a ban: of who was accused, or of who made it."""
        both = (matter.accuser, matter.accusation.accused)
        banned = [each.peer for each in decision.record.departures if is_ban(each.fault)]
        spared = any(self._setting.pardons.is_granted(decision.before.head, each) for each in both)
        if not spared and not any(peer in banned for peer in both):
            raise ViolationError(
                "forgotten",
                f"the failed sum of {self._setting.name(matter.accuser)}, whose excuse is gone in"
                f" record {decision.height}, cost nobody the name",
            )

    def _is_gone(self, decision: Decision, record: Record, peer: PeerId) -> bool:
        """Whether a peer has left, leaves, or is pardoned that."""
        left = any(departure.peer == peer for departure in record.departures)
        spared = self._setting.pardons.is_granted(decision.before.head, peer)
        return left or spared or (any(peer) and peer not in record.roster)
