"""The promise that votes count: a record for which all kept peers signed a VERDICT is the record,
however the attempt ends, for one of them may hold everybody's; and by views of half of the roster
or fewer nobody decides anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.events import MessageReceived
from zpeer.messages import Verdict
from zpeer.signed import Stage
from zpeer.simulate.promises.forms import read
from zpeer.simulate.promises.verdicts import Idle, ViolationError

if TYPE_CHECKING:
    from zpeer.core.state import Base
    from zpeer.events import Event
    from zpeer.ids import Digest, PeerId
    from zpeer.simulate.host import Host
    from zpeer.simulate.promises.verdicts import Decision, Setting
    from zpeer.wire import WireLimits


class Votes(Idle):
    """See the module. A peer's own words come back to it."""

    hears: tuple[type[Event], ...] = (MessageReceived,)

    def __init__(self, setting: Setting, limits: WireLimits) -> None:
        self._setting = setting
        self._limits = limits
        self._votes: dict[tuple[Digest, PeerId], Digest] = {}

    def saw(self, host: Host, before: Base, event: Event, now: float) -> None:  # noqa: ARG002 - the interface
        """A kept peer's own VERDICT."""
        if not isinstance(event, MessageReceived) or event.signed.sender != host.me:
            return
        signed = event.signed
        if signed.stage is not Stage.VERDICT:
            return
        said = read(signed, self._limits)
        if isinstance(said, Verdict):
            self._votes[signed.head, host.me] = said.record

    def decided(self, decision: Decision) -> None:
        """Hold a record against the votes that it ends."""
        record, roster = decision.record, decision.before.roster
        name = self._setting.name(decision.host.me)
        if record.views and 2 * len(record.views) <= len(roster):
            what = f"{name} decides by {len(record.views)} views of {len(roster)}"
            raise ViolationError("votes", f"{what}, record {decision.height}")
        if decision.host.me in self._setting.faulty:
            return
        kept = [peer for peer in roster if peer not in self._setting.faulty]
        votes = {self._votes.get((record.previous, peer)) for peer in kept}
        if len(votes) == 1 and votes.isdisjoint({None, record.head}):
            what = f"{name} holds another record than all kept peers voted for"
            raise ViolationError("votes", f"{what}, record {decision.height}")
