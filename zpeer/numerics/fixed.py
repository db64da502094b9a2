"""Sums of squares in a fixed order: norms with the same bits on any hardware.

A library's dot product adds in an order that depends on the width of the vector unit, the number of
threads and the build, and may fuse multiplication and addition. Here every addition is an
elementwise `np.add` of two arrays, and IEEE 754 fixes the result of each such operation whatever
instruction carries it out. Square root and division are correctly rounded too. So equal input bits
give equal output bits.

The order: number i of the vector belongs to lane i mod LANES. The vector is cut in blocks of BLOCK
numbers (the last one filled up with zeros), a block is folded in halves until LANES are left,
blocks are added to the lanes one after another, and the lanes are folded in halves.

Error of the sum, relative, all terms being positive: at most one rounding a level of folding and
one a block, that is (log2 BLOCK + number of blocks) * 2^-53: 2e-14 at 11 million numbers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zpeer.interfaces import Float32

    Float64 = NDArray[np.float64]
    Numbers = NDArray[np.float32 | np.float64]

Kind = TypeVar("Kind", np.float32, np.float64)

BLOCK = 1 << 16
LANES = 1 << 12
FEW = 64
"""Numbers that are added sooner one by one: the same additions in the same order."""
LEAST, MOST = 1e-20, 1e30
"""Sums of float32 squares outside this are not trusted: see `rounded_norm`."""


def norm(vector: Float32 | Float64) -> float:
    """Euclidean norm of finite numbers, shape (D,), in double precision; bit-equal on any hardware.

    The square of a float32 is exact in double (48 bits of 53) and lies between 2e-90 and 1.2e77, so
    rows of 3e38 and denormal rows need no scaling.
    """
    return math.sqrt(_sum_of_squares(vector, np.float64))


def norms(rows_ND: Float32) -> tuple[float, ...]:
    """The norm of every row: what `norm` gives for it, in one go where rows are short and many."""
    if rows_ND.shape[1] <= FEW:
        return tuple(norm(row) for row in rows_ND)
    return tuple(math.sqrt(total) for total in _sums_of_squares(rows_ND, np.float64))


def rounded_norm(vector: Float32) -> float | None:
    """Norm with squares and first foldings in float32: four times as fast as `norm`, and as
    bit-equal.

    Relative error at most (1 + log2(BLOCK / LANES)) / 2 * 2^-24 = 2.5 u: u for the square and u for
    each of four levels, halved by the root. None where squares may have overflowed, or been lost
    below the normal numbers (at most D * 2^-126 in all: 10^-11 of the least sum allowed, at
    D = 10^7): then only `norm` will do. Whether it is None is as bit-equal as the number.
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        return try_rounded_norm(vector)


def try_rounded_norm(vector: Float32) -> float | None:
    """`rounded_norm`, where numpy has been told already to keep quiet about ranges."""
    total = _sum_of_squares(vector, np.float32)
    return math.sqrt(total) if LEAST <= total <= MOST else None


def _sum_of_squares(vector: Float32 | Float64, dtype: type[Kind]) -> float:
    """Of one vector, in the module's order. Few numbers are squared in `dtype` and folded as
    Python's floats, whose additions IEEE 754 fixes as well."""
    if vector.size > FEW:
        return float(_sums_of_squares(vector, dtype))
    squares: list[float] = np.multiply(vector, vector, dtype=dtype).tolist()
    while len(squares) > 1:
        half = _power_of_two(len(squares)) // 2
        for place in range(half, len(squares)):
            squares[place - half] += squares[place]
        del squares[half:]
    return squares[0] if squares else 0.0


def _sums_of_squares(vectors: Numbers, dtype: type[Kind]) -> Float64:
    """Sums of squares along the last axis, in the module's order.

    Within a block in `dtype`, across blocks in double. Lanes that would only hold zeros are left
    out: adding them would change no sum.
    """
    *shape, length = vectors.shape
    size = _power_of_two(length)
    lanes = np.zeros((*shape, min(LANES, size)))
    squares = np.empty((*shape, min(BLOCK, size)), dtype)
    for start in range(0, length, BLOCK):
        piece = vectors[..., start : start + BLOCK]
        width = piece.shape[-1]
        here = squares[..., : _power_of_two(width)]
        np.multiply(piece, piece, out=here[..., :width], dtype=dtype)
        here[..., width:] = 0
        folded = _fold(here, LANES)
        lanes[..., : folded.shape[-1]] += folded
    return _fold(lanes, 1)[..., 0]


def _power_of_two(length: int) -> int:
    """The least power of two not below: zeros beyond it would change no sum."""
    return 1 << max(length - 1, 0).bit_length()


def _fold(numbers: NDArray[Kind], stop: int) -> NDArray[Kind]:
    """Add the upper half to the lower, in place, until at most `stop` are left, which it returns.

    Along the last axis, whose length is a power of two.
    """
    size = numbers.shape[-1]
    while size > stop:
        size //= 2
        upper = numbers[..., size : 2 * size]
        np.add(numbers[..., :size], upper, out=numbers[..., :size])
    return numbers[..., :size]
