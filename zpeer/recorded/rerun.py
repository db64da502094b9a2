"""Runs a recorded log through a core again and compares everything that comes out.

The core does no input or output and draws nothing: what went in gives, bit for bit, what came out
(protocol, section 7). So a difference means that the core, a plugin or the log was changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from zpeer.describe import describe, list_differences
from zpeer.effects import Decide, Stop
from zpeer.ids import digest_bytes, short
from zpeer.recorded.zlog import Crash, Entry, Payload, Snapshot, encode_effects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.ids import Digest
    from zpeer.narrator import Narrator
    from zpeer.recorded.zlog import LogReader, Position


class Crank(Protocol):
    """A core, as far as replay turns it."""

    @property
    def head(self) -> Digest:
        """What its messages build on."""
        ...

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take an event, return what is to be done."""
        ...

    def snapshot(self) -> bytes:
        """The whole state."""
        ...


class Maker(Protocol):
    """Makes the cores of one log."""

    def fresh(self) -> Crank:
        """A core before its first event."""
        ...

    def restore(self, snapshot: bytes) -> Crank:
        """A core that goes on from a state."""
        ...

    def place(self, snapshot: bytes) -> tuple[Digest, int, int] | None:
        """Head, step and attempt of a state; None before the run starts."""
        ...


@dataclass(frozen=True)
class Turn:
    """One event of the log, turned again."""

    position: Position
    now: float
    event: Event
    recorded: list[Effect]
    replayed: list[Effect]
    head: Digest
    """The core's head when the event came."""
    differences: tuple[str, ...] = ()
    """One line a field; empty if all is equal."""
    error: str = ""
    """What the replayed core raised."""


@dataclass(frozen=True)
class Boundary:
    """A segment's snapshot, compared with the state that the replay had arrived at."""

    position: Position
    differences: tuple[str, ...] = ()


@dataclass
class Rerun:
    """Turns a whole log. Goes on from each segment's recorded state: a difference stays in one."""

    reader: LogReader
    maker: Maker
    narrator: Narrator
    core: Crank | None = field(default=None, init=False)
    events: int = field(default=0, init=False)
    decided: Digest | None = field(default=None, init=False)
    """Head of the last recorded record; the one before it if nothing was built on that."""
    last: Digest | None = field(default=None, init=False)
    """Head of the last recorded record, which the peer's last word names too."""

    def __iter__(self) -> Iterator[Turn | Boundary | Payload]:
        for position, frame in self.reader:
            match frame:
                case Snapshot():
                    yield self._open_segment(position, frame)
                case Entry() | Crash():
                    self.events += 1
                    yield self._turn(position, frame)
                case Payload():
                    yield frame
                case _:
                    continue

    def _open_segment(self, position: Position, frame: Snapshot) -> Boundary:
        arrived = self.core or (self.maker.fresh() if position.segment == 1 else None)
        differences = () if arrived is None else self._compare_states(arrived, frame.state)
        self.core = self.maker.restore(frame.state)
        place = self.maker.place(frame.state)
        if place is not None:
            self.narrator.learn(*place)
        return Boundary(position, differences)

    @staticmethod
    def _compare_states(core: Crank, recorded: bytes) -> tuple[str, ...]:
        replayed = core.snapshot()
        if replayed == recorded:
            return ()
        digests = [short(digest_bytes(state)) for state in (recorded, replayed)]
        return (f"state: recorded {digests[0]}, replayed {digests[1]}",)

    def _turn(self, position: Position, frame: Entry | Crash) -> Turn:
        core = self.core
        assert core is not None, "the reader lets no entry stand before a snapshot"
        head = core.head
        replayed, error = handle(core, frame)
        recorded = frame.effects if isinstance(frame, Entry) else []
        expected = frame.error if isinstance(frame, Crash) else ""
        differences = self._compare(recorded, replayed)
        if error != expected:
            differences = (describe_errors(expected, error), *differences)
        self._note_record(recorded)
        return Turn(position, frame.now, frame.event, recorded, replayed, head, differences, error)

    def _note_record(self, recorded: list[Effect]) -> None:
        is_end = any(isinstance(effect, Stop) for effect in recorded)
        for effect in recorded:
            if isinstance(effect, Decide):
                self.last = effect.record.head
                self.decided = effect.record.previous if is_end else self.last

    def _compare(self, recorded: list[Effect], replayed: list[Effect]) -> tuple[str, ...]:
        if encode_effects(recorded) == encode_effects(replayed):
            return ()
        plain = [describe(effects, self.narrator) for effects in (recorded, replayed)]
        lines = list_differences(plain[0], plain[1], "effects")
        return tuple(lines) or ("effects: equal in every field, but not in their bytes",)

    def compare_heads(self) -> tuple[str, ...]:
        """After the last event: the core must have arrived at the head of the last record."""
        if self.core is None or self.decided is None or self.core.head == self.decided:
            return ()
        return (f"final head: recorded {short(self.decided)}, replayed {short(self.core.head)}",)


def handle(core: Crank, frame: Entry | Crash) -> tuple[list[Effect], str]:
    """Turn the core once; what it raises is a result here, since a log may record just that."""
    try:
        return core.handle(frame.event, frame.now), ""
    except Exception as problem:  # noqa: BLE001 - a crash is compared like any other outcome
        return [], f"{type(problem).__name__}: {problem}"


def describe_errors(recorded: str, replayed: str) -> str:
    """The core raised in one of the two, or something else."""
    return f"core: recorded {recorded or 'no error'}, replayed {replayed or 'no error'}"
