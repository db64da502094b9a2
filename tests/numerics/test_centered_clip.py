from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.numerics.cases import CASES, RADII, make, normal, spread
from zpeer.core.thresholds import compute_sum_tolerance
from zpeer.numerics.centered_clip import centered_clip, solve
from zpeer.numerics.clipping import clip_weight
from zpeer.numerics.fixed import norm
from zpeer.numerics.projections import residual

if TYPE_CHECKING:
    from zpeer.interfaces import Float32

SHORT, LONG = 2000, 40_000
"""Done in float64 at once; and in float32 first."""


def check_balance(rows: Float32, radius: float) -> None:
    """The residual is below a tenth of the sum check's tolerance.

    A projection of it on a random direction exceeds three times its norm in 0.3% of directions.
    """
    vector = solve(rows, radius).vector
    assert vector.dtype == np.float32
    assert np.isfinite(vector).all()
    left, norms = residual(rows, vector, radius, clip_weight)
    limit = compute_sum_tolerance(norms, radius, norm(vector), clip_weight)
    assert left <= limit / 10


@pytest.mark.parametrize("name", sorted(set(CASES) - {"denormal"}))
@pytest.mark.parametrize("count", [2, 3, 16, 64])
def test_forces_balance_in_every_case_and_at_every_radius(name: str, count: int) -> None:
    rows = make(name, count, SHORT)
    for share in RADII:
        check_balance(rows, share * spread(rows))


@pytest.mark.parametrize("name", sorted(set(CASES) - {"denormal"}))
def test_forces_balance_for_long_rows_too(name: str) -> None:
    for count in (4, 7):
        rows = make(name, count, LONG)
        for share in RADII:
            check_balance(rows, share * spread(rows))


@pytest.mark.parametrize("count", [3, 16])
def test_forces_balance_as_far_as_denormal_numbers_can_say(count: int) -> None:
    rows = make("denormal", count, SHORT)
    for share in RADII:
        radius = share * spread(rows)
        left, _ = residual(rows, solve(rows, radius).vector, radius, clip_weight)
        assert left <= count * 2.0**-149 * math.sqrt(SHORT)


@pytest.mark.parametrize("radius", [0.0, 1.0, math.inf])
def test_one_row_is_its_own_aggregate(radius: float) -> None:
    row = normal("one", 1, SHORT)
    assert solve(row, radius).vector.tobytes() == row[0].tobytes()


def test_rows_of_no_numbers_have_an_aggregate_of_none() -> None:
    for radius in (1.0, math.inf):
        assert solve(np.empty((3, 0), np.float32), radius).vector.shape == (0,)


@pytest.mark.parametrize("length", [SHORT, LONG])
def test_an_infinite_radius_gives_the_mean(length: int) -> None:
    rows = make("x -10^3", 7, length)
    mean = rows.mean(axis=0, dtype=np.float64)
    found = centered_clip(rows, math.inf)
    assert np.linalg.norm(found.vector - mean) < 1e-6 * np.linalg.norm(mean)
    assert found.clipped_share == 0


def test_a_mean_of_the_largest_numbers_is_finite() -> None:
    rows = np.full((3, LONG), np.finfo(np.float32).max)
    assert solve(rows, math.inf).vector.tobytes() == rows[0].tobytes()


def test_a_radius_of_zero_gives_the_geometric_median() -> None:
    rows = make("x -10^3", 7, SHORT)
    vector = solve(rows, 0.0).vector.astype(np.float64)
    units = [(row - vector) / np.linalg.norm(row - vector) for row in rows.astype(np.float64)]
    assert np.linalg.norm(np.sum(units, axis=0)) < 1e-5


def test_identical_rows_have_themselves_for_an_aggregate_at_radius_zero() -> None:
    rows = make("identical", 5, SHORT)
    assert solve(rows, 0.0).vector.tobytes() == rows[0].tobytes()


def test_a_majority_of_identical_rows_wins_at_small_radii() -> None:
    rows = make("majority identical", 7, SHORT)
    radius = 0.01 * spread(rows)
    found = centered_clip(rows, radius)
    assert np.linalg.norm(found.vector - rows[-1]) <= radius
    assert found.clipped_share == pytest.approx(3 / 7)


@pytest.mark.parametrize("name", ["x -10^6", "x 10^30", "3.10^38", "one far point", "hidden spike"])
def test_a_minority_moves_the_aggregate_by_no_more_than_its_clipped_share(name: str) -> None:
    """f forces of length tau against n - f that grow with the distance: at most f tau / (n - f)."""
    rows = make(name, 7, LONG)
    honest = rows[3:]
    distances = np.linalg.norm(honest - honest.mean(axis=0), axis=1)
    radius = 3 * float(distances.max())
    vector = solve(rows, radius).vector
    moved = np.linalg.norm(vector.astype(np.float64) - honest.mean(axis=0, dtype=np.float64))
    assert moved <= 3 * radius / 4 * (1 + 1e-4)


def test_the_residual_is_measured_and_not_promised() -> None:
    rows = make("spread 10^-5", 5, SHORT)
    found = centered_clip(rows, 0.1)
    differences = rows.astype(np.float64) - found.vector
    sizes = np.linalg.norm(differences, axis=1)
    forces = (differences * np.minimum(1, 0.1 / sizes)[:, None]).sum(axis=0)
    assert found.residual == pytest.approx(np.linalg.norm(forces), rel=1e-3)


def test_the_order_of_rows_matters_no_more_than_rounding() -> None:
    rows = make("x -10^3", 7, LONG)
    radius = spread(rows)
    forward, backward = solve(rows, radius).vector, solve(rows[::-1].copy(), radius).vector
    assert np.linalg.norm(forward - backward) < 1e-6 * np.linalg.norm(forward)


@pytest.mark.parametrize("radius", [-1.0, math.nan])
def test_a_radius_that_is_none_is_refused(radius: float) -> None:
    with pytest.raises(ValueError, match="clipping radius"):
        solve(normal("rows", 3, 10), radius)


@pytest.mark.parametrize("shape", [(0, 5), (5,)])
def test_what_is_no_matrix_of_rows_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        solve(np.zeros(shape, np.float32), 1.0)
