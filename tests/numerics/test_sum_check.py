"""The sum check on real aggregates: honest sums far inside the tolerance, shifts outside."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.numerics.cases import CASES, RADII, make, normal, spread
from zpeer.core.thresholds import compute_sum_tolerance, sum_fails
from zpeer.ids import digest_bytes, number
from zpeer.numerics.centered_clip import solve
from zpeer.numerics.clipping import clip_weight
from zpeer.numerics.directions import Directions, directions
from zpeer.numerics.fixed import norm
from zpeer.numerics.projections import column

if TYPE_CHECKING:
    from zpeer.interfaces import Float32

COUNT, LENGTH, K = 7, 3000, 4


def beacon_directions(trial: int, length: int = LENGTH) -> Directions:
    return directions(digest_bytes(number(trial)), 0, length, K)


def check_sum(
    rows: Float32, vector: Float32, radius: float, made: Directions
) -> tuple[float, bool]:
    """The largest sum as a share of the tolerance, and whether the check fails."""
    stated = column(rows, vector, radius, clip_weight, made)
    limit = compute_sum_tolerance([each.norm for each in stated], radius, norm(vector), clip_weight)
    columns = [each.projections for each in stated]
    largest = max(abs(math.fsum(values)) for values in zip(*columns, strict=True))
    return (largest / limit if limit else largest), sum_fails(columns, limit)


@pytest.mark.parametrize("name", CASES)
def test_honest_sums_stay_below_half_the_tolerance(name: str) -> None:
    for count in (2, 3, 16):
        rows = make(name, count, LENGTH)
        for share in RADII:
            radius = share * spread(rows)
            vector = solve(rows, radius).vector
            for trial in range(5):
                used, fails = check_sum(rows, vector, radius, beacon_directions(trial))
                assert used <= 0.5
                assert not fails


def shapes() -> dict[str, Float32]:
    side = math.isqrt(LENGTH - 1) + 1
    one, two = np.zeros(LENGTH, np.float32), np.zeros(LENGTH, np.float32)
    one[1234] = 1
    two[[77, 2345]] = 1
    product = np.outer(normal("left", side), normal("right", side)).ravel()[:LENGTH]
    return {
        "one coordinate": one,
        "two equal coordinates": two,
        "rank one": product.astype(np.float32),
        "dense": normal("dense", LENGTH),
    }


def shift(rows: Float32, vector: Float32, radius: float, shape: Float32, size: float) -> Float32:
    """The vector moved by `size` max(tau, mean force / lambda) in the direction of a shape."""
    norms = np.linalg.norm(rows.astype(np.float64) - vector, axis=1)
    weights = [clip_weight(float(each), radius) for each in norms]
    force = math.fsum(w * float(d) for w, d in zip(weights, norms, strict=True)) / len(rows)
    step = size * max(radius if radius < math.inf else 0, force * len(rows) / math.fsum(weights))
    return (vector + shape / norm(shape) * step).astype(np.float32)


@pytest.mark.parametrize("shape", shapes())
@pytest.mark.parametrize("name", ["clean", "x -10^3", "x 10^30", "one far point"])
def test_a_shift_of_a_ten_thousandth_is_caught(name: str, shape: str) -> None:
    rows = make(name, COUNT, LENGTH)
    for share in (0.1, 1.0, 10.0):
        radius = share * spread(rows)
        vector = solve(rows, radius).vector
        moved = shift(rows, vector, radius, shapes()[shape], 1e-4)
        caught = [check_sum(rows, moved, radius, beacon_directions(t))[1] for t in range(60)]
        assert sum(caught) >= 59


def test_a_shift_of_a_millionth_is_within_the_tolerance() -> None:
    """The near miss: what the check cannot see, it must not call a cheat."""
    rows = make("clean", COUNT, LENGTH)
    radius = spread(rows)
    vector = solve(rows, radius).vector
    moved = shift(rows, vector, radius, shapes()["dense"], 1e-6)
    assert moved.tobytes() != vector.tobytes()
    assert not any(check_sum(rows, moved, radius, beacon_directions(t))[1] for t in range(60))
