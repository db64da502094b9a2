"""A push against the honest mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zpeer.hookspecs import hookimpl

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext, Float32


class InnerProductManipulation(Colluder):
    """Commits to `-epsilon` times the mean of the honest workers' gradients (Xie, Koyejo, Gupta,
    *Fall of Empires*, UAI 2019): the update's inner product with the true gradient turns negative
    where the rule averages.

    Computes every honest gradient. WRONG_GRADIENT, by the first honest validator that draws it.
    """

    def __init__(self, epsilon: float = 0.6) -> None:
        self.epsilon = epsilon

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:  # noqa: ARG002 - the interface
        """The same at all colluders."""
        rows_ND = [context.honest_gradient(peer) for peer in context.honest_workers]
        return np.asarray(-self.epsilon * np.mean(rows_ND, axis=0), dtype=np.float32)


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"inner_product_manipulation": InnerProductManipulation}
