"""Tolerances: their order is a law, NaN fails every one, and the order of peers does not matter."""

from __future__ import annotations

from math import fsum, inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.plain import Clip
from zpeer.core.thresholds import (
    ACCUSED,
    BLAME_UPHELD,
    BLAMED,
    FLOOR,
    HONEST,
    SUM_PULL,
    UNIT,
    UPHELD,
    compute_sum_tolerance,
    distance,
    ratio,
    sum_fails,
)
from zpeer.events import Scalars

HONEST_SUM = 0.13
"""Largest share of the tolerance that honest sums were measured at (numerics)."""
scalars = st.floats(-1e30, 1e30)


def test_each_threshold_is_further_out_than_two_honest_machines_can_differ() -> None:
    """What one honest peer concludes at a threshold, every other one confirms at the one below."""
    assert UPHELD - HONEST >= HONEST
    assert ACCUSED - HONEST >= UPHELD
    assert BLAMED - HONEST >= BLAME_UPHELD
    assert BLAME_UPHELD - HONEST >= ACCUSED  # the blamed one saw enough to accuse


def test_what_all_may_be_off_unaccused_and_an_honest_sum_stay_below_the_tolerance() -> None:
    assert ACCUSED + HONEST_SUM * SUM_PULL < SUM_PULL


@pytest.mark.parametrize(("units", "far"), [(0, 0), (30, 30), (61, 61), (-61, 61)])
def test_distance_counts_in_units_of_the_pull_and_of_the_norm(units: float, far: float) -> None:
    computed = Scalars((3.0, -2.0), 8.0)
    off = Scalars((3.0 + units * UNIT * 4.0, -2.0), 8.0)
    assert distance(off, computed, pull=4.0) == pytest.approx(far, rel=1e-6)
    longer = Scalars((3.0, -2.0), 8.0 + units * UNIT * 8.0)
    assert distance(longer, computed, pull=4.0) == pytest.approx(far, rel=1e-6)


def test_a_difference_where_nothing_may_differ_is_far_beyond_every_threshold() -> None:
    assert distance(Scalars((0.0,), 0.0), Scalars((0.0,), 0.0), pull=0.0) == 0
    assert distance(Scalars((1e-20,), 0.0), Scalars((0.0,), 0.0), pull=0.0) > BLAMED
    assert distance(Scalars((), 1.0), Scalars((), 0.0), pull=0.0) > BLAMED
    assert ratio(float("nan"), 1.0) == inf
    assert ratio(inf, inf) == inf


def test_rows_of_denormals_convict_nobody() -> None:
    """Below 2^-126 float32 rounds absolutely, so nothing there is off by a relative tolerance."""
    smallest = 2.0**-149
    tolerance = compute_sum_tolerance([smallest] * 16, inf, smallest, Clip().weight)
    assert not sum_fails([(1000 * smallest,)] * 16, tolerance)
    assert distance(Scalars((smallest,), 0.0), Scalars((0.0,), 0.0), pull=0.0) < HONEST
    assert FLOOR < 1e-30, "what hides under it moves no parameter"


@pytest.mark.parametrize("n", [2, 16, 64])
def test_the_law_holds_where_all_rows_are_equal_too(n: int) -> None:
    """What every worker may state unaccused does not fail the sum of an honest owner."""
    unaccused = ACCUSED * FLOOR
    assert distance(Scalars((unaccused,), 0.0), Scalars((0.0,), 0.0), pull=0.0) <= ACCUSED
    tolerance = compute_sum_tolerance([0.0] * n, inf, 0.0, Clip().weight)
    assert not sum_fails([(unaccused,)] * n, tolerance)


def test_the_tolerance_counts_clipped_rows_by_their_pull_and_the_rest_by_their_weight() -> None:
    weight = Clip(2.0).weight
    found = compute_sum_tolerance([1.0, 4.0], 2.0, 10.0, weight)
    assert found == pytest.approx(UNIT * (96 * (1 + 2) + 32 * (1 + 0.5) * 10))


def test_a_sum_at_its_tolerance_passes_and_beyond_it_fails() -> None:
    assert not sum_fails([(1.0, 0.0), (-1.0, 0.5)], 0.5)
    assert sum_fails([(1.0, 0.0), (-1.0, 0.51)], 0.5)
    assert sum_fails([(1.0, 0.51), (-1.0, 0.0)], 0.5)
    assert not sum_fails([(1.0,), (-1.0,)], 0.0)


def test_numbers_that_are_none_fail() -> None:
    assert sum_fails([(float("nan"),), (0.0,)], 1.0)
    assert sum_fails([(1.0,), (0.0,)], float("nan"))


@given(st.lists(scalars, min_size=2, max_size=9), st.randoms(use_true_random=False))
def test_the_order_of_peers_does_not_matter(values: list[float], shuffler: Any) -> None:
    tolerance = abs(fsum(values))
    shuffled = [*values]
    shuffler.shuffle(shuffled)
    rows = [(value,) for value in shuffled]
    assert not sum_fails(rows, tolerance)
    assert tolerance == 0 or sum_fails(rows, tolerance * (1 - 1e-12))
