"""The promise that kept peers never wait for each other past a deadline: each claim of one of them
is against somebody faulty. Everything that a call may cost rests on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.errors import WireError
from zpeer.events import MessageReceived
from zpeer.messages import View
from zpeer.signed import Stage
from zpeer.simulate.verdicts import Idle, ViolationError
from zpeer.wire import decode_payload

if TYPE_CHECKING:
    from zpeer.core.state import Base
    from zpeer.events import Event
    from zpeer.simulate.host import Host
    from zpeer.simulate.verdicts import Decision, Setting
    from zpeer.wire import WireLimits


class Claims(Idle):
    """Looks at kept peers' own views, and at the pairs that records charge."""

    def __init__(self, setting: Setting, limits: WireLimits) -> None:
        self._setting = setting
        self._limits = limits

    def saw(self, host: Host, before: Base, event: Event, now: float) -> None:
        """A peer's own view comes back to it."""
        if not isinstance(event, MessageReceived) or event.signed.stage is not Stage.VIEW:
            return
        signed = event.signed
        if signed.sender != host.me or signed.head != before.head:
            return
        try:
            view = decode_payload(signed.stage, signed.payload, self._limits)
        except WireError:
            return
        for peer in view.claims if isinstance(view, View) else ():
            if peer not in self._setting.faulty:
                one, other = self._setting.name(host.me), self._setting.name(peer)
                raise ViolationError("claims", f"{one} waits for {other}, time {now:.2f}")

    def decided(self, decision: Decision) -> None:
        """No two kept peers share a charge."""
        for charge in decision.record.charges:
            if {charge.first, charge.second}.isdisjoint(self._setting.faulty):
                one, other = self._setting.name(charge.first), self._setting.name(charge.second)
                raise ViolationError("claims", f"{one} and {other} are charged")
