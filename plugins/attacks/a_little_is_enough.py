"""A shift that hides in the honest spread."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from zpeer.hookspecs import hookimpl

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext, Float32


class ALittleIsEnough(Colluder):
    """Commits to mean - `z` standard deviations of the honest workers' gradients, coordinate by
    coordinate (Baruch, Baruch, Goldberg, *A Little Is Enough*, NeurIPS 2019).

    `z` 0: the largest at which enough honest workers lie further out than the colluders to make
    those look like the majority. Computes every honest gradient. WRONG_GRADIENT, by the first
    honest validator that draws it.
    """

    def __init__(self, z: float = 0.0) -> None:
        self.z = z

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:  # noqa: ARG002 - the interface
        """The same at all colluders."""
        rows_ND = np.stack([context.honest_gradient(peer) for peer in context.honest_workers])
        z = self.z or compute_z(len(context.workers), len(rows_ND))
        return np.asarray(rows_ND.mean(axis=0) - z * rows_ND.std(axis=0), dtype=np.float32)


def compute_z(workers: int, honest: int) -> float:
    """Algorithm 3, line 2 of the paper: s supporters are needed for a majority of the workers."""
    supporters = workers // 2 + 1 - (workers - honest)
    share = (honest - supporters) / honest
    return NormalDist().inv_cdf(min(max(share, 0.5), 0.999))


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"a_little_is_enough": ALittleIsEnough}
