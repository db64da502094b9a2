"""Cuts off who sends more than a message can be.

ZeroMQ limits frames, and counts whole messages against its high-water mark: a message that never
ends, frame after frame marked "more", is held in memory without limit and without a word to the
application. The kernel knows how many bytes came over a connection; where far more came than were
delivered, the connection is shut down.

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

import zmq
from zmq.utils.monitor import parse_monitor_message

HAS_TCP_INFO = sys.platform == "linux"
TCP_INFO_BYTES = 136
BYTES_RECEIVED = struct.Struct("<Q")
BYTES_RECEIVED_OFFSET = 128
HANDSHAKE_BYTES = 4096
KERNEL_BUFFER_BYTES = 8 << 20
KERNEL_BUFFER_FILE = Path("/proc/sys/net/ipv4/tcp_rmem")
IDLE_BYTES_PER_S = 256
"""Pings and such, which are received and never delivered."""
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

    def unread(self) -> int:
        """Bytes that came and were neither delivered nor explained by pings."""
        info = self._stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
        if len(info) < TCP_INFO_BYTES:
            return 0
        (received,) = BYTES_RECEIVED.unpack_from(info, BYTES_RECEIVED_OFFSET)
        idle = HANDSHAKE_BYTES + int(IDLE_BYTES_PER_S * (monotonic() - self._opened))
        return int(received) - self.delivered - idle

    def shut_down(self) -> None:
        """End the connection; ZeroMQ sees its end and frees what it held."""
        self._stream.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the descriptor back."""
        self._stream.close()


class Guard:
    """Watches the connections of one ZeroMQ socket."""

    def __init__(self, watched: zmq.Socket[bytes], unread_max: int) -> None:
        """Allow `unread_max` bytes, the most that may rightly wait in the ZeroMQ socket."""
        self._watched = watched
        self._unread_max = unread_max + _kernel_buffer_bytes()
        self._connections: dict[int, Connection] = {}
        self._monitor = watched.get_monitor_socket(OPENED | CLOSED) if HAS_TCP_INFO else None

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

    def cut(self, frame: zmq.Frame) -> None:
        """End the connection over which a frame came."""
        if self._monitor is not None:
            self._cut(int(frame.get(zmq.SRCFD)))

    def check(self) -> int:
        """Follow what opened and closed; how many connections had to be cut."""
        self.follow()
        return sum(map(self._cut_if_flooded, list(self._connections)))

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
            event = parse_monitor_message(self._monitor.recv_multipart())
            number = int(event["value"])
            self._drop(number)
            if event["event"] & OPENED:
                self._open(number)

    def _open(self, number: int) -> None:
        try:
            self._connections[number] = Connection(number)
        except OSError:  # closed again before we came to look
            return

    def _drop(self, number: int) -> None:
        connection = self._connections.pop(number, None)
        if connection is not None:
            connection.close()

    def _cut_if_flooded(self, number: int) -> bool:
        try:
            flooded = self._connections[number].unread() > self._unread_max
        except OSError:
            return False
        if flooded:
            self._cut(number)
        return flooded

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
