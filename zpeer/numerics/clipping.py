"""Clipping of one vector: the weight of a residual, a gradient held to a norm (section 4)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from zpeer.numerics.fixed import BLOCK, norm

if TYPE_CHECKING:
    from zpeer.interfaces import Float32


def clip_weight(size: float, radius: float) -> float:
    """Factor in [0, 1] by which a residual of this norm counts: min(1, radius / norm), bit-equal on
    any hardware.

    `weight * norm <= radius` holds in rounded arithmetic too: the quotient may be rounded up, and
    then the next smaller number is taken. What is no number counts nothing.
    """
    if size <= radius:
        return 1.0
    weight = radius / size if size > radius >= 0 else 0.0
    return weight if weight * size <= radius else math.nextafter(weight, 0.0)


def clip_to_norm(gradient: Float32, limit: float) -> Float32:
    """The gradient, scaled down to norm `limit` if it is longer; bit-equal on any hardware.

    Each product is made in double and rounded once: the factor of a very long gradient may be too
    small for float32. The same array is returned where nothing is to be done.
    """
    size = norm(gradient)
    if size <= limit:
        return gradient
    factor = limit / size
    clipped = np.empty_like(gradient)
    wide = np.empty(min(BLOCK, len(gradient)))
    for start in range(0, len(gradient), BLOCK):
        piece = gradient[start : start + BLOCK]
        product = wide[: len(piece)]
        np.copyto(product, piece)
        product *= factor
        clipped[start : start + BLOCK] = product
    return clipped
