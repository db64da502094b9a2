"""CenteredClip (Karimireddy, He, Jaggi 2021): the point v with sum_i (g_i - v) min(1, tau / ||g_i -
v||) = 0.

It is the minimiser of sum_i huber_tau(||g_i - v||): unique, unless every row is clipped and all lie
on one line; then whatever point is found has the same residual, and only the residual is ever
checked. tau = infinity is the mean, tau -> 0 the geometric median.

How it is found, so that neither an attacker nor rounding can keep the residual large:

1. From a sample of columns: the *medoid*, the row whose majority of nearest rows is nearest. It is
   an honest row or as good as one, and the reference c where the rows lie closer together than to
   zero (else c = 0 saves a subtraction).
2. The Gram matrix of g_i - c in float32 with sums in double, and the minimiser in coefficients
   (`coefficients`), from the mean of the majority nearest to the medoid.
3. The combination v, rounded to float32, and in the same pass the true distances from it. Now the
   error is known instead of bounded: the Gram matrix promised weights f_i, the distances give f'_i,
   so the force is off by at most sum_i |f_i - f'_i| ||g_i - v||. Float32 may err by 100 u here for
   rows made for it, and by far more for a row that is much nearer to v than to c.
4. Where that is more than ROUGH = 4 u sum_i min(||g_i - v||, tau), a 24th of the sum check's
   tolerance, or where squares leave float32's range (rows of 10^30, denormal rows), and for short
   rows at once: everything again in float64, with c = v, until the bound of the Gram error is
   small. A sender can force this; it costs the aggregator three times its time, once a step.

Residual: what is left is the rounding of v, u ||v|| / sqrt(12) in the root mean square for each row
that is not clipped, lambda n of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zpeer.numerics.clipping import clip_weight
from zpeer.numerics.coefficients import Point, minimise
from zpeer.numerics.dealing import is_finite
from zpeer.numerics.fixed import norm
from zpeer.numerics.gram import (
    exact_combination,
    exact_gram,
    rough_combination,
    rough_gram,
    sample_gram,
)
from zpeer.numerics.projections import residual

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zpeer.interfaces import Float32

    Float64 = NDArray[np.float64]

UNIT = 2.0**-24
ROUGH = 4.0
REPEATS = 4
SHORT = 1 << 15
"""Rows up to this length are done in float64 at once."""
MOST = 1e36
"""Largest entry of a Gram matrix in float32 whose partial sums cannot have overflowed."""
LEAST = 1e-28
"""Least squared radius per number of a row: squares lost below 2^-126 are a billionth of it."""
LEAST_RADIUS = 1e-7
"""Of the medoid's distance to its majority. Smaller radii mean the geometric median, as this."""


class Clipped(NamedTuple):
    """An aggregate and how good it is."""

    vector: Float32
    residual: float
    """||sum_i psi_i||, summed directly in double from the vector as stored."""
    iterations: int
    clipped_share: float
    """Share of rows further than the radius from the vector."""


class Solution(NamedTuple):
    """An aggregate, without the two passes that measuring its residual takes."""

    vector: Float32
    iterations: int
    clipped_share: float


class Majority(NamedTuple):
    """The row nearest to most, and its nearest n // 2 + 1 rows (itself among them)."""

    medoid: int
    members: NDArray[np.intp]
    reach: float
    """Distance to the furthest member, on the sample."""


def centered_clip(rows_ND: Float32, radius: float) -> Clipped:
    """The aggregate of finite rows, shape (N, D), N >= 1, for a radius >= 0, and its residual."""
    solution = solve(rows_ND, radius)
    left, _ = residual(rows_ND, solution.vector, radius, clip_weight)
    return Clipped(solution.vector, left, solution.iterations, solution.clipped_share)


def solve(rows_ND: Float32, radius: float) -> Solution:
    """The aggregate alone: what an owner computes every step."""
    if rows_ND.ndim != 2 or not len(rows_ND):  # noqa: PLR2004 - a matrix
        raise ValueError(f"rows of shape {rows_ND.shape}; expected (N, D) with N >= 1")
    if not radius >= 0:
        raise ValueError(f"a clipping radius of {radius}; expected a number >= 0 or infinity")
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return _solve(rows_ND, radius)


def _solve(rows_ND: Float32, radius: float) -> Solution:
    sample_NN = sample_gram(rows_ND)
    majority = find_majority(sample_NN)
    if radius == np.inf:
        return Solution(_average(rows_ND, sample_NN.max()), 0, 0.0)
    radius = max(radius, LEAST_RADIUS * majority.reach)
    medoid_D = rows_ND[majority.medoid]
    if len(rows_ND) == 1 or not radius:
        return Solution(medoid_D.copy(), 0, 0.0)
    start_N = np.zeros(len(rows_ND))
    start_N[majority.members] = 1 / len(majority.members)
    if rows_ND.shape[1] > SHORT and sample_NN.max() < MOST:
        lies_near_zero = sample_NN[majority.medoid, majority.medoid] <= 4 * majority.reach**2
        found = _solve_roughly(rows_ND, None if lies_near_zero else medoid_D, start_N, radius)
        if found is not None:
            return found
    return _solve_exactly(rows_ND, medoid_D, start_N, radius)


def _average(rows_ND: Float32, size: float) -> Float32:
    """The mean: in float32 where the sample's largest square shows that it has the range."""
    count, length = rows_ND.shape
    if length > SHORT and LEAST * length < size < MOST:
        mean_D = np.full(count, 1 / count, np.float32) @ rows_ND
        if is_finite(mean_D):
            return mean_D
    return exact_combination(rows_ND, np.zeros(length, np.float32), np.full(count, 1 / count))[0]


def _solve_roughly(
    rows_ND: Float32, reference_D: Float32 | None, start_N: Float64, radius: float
) -> Solution | None:
    """Steps 2 and 3 in float32; None where that is not good enough."""
    gram_NN = rough_gram(rows_ND, reference_D)
    if not gram_NN.max() <= MOST or radius**2 < LEAST * rows_ND.shape[1]:
        return None
    point, steps = minimise(gram_NN, start_N, radius)
    vector, distances_N = rough_combination(rows_ND, reference_D, point.weights)
    if not _holds(point, vector, distances_N, radius):
        return None
    return Solution(vector, steps, float((distances_N > radius).mean()))


def _solve_exactly(
    rows_ND: Float32, reference_D: Float32, start_N: Float64, radius: float
) -> Solution:
    """Steps 2 and 3 in float64, again from the vector found until its distances are as foreseen."""
    steps = 0
    for _ in range(REPEATS):
        point, more = minimise(exact_gram(rows_ND, reference_D), start_N, radius)
        steps += more
        vector, distances_N = exact_combination(rows_ND, reference_D, point.weights)
        if _holds(point, vector, distances_N, radius):
            break
        reference_D, start_N = vector, point.weights
    return Solution(vector, steps, float((distances_N > radius).mean()))


def _holds(point: Point, vector_D: Float32, distances_N: Float64, radius: float) -> bool:
    """Whether the force at the vector is what the Gram matrix promised.

    Within ROUGH, or within twice what rounding the vector moves it; not if anything is no number.
    """
    factors_N = np.ones_like(distances_N)
    np.divide(radius, distances_N, out=factors_N, where=distances_N > radius)
    error = point.residual + float(np.abs(factors_N - point.factors) @ distances_N)
    pull = float(factors_N @ distances_N)
    if error <= UNIT * ROUGH * pull:
        return True
    return error <= UNIT * (ROUGH * pull + 2 * float(factors_N.sum()) * norm(vector_D))


def find_majority(gram_NN: Float64) -> Majority:
    """The medoid and its majority; of equals the first."""
    diagonal = gram_NN.diagonal()
    squares = np.maximum(diagonal[:, None] + diagonal - 2 * gram_NN, 0)
    count = len(gram_NN) // 2 + 1
    reaches = np.sort(squares, axis=1)[:, count - 1]
    medoid = int(np.argmin(reaches))
    members = np.argsort(squares[medoid], kind="stable")[:count]
    return Majority(medoid, members, float(np.sqrt(reaches[medoid])))
