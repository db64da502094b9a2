"""A signal to end (Ctrl-C, SIGTERM), noted where it comes and heeded where it suits."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


class Interruption:
    """A signal to end, and how to wake the loop that must hear of it."""

    def __init__(self) -> None:
        self.signal = ""
        """Its name, once it has come."""
        self.wake: Callable[[], None] = lambda: None

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler
        """Note the signal."""
        self.signal = signal.Signals(number).name
        self.wake()


@contextmanager
def handling_signals() -> Iterator[Interruption]:
    """End cleanly on Ctrl-C and SIGTERM; only a main thread may set handlers."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {
        number: signal.signal(number, interruption) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
