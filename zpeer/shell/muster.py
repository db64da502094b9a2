"""Waiting for all peers of a run at the start, with a progress line and a limit.

Who hears all says so to all, and all start together (`readiness.py`). No slot is signed before, so
a start that fails costs nothing but time.
"""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING

from zpeer.crypto import Verifier
from zpeer.errors import InterruptedStartError, StartError, WireError
from zpeer.ids import short
from zpeer.observations import Assembling
from zpeer.shell.readiness import Readiness, is_words
from zpeer.signed import Signed
from zpeer.transport import (
    BadFrame,
    BulkFrame,
    Connected,
    ControlFrame,
    Dropped,
    Incoming,
    Refused,
    Stranger,
    Transport,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import FilteringBoundLogger

    from zpeer.ids import PeerId
    from zpeer.observations import Observation
    from zpeer.shell.preparation import Prepared

POLL_SECONDS = 0.5
RECENT_SECONDS = 5.0
"""Who was not heard for so long is waited for again: it may have ended and be about to come back,
and a run that starts without it stops at its first deadline, with its keys used."""
FAREWELL_SECONDS = 3.0
"""Who finds that it differs stays so long: the others are still connecting, and shall learn why it
will not come. Longer than ZeroMQ waits before it tries again."""
GRACE_SECONDS = 5.0
"""Who has words of enough peers, but not of all, waits so long for the rest: their connections
stand a moment later, or they will never say anything."""
EARLY_MAX: dict[type, int] = {ControlFrame: 16, BulkFrame: 2}
"""Kept of each peer: it can send its COMMIT and a PART before it needs something of mine."""


class Muster:
    """One wait. The little that peers that are quicker can rightly send is kept in `early`."""

    def __init__(
        self,
        prepared: Prepared,
        transport: Transport,
        *,
        observe: Callable[[Observation], None],
        logger: FilteringBoundLogger,
    ) -> None:
        self._run = prepared.run
        self._name = prepared.name
        self._limit = prepared.file.assembly
        self._others = [peer for peer in prepared.run.peer_ids if peer != prepared.me]
        self._names = {peer.identity.peer: peer.name for peer in prepared.run.peers}
        self._transport = transport
        self._observe = observe
        self._logger = logger
        self._refused: dict[PeerId, Refused] = {}
        self.early: list[ControlFrame | BulkFrame] = []
        self._decode = prepared.shared.decode
        self._reported: set[PeerId] = set()
        self._shown: list[PeerId] | None = None
        self._enough_since = inf
        identities = prepared.run.identities
        self._readiness = Readiness(
            prepared.shared.genesis.run,
            prepared.run.peer_ids,
            prepared.me,
            session=transport.session,
            sign=prepared.identity.signing.sign,
            verify=Verifier(identity.key for identity in identities).verify_digest,
        )

    def wait(self, interruption: Callable[[], str]) -> None:
        """Return when all start.

        Raises StartError after the limit, and when most of the others are in another run: then it
        is this peer that differs. Raises InterruptedStartError on a signal to end.
        """
        deadline = time.monotonic() + self._limit
        while not self._may_start(missing := self._find_missing()):
            self._show(missing)
            now = time.monotonic()
            awaited = missing or self._readiness.missing
            if interruption():
                raise self._make_interrupted(interruption(), awaited)
            if now > deadline:
                raise StartError(self._explain_missing(awaited))
            for item in self._transport.poll(min(POLL_SECONDS, max(0.0, deadline - now))):
                self._take(item)
            if 2 * len(self._refused) > len(self._others):
                self._say_farewell(interruption)
                raise StartError(self._explain_refusals())
        self._send_all(self._readiness.show())
        self._show([])

    def _may_start(self, missing: list[PeerId]) -> bool:
        """Whether all do; if I hear all, I say so first."""
        readiness = self._readiness
        if not missing and (word := readiness.say(self._transport.sessions())):
            self._send_all(word)
        if not readiness.is_enough:
            return False
        self._enough_since = min(self._enough_since, time.monotonic())
        is_late = time.monotonic() >= self._enough_since + GRACE_SECONDS
        return readiness.is_told or is_late or not (missing or readiness.missing)

    def _send_all(self, frame: bytes) -> None:
        for peer in self._others:
            self._transport.send_control(peer, frame)

    def _find_missing(self) -> list[PeerId]:
        connected = self._transport.connected(RECENT_SECONDS)
        return [peer for peer in self._others if peer not in connected]

    def _show(self, missing: list[PeerId]) -> None:
        """Say whom I wait for, if that has changed."""
        if missing == self._shown:
            return
        self._shown = missing
        total = len(self._others) + 1
        names = [self._names[peer] for peer in missing]
        self._observe(Assembling(self._name, total - len(missing), total, names))

    def _take(self, item: Incoming) -> None:
        if isinstance(item, ControlFrame) and is_words(item.data):
            if not self._readiness.take(item.peer, item.data):
                self._report_garbage(item.peer)
            return
        if isinstance(item, ControlFrame | BulkFrame):
            self._keep(item)
            return
        note(self._logger, self._names, item)
        if isinstance(item, Refused):
            self._refused[item.peer] = item
        elif isinstance(item, Connected):
            self._refused.pop(item.peer, None)

    def _keep(self, item: ControlFrame | BulkFrame) -> None:
        """Keep what came early, within limits: the wait may be long, and a peer a flooder."""
        if isinstance(item, BulkFrame):
            self.early = [each for each in self.early if not is_outdated(each, item)]
        elif not self._is_signed(item):
            self._report_garbage(item.peer)
            return
        kept = sum(type(each) is type(item) and each.peer == item.peer for each in self.early)
        if kept < EARLY_MAX[type(item)]:
            self.early.append(item)

    def _is_signed(self, item: ControlFrame) -> bool:
        """Whether it is a stage message of its sender; nothing else is of use before the start."""
        try:
            message = self._decode(item.data)
        except WireError:
            return False
        return isinstance(message, Signed) and message.sender == item.peer

    def _report_garbage(self, peer: PeerId) -> None:
        """Once a peer: there may be much of it."""
        if peer not in self._reported:
            self._reported.add(peer)
            reason = "what it sent before the start is no signed message of its own"
            note(self._logger, self._names, BadFrame(peer, reason))

    def _say_farewell(self, interruption: Callable[[], str]) -> None:
        """Let the others hear my greeting, which tells them in what this run differs."""
        end = time.monotonic() + FAREWELL_SECONDS
        while time.monotonic() < end and not interruption():
            for item in self._transport.poll(min(POLL_SECONDS, max(0.0, end - time.monotonic()))):
                self._take(item)

    def _make_interrupted(self, name: str, missing: list[PeerId]) -> InterruptedStartError:
        names = ", ".join(self._names[peer] for peer in missing)
        return InterruptedStartError(
            f"ended by {name} while waiting for {names}. No message of the run was signed, so"
            " it can be started again",
            name,
        )

    def _explain_missing(self, missing: list[PeerId]) -> str:
        """Whom it waited for in vain, and what is known of each."""
        lines = [f"{self._names[peer]}: {self._describe(peer)}" for peer in missing]
        return (
            f"{len(missing)} of {len(self._others) + 1} peers were not there; all are waited for,"
            f" at most {self._limit:.0f} s (the key `assembly`). No message of the run was signed,"
            f" so it can be started again. Missing: {'; '.join(lines)}"
        )

    def _describe(self, peer: PeerId) -> str:
        """Why the start waits for a peer."""
        known = self._transport.describe(peer)
        return "connected, but it does not hear all others" if known == "connected" else known

    def _explain_refusals(self) -> str:
        sections = sorted({name for item in self._refused.values() for name in item.sections})
        reasons = [f"{self._names[peer]}: {item.reason}" for peer, item in self._refused.items()]
        return (
            f"{self._run.path}: most peers are in another run; this one differs in"
            f" {', '.join(sections) or 'what it is made of'}. Take the run file that all share."
            f" ({'; '.join(reasons)})"
        )


def is_outdated(kept: ControlFrame | BulkFrame, newer: BulkFrame) -> bool:
    """Whether it is a tensor of the same peer, sealed in an earlier session of it."""
    if not isinstance(kept, BulkFrame) or kept.peer != newer.peer:
        return False
    return kept.opener is not newer.opener


def note(
    logger: FilteringBoundLogger,
    names: dict[PeerId, str],
    item: Connected | Refused | BadFrame | Dropped | Stranger,
) -> None:
    """Say what became of a link."""
    match item:
        case Connected(peer=peer):
            logger.debug("connected", who=names.get(peer, short(peer)))
        case Refused(peer=peer):
            logger.warning(
                "refused",
                who=names.get(peer, short(peer)),
                why=item.reason,
                run=short(item.run) if item.run else "",
                differs=list(item.sections),
            )
        case BadFrame(peer=peer):
            logger.warning("bad frame", who=names.get(peer, short(peer)), why=item.reason)
        case Dropped(peer=peer):
            logger.warning(
                "connection dropped",
                who=names.get(peer, short(peer)),
                why=item.reason,
                limit_bytes=item.limit_bytes,
                connects_again_s=item.retry_s,
                times=item.times,
            )
        case Stranger():
            logger.warning("stranger turned away", address=item.address, key=item.key)
