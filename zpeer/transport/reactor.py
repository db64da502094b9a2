"""Waits for sockets, for the bell and for time to pass, and calls who is concerned. One thread."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import zmq

from zpeer.transport.bell import Bell

if TYPE_CHECKING:
    from collections.abc import Callable

    Source = zmq.Socket[bytes] | int


class Reactor:
    """The sources of one transport."""

    def __init__(self) -> None:
        """Begin with the bell alone."""
        self._bell = Bell()
        self._has_rung = False
        self._poller = zmq.Poller()
        self._handlers: dict[Source, Callable[[], None]] = {}
        self.add(self._bell.fileno(), self._hear)

    def add(self, source: Source, handler: Callable[[], None]) -> None:
        """Call the handler whenever the source can be read."""
        self._poller.register(source, zmq.POLLIN)
        self._handlers[source] = handler

    def remove(self, source: Source) -> None:
        """Care for it no more; nothing if that is so already."""
        if self._handlers.pop(source, None) is not None:
            self._poller.unregister(source)

    def turn(self, wait_s: float) -> None:
        """Wait at most so long for something to be readable, and call its handler."""
        for ready, _ in self._poller.poll(ceil(max(0.0, wait_s) * 1000)):
            handler = self._handlers.get(ready)
            if handler is not None:
                handler()

    def ring(self) -> None:
        """End the wait. From any thread, also from a signal handler."""
        self._bell.ring()

    @property
    def has_rung(self) -> bool:
        """Whether the bell rang since `silence`."""
        return self._has_rung

    def silence(self) -> None:
        """Wait for the next ring."""
        self._has_rung = False

    def close(self) -> None:
        """Forget all sources; they are others' to close, but for the bell."""
        self._poller = zmq.Poller()
        self._handlers.clear()
        self._bell.close()

    def _hear(self) -> None:
        self._has_rung = True
        self._bell.silence()
