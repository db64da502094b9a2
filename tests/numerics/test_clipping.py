import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.numerics.cases import normal
from zpeer.numerics.clipping import clip_to_norm, clip_weight
from zpeer.numerics.fixed import norm

sizes = st.floats(min_value=0, allow_nan=False)


@given(sizes, sizes)
def test_weight_times_norm_never_exceeds_the_radius(size: float, radius: float) -> None:
    weight = clip_weight(size, radius)
    assert 0 <= weight <= 1
    assert size == math.inf or weight * size <= radius


@given(sizes)
def test_what_lies_within_the_radius_counts_in_full(size: float) -> None:
    assert clip_weight(size, size) == 1
    assert clip_weight(size, math.inf) == 1


@pytest.mark.parametrize("size", [math.nan, math.inf, 5.0])
@pytest.mark.parametrize("radius", [math.nan, -1.0])
def test_what_is_no_radius_gives_no_weight(size: float, radius: float) -> None:
    assert clip_weight(size, radius) == 0


@pytest.mark.parametrize("radius", [0.0, 1.0])
def test_a_norm_that_is_no_number_counts_nothing(radius: float) -> None:
    assert clip_weight(math.nan, radius) == 0
    assert clip_weight(math.inf, radius) == 0


def test_a_weight_that_would_round_beyond_the_radius_is_the_next_smaller() -> None:
    sizes = [3.7 + k / 997 for k in range(1, 9000)]
    found = [size for size in sizes if (3.7 / size) * size > 3.7]
    assert found
    assert all(clip_weight(size, 3.7) == math.nextafter(3.7 / size, 0) for size in found)


def test_a_short_gradient_is_returned_itself() -> None:
    gradient = normal("short", 1000)
    assert clip_to_norm(gradient, norm(gradient)) is gradient
    assert clip_to_norm(gradient, math.inf) is gradient


@pytest.mark.parametrize("scale", [1.0, 1e30, 1e-30])
def test_a_long_gradient_keeps_its_direction_and_gets_the_limit(scale: float) -> None:
    gradient = (normal("long", 70_000) * np.float32(scale)).astype(np.float32)
    limit = norm(gradient) / 3
    clipped = clip_to_norm(gradient, limit)
    assert norm(clipped) == pytest.approx(limit, rel=1e-7)
    expected = (gradient.astype(np.float64) * (limit / norm(gradient))).astype(np.float32)
    assert clipped.tobytes() == expected.tobytes()


def test_a_factor_too_small_for_float32_still_clips() -> None:
    clipped = clip_to_norm(np.full(100_000, 3e38, np.float32), 1e-3)
    assert norm(clipped) == pytest.approx(1e-3, rel=1e-6)
