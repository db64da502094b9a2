"""Yesterday's gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.hookspecs import hookimpl

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext, Float32


class DelayedGradient(Colluder):
    """Commits to its honest gradient of `delay` steps ago (Gorbunov et al. 2022, section 4.1), its
    oldest while the run is younger; honest in the first step.

    Keeps up to `delay` gradients in memory. WRONG_GRADIENT, by the first honest validator that
    draws it.
    """

    def __init__(self, delay: int = 10) -> None:
        self.delay = delay
        self._past: dict[int, Float32] = {}

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:
        """The oldest one that is at most `delay` steps old."""
        self._past[context.step] = honest
        for step in [step for step in self._past if step < context.step - self.delay]:
            del self._past[step]
        return self._past[min(self._past)]


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"delayed_gradient": DelayedGradient}
