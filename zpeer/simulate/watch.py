"""A core that is watched: whoever judges a simulated run sees what went in and what came out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.ids import Digest


class Machine(Protocol):
    """What a session needs of a core."""

    @property
    def head(self) -> Digest:
        """What the present attempt builds on."""
        ...

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Effects of an event."""
        ...

    def snapshot(self) -> bytes:
        """All of its state."""
        ...


class WatchedCore:
    """A core and somebody who is told of every event it was given, with its effects."""

    def __init__(self, core: Machine, tell: Callable[[Event, list[Effect]], None]) -> None:
        self._core = core
        self._tell = tell

    @property
    def head(self) -> Digest:
        """The head the present attempt builds on."""
        return self._core.head

    def handle(self, event: Event, now: float) -> list[Effect]:
        """What the core says about an event."""
        effects = self._core.handle(event, now)
        self._tell(event, effects)
        return effects

    def snapshot(self) -> bytes:
        """The core's state."""
        return self._core.snapshot()

    def restart(self, restore: Callable[[bytes], Machine]) -> None:
        """Go on with a core made of nothing but the state of this one."""
        self._core = restore(self._core.snapshot())
