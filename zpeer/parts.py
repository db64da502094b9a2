"""How a gradient is dealt into parts: block b to part b mod n (protocol, section 1).

Contiguous parts differ in norm by 25x (a layer each), so that no one clipping radius fits them;
dealt ones by less than 2x. Only counting is done here; the numbers are cut in `numerics`.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple


class Layout(NamedTuple):
    """Dealing of `dimension` numbers in blocks of `block` to `parts` parts."""

    dimension: int
    block: int
    parts: int

    @property
    def lengths(self) -> tuple[int, ...]:
        """Numbers in each part; zero where there are fewer blocks than parts."""
        return _count_all(self)

    def length(self, part: int) -> int:
        """Numbers in a part."""
        return _count_all(self)[part]

    def size_bytes(self, part: int) -> int:
        """Bytes of a part as little-endian float32."""
        return 4 * self.length(part)


@lru_cache(maxsize=1 << 6)
def _count_all(layout: Layout) -> tuple[int, ...]:
    """Of a run's few layouts the same is asked in every step."""
    return tuple(_count(layout, part) for part in range(layout.parts))


def _count(layout: Layout, part: int) -> int:
    full, rest = divmod(layout.dimension, layout.block)
    mine = full // layout.parts + (part < full % layout.parts)
    tail = rest if full % layout.parts == part else 0
    return mine * layout.block + tail


class Bulk(IntEnum):
    """What travels on the bulk plane."""

    PART = 1
    RESULT = 2
    BLOB = 3
