"""The promise that kept peers never wait for each other past a deadline: each claim of one of them
is against somebody faulty. Everything that a call may cost rests on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.errors import WireError
from zpeer.events import MessageReceived, SetReceived
from zpeer.messages import View
from zpeer.signed import STEP_STAGES, Stage
from zpeer.simulate.verdicts import Idle, ViolationError
from zpeer.wire import decode_payload

if TYPE_CHECKING:
    from zpeer.core.state import Base
    from zpeer.events import Event
    from zpeer.ids import Digest, PeerId
    from zpeer.signed import Signed
    from zpeer.simulate.host import Host
    from zpeer.simulate.verdicts import Decision, Setting
    from zpeer.wire import WireLimits


HELD_DELTAS = 3.0
"""So long before a claim somebody else must have held what it is about: everybody is asked 2 Delta
before a deadline."""


class Claims(Idle):
    """Looks at kept peers' own views, and at the pairs that records charge. What a kept peer waits
    for no other one has had for long: it would have been asked."""

    def __init__(self, setting: Setting, limits: WireLimits) -> None:
        self._setting = setting
        self._limits = limits
        self._held: dict[tuple[Digest, str, PeerId], dict[PeerId, float]] = {}
        """By attempt, kind and sender: which kept peers got it, and when."""
        self._stages: dict[PeerId, Stage] = {}
        """In which kept peers spoke last."""

    def saw(self, host: Host, before: Base, event: Event, now: float) -> None:
        """Messages that come; a peer's own words come back to it."""
        match event:
            case MessageReceived(signed=signed):
                self._hear(host, before, signed, now)
            case SetReceived(head=head, messages=messages) if head == before.head:
                for signed in messages:
                    self._note(host, signed.head, signed.stage.name, signed.sender, now)
            case _:
                pass

    def _note(self, host: Host, head: Digest, kind: str, sender: PeerId, now: float) -> None:
        self._held.setdefault((head, kind, sender), {}).setdefault(host.me, now)

    def _hear(self, host: Host, before: Base, signed: Signed, now: float) -> None:
        self._note(host, signed.head, signed.stage.name, signed.sender, now)
        if signed.sender != host.me or signed.head != before.head:
            return
        if signed.stage in STEP_STAGES:
            self._stages[host.me] = signed.stage
        elif signed.stage is Stage.VIEW:
            self._look(host, before, signed, now)

    def _look(self, host: Host, before: Base, signed: Signed, now: float) -> None:
        """A kept peer calls, or joins."""
        try:
            view = decode_payload(signed.stage, signed.payload, self._limits)
        except WireError:
            return
        for peer in view.claims if isinstance(view, View) else ():
            one, other = self._setting.name(host.me), self._setting.name(peer)
            if peer not in self._setting.faulty:
                raise ViolationError("claims", f"{one} waits for {other}, time {now:.2f}")
            stage = self._stages.get(host.me)
            if stage is not None and self._was_near(before.head, stage.name, peer, host.me, now):
                what = f"{one} waits for {stage.name} of {other}, which others hold"
                raise ViolationError("claims", f"{what}, time {now:.2f}")

    def _was_near(self, head: Digest, kind: str, sender: PeerId, me: PeerId, now: float) -> bool:
        """Whether another kept peer has long had what this one never got."""
        held = self._held.get((head, kind, sender), {})
        until = now - HELD_DELTAS * self._setting.plan.delta
        return me not in held and any(
            at <= until for peer, at in held.items() if peer not in self._setting.faulty
        )

    def decided(self, decision: Decision) -> None:
        """No two kept peers share a charge."""
        self._stages.pop(decision.host.me, None)
        for charge in decision.record.charges:
            if {charge.first, charge.second}.isdisjoint(self._setting.faulty):
                one, other = self._setting.name(charge.first), self._setting.name(charge.second)
                raise ViolationError("claims", f"{one} and {other} are charged")
