"""A task of a few dozen numbers whose gradient takes microseconds: a noisy quadratic.

The gradient of a minibatch is curvature * (x - target), where the target is the optimum plus noise
of its seed, uniform with standard deviation `NOISE`. So a residual has norm NOISE * curvature per
square root of length, whatever the parameters are: what the limits of the run are set by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.ids import Digest
    from zpeer.interfaces import Batch, Float32

NOISE = 1.0
CURVATURE = 0.5
TYPICAL_NORM = NOISE * CURVATURE
SPREAD = 2.0 * 3.0**0.5
"""Width of a uniform distribution of standard deviation 1."""


class Quadratic:
    """Task and trainer (`zpeer.compute.gradients.Trains`)."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._optimum = uniform(b"optimum", dimension)

    def start(self) -> Float32:
        """x_0."""
        return uniform(b"start", self.dimension) * np.float32(4)

    def gradient(
        self,
        parameters: Float32,
        batch_seed: Digest,
        transform: Callable[[Batch], Batch] | None = None,
    ) -> tuple[Float32, float]:
        """Gradient, shape (dimension,), and loss of the seed's minibatch, which is a target."""
        target = self._optimum + uniform(batch_seed, self.dimension) * np.float32(NOISE)
        if transform is not None:
            target = transform(target)
        away = parameters - target
        return np.float32(CURVATURE) * away, float(away.dot(away))

    def evaluate(self, parameters: Float32) -> dict[str, float]:
        """How far from the optimum."""
        away = parameters - self._optimum
        return {"loss": float(away.dot(away)), "accuracy": 0.0}

    def flip_labels(self, batch: Batch) -> Batch:
        """The target on the other side."""
        return -batch


def uniform(seed: bytes, count: int) -> Float32:
    """Numbers of mean 0 and standard deviation 1 from a hash, shape (count,)."""
    words = np.frombuffer(blake3(seed).digest(length=4 * count), dtype="<u4")
    shares = (words >> 8).astype(np.float32) * np.float32(2.0**-24)
    return (shares - np.float32(0.5)) * np.float32(SPREAD)
