import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.numerics.cases import normal
from zpeer.numerics.dealing import deal, from_bytes, gather, is_finite, to_bytes
from zpeer.parts import Layout

layouts = st.builds(
    Layout,
    dimension=st.integers(0, 600),
    block=st.integers(1, 40),
    parts=st.integers(1, 12),
)


@given(layouts)
def test_gather_inverts_deal(layout: Layout) -> None:
    gradient = np.arange(layout.dimension, dtype=np.float32)
    parts = deal(gradient, layout)
    assert [len(part) for part in parts] == [layout.length(j) for j in range(layout.parts)]
    assert gather(parts, layout).tobytes() == gradient.tobytes()


@given(layouts)
def test_block_b_goes_to_part_b_mod_n(layout: Layout) -> None:
    owners = (np.arange(layout.dimension) // layout.block) % layout.parts
    gradient = np.arange(layout.dimension, dtype=np.float32)
    for part, piece in enumerate(deal(gradient, layout)):
        assert piece.tolist() == np.flatnonzero(owners == part).tolist()
        assert piece.flags.c_contiguous
        assert not np.shares_memory(piece, gradient)


def test_a_gradient_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the gradient is float32 of shape \(9,\); expected"):
        deal(np.zeros(9, np.float32), Layout(10, 2, 3))


def test_a_gradient_in_double_is_refused() -> None:
    with pytest.raises(ValueError, match="float64"):
        deal(np.zeros(10), Layout(10, 2, 3))  # type: ignore[arg-type]


def test_parts_of_another_roster_are_refused() -> None:
    layout = Layout(10, 2, 3)
    with pytest.raises(ValueError, match="2 parts given where the layout has 3"):
        gather(deal(np.zeros(10, np.float32), Layout(10, 2, 2)), layout)


def test_bytes_are_read_as_little_endian_without_a_copy() -> None:
    data = bytes.fromhex("0000803f000000c0")
    assert from_bytes(data).tolist() == [1.0, -2.0]
    assert from_bytes(memoryview(data)).base is not None


def test_bytes_that_are_no_whole_number_of_floats_are_refused() -> None:
    with pytest.raises(ValueError, match="5 bytes"):
        from_bytes(b"12345")


@given(st.integers(0, 50))
def test_bytes_of_a_vector_are_read_back(length: int) -> None:
    vector = normal("bytes", length)
    data = to_bytes(vector)
    assert data.nbytes == 4 * length
    assert from_bytes(data).tobytes() == vector.tobytes()


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("place", [0, 5000, 9999])
def test_one_number_that_is_not_finite_is_found(bad: float, place: int) -> None:
    vector = normal("finite", 10_000)
    assert is_finite(vector)
    vector[place] = bad
    assert not is_finite(vector)


def test_infinities_of_both_signs_do_not_cancel() -> None:
    assert not is_finite(np.array([np.inf, -np.inf], np.float32))


def test_a_sum_beyond_the_range_is_not_taken_for_an_infinity() -> None:
    assert is_finite(np.full(10, 3e38, np.float32))


def test_nothing_is_finite() -> None:
    assert is_finite(np.empty(0, np.float32))
