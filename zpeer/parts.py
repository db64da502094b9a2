"""How a gradient is dealt into parts: block b to part b mod n (protocol, section 1).

Contiguous parts differ in norm by 25x (a layer each), so that no one clipping radius fits them;
dealt ones by less than 2x. Only counting is done here; the numbers are cut in `numerics`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Layout(NamedTuple):
    """Dealing of `dimension` numbers in blocks of `block` to `parts` parts."""

    dimension: int
    block: int
    parts: int

    def length(self, part: int) -> int:
        """Numbers in a part; zero where there are fewer blocks than parts."""
        full, rest = divmod(self.dimension, self.block)
        mine = full // self.parts + (part < full % self.parts)
        tail = rest if full % self.parts == part else 0
        return mine * self.block + tail

    def size_bytes(self, part: int) -> int:
        """Bytes of a part as little-endian float32."""
        return 4 * self.length(part)


class Bulk(IntEnum):
    """What travels on the bulk plane."""

    PART = 1
    RESULT = 2
    BLOB = 3
