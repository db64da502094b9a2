"""Chance, from hashes: streams of words, one for each purpose, all from one seed.

A stream depends on the seed and on the name of its purpose alone. So taking one fault out of a plan
leaves the delays on all other links as they were, and a failing plan stays failing while it
shrinks. `branch` lets every stream go on otherwise from now on: another future of the same past.
"""

from __future__ import annotations

from struct import unpack
from typing import TYPE_CHECKING, TypeVar

from blake3 import blake3

from zpeer.ids import Digest, digest, number

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

WORDS_FIRST = 16
"""Most streams are short: the first words are few, then twice as many each time."""
WORDS_MOST = 1024
UNIT = 2.0**-53


class Stream:
    """An endless sequence of 64-bit words. Draws are uniform but for a bias below 2^-40."""

    def __init__(self, seed: Digest) -> None:
        self.restart(seed)

    def restart(self, seed: Digest) -> None:
        """Go on as a fresh stream of another seed."""
        self._hasher = blake3(seed)
        self._offset = 0
        self._words: tuple[int, ...] = ()
        self._next = 0
        self._size = WORDS_FIRST

    def word(self) -> int:
        """The next 64 bits."""
        if self._next == len(self._words):
            self._refill()
        word = self._words[self._next]
        self._next += 1
        return word

    def _refill(self) -> None:
        data = self._hasher.digest(length=8 * self._size, seek=self._offset)
        self._words = unpack(f"<{self._size}Q", data)
        self._offset += len(data)
        self._next = 0
        self._size = min(2 * self._size, WORDS_MOST)

    def below(self, count: int) -> int:
        """A number from 0 to count - 1."""
        return self.word() % count

    def between(self, least: int, most: int) -> int:
        """A number from least to most."""
        return least + self.below(most - least + 1)

    def share(self) -> float:
        """A number in [0, 1)."""
        return (self.word() >> 11) * UNIT

    def uniform(self, least: float, most: float) -> float:
        """A number in [least, most)."""
        return least + (most - least) * self.share()

    def chance(self, share: float) -> bool:
        """True so often."""
        return self.share() < share

    def pick(self, choices: Sequence[T]) -> T:
        """One of these."""
        return choices[self.below(len(choices))]

    def weighted(self, choices: Sequence[tuple[T, int]]) -> T:
        """One of these, as often as its weight says."""
        place = self.below(sum(weight for _, weight in choices))
        for choice, weight in choices:
            place -= weight
            if place < 0:
                return choice
        raise AssertionError("the weights sum to more than any place")

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All of them in another order."""
        rest = list(items)
        for place in range(len(rest) - 1, 0, -1):
            other = self.below(place + 1)
            rest[place], rest[other] = rest[other], rest[place]
        return rest

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """So many of them, in their own order."""
        chosen = sorted(self.shuffled(range(len(items)))[:count])
        return [items[place] for place in chosen]


class Entropy:
    """All streams of a run by purpose."""

    def __init__(self, seed: int) -> None:
        self._root = digest("zpeer/simulate", number(seed))
        self._streams: dict[tuple[str, tuple[bytes, ...]], Stream] = {}

    def stream(self, purpose: str, *fields: bytes) -> Stream:
        """The stream of that name, where it stands by now."""
        key = (purpose, fields)
        if key not in self._streams:
            self._streams[key] = Stream(self.key(purpose, *fields))
        return self._streams[key]

    def key(self, purpose: str, *fields: bytes) -> Digest:
        """32 bytes for a purpose."""
        return digest("zpeer/simulate/stream", self._root, purpose.encode(), *fields)

    def branch(self, future: int) -> None:
        """From now on everything is drawn otherwise: one of many futures."""
        self._root = digest("zpeer/simulate/future", self._root, number(future))
        for (purpose, fields), stream in self._streams.items():
            stream.restart(self.key(purpose, *fields))
