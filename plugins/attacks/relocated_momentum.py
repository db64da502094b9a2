"""The attack that was made for centered clipping."""

from __future__ import annotations

from math import cos, isfinite, radians, sin
from typing import TYPE_CHECKING

import numpy as np

from zpeer.hookspecs import hookimpl
from zpeer.numerics.dealing import gather

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext, Float32


class RelocatedMomentum(Colluder):
    """Relocated orthogonal perturbation (Ozfatura, Ozfatura, Kupcu, Gunduz, arXiv 2208.09894).

    In the paper centered clipping clips around the server's momentum, whatever the angle; so
    attackers stand inside the ball around the point that it will clip about, shifted at a right
    angle to it, step after step the same way. Here the rule has no momentum: it clips around its
    own fixed point. The reference is therefore the attackers' estimate of that, the mean of the
    honest gradients (data are public); each part is moved from there by `shift` clipping radii, at
    `angle` degrees to the reference (90: orthogonal, 180: against it), on the side of one random
    direction for the whole run. Up to a shift of about one nothing of it is clipped.

    Computes every honest gradient. WRONG_GRADIENT, by the first honest validator that draws it.
    """

    def __init__(self, shift: float = 1.0, angle: float = 90.0) -> None:
        self.shift = shift
        self.angle = angle

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:  # noqa: ARG002 - the interface
        """The same at all colluders."""
        rows_ND = [context.honest_gradient(peer) for peer in context.honest_workers]
        reference = np.asarray(np.mean(rows_ND, axis=0), dtype=np.float32)
        sides = context.deal(context.shared_vector("relocated momentum"))
        centres = context.deal(reference)
        moved = [
            self._move(centre, side, radius)
            for centre, side, radius in zip(centres, sides, context.radii, strict=True)
        ]
        return gather(moved, context.layout)

    def _move(self, centre: Float32, side: Float32, radius: float) -> Float32:
        """One part. Without clipping the reference's own length stands for the radius."""
        along = unit(centre)
        across = unit(side - along * np.dot(along, side))
        turn = radians(self.angle)
        reach = self.shift * (radius if isfinite(radius) else float(np.linalg.norm(centre)))
        step = reach * (cos(turn) * along + sin(turn) * across)
        return np.asarray(centre + step, dtype=np.float32)


def unit(vector: Float32) -> Float32:
    """The vector at length one; zeros stay zeros."""
    size = float(np.linalg.norm(vector))
    return vector / np.float32(size) if size > 0 else vector


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"relocated_momentum": RelocatedMomentum}
