"""Waiting for all peers of a run at the start, with a progress line and a limit.

Nothing is signed before everybody is there, so a start that fails costs nothing but time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from zpeer.errors import InterruptedStartError, StartError, WireError
from zpeer.ids import short
from zpeer.observations import Assembling
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
    from zpeer.preparation import Prepared

POLL_SECONDS = 0.5
RECENT_SECONDS = 5.0
"""Who was not heard for so long is waited for again: it may have ended and be about to come back,
and a run that starts without it stops at its first deadline, with its keys used."""
FAREWELL_SECONDS = 3.0
"""Who finds that it differs stays so long: the others are still connecting, and shall learn why it
will not come. Longer than ZeroMQ waits before it tries again."""
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

    def wait(self, interruption: Callable[[], str]) -> None:
        """Return when all are connected.

        Raises StartError after the limit, and when most of the others are in another run: then it
        is this peer that differs. Raises InterruptedStartError on a signal to end.
        """
        deadline = time.monotonic() + self._limit
        shown: list[PeerId] | None = None
        while missing := self._find_missing():
            if missing != shown:
                self._show(missing)
                shown = missing
            now = time.monotonic()
            if interruption():
                raise self._make_interrupted(interruption(), missing)
            if now > deadline:
                raise StartError(self._explain_missing(missing))
            for item in self._transport.poll(min(POLL_SECONDS, max(0.0, deadline - now))):
                self._take(item)
            if 2 * len(self._refused) > len(self._others):
                self._say_farewell(interruption)
                raise StartError(self._explain_refusals())
        self._show([])

    def _find_missing(self) -> list[PeerId]:
        connected = self._transport.connected(RECENT_SECONDS)
        return [peer for peer in self._others if peer not in connected]

    def _show(self, missing: list[PeerId]) -> None:
        total = len(self._others) + 1
        names = [self._names[peer] for peer in missing]
        self._observe(Assembling(self._name, total - len(missing), total, names))

    def _take(self, item: Incoming) -> None:
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
            f"ended by {name} while waiting for {names}. Nothing was signed, so the run can be"
            " started again",
            name,
        )

    def _explain_missing(self, missing: list[PeerId]) -> str:
        """Whom it waited for in vain, and what is known of each."""
        lines = [f"{self._names[peer]}: {self._transport.describe(peer)}" for peer in missing]
        return (
            f"{len(missing)} of {len(self._others) + 1} peers were not there; all are waited for,"
            f" at most {self._limit:.0f} s (the key `assembly`). Nothing was signed, so the run can"
            f" be started again. Missing: {'; '.join(lines)}"
        )

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
