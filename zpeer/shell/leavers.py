"""Who has left a run, and when the others turn it away.

Not at once: it may still have to learn that it is out, and why. Who was removed was silent, and may
be so for a while yet; what tells it waits where its connection can bring it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zpeer.faults import is_ban

if TYPE_CHECKING:
    from zpeer.ids import PeerId
    from zpeer.record import Record

RECORDS = 4
"""After so many it is turned away."""
REMOVED_SECONDS = 60.0
"""And who was removed not earlier than this."""


class Departed(NamedTuple):
    """When a peer left."""

    records: int
    not_before: float


class Leavers:
    """Those who have left and are not turned away yet."""

    def __init__(self) -> None:
        self._records = 0
        self._left: dict[PeerId, Departed] = {}

    def turn(self, record: Record, now: float) -> list[PeerId]:
        """Take a record; whom to turn away."""
        self._records += 1
        for departure in record.departures:
            wait = 0.0 if is_ban(departure.fault) else REMOVED_SECONDS
            self._left[departure.peer] = Departed(self._records, now + wait)
        due = [
            peer
            for peer, left in self._left.items()
            if self._records - left.records >= RECORDS and now >= left.not_before
        ]
        for peer in due:
            del self._left[peer]
        return due
