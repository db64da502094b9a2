"""Cuts off who sends more than a message can be, takes less than it says, or stays without a name.

ZeroMQ limits frames, and counts whole messages against its high-water mark: a message that never
ends, frame after frame marked "more", is held in memory without limit and without a word to the
application. The kernel knows how many bytes came over a connection; where far more came than were
delivered, the connection is shut down. It also knows how many the other side has taken: a peer that
acknowledges what it does not read would have ZeroMQ keep it all. And where anybody may knock, who
does not show in time that it is a peer would use up the open files of this process.

Works on Linux, whose kernel tells; elsewhere nothing is watched.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import zmq
from zmq.utils.monitor import parse_monitor_message

from zpeer.transport.mending import EVENTS as MENDING_EVENTS

if TYPE_CHECKING:
    from zpeer.transport.mending import Mending

HAS_TCP_INFO = sys.platform == "linux"
TCP_INFO_BYTES = 136
BYTES_ACKED_AND_RECEIVED = struct.Struct("<QQ")
BYTES_ACKED_OFFSET = 120
HANDSHAKE_BYTES = 4096
KERNEL_BUFFER_BYTES = 8 << 20
KERNEL_BUFFER_FILE = Path("/proc/sys/net/ipv4/tcp_rmem")
IDLE_BYTES_PER_S = 256
"""Pings and such, which are received and never delivered."""
UNKNOWN_S = 15.0
UNKNOWN_MAX = 64
"""Connections that may wait at once to show whose they are; the oldest has to go for more."""
UNTAKEN_SLACK_BYTES = 1 << 20
"""Framing, greetings, and acknowledgements of TCP under way."""
OPENED = zmq.EVENT_ACCEPTED | zmq.EVENT_CONNECTED
CLOSED = zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED


class Connection:
    """One TCP connection of a watched socket."""

    def __init__(self, number: int) -> None:
        """Duplicate the descriptor, whose number may soon mean another connection."""
        copy = os.dup(number)
        try:
            self._stream = socket.socket(fileno=copy)
        except OSError:
            os.close(copy)
            raise
        self._opened = monotonic()
        self.delivered = 0
        self.sent = 0
        self.is_known = False

    @property
    def age_s(self) -> float:
        """Seconds since it was noticed."""
        return monotonic() - self._opened

    def count(self) -> tuple[int, int]:
        """Bytes that came and were neither delivered nor explained by pings; and bytes sent that
        the other side has not taken.
        """
        info = self._stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
        if len(info) < TCP_INFO_BYTES:
            return 0, 0
        taken, received = BYTES_ACKED_AND_RECEIVED.unpack_from(info, BYTES_ACKED_OFFSET)
        idle = HANDSHAKE_BYTES + int(IDLE_BYTES_PER_S * self.age_s)
        return int(received) - self.delivered - idle, self.sent - int(taken)

    def shut_down(self) -> None:
        """End the connection; ZeroMQ sees its end and frees what it held."""
        self._stream.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the descriptor back."""
        self._stream.close()


class Guard:
    """Watches the connections of one ZeroMQ socket."""

    def __init__(
        self,
        watched: zmq.Socket[bytes],
        unread_max: int,
        untaken_max: int | None = None,
        mending: Mending | None = None,
    ) -> None:
        """Allow `unread_max` bytes, the most that may rightly wait in the ZeroMQ socket.

        Where anybody may connect, a peer that takes what it is sent lets `untaken_max` wait.
        `mending` hears of what becomes of the connection that a socket makes.
        """
        self._watched = watched
        self._untaken_max = None if untaken_max is None else untaken_max + UNTAKEN_SLACK_BYTES
        self._routes: dict[bytes, Connection] = {}
        self._unread_max = unread_max + _kernel_buffer_bytes()
        self._connections: dict[int, Connection] = {}
        self._mending = mending
        events = OPENED | CLOSED | (MENDING_EVENTS if mending else 0)
        self._monitor = watched.get_monitor_socket(events) if HAS_TCP_INFO else None

    @property
    def is_connected(self) -> bool:
        """Whether some connection stands; taken for granted where nothing is watched."""
        return self._monitor is None or bool(self._connections)

    def delivered(self, frame: zmq.Frame, size_bytes: int) -> None:
        """Note that the application took a message of so many bytes."""
        if self._monitor is None:
            return
        connection = self._connections.get(int(frame.get(zmq.SRCFD)))
        if connection is not None:
            connection.delivered += size_bytes

    def know(self, route: bytes, frame: zmq.Frame) -> None:
        """Note that the connection over which a frame came is a peer's, and its routing id."""
        if self._monitor is None or route in self._routes:
            return
        connection = self._connections.get(int(frame.get(zmq.SRCFD)))
        if connection is not None:
            connection.is_known = True
            self._routes[route] = connection

    def sent(self, route: bytes, size_bytes: int) -> None:
        """Note that so many bytes were given to ZeroMQ for a connection."""
        connection = self._routes.get(route)
        if connection is not None:
            connection.sent += size_bytes

    def cut_route(self, route: bytes | None) -> None:
        """End a connection that is used no more, if there was one: it may hold what was never
        taken.
        """
        connection = self._routes.get(route or b"")
        for number, known in list(self._connections.items()):
            if known is connection:
                self._cut(number)

    def cut(self, frame: zmq.Frame) -> None:
        """End the connection over which a frame came."""
        if self._monitor is not None:
            self._cut(int(frame.get(zmq.SRCFD)))

    def check(self) -> int:
        """Follow what opened and closed; how many connections had to be cut."""
        self.follow()
        cut = sum(map(self._cut_if_flooded, list(self._connections)))
        return cut if self._untaken_max is None else cut + self._cut_unknown()

    def close(self) -> None:
        """Stop watching."""
        for number in list(self._connections):
            self._drop(number)
        if self._monitor is not None:
            self._watched.disable_monitor()
            self._monitor.close(linger=0)
            self._monitor = None

    def follow(self) -> None:
        """Learn which connections opened and closed; before reading, so that all is counted."""
        if self._monitor is None:
            return
        while int(self._monitor.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            message = parse_monitor_message(self._monitor.recv_multipart())
            event = int(message["event"])
            if self._mending is not None:
                self._mending.hear(event)
            if event & (OPENED | CLOSED):
                self._drop(int(message["value"]))
            if event & OPENED:
                self._open(int(message["value"]))

    def _open(self, number: int) -> None:
        try:
            self._connections[number] = Connection(number)
        except OSError:  # closed again before we came to look
            return

    def _drop(self, number: int) -> None:
        connection = self._connections.pop(number, None)
        if connection is None:
            return
        connection.close()
        if connection.is_known:
            self._routes = {r: c for r, c in self._routes.items() if c is not connection}

    def _cut_if_flooded(self, number: int) -> bool:
        try:
            unread, untaken = self._connections[number].count()
        except OSError:
            return False
        wrong = unread > self._unread_max or (
            self._untaken_max is not None and untaken > self._untaken_max
        )
        if wrong:
            self._cut(number)
        return wrong

    def _cut_unknown(self) -> int:
        """End what is without a name for too long, and the oldest of too many: the rest has time
        to show whose it is.
        """
        unknown = [number for number, each in self._connections.items() if not each.is_known]
        surplus = len(unknown) - UNKNOWN_MAX
        wrong = [
            number
            for place, number in enumerate(unknown)
            if place < surplus or self._connections[number].age_s > UNKNOWN_S
        ]
        for number in wrong:
            self._cut(number)
        return len(wrong)

    def _cut(self, number: int) -> None:
        connection = self._connections.get(number)
        if connection is not None:
            with suppress(OSError):
                connection.shut_down()
            self._drop(number)


def _kernel_buffer_bytes() -> int:
    """Bytes that may wait in the kernel, counted as received and not yet seen by ZeroMQ."""
    try:
        return int(KERNEL_BUFFER_FILE.read_text().split()[-1])
    except (OSError, ValueError, IndexError):
        return KERNEL_BUFFER_BYTES
