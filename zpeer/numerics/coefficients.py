"""The minimiser of sum_i huber_tau(||g_i - v||), found among points v = sum_i w_i D_i from the Gram
matrix D D^T alone.

All fixed points of CenteredClip lie in the affine span of the rows, so a point is n coefficients
and an iteration costs n^2 or n^3 instead of a pass over the data. With d_i^2 = G_ii - 2 (G w)_i +
w^T G w and f_i = min(1, tau / d_i):

- force:     sum_i psi_i = D^T a,  a = f - (sum f) w
- fixed-point step:     w <- f / sum f
- Hessian:   H = (sum f) I - sum_{clipped} (f_i / d_i^2) (g_i - v)(g_i - v)^T; H D^T y = D^T a is
  the n-by-n system [(sum f) I - E diag(f / d^2) E^T G] y = a, the columns of E being e_i - w of
  clipped rows.

The objective is convex and once differentiable, so Newton steps halved until it falls reach the
minimiser from anywhere. Plain steps alone would need thousands for two clusters or near-collinear
rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float64 = NDArray[np.float64]

PLAIN_STEPS = 3
NEWTON_STEPS = 60
HALVINGS = 12
SLACK = 1e-13
"""Rounding of an objective, as a share of it."""
SLOW = 0.9
CONVERGED = 1e-9
"""Of the summed forces: 0.02 u, far below what rounding the result to float32 leaves."""

sum_of = np.add.reduce
"""What `sum` of an array comes to, without its detour through Python."""


class Point(NamedTuple):
    """A point in coefficients, and all that follows from it; arrays of shape (N,)."""

    weights: Float64
    distances: Float64
    factors: Float64
    """min(1, tau / distance)"""
    objective: float
    residual: float
    """Norm of the summed forces."""
    pull: float
    """Sum of the norms of the forces, min(distance, tau)."""


def minimise(gram_NN: Float64, start_N: Float64, radius: float) -> tuple[Point, int]:
    """The minimiser and the number of steps, from a start. Finite entries, radius above 0."""
    point = locate(gram_NN, start_N, radius)
    for step in range(PLAIN_STEPS + NEWTON_STEPS):
        if point.residual <= CONVERGED * point.pull:
            return point, step
        following = None if step < PLAIN_STEPS else _step_newton(gram_NN, point, radius)
        if following is None:
            following = _step_plainly(gram_NN, point, radius)
        if step >= PLAIN_STEPS and _stands_still(point, following):
            return min(point, following, key=lambda each: each.residual), step
        point = following
    return point, PLAIN_STEPS + NEWTON_STEPS


def _stands_still(point: Point, following: Point) -> bool:
    """Whether a step gained nothing that rounding leaves visible."""
    gain = point.objective - following.objective
    return following.residual > SLOW * point.residual and gain <= SLACK * point.objective


def locate(gram_NN: Float64, weights_N: Float64, radius: float) -> Point:
    """Distances, forces and objective at given coefficients."""
    images = gram_NN @ weights_N
    squares = gram_NN.diagonal() - 2 * images + weights_N @ images
    distances = np.sqrt(np.maximum(squares, 0.0))
    clipped = distances > radius
    factors = np.ones(len(distances))
    np.divide(radius, distances, out=factors, where=clipped)
    reach = np.minimum(distances, radius)
    costs = reach * (distances - reach / 2)  # d^2 / 2, or, where clipped, tau (d - tau / 2)
    force = factors - sum_of(factors) * weights_N
    return Point(
        weights_N,
        distances,
        factors,
        float(sum_of(costs)),
        math.sqrt(max(force @ gram_NN @ force, 0.0)),
        float(sum_of(factors * distances)),
    )


def _step_plainly(gram_NN: Float64, point: Point, radius: float) -> Point:
    """One fixed-point step: the rows' mean, weighed by factors. It never raises the objective."""
    return locate(gram_NN, point.factors / sum_of(point.factors), radius)


def _step_newton(gram_NN: Float64, point: Point, radius: float) -> Point | None:
    """One Newton step, halved until the objective falls, or the residual does where the objective
    has no digits left; None if neither ever does."""
    change = _solve_newton(gram_NN, point, radius)
    if change is None:
        return None
    slack = SLACK * point.objective
    for halving in range(HALVINGS):
        tried = locate(gram_NN, point.weights + change * 0.5**halving, radius)
        falls = tried.objective < point.objective - slack
        if falls or (
            tried.objective <= point.objective + slack and tried.residual < point.residual
        ):
            return tried
    return None


def _solve_newton(gram_NN: Float64, point: Point, radius: float) -> Float64 | None:
    """The change of coefficients; damped by a billionth: rows on one line leave H singular.

    Solved for coefficients of rows of length 1 (S = diag ||D_i||, y = S^-1 y'), so that rows of
    very different lengths leave the system well scaled:
    [(sum f) I - (S E) diag(f / d^2) (S E)^T S^-1 G S^-1] y' = S a.
    """
    weights, factors = point.weights, point.factors
    total = factors.sum()
    lengths_N = np.sqrt(gram_NN.diagonal())
    lengths_N[lengths_N == 0] = 1.0
    reach_N = np.zeros_like(factors)
    np.divide(np.sqrt(factors), point.distances, out=reach_N, where=point.distances > radius)
    arms_NN = lengths_N[:, None] * (np.eye(len(weights)) - weights[:, None]) * reach_N
    system_NN = -(arms_NN @ arms_NN.T) @ (gram_NN / lengths_N / lengths_N[:, None])
    system_NN.flat[:: len(weights) + 1] += total * (1 + 1e-9)
    try:
        change_N = np.linalg.solve(system_NN, lengths_N * (factors - total * weights)) / lengths_N
    except np.linalg.LinAlgError:
        return None
    return change_N if np.isfinite(change_N).all() else None
