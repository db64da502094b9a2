"""What all doors have in common: cases by number, what they count, and how a failure is told."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from zpeer.ids import digest, number
from zpeer.simulate.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

FRAMES_SHOWN = 6
HEX_SHOWN = 4000


@dataclass
class Tally:
    """What some cases came to."""

    inputs: int = 0
    read: int = 0
    """Of these: what decoded, or reached the core."""
    sums: dict[str, int] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)

    def count(self, what: str, amount: int = 1) -> None:
        """Add to a sum."""
        self.sums[what] = self.sums.get(what, 0) + amount

    def measure(self, what: str, amount: float) -> None:
        """Keep the largest."""
        self.most[what] = max(self.most.get(what, 0), amount)

    def add(self, other: Tally) -> None:
        """Take in those of other cases."""
        self.inputs += other.inputs
        self.read += other.read
        for what, amount in other.sums.items():
            self.count(what, amount)
        for what, size in other.most.items():
            self.measure(what, size)


class Door(Protocol):
    """Something that inputs are thrown at, in numbered cases."""

    name: str
    case_inputs: int
    """Inputs in a case, about."""

    def run(self, case: int, stream: Stream, tally: Tally) -> None:
        """One case: a function of its number and stream. Raises FoundError."""
        ...


class FoundError(Exception):
    """An input made something happen that must not."""

    def __init__(self, what: str, data: bytes) -> None:
        """Say what; `data` is the input."""
        super().__init__(what)
        self.what = what
        self.data = data


def require(condition: object, what: str, data: bytes = b"") -> None:
    """FoundError unless it holds."""
    if not condition:
        raise FoundError(what, data)


def expect_only(
    allowed: tuple[type[Exception], ...], call: Callable[[], object], data: bytes
) -> bool:
    """Whether a call came through; it may raise only these."""
    try:
        call()
    except allowed:
        return False
    except FoundError:
        raise
    except Exception as problem:
        raise FoundError(explain(problem), data) from problem
    return True


def explain(problem: BaseException) -> str:
    """An exception with where it came from."""
    frames = traceback.extract_tb(problem.__traceback__)[-FRAMES_SHOWN:]
    places = [
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames
    ]
    return f"{type(problem).__name__}: {problem}\n    " + "\n    ".join(places)


def make_stream(seed: int, door: str, case: int) -> Stream:
    """The chance of a case."""
    return Stream(digest("fuzz", number(seed), door.encode(), number(case)))
