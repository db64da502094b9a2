"""Cuts a gradient into the parts of a `Layout` and back (protocol, section 1), and reads tensors
from bytes.

Nothing is computed here: `gather(deal(g))` is `g`, bit for bit.
"""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zpeer.interfaces import Float32
    from zpeer.parts import Layout

FEW = 64
"""Numbers that are sooner added up as Python's floats."""
LITTLE = np.dtype("<f4")
ITEM = 4
"""Bytes of a float32."""


def deal(gradient: Float32, layout: Layout) -> list[Float32]:
    """The parts of a gradient of shape (dimension,): contiguous arrays of shapes (length(j),).

    Pieces of one array: numpy asks for huge pages for large ones, and the faults of small pages
    would take three times as long as the copying.
    """
    _check(gradient, layout.dimension, "the gradient")
    space = np.empty(layout.dimension, np.float32)
    ends = list(accumulate(layout.length(part) for part in range(layout.parts)))
    parts = [space[start:end] for start, end in pairwise([0, *ends])]
    for whole, piece in _pairs(gradient, parts, layout):
        piece[...] = whole
    return parts


def gather(parts: Sequence[Float32], layout: Layout) -> Float32:
    """The gradient that was dealt: the inverse of `deal`."""
    if len(parts) != layout.parts:
        raise ValueError(f"{len(parts)} parts given where the layout has {layout.parts}")
    for index, part in enumerate(parts):
        _check(part, layout.length(index), f"part {index}")
    gradient = np.empty(layout.dimension, np.float32)
    for whole, piece in _pairs(gradient, parts, layout):
        whole[...] = piece
    return gradient


def _pairs(
    gradient: Float32, parts: Sequence[Float32], layout: Layout
) -> Iterator[tuple[Float32, Float32]]:
    """Views of equal shape that lie over the same numbers, in the gradient and in the parts."""
    block = layout.block
    rounds, extra = divmod(layout.dimension // block, layout.parts)
    dealt = rounds * layout.parts * block
    table = gradient[:dealt].reshape(rounds, layout.parts, block)
    for index, part in enumerate(parts):
        size = rounds * block
        if size:
            yield table[:, index], part[:size].reshape(rounds, block)
        start = dealt + index * block
        if index <= extra and start < layout.dimension:  # an extra block, or the short tail
            yield gradient[start : start + block], part[size:]


def _check(vector: Float32, length: int, what: str) -> None:
    if vector.shape != (length,) or vector.dtype != np.float32:
        raise ValueError(
            f"{what} is {vector.dtype} of shape {vector.shape}; "
            f"expected float32 of shape ({length},)"
        )


def from_bytes(data: bytes | memoryview) -> Float32:
    """Little-endian float32 numbers as an array; a read-only view where the machine's order is the
    same.

    Raises ValueError if the number of bytes is no multiple of four.
    """
    size_bytes = memoryview(data).nbytes
    if size_bytes % ITEM:
        raise ValueError(f"{size_bytes} bytes are no whole number of float32")
    numbers = np.frombuffer(data, dtype=LITTLE)
    return numbers if LITTLE.isnative else numbers.astype(np.float32)


def to_bytes(vector: Float32) -> memoryview:
    """The little-endian bytes of a vector, without a copy where the machine has that order."""
    return np.ascontiguousarray(vector, dtype="<f4").view(np.uint8).data


def is_finite(vector: Float32) -> bool:
    """Whether every number is finite.

    One pass in the usual case: infinities and NaN never vanish from a sum, so a finite sum proves
    it. A sum that overflowed proves nothing, and then every number is looked at.
    """
    if vector.size <= FEW:
        total = sum(vector.tolist())
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            total = np.add.reduce(vector)
    return math.isfinite(total) or bool(np.isfinite(vector).all())
