"""Connections that ZeroMQ gives up: noticed, and made again after ever longer waits.

ZeroMQ reaches again for whoever's connection breaks, but not where what came could not be read: a
frame over the limit of its size, or one that was altered under way (it does not say which). Such a
connection it drops without a word and for good, and whatever the same peer sends later would not
arrive before this process starts anew. Its monitor gives it away: when a connection breaks the next
attempt follows at once; when it was given up, nothing.

Guarantees: a connection that was given up is made again; to one peer that makes this happen as
often as it can, no more than once in WAIT_MAX_S in the long run. Works where the guard does.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import zmq

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zpeer.ids import PeerId

QUIET_CHECKS = 5
"""Checks without news of an attempt, after which there will be none. Counted and not timed: while
a process is held up, its sockets are too."""
WAIT_MIN_S, WAIT_MAX_S = 0.5, 60.0
"""The first wait; doubled each time up to the last, which is what the other side grants for ever
(`gate.CONNECTION_S`, `outbox.REROUTE_S`)."""
CALM_S = 8 * WAIT_MAX_S
"""After so long without another loss the waits begin anew: they are then as many as would have been
in that time."""
ATTEMPTS = zmq.EVENT_CONNECT_DELAYED | zmq.EVENT_CONNECT_RETRIED | zmq.EVENT_CONNECTED
EVENTS = ATTEMPTS | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED
"""Not HANDSHAKE_FAILED_PROTOCOL: telling of that, libzmq 4.3.5 forgets that it had found an error,
and reads no more from a connection that it leaves open."""


class Drop(NamedTuple):
    """A connection that carried messages and was given up."""

    peer: PeerId
    reason: str
    limit_bytes: int
    """Most bytes that what it carries may have."""
    retry_s: float
    """It is made again after so many seconds."""


class Mending:
    """The connection over which one peer's messages come."""

    def __init__(self, peer: PeerId, what: str, limit_bytes: int) -> None:
        """`what` comes over it, each of at most `limit_bytes`."""
        self._peer = peer
        self._what = what
        self._limit_bytes = limit_bytes
        self._is_greeted = False
        self._is_broken = False
        self._quiet_checks: int | None = None
        self._wait_s = 0.0
        self._noticed = float("-inf")
        self._due: float | None = None

    @property
    def is_held_back(self) -> bool:
        """Whether it was given up for what came over it, and will be made again."""
        return self._due is not None and self._is_greeted

    def hear(self, event: int) -> None:
        """Take one of the monitor's EVENTS."""
        if event & zmq.EVENT_DISCONNECTED:
            self._quiet_checks = 0
            self._is_broken = True
        elif event & ATTEMPTS:
            self._quiet_checks = self._due = None
            self._is_greeted = False
        elif event & zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._is_greeted = True

    def take_break(self) -> bool:
        """Whether the connection has broken since this was asked last."""
        broken, self._is_broken = self._is_broken, False
        return broken

    def turn(self, now: float, again: Callable[[], None]) -> Drop | None:
        """Call `again` when it is time; a Drop, once, for what was given up after its handshake."""
        drop = self._notice(now)
        if self._due is not None and now >= self._due:
            self._due = self._quiet_checks = None
            again()
        return drop

    def _notice(self, now: float) -> Drop | None:
        if self._quiet_checks is None or self._due is not None:
            return None
        self._quiet_checks += 1
        if self._quiet_checks < QUIET_CHECKS:
            return None
        self._due = now + self._next_wait(now)
        if not self._is_greeted:
            return None
        reason = f"a {self._what} of more than {self._limit_bytes} bytes, or altered under way"
        return Drop(self._peer, reason, self._limit_bytes, self._wait_s)

    def _next_wait(self, now: float) -> float:
        """Who was never reached has to wait longest: another speaks there, or turns me away."""
        if not self._is_greeted:
            self._wait_s = WAIT_MAX_S
        elif now - self._noticed > CALM_S:
            self._wait_s = WAIT_MIN_S
        else:
            self._wait_s = min(2 * self._wait_s, WAIT_MAX_S)
        self._noticed = now
        return self._wait_s


def mend_all(
    mendings: Mapping[PeerId, Mending],
    now: float,
    *,
    beat: Callable[[PeerId], None],
    again: Callable[[PeerId], None],
) -> list[Drop]:
    """Call `again` for those whose time it is; what has just been given up.

    Where one broke a beat waits in the socket for the next: it is what the other side needs to
    send all that was lost once more, and must not be a second late.
    """
    for peer, mending in mendings.items():
        if mending.take_break():
            beat(peer)
    turns = [mending.turn(now, partial(again, peer)) for peer, mending in mendings.items()]
    return [drop for drop in turns if drop is not None]
