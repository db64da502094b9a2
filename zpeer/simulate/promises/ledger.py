"""Promises that records keep or break by themselves: who is drawn, and what a draw rests on.

Computed again from the beacons that a record holds, by the run's own policy.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from zpeer.faults import is_ban
from zpeer.ids import NOTHING
from zpeer.record import Outcome
from zpeer.simulate.promises.verdicts import Idle, ViolationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zpeer.ids import PeerId
    from zpeer.interfaces import ValidatorPolicy
    from zpeer.simulate.promises.verdicts import Decision, Setting

RECENT = 2
"""Attempts with a COMMIT set within which a removed peer's last gradient is found."""


class Ledger(Idle):
    """Targets are drawn by q in every attempt that has one, counted or void; whoever is removed is
    a target for its last gradient; validators are drawn by the last counted step's q."""

    def __init__(self, setting: Setting, policy: ValidatorPolicy) -> None:
        self._setting = setting
        self._policy = policy
        self._height = 0
        self._recent: deque[tuple[PeerId, ...]] = deque(maxlen=RECENT)

    def decided(self, decision: Decision) -> None:
        """Draw again, once for each record."""
        if decision.host.me in self._setting.faulty or decision.height != self._height:
            return
        self._height += 1
        opened = {(draw.target, draw.attempt) for draw in decision.record.draws}
        for target in self._list_targets(decision):
            if (target, decision.before.head) not in opened and not self._is_banned(
                decision, target
            ):
                self._complain(decision, f"{self._setting.name(target)} is drawn as a target")
        self._compare_validators(decision)
        for peer in self._list_removed(decision):
            if not any(target == peer for target, _ in opened):
                self._complain(decision, f"{self._setting.name(peer)} is removed unchecked")

    def _list_targets(self, decision: Decision) -> Iterator[PeerId]:
        """Who must be checked for what it did in this attempt."""
        record, base = decision.record, decision.before
        if record.secret_beacon == NOTHING or not base.workers:
            return
        is_last = record.outcome is Outcome.COUNTED and record.counted >= self._setting.plan.steps
        count = self._count(len(base.roster))
        yield from self._policy.targets(
            record.secret_beacon, base.workers, len(base.workers) if is_last else count
        )

    def _list_removed(self, decision: Decision) -> Iterator[PeerId]:
        """Who left without a ban after it had worked in one of the last attempts that all know."""
        if decision.record.sets:
            self._recent.append(decision.before.workers)
        for departure in decision.record.departures:
            worked = any(departure.peer in workers for workers in self._recent)
            if worked and not is_ban(departure.fault):
                yield departure.peer

    def _compare_validators(self, decision: Decision) -> None:
        record = decision.record
        beacon = record.draw_beacon
        if beacon == NOTHING or record.counted >= self._setting.plan.steps:
            return
        expected = self._policy.validators(beacon, record.roster, self._count(len(record.roster)))
        if record.validators != tuple(expected):
            self._complain(decision, "other validators are drawn")

    def _count(self, peers: int) -> int:
        return max(0, min(self._setting.plan.validators, (peers - 1) // 2))

    def _is_banned(self, decision: Decision, peer: PeerId) -> bool:
        banned = any(d.peer == peer and is_ban(d.fault) for d in decision.record.departures)
        return banned or peer not in (*decision.before.roster, *decision.record.roster)

    def _complain(self, decision: Decision, what: str) -> None:
        where = f"record {decision.height} (step {decision.record.step})"
        raise ViolationError("draws", f"{what}, which {where} does not hold")
