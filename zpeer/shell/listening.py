"""A peer's clock, and what it hears: time in which the process was stopped is not on it.

A process that was stopped (SIGSTOP, a paused machine) must not take others for late whose words lie
in its sockets, nor think that rounds are over in which it could not listen. So a stop is taken off
the clock, and the clock stands until what came in meanwhile has been read. That only ever makes it
run behind, which does no harm. Due times and rounds are counted from what the peer saw itself. If
all were stopped together, all go on where they were. One that was stopped alone comes last: who is
behind by 2 Delta or less is within what rounds have to spare, and who is behind by more hears what
the others DECIDED before its own rounds end, and follows. If they went on without it, it hears so.

A stop is a gap between two readings in which the process neither waited in `poll` nor worked: a
machine that is slow or busy with this process is not stopped, and its time counts.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zpeer.transport import Incoming

WAIT_SECONDS = 0.1
"""Longest wait in one go: where a wait was stopped, what was left of it stays on the clock."""
STOP_SECONDS = 0.5
"""What a gap must be longer than: less may be another process's turn, or the disk's."""
SETTLE_SECONDS = 0.3
"""The clock stands so long after a stop: what the system holds of each connection comes in."""
SETTLE_WAIT_SECONDS = 0.02
DRAIN_SECONDS = 0.2
"""What has come in is read before a timer fires, for at most so long."""


class Ear:
    """Waits, and tells the time, in seconds from its making. One thread only."""

    def __init__(
        self,
        poll: Callable[[float], list[Incoming]],
        now: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.process_time,
    ) -> None:
        """`poll`: wait at most so many seconds; what came in. `now`: a clock that may jump ahead.
        `worked`: processor seconds that all threads of the process used."""
        self._poll = poll
        self._now = now
        self._worked = worked
        self._seconds = 0.0
        self._read_at = now()
        self._worked_by = worked()
        self._stands_until = self._read_at

    def time(self) -> float:
        """Seconds in which the process was not stopped. Never less than before."""
        self._read(0.0)
        return self._seconds

    def listen(self, until: float) -> Iterator[Incoming]:
        """Wait until that time, but not for long, for something to come in; all that has.

        Nothing is due before it is exhausted: after a stop the clock stands meanwhile.
        """
        news = self._wait(min(WAIT_SECONDS, max(0.0, until - self.time())))
        end = self._read_at + DRAIN_SECONDS
        while news or self._unsettled():
            yield from news
            if self._read_at >= end and not self._unsettled():
                return
            news = self._wait(min(SETTLE_WAIT_SECONDS, self._unsettled()))

    def _wait(self, seconds: float) -> list[Incoming]:
        news = self._poll(seconds)
        self._read(seconds)
        return news

    def _unsettled(self) -> float:
        """For how long the clock still stands."""
        self._read(0.0)
        return max(0.0, self._stands_until - self._read_at)

    def _read(self, waited: float) -> None:
        """Let the clock go on by what has passed, but for a stop and what settles after it."""
        now, worked = self._now(), self._worked()
        passed = now - self._read_at
        stopped = passed - waited - (worked - self._worked_by)
        self._read_at, self._worked_by = now, worked
        if stopped > STOP_SECONDS:
            self._seconds += passed - stopped
            self._stands_until = now + SETTLE_SECONDS
        else:
            self._seconds += max(0.0, min(passed, now - self._stands_until))
