"""The promise that no deed goes unpunished: what each kept peer has seen, against the records."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING

from zpeer import events as ev
from zpeer.faults import FaultKind, is_ban
from zpeer.messages import Check
from zpeer.parts import Layout
from zpeer.record import Outcome
from zpeer.signed import Stage
from zpeer.simulate.promises.hindsight import Hindsight
from zpeer.simulate.promises.truth import CHECKED_SETS, Attempt, Deed, Truth
from zpeer.simulate.promises.verdicts import Idle, ViolationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.compute.gradients import Gradients
    from zpeer.core.state import Base
    from zpeer.events import Event
    from zpeer.ids import Digest, PeerId
    from zpeer.record import Record
    from zpeer.simulate.host import Host
    from zpeer.simulate.promises.verdicts import Decision, Setting
    from zpeer.wire import WireLimits

    Weight = Callable[[float, float], float]

ATTEMPTS_KEPT = 64
"""What was said in them is remembered."""
AVERAGING = (FaultKind.WRONG_SUM, FaultKind.WRONG_AVERAGE)


class Punishment(Idle):
    """Every deed that a kept peer saw is punished in time."""

    hears: tuple[type[Event], ...] = (*Truth.hears, *Hindsight.hears)

    def __init__(
        self, setting: Setting, limits: WireLimits, gradients: Gradients, weight: Weight
    ) -> None:
        self._setting = setting
        self._make = partial(Eyes, setting, limits, gradients, weight)
        self._eyes: dict[PeerId, Eyes] = {}

    def saw(self, host: Host, before: Base, event: Event, now: float) -> None:  # noqa: ARG002 - the interface
        """Look at it."""
        eyes = self._eyes.get(host.me)
        if eyes is None:
            eyes = self._eyes[host.me] = self._make(host)
        eyes.see(before, event)

    def decided(self, decision: Decision) -> None:
        """See who has left."""
        eyes = self._eyes.get(decision.host.me)
        if eyes is not None and decision.host.me not in self._setting.faulty:
            eyes.close(decision)


class Eyes:
    """What one kept peer has seen and waits to be punished."""

    def __init__(
        self,
        setting: Setting,
        limits: WireLimits,
        gradients: Gradients,
        weight: Weight,
        host: Host,
    ) -> None:
        self._setting = setting
        self._limits = limits
        self._host = host
        self._me = host.me
        self._past: OrderedDict[Digest, Attempt] = OrderedDict()
        self._truth = Truth(setting.byzantine, weight, host.me)
        self._hindsight = Hindsight(setting.byzantine, gradients, self._past)
        self._attempt: Attempt | None = None
        self._open: dict[Deed, int] = {}
        """By records with a CHECK set that may still pass."""
        self._early: dict[tuple[str, PeerId], Event] = {}
        """What came for a head that was not known: of each kind the last one of a sender."""

    def see(self, base: Base, event: Event) -> None:
        """An event of the attempt that `base` started."""
        attempt = self._attempt
        if attempt is None or attempt.base.head != base.head:
            genesis = self._setting.genesis
            layout = Layout(genesis.dimension, genesis.block, len(base.workers))
            attempt = self._attempt = Attempt(base, self._me, layout, self._limits)
            self._past[base.head] = attempt
            if len(self._past) > ATTEMPTS_KEPT:
                self._past.popitem(last=False)
            early, self._early = self._early, {}
            for kept in early.values():
                self._look(attempt, kept)
        if get_head(event) not in (None, base.head):
            self._keep(event)
        self._look(attempt, event)

    def _keep(self, event: Event) -> None:
        """Perhaps its head comes next."""
        match event:
            case ev.MessageReceived(signed=signed):
                self._early[signed.stage.name, signed.sender] = event
            case ev.PartArrived(sender=sender) | ev.ResultArrived(sender=sender):
                self._early[type(event).__name__, sender] = event
            case _:
                pass

    def _look(self, attempt: Attempt, event: Event) -> None:
        for deed in self._truth.see(attempt, event):
            self._open[deed] = deed.records
        for deed in self._hindsight.see(self._host, attempt, event):
            self._open.setdefault(deed, deed.records)

    def close(self, decision: Decision) -> None:
        """A record: some are punished by it, some no longer need be, and for some it was the
        last."""
        record, head = decision.record, decision.before.head
        has_checks = len(record.sets) == CHECKED_SETS
        gone = {departure.peer: departure.fault for departure in record.departures}
        for deed, left in list(self._open.items()):
            fresh = deed.head == head
            fault = gone.get(deed.culprit)
            weighs = self._must_be_ban(deed) if fresh else is_provable(deed) and has_checks
            if fault is not None and weighs and not is_ban(fault):
                self._complain(deed, decision)
            spared = self._setting.pardons.is_granted(head, deed.culprit)
            stays = fault is None and not spared
            if fresh and has_checks and stays and self._is_seen_by_all(deed):
                self._complain(deed, decision)
            if fresh and has_checks and (deed.fault in AVERAGING or self._is_voiding(deed)):
                self._require_void(deed, decision)
            disputed = is_disputed(deed, record) or self._is_moot(deed, decision)
            excused = spared or disputed or self._is_overtaken(deed)
            if excused or deed.culprit in gone or deed.culprit not in record.roster:
                del self._open[deed]
            elif has_checks and left == 1:
                self._complain(deed, decision)
            elif has_checks:
                self._open[deed] = left - 1
            elif fresh and not deed.survives:
                del self._open[deed]
            elif fresh and not deed.matter:
                self._open[deed] = 1

    def _is_overtaken(self, deed: Deed) -> bool:
        """Sums and norms are not looked at where all saw something for which nothing counts."""
        deeds = self._past[deed.head].deeds.values() if deed.fault in AVERAGING else ()
        return any(each.voids for each in deeds)

    def _is_moot(self, deed: Deed, decision: Decision) -> bool:
        """Whether its owner accuses somebody over that part who leaves in this very record for
        something else: that clears it."""
        past, head = self._past[deed.head], decision.before.head
        check = past.said(Stage.CHECK, deed.culprit) if deed.fault in AVERAGING else None
        if deed.head != head or not isinstance(check, Check):
            return False
        part = past.base.part_of(deed.culprit)
        leavers = {departure.peer for departure in decision.record.departures}
        return any(
            each.accused in leavers or self._setting.pardons.is_granted(head, each.accused)
            for each in check.accusations
            if (each.part, each.attempt) == (part, head)
        )

    def _is_seen_by_all(self, deed: Deed) -> bool:
        """Whether it stands in a set that the record rests on: its doer leaves in that record, and
        nobody else is to pay for it meanwhile.

        Not what makes two stories, or a VERDICT none: of those a set holds at most one. Nor what a
        peer told besides other stories: the set may hold one of these.
        """
        is_doubtful = self._past[deed.head].is_doubtful(deed.culprit)
        return not (deed.matter or is_provable(deed) or is_doubtful)

    def _is_voiding(self, deed: Deed) -> bool:
        """Whether all saw something in it for which the attempt cannot count."""
        return deed.voids and not self._past[deed.head].is_doubtful(deed.culprit)

    def _require_void(self, deed: Deed, decision: Decision) -> None:
        """A step whose averaging is in doubt does not count."""
        if decision.record.outcome is Outcome.COUNTED:
            self._complain(deed, decision)

    def _must_be_ban(self, deed: Deed) -> bool:
        """What a view or a CHECK proves, if it was seen in time, outweighs a removal; a view has
        room for one such proof. In the next CHECK there is room for all."""
        others = sum(is_provable(each) and each.head == deed.head for each in self._open) - 1
        return is_provable(deed) and not deed.late and not others

    def _complain(self, deed: Deed, decision: Decision) -> None:
        who, me = self._setting.name(deed.culprit), self._setting.name(self._me)
        what = f"{deed.fault.name} of {who}, seen by {me} in the attempt on {deed.head.hex()[:8]}"
        raise ViolationError(
            "unpunished", f"{what}, is not punished as such in record {decision.height}"
        )


def is_provable(deed: Deed) -> bool:
    """Whether it makes who sees it call with a proof: two bodies, or a VERDICT that is none."""
    return deed.fault is FaultKind.EQUIVOCATION or (
        deed.fault is FaultKind.INVALID_BODY and deed.survives and not deed.voids
    )


def is_disputed(deed: Deed, record: Record) -> bool:
    """Whether the record has the averaging checked, or its owner accuses somebody of it."""
    if deed.fault not in AVERAGING:
        return False
    return any(
        matter.made == deed.head and deed.culprit in (matter.accuser, matter.accusation.accused)
        for matter in record.matters
    )


def get_head(event: Event) -> Digest | None:
    """The attempt that a message or a tensor is for."""
    match event:
        case ev.MessageReceived(signed=signed):
            return signed.head
        case ev.PartArrived(head=head) | ev.ResultArrived(head=head):
            return head
        case _:
            return None
