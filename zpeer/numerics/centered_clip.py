"""CenteredClip (Karimireddy, He, Jaggi 2021).

The point v with sum_i (g_i - v) min(1, tau / ||g_i - v||) = 0. It is the minimiser of sum_i
huber_tau(||g_i - v||): unique, unless every row is clipped and all lie on one line; then whatever
point is found has the same residual, and only the residual is ever checked. tau = infinity is the
mean, tau -> 0 the geometric median.

How it is found, so that neither an attacker nor rounding can keep the residual large:

1. From a sample of columns: the *medoid*, the row whose majority of nearest rows is nearest. It is
   the reference c where rows lie closer together than to zero (else c = 0 saves a subtraction).
2. The Gram matrix of g_i - c in float32 with sums in double, and the minimiser in coefficients
   (`coefficients`), from the mean of the majority nearest to the medoid.
3. The combination v, rounded to float32, and in the same pass the true distances from it. Now the
   error is known instead of bounded: the Gram matrix promised weights f_i, the distances give
   f'_i, so the force is off by at most sum_i |f_i - f'_i| ||g_i - v||. Float32 may err by 100 u
   here for rows made for it, by far more for a row much nearer to v than to c, and by anything
   where the sample missed what is wrong with a row and c is an attacker.
4. Where the error is more than ROUGH = 4 u sum_i min(||g_i - v||, tau), a 24th of the sum check's
   tolerance, or where squares leave float32's range (rows of 10^30, denormal rows), and for short
   rows at once: everything in float64, c the medoid of whole rows, then c = v until step 3 finds
   what was promised. A sender can force this; it costs the owner five times its usual time.

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
    SAMPLE,
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
EXACT_UNIT = 2.0**-53
ROUGH = 4.0
REPEATS = 4
SHORT = 2 * SAMPLE - 1
"""Rows up to this length are done in float64 at once; a sample of them is the whole."""
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


class Trial(NamedTuple):
    """What one arithmetic found; arrays of shape (N,)."""

    point: Point
    lengths: Float64
    """Distances of the rows from the reference."""
    unit: float
    """Largest relative error of a rounding."""
    vector: Float32
    distances: Float64
    """Of the rows from the vector, measured."""


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
    if radius == np.inf:
        return Solution(_average(rows_ND, sample_NN.max()), 0, 0.0)
    majority = find_majority(sample_NN)
    radius = max(radius, LEAST_RADIUS * majority.reach)
    if rows_ND.shape[1] <= SHORT:
        return _solve_exactly(rows_ND, majority.medoid, radius)
    found = None
    if sample_NN.max() < MOST:
        lies_near_zero = sample_NN[majority.medoid, majority.medoid] <= 4 * majority.reach**2
        found = _solve_roughly(rows_ND, None if lies_near_zero else majority.medoid, radius)
    if found is None:
        whole_NN = exact_gram(rows_ND, np.zeros_like(rows_ND[0]))
        found = _solve_exactly(rows_ND, find_majority(whole_NN).medoid, radius)
    return found


def _average(rows_ND: Float32, size: float) -> Float32:
    """The mean: in float32 where the sample's largest square shows that it has the range."""
    count, length = rows_ND.shape
    if length > SHORT and LEAST * length < size < MOST:
        mean_D = np.full(count, 1 / count, np.float32) @ rows_ND
        if is_finite(mean_D):
            return mean_D
    return exact_combination(rows_ND, np.zeros(length, np.float32), np.full(count, 1 / count))[0]


def _solve_roughly(rows_ND: Float32, medoid: int | None, radius: float) -> Solution | None:
    """Steps 2 and 3 in float32, the reference a row or zero; None where that is not good enough."""
    reference_D = None if medoid is None else rows_ND[medoid]
    gram_NN = rough_gram(rows_ND, reference_D)
    if not gram_NN.max() <= MOST or radius**2 < LEAST * rows_ND.shape[1]:
        return None
    point, steps = minimise(gram_NN, _start(gram_NN), radius)
    combined = rough_combination(rows_ND, reference_D, point.weights)
    trial = Trial(point, np.sqrt(gram_NN.diagonal()), UNIT, *combined)
    if not _holds(trial, radius):
        return None
    return Solution(trial.vector, steps, float((trial.distances > radius).mean()))


def _solve_exactly(rows_ND: Float32, medoid: int, radius: float) -> Solution:
    """Steps 2 and 3 in float64, again from the vector found until its distances are as foreseen."""
    reference_D = rows_ND[medoid]
    if len(rows_ND) == 1 or not radius:
        return Solution(reference_D.copy(), 0, 0.0)
    weights_N, total = None, 0
    for _ in range(REPEATS):
        gram_NN = exact_gram(rows_ND, reference_D)
        start_N = _start(gram_NN) if weights_N is None else weights_N
        point, steps = minimise(gram_NN, start_N, radius)
        combined = exact_combination(rows_ND, reference_D, point.weights)
        trial = Trial(point, np.sqrt(gram_NN.diagonal()), EXACT_UNIT, *combined)
        total += steps
        if _holds(trial, radius):
            break
        reference_D, weights_N = trial.vector, point.weights
    return Solution(trial.vector, total, float((trial.distances > radius).mean()))


def _start(gram_NN: Float64) -> Float64:
    """Coefficients of the mean of the majority."""
    majority = find_majority(gram_NN)
    weights_N = np.zeros(len(gram_NN))
    weights_N[majority.members] = 1 / len(majority.members)
    return weights_N


def _holds(trial: Trial, radius: float) -> bool:
    """Whether the force at the vector is as small as step 4 wants it; not if it is no number.

    Beside the weights, the combination may be off by a rounding of each thing that it adds up.
    """
    point, distances_N = trial.point, trial.distances
    factors_N = np.ones(len(distances_N))
    np.divide(radius, distances_N, out=factors_N, where=distances_N > radius)
    pull, total = float(factors_N @ distances_N), float(factors_N.sum())
    added = float(np.abs(point.weights) @ trial.lengths)
    error = point.residual + float(np.abs(factors_N - point.factors) @ distances_N)
    error += trial.unit * total * added
    if error <= UNIT * ROUGH * pull:
        return True
    return error <= UNIT * (ROUGH * pull + 2 * total * norm(trial.vector))


def find_majority(gram_NN: Float64) -> Majority:
    """The medoid and its majority; of equals the first."""
    diagonal = gram_NN.diagonal()
    squares = np.maximum(diagonal[:, None] + diagonal - 2 * gram_NN, 0)
    count = len(gram_NN) // 2 + 1
    members = squares.argsort(axis=1, kind="stable")[:, :count]
    reaches = squares[np.arange(len(squares)), members[:, -1]]
    medoid = int(reaches.argmin())
    return Majority(medoid, members[medoid], float(np.sqrt(reaches[medoid])))
