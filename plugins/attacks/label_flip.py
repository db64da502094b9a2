"""Honest work on dishonest data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.hookspecs import hookimpl

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext, Float32


class LabelFlip(Colluder):
    """Commits to the gradient of its minibatch with wrong labels (Gorbunov et al. 2022, section
    4.1): of ordinary size, so no clipping touches it.

    WRONG_GRADIENT, by the first honest validator that draws it.
    """

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:  # noqa: ARG002 - the interface
        """What the wrong labels give."""
        return context.honest_gradient(context.me, context.flip_labels)


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"label_flip": LabelFlip}
