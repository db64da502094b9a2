"""Wakes a loop that waits in `poll`, from another thread or from a signal handler."""

from __future__ import annotations

import socket
from contextlib import suppress


class Bell:
    """Rings until it is silenced; ringing often is ringing once."""

    def __init__(self) -> None:
        """Make a pair of sockets: a ZeroMQ socket may not be touched by a second thread."""
        self._hears, self._rings = socket.socketpair()
        self._hears.setblocking(False)
        self._rings.setblocking(False)

    def fileno(self) -> int:
        """What to poll for reading."""
        return self._hears.fileno()

    def ring(self) -> None:
        """Wake the loop. From any thread; nothing if it rings already or is closed."""
        with suppress(OSError):
            self._rings.send(b"!")

    def silence(self) -> None:
        """Stop ringing."""
        with suppress(BlockingIOError):
            while self._hears.recv(4096):
                continue

    def close(self) -> None:
        """Give both sockets back."""
        self._hears.close()
        self._rings.close()
