"""Gram matrices of rows, and combinations of them, in blocks that stay in the cache.

Everything here exists twice. In float32 it runs at the speed of memory, but an entry may be off by
up to 100 u of the product of its norms: a library's kernel adds some 400 products one after
another, and where all are equal (a row of one repeated number) their roundings agree in sign. A
bound of a few u, which ordinary rows keep, is therefore no bound against a sender who knows it. In
float64 it takes three times as long and loses nothing, also at 10^30 and at 10^-40.

Shapes: N rows, D length of a row, B of a block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from zpeer.interfaces import Float32

    Float64 = NDArray[np.float64]

Kind = TypeVar("Kind", np.float32, np.float64)

BLOCK_BYTES = 1 << 20
"""Of a block of all rows: what a second-level cache holds."""
SAMPLE = 1 << 14
"""Numbers of a row that a sample looks at, about; shorter rows are looked at whole."""
RUN = 1 << 10
"""Numbers of a sample that lie together."""
DOT = 1 << 10
"""Numbers whose squares are added in float32."""


def rough_gram(rows_ND: Float32, reference_D: Float32 | None) -> Float64:
    """(rows - reference)(rows - reference)^T; products in float32, blocks added in double.

    No reference: of the rows themselves. Entries may overflow to infinity.
    """
    gram_NN = np.zeros((len(rows_ND), len(rows_ND)))
    for columns, space in _blocks(rows_ND, np.float32):
        rows = rows_ND[:, columns]
        moves = rows if reference_D is None else np.subtract(rows, reference_D[columns], out=space)
        gram_NN += moves @ moves.T
    return gram_NN


def exact_gram(rows_ND: Float32, reference_D: Float32) -> Float64:
    """The same in float64: error below 2^-48 of the product of norms, no number out of range."""
    gram_NN = np.zeros((len(rows_ND), len(rows_ND)))
    for columns, space in _blocks(rows_ND, np.float64):
        moves = _subtract(rows_ND, reference_D, columns, space)
        gram_NN += moves @ moves.T
    return gram_NN


def sample_gram(rows_ND: Float32) -> Float64:
    """Gram matrix of the rows in float64, on evenly spread runs of columns: to choose by."""
    stride = RUN * max(1, rows_ND.shape[1] // SAMPLE)
    gram_NN = np.zeros((len(rows_ND), len(rows_ND)))
    for start in range(0, rows_ND.shape[1], stride):
        block = rows_ND[:, start : start + RUN].astype(np.float64)
        gram_NN += block @ block.T
    return gram_NN


def rough_combination(
    rows_ND: Float32, reference_D: Float32 | None, weights_N: Float64
) -> tuple[Float32, Float64]:
    """v = reference + sum_i w_i (g_i - reference) in float32, and ||g_i - v|| from that very v.

    The distances are accurate to 20 u whatever the rows hold: DOT squares are added by a kernel
    with 16 running sums or more, at most 64 one after another, and the rest in double.
    """
    factors_N = weights_N.astype(np.float32)
    result_D = np.empty(rows_ND.shape[1], np.float32)
    squares_N = np.zeros(len(rows_ND))
    for columns, space in _blocks(rows_ND, np.float32):
        block, out = rows_ND[:, columns], result_D[columns]
        if reference_D is None:
            np.matmul(factors_N, block, out=out)
        else:
            moves = np.subtract(block, reference_D[columns], out=space)
            np.add(factors_N @ moves, reference_D[columns], out=out)
        squares_N += _sum_squares(np.subtract(block, out, out=space))
    return result_D, np.sqrt(squares_N)


def _sum_squares(block_NB: Float32) -> Float64:
    """Sums of squares of rows, DOT numbers at a time in float32, then in double."""
    count, width = block_NB.shape
    whole = width - width % DOT
    sums_N = np.zeros(count)
    if whole:
        pieces = block_NB[:, :whole].reshape(count, -1, DOT)
        sums_N += np.vecdot(pieces, pieces).sum(axis=1, dtype=np.float64)
    sums_N += np.vecdot(block_NB[:, whole:], block_NB[:, whole:])
    return sums_N


def exact_combination(
    rows_ND: Float32, reference_D: Float32, weights_N: Float64
) -> tuple[Float32, Float64]:
    """The same from double, every number of v rounded once."""
    result_D = np.empty(rows_ND.shape[1], np.float32)
    squares_N = np.zeros(len(rows_ND))
    for columns, space in _blocks(rows_ND, np.float64):
        moves = _subtract(rows_ND, reference_D, columns, space)
        result_D[columns] = weights_N @ moves + reference_D[columns]
        rests = _subtract(rows_ND, result_D, columns, space)
        squares_N += np.vecdot(rests, rests)
    return result_D, np.sqrt(squares_N)


def _subtract(rows_ND: Float32, vector_D: Float32, columns: slice, space: Float64) -> Float64:
    """rows - vector on these columns, in double. (Two steps: a mixed subtraction is slower.)"""
    np.copyto(space, rows_ND[:, columns])
    space -= vector_D[columns]
    return space


def _blocks(rows_ND: Float32, dtype: type[Kind]) -> Iterator[tuple[slice, NDArray[Kind]]]:
    """Columns whose block of all rows has BLOCK_BYTES, with space for that block, used again."""
    count, length = rows_ND.shape
    itemsize = np.dtype(dtype).itemsize
    width = max(BLOCK_BYTES // (itemsize * count * DOT), 1) * DOT
    space = np.empty(count * min(width, length), dtype)
    for start in range(0, length, width):
        stop = min(start + width, length)
        yield slice(start, stop), space[: count * (stop - start)].reshape(count, stop - start)
