import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.numerics.cases import normal
from zpeer.numerics.fixed import BLOCK, LANES, norm, norms, rounded_norm

UNIT = 2.0**-24


def reference(vector: NDArray[np.float32], kind: type[np.float32 | np.float64]) -> float:
    """The order of the module's docstring, in plain loops over lanes."""
    lanes = np.zeros(LANES)
    for start in range(0, len(vector), BLOCK):
        block: NDArray[np.float32 | np.float64] = np.zeros(BLOCK, kind)
        piece: NDArray[np.float32 | np.float64] = vector[start : start + BLOCK].astype(kind)
        block[: len(piece)] = piece * piece
        size = BLOCK
        while size > LANES:
            size //= 2
            block = block[:size] + block[size:]
        lanes = lanes + block
    values = lanes.tolist()
    while len(values) > 1:
        half = len(values) // 2
        values = [values[i] + values[half + i] for i in range(half)]
    return math.sqrt(values[0])


@pytest.mark.parametrize("length", [0, 1, 3, 4096, 4097, 5000, BLOCK, BLOCK + 1, 3 * BLOCK - 5])
def test_norms_follow_the_order_that_is_written_down(length: int) -> None:
    vector = normal("order", length)
    assert norm(vector) == reference(vector, np.float64)
    if length:
        assert rounded_norm(vector) == reference(vector, np.float32)


@pytest.mark.parametrize("length", [0, 1, 33, 5000, BLOCK + 1])
def test_norms_of_rows_are_those_of_each_row(length: int) -> None:
    rows = normal("rows", 3 * length).reshape(3, length)
    assert norms(rows) == tuple(reference(row, np.float64) for row in rows)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=60))
def test_a_norm_is_that_of_exact_arithmetic(numbers: list[float]) -> None:
    exact = math.sqrt(math.fsum(number * number for number in numbers))
    assert norm(np.array(numbers, np.float32)) == pytest.approx(exact, rel=1e-14, abs=0)


def test_rows_at_the_ends_of_float32_have_a_norm() -> None:
    assert norm(np.full(100, 3e38, np.float32)) == pytest.approx(3e39, rel=1e-7)
    least = np.full(100, 2.0**-149, np.float32)
    assert norm(least) == 10 * 2.0**-149


@pytest.mark.parametrize("scale", [3e38, 1e30, 1e-25, 1e-40, 0.0])
def test_a_rounded_norm_is_refused_where_squares_have_no_range(scale: float) -> None:
    assert rounded_norm(np.full(5000, scale, np.float32)) is None


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_a_rounded_norm_errs_by_less_than_its_bound(scale: float) -> None:
    for shape in (normal("bound", 150_000), np.linspace(1, 1.1, 150_000, dtype=np.float32)):
        vector = (shape * np.float32(scale)).astype(np.float32)
        found = rounded_norm(vector)
        assert found is not None
        assert abs(found / norm(vector) - 1) < 2.5 * UNIT


def test_where_a_vector_lies_in_memory_changes_no_bit() -> None:
    vector = normal("place", 70_001)
    for offset in range(1, 8):
        shifted = np.empty(len(vector) + offset, np.float32)[offset:]
        shifted[:] = vector
        assert norm(shifted) == norm(vector)
        assert rounded_norm(shifted) == rounded_norm(vector)


def test_norms_are_those_of_the_committed_vectors() -> None:
    """Any machine must find these bits: a failure is a broken platform or a changed protocol."""
    vector = ((np.arange(200_000) * 2654435761 % 2**32) / 2.0**31 - 1).astype(np.float32)
    assert norm(vector).hex() == "0x1.023316ed93505p+8"
    found = rounded_norm(vector)
    assert found is not None
    assert found.hex() == "0x1.023316ede0d31p+8"
