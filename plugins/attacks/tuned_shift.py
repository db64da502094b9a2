"""As far as the tolerance lets it, or a little further."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zpeer.core.thresholds import compute_sum_tolerance
from zpeer.hookspecs import hookimpl
from zpeer.numerics.clipping import clip_weight

from ._colluder import Colluder
from ._shift import move

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext, Float32


class TunedShift(Colluder):
    """Moves its part's aggregate so far that the full residual is `share` times the tolerance of
    the sum (data are public: it knows every honest row).

    A projection of it is `share` times the tolerance, times a standard normal number. Below a fifth
    nobody ever sees it, neither in the sum nor when the averaging is checked: that is what the
    tolerance leaves. Above: WRONG_SUM, the sooner the further.
    """

    def __init__(self, share: float = 0.2) -> None:
        self.share = share

    def aggregate(self, context: AttackContext, honest: Float32) -> Float32:
        """The moved one."""
        part = context.my_part
        radius = context.radii[part]
        rows = [context.deal(context.honest_gradient(peer))[part] for peer in context.workers]
        norms = [float(np.linalg.norm(row - honest)) for row in rows]
        size = float(np.linalg.norm(honest))
        tolerance = compute_sum_tolerance(norms, radius, size, clip_weight)
        weights = sum(clip_weight(norm, radius) for norm in norms)
        return move(context, honest, self.share * tolerance / weights)


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"tuned_shift": TunedShift}
