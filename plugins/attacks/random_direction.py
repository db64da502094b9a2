"""All attackers pull the same random way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zpeer.hookspecs import hookimpl

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext, Float32


class RandomDirection(Colluder):
    """Commits to a common random vector, `scale` times as long as its honest gradient (Gorbunov et
    al. 2022, section 4.1).

    Worse than noise, because colluders add up: the direction is one for the whole run and plot.
    WRONG_GRADIENT, by the first honest validator that draws it.
    """

    def __init__(self, scale: float = 1000.0) -> None:
        self.scale = scale

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:
        """The plot's direction at the chosen length."""
        axis = context.shared_vector("random direction")
        size = self.scale * np.linalg.norm(honest) / np.linalg.norm(axis)
        return np.asarray(axis * size, dtype=np.float32)


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"random_direction": RandomDirection}
