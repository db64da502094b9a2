"""What is on its way to one peer on one plane: kept until acknowledged, sent again over a new
connection.

ZeroMQ loses what is in a pipe when its connection breaks. An outbox is bounded in frames and bytes,
and is the only bound on what waits for a slow or silent peer: what does not fit is not sent, which
is that peer's loss.
"""

from __future__ import annotations

from collections import deque
from itertools import takewhile
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import zmq

from zpeer.transport.allowance import Allowance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Send = Callable[[bytes, Sequence[bytes]], None]
    """Puts frames on a connection by its routing id; raises zmq.ZMQError where it is gone."""

ACKNOWLEDGE_BYTES = 65536
"""Unacknowledged bytes after which a receiver's beat does not wait for its time."""
REROUTES_MAX, REROUTE_S = 64, 60.0
"""Connections that a peer may change to at once, and one more in so long. Each may be sent all that
is unacknowledged, and a peer that does not read keeps it in memory: without a bound that is an
attack.
"""


class Limits(NamedTuple):
    """Most that may wait for one peer."""

    frames: int
    size_bytes: int


class Outbox:
    """Frames under way to a peer, by number, in order of sending."""

    def __init__(self, limits: Limits, send: Send) -> None:
        """Start with nothing under way and no connection."""
        self._limits = limits
        self._send = send
        self._waiting: dict[int, Sequence[bytes]] = {}
        self._size_bytes = 0
        self._greeting: Sequence[bytes] | None = None
        self._reroutes = Allowance(REROUTES_MAX, REROUTE_S)
        self._past: deque[bytes] = deque(maxlen=REROUTES_MAX)
        self.route: bytes | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, number: int, frames: Sequence[bytes]) -> bool:
        """Take a message and send it if there is a connection; False if there is no room for it."""
        size_bytes = sum(map(len, frames))
        full = (
            len(self._waiting) >= self._limits.frames
            or self._size_bytes + size_bytes > self._limits.size_bytes
        )
        if full:
            return False
        self._waiting[number] = frames
        self._size_bytes += size_bytes
        self._put(frames)
        return True

    def reroute(self, route: bytes, body_bytes_max: int | None = None) -> bytes | None:
        """Use this connection from now on; over a new one everything unacknowledged goes again,
        but for last frames of more bytes than these: they would cost this connection too.

        Gives the connection that was used before and never will be again, if there was one.
        """
        if route == self.route or route in self._past or not self._reroutes.take(monotonic()):
            return None
        past, self.route = self.route, route
        if past is not None:
            self._past.append(past)
        if self._greeting is not None:
            self._put(self._greeting)
        if body_bytes_max is not None:
            sizes = {number: len(frames[-1]) for number, frames in self._waiting.items()}
            self.acknowledge(number for number, size in sizes.items() if size > body_bytes_max)
        for frames in list(self._waiting.values()):
            self._put(frames)
        return past

    def greet(self, frames: Sequence[bytes]) -> None:
        """What to say first on every connection; not numbered, not acknowledged."""
        self._greeting = frames

    def acknowledge(self, numbers: Iterable[int]) -> None:
        """Forget what has arrived; numbers that are not under way mean nothing."""
        for number in numbers:
            frames = self._waiting.pop(number, None)
            if frames is not None:
                self._size_bytes -= sum(map(len, frames))

    def acknowledge_up_to(self, number: int) -> None:
        """The same for all numbers up to this one."""
        self.acknowledge(list(takewhile(lambda known: known <= number, self._waiting)))

    def clear(self) -> None:
        """Forget everything: who should have it is another process now, or banned."""
        self._waiting.clear()
        self._size_bytes = 0

    def _put(self, frames: Sequence[bytes]) -> None:
        if self.route is None:
            return
        try:
            self._send(self.route, frames)
        except zmq.ZMQError:
            # The connection is gone. A beat over the next one brings its route, and all goes again.
            self.route = None
