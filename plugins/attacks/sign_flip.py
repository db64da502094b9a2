"""Sign flip: the oldest attack on averaging."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zpeer.hookspecs import hookimpl

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext, Float32


class SignFlip(Colluder):
    """Commits to its honest gradient times `-scale` (Gorbunov et al. 2022, section 4.1).

    All else it says follows from that gradient, so only who computes it again can tell.
    WRONG_GRADIENT, by the first honest validator that draws it; until then clipping bounds the
    harm.
    """

    def __init__(self, scale: float = 1000.0) -> None:
        self.scale = scale

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:  # noqa: ARG002 - the interface
        """The honest one, turned round."""
        return np.asarray(honest * -self.scale, dtype=np.float32)


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"sign_flip": SignFlip}
