import math

import numpy as np
import pytest

from tests.numerics.cases import make, normal
from zpeer.ids import Digest
from zpeer.numerics.clipping import clip_weight
from zpeer.numerics.directions import directions
from zpeer.numerics.fixed import norm, rounded_norm
from zpeer.numerics.projections import column, residual, scalars

UNIT = 2.0**-24
BEACON = Digest(bytes(range(32)))
LENGTH = 5000


def test_scalars_are_those_of_the_clipped_difference() -> None:
    row, aggregate = normal("row", LENGTH), normal("aggregate", LENGTH)
    made = directions(BEACON, 1, LENGTH, 4)
    difference = row.astype(np.float64) - aggregate
    size = norm(difference)
    for radius in (size / 10, size * 10, math.inf):
        found = scalars(row, aggregate, radius, clip_weight, made)
        expected = np.array(made.project(difference)) * min(1, radius / size)
        assert found.norm == pytest.approx(size, rel=3 * UNIT)
        assert np.abs(np.subtract(found.projections, expected)).max() < 10 * UNIT * min(
            size, radius
        )


def test_the_norm_has_the_bits_of_fixed_order_arithmetic() -> None:
    row, aggregate = normal("row", LENGTH), normal("aggregate", LENGTH)
    found = scalars(row, aggregate, 1.0, clip_weight, directions(BEACON, 1, LENGTH, 1))
    assert found.norm == rounded_norm(row - aggregate)


def test_many_rows_give_what_each_gives() -> None:
    rows = make("x -10^3", 7, LENGTH)
    aggregate = normal("aggregate", LENGTH)
    made = directions(BEACON, 0, LENGTH, 4)
    together = column(rows, aggregate, 50.0, clip_weight, made)
    assert together == tuple(scalars(row, aggregate, 50.0, clip_weight, made) for row in rows)
    assert column(list(rows), aggregate, 50.0, clip_weight, made) == together


@pytest.mark.parametrize("name", ["x 10^30", "3.10^38", "all 3.10^38", "10^-25", "denormal"])
def test_rows_beyond_the_range_of_float32_squares_have_exact_scalars(name: str) -> None:
    rows = make(name, 5, LENGTH)
    aggregate = -rows[0]
    made = directions(BEACON, 0, LENGTH, 4)
    for row, found in zip(rows, column(rows, aggregate, 1.0, clip_weight, made), strict=True):
        difference = row.astype(np.float64) - aggregate
        size = norm(difference)
        assert found.norm == pytest.approx(size, rel=3 * UNIT)
        expected = np.array(made.project(difference)) * clip_weight(size, 1.0)
        gap = np.abs(np.subtract(found.projections, expected)).max()
        assert gap <= 20 * UNIT * min(size, 1.0)


def test_a_row_that_is_the_aggregate_gives_nothing() -> None:
    row = normal("row", LENGTH)
    found = scalars(row, row, 1.0, clip_weight, directions(BEACON, 0, LENGTH, 4))
    assert found.projections == (0.0,) * 4
    assert found.norm == 0.0


def test_a_part_of_no_numbers_has_scalars() -> None:
    nothing = np.empty(0, np.float32)
    found = scalars(nothing, nothing, 1.0, clip_weight, directions(BEACON, 0, 0, 4))
    assert found.projections == (0.0,) * 4
    assert found.norm == 0.0


@pytest.mark.parametrize("radius", [1e-3, 60.0, math.inf])
def test_the_residual_is_the_norm_of_the_summed_forces(radius: float) -> None:
    rows = make("x -10^3", 7, 20_000)
    aggregate = normal("aggregate", 20_000)
    found, norms = residual(rows, aggregate, radius, clip_weight)
    differences = rows.astype(np.float64) - aggregate
    sizes = np.linalg.norm(differences, axis=1)
    forces = differences * np.minimum(1, radius / sizes)[:, None]
    pull = float(np.minimum(sizes, radius).sum())
    assert norms == pytest.approx(sizes, rel=3 * UNIT)
    assert abs(found - np.linalg.norm(forces.sum(axis=0))) < 3 * UNIT * pull


def test_norms_of_a_residual_are_those_of_the_scalars() -> None:
    rows = make("x 10^30", 5, LENGTH)
    made = directions(BEACON, 0, LENGTH, 1)
    _, norms = residual(rows, rows[4], 1.0, clip_weight)
    stated = column(rows, rows[4], 1.0, clip_weight, made)
    assert norms == tuple(each.norm for each in stated)
