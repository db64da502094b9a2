"""The promise that a call settles what it is about: by the views that a record names, and nothing
else, it is found out again who had to leave, and why.

Whom more than F wait for leaves as such, and so does who waits for more: were it charged with each
instead, it would take others with it. And what a view opens must be what its signer committed to:
the draw of a void attempt rests on it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from zpeer import events as ev
from zpeer.core.mprng import compute_commitment, compute_share
from zpeer.faults import FaultKind
from zpeer.messages import Commit, View
from zpeer.signed import Stage
from zpeer.simulate.plan import most_faulty
from zpeer.simulate.promises.forms import read
from zpeer.simulate.promises.verdicts import Idle, ViolationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zpeer.core.state import Base
    from zpeer.events import Event
    from zpeer.ids import Digest, PeerId
    from zpeer.record import Record
    from zpeer.signed import Signed
    from zpeer.simulate.host import Host
    from zpeer.simulate.promises.verdicts import Decision, Setting
    from zpeer.wire import WireLimits

OF_PAIRS = (FaultKind.CHARGED_WITH_MOST, FaultKind.PAIR_ELIMINATED)
"""What comes after all else, and is not for those that cannot be honest."""


class Settling(Idle):
    """See the module."""

    hears: tuple[type[Event], ...] = (ev.MessageReceived, ev.ChainReceived, ev.SetReceived)

    def __init__(self, setting: Setting, limits: WireLimits) -> None:
        self._setting = setting
        self._limits = limits
        self._views: dict[Digest, Signed] = {}
        """By their bodies: all that any kept peer has seen."""
        self._commitments: dict[tuple[Digest, PeerId], set[Digest]] = {}
        """By attempt and signer: more than one where it told two stories."""
        self._looked: set[Digest] = set()

    def saw(self, host: Host, before: Base, event: Event, now: float) -> None:  # noqa: ARG002 - the interface
        """Views and commitments."""
        match event:
            case ev.MessageReceived(signed=signed):
                self._note(signed)
            case ev.ChainReceived(view=view):
                self._note(view)
            case ev.SetReceived(messages=messages):
                for signed in messages:
                    self._note(signed)
            case _:
                pass

    def _note(self, signed: Signed) -> None:
        if signed.stage is Stage.VIEW:
            self._views[signed.body] = signed
        elif signed.stage is Stage.COMMIT:
            commit = read(signed, self._limits)
            if isinstance(commit, Commit):
                key = (signed.head, signed.sender)
                self._commitments.setdefault(key, set()).add(commit.commitment)

    def decided(self, decision: Decision) -> None:
        """Each record by views that a kept peer holds, once."""
        record = decision.record
        is_known = record.head in self._looked or decision.host.me in self._setting.faulty
        if is_known or not record.views:
            return
        self._looked.add(record.head)
        views = dict(self._list_views(record))
        for what in (
            *self._find_unsettled(decision, views),
            *self._find_unopened(decision, views),
        ):
            raise ViolationError("settling", f"{what}, record {decision.height}")

    def _list_views(self, record: Record) -> Iterator[tuple[PeerId, View]]:
        """Those of who signed one; of who signed two a record names no view."""
        for name in record.views:
            signed = self._views.get(name)
            view = read(signed, self._limits) if signed else None
            if signed is not None and isinstance(view, View):
                yield signed.sender, view

    def _find_unsettled(self, decision: Decision, views: Mapping[PeerId, View]) -> Iterator[str]:
        most = most_faulty(len(decision.before.roster))
        claimed = Counter(peer for view in views.values() for peer in view.claims)
        beyond = [peer for peer, count in claimed.items() if count > most]
        beyond += [peer for peer, view in views.items() if len(view.claims) > most]
        for peer in beyond:
            fault = self._find_fault(decision, peer)
            if fault is None or fault in OF_PAIRS:
                found = "stays" if fault is None else f"leaves for {fault.name}"
                yield f"{self._setting.name(peer)} has claims with more than {most} and {found}"

    def _find_unopened(self, decision: Decision, views: Mapping[PeerId, View]) -> Iterator[str]:
        """Where the record names a COMMIT set."""
        before = decision.before
        for peer, view in views.items() if decision.record.sets else ():
            committed = self._commitments.get((before.head, peer), set())
            share = compute_share(before.place, peer, view.secret)
            opened = compute_commitment(before.place, peer, share)
            is_wrong = len(committed) == 1 and opened not in committed
            if is_wrong and self._find_fault(decision, peer) is None:
                yield f"{self._setting.name(peer)} opens what it never committed to, and stays"

    def _find_fault(self, decision: Decision, peer: PeerId) -> FaultKind | None:
        """Why a peer leaves; what is pardoned it would have left for."""
        if self._setting.pardons.is_granted(decision.before.head, peer):
            return FaultKind.CLAIMED_BY_MOST
        departures = decision.record.departures
        return next((each.fault for each in departures if each.peer == peer), None)
