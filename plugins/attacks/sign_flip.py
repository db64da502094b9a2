"""Sign flip: the oldest attack on averaging."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.hookspecs import hookimpl
from zpeer_plugins.attacks.from_step import FromStep

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.attacker import Situation
    from zpeer.interfaces import Attack, Float32


class SignFlip(FromStep):
    """Commits to the honest gradient times `-scale` (Gorbunov et al., ICML 2022, section 4.1).

    Consistent lies: parts, projections and norms all follow from the committed gradient, so only who
    computes the gradient sees it. WRONG_GRADIENT, in the second attempt after its validator was drawn.
    """

    def __init__(self, scale: float = 1000.0, start: int = 0) -> None:
        super().__init__(start)
        self.scale = scale

    def gradient(self, context: Situation, honest: Float32) -> Float32:
        """The honest one, turned round."""
        return honest * -self.scale if self.is_on(context) else honest


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """Factories by name."""
    return {"sign_flip": SignFlip}
