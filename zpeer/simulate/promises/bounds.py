"""Promises about amounts: a record within a bounded time, bounded memory, bounded traffic.

The bounds are generous multiples of what the protocol needs at most; what they catch is waiting
for ever and growing without end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.signed import STEP_STAGES
from zpeer.simulate.plan import most_faulty
from zpeer.simulate.promises.verdicts import Idle, ViolationError

if TYPE_CHECKING:
    from zpeer.core.state import Base
    from zpeer.effects import Stop
    from zpeer.genesis import Genesis
    from zpeer.ids import PeerId
    from zpeer.simulate.host import Host
    from zpeer.simulate.promises.verdicts import Decision, Setting

SPACIOUS = 5.0
"""Times the agreed duration that a stage is given."""
ASKING_DELTAS = 40.0
"""For fetching what the outcome of a slow path rests on."""
BEHIND = 4
"""Attempts' time that one who was cut off may need to find that out."""

SNAPSHOT_EVERY = 8
STATE_BYTES = 65_536
STATE_BYTES_EACH = 4_096
"""For every pair of peers, of each attempt that is kept."""
TIGHT_ATTEMPTS = 4
"""As many times that, where first limits are too tight for honest steps: void ones wait for their
draws."""
PARDONED_EACH = 0.25
"""And so much more for every departure that was pardoned: in step 0, which has no validators,
attempt after attempt is made void and waits for its draws."""
STORE_GRADIENTS = 40
TRAFFIC_BYTES_EACH = 65_536
"""Control bytes to each peer in an attempt."""
TRAFFIC_GRADIENTS = 24


def longest_attempt(genesis: Genesis, base: Base) -> float:
    """Seconds in which an attempt comes to its record, with calls and all."""
    recent = sum(base.durations)
    stages = len(STEP_STAGES) * (2 * genesis.patience + genesis.work) + SPACIOUS * recent
    rounds = 10 + 4 * most_faulty(len(base.roster))
    return stages + (rounds + ASKING_DELTAS) * genesis.delta


class Progress(Idle):
    """While three peers are left, every kept one gets record after record, to the end."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._due: dict[PeerId, float] = {}
        self._next = 0.0
        self.is_over = False
        """Whether every kept peer has come to its end."""

    def start(self, kept: list[PeerId], base: Base) -> None:
        """The run begins: the clocks of all kept peers run."""
        longest = 2 * longest_attempt(self._setting.genesis, base)
        self._due = dict.fromkeys(kept, longest)
        self.is_over = not kept
        self._next = longest

    def decided(self, decision: Decision) -> None:
        """Its clock runs anew."""
        peer = decision.host.me
        if peer in self._due:
            longest = longest_attempt(self._setting.genesis, decision.after)
            self._due[peer] = decision.now + longest

    def stopped(self, host: Host, stop: Stop) -> None:  # noqa: ARG002 - the interface
        """Nothing is expected of it any more."""
        self._due.pop(host.me, None)
        self.is_over = not self._due

    def passed(self, now: float) -> None:
        """Time has passed."""
        if now <= self._next or not self._due:
            return
        late = [peer for peer, due in self._due.items() if due < now]
        if late:
            names = ", ".join(self._setting.name(peer) for peer in late)
            raise ViolationError("stall", f"no record for too long at {names}, time {now:.2f}")
        self._next = min(self._due.values())


class Memory(Idle):
    """Core, store and directory of a kept peer stay small."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    def decided(self, decision: Decision) -> None:
        """Look at it every so many records."""
        host, peers = decision.host, len(self._setting.genesis.peers)
        if host.me in self._setting.faulty:
            return
        store = host.peer.store.size_bytes
        store_max = STORE_GRADIENTS * 4 * self._setting.genesis.dimension * peers
        self._hold("tensor store", store, store_max, decision)
        if decision.height % SNAPSHOT_EVERY == 0:
            plan = self._setting.plan
            times = float(TIGHT_ATTEMPTS if plan.pardon or plan.typical < 1 else 1)
            times += PARDONED_EACH * self._setting.pardons.count
            state_max = int(times * (STATE_BYTES + STATE_BYTES_EACH * peers**2))
            self._hold("core", len(host.core.snapshot()), state_max, decision)

    def _hold(self, what: str, found: int, most: int, decision: Decision) -> None:
        if found > most:
            name = self._setting.name(decision.host.me)
            raise ViolationError(
                "memory", f"{what} of {name} holds {found} bytes, expected at most {most}"
            )


class TrafficPerAttempt(Idle):
    """What a kept peer sends in an attempt is bounded, whatever it is sent or asked for."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._before: dict[PeerId, int] = {}

    def decided(self, decision: Decision) -> None:
        """Bytes since the record before."""
        host, peers = decision.host, len(self._setting.genesis.peers)
        sent = host.sent_bytes - self._before.get(host.me, 0)
        self._before[host.me] = host.sent_bytes
        gradients = TRAFFIC_GRADIENTS * 4 * self._setting.genesis.dimension
        most = (TRAFFIC_BYTES_EACH + gradients) * peers
        if sent > most and host.me not in self._setting.faulty:
            name = self._setting.name(host.me)
            raise ViolationError(
                "traffic", f"{name} sent {sent} bytes for a record, expected at most {most}"
            )
