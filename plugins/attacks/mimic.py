"""Everybody looks like one honest peer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.hookspecs import hookimpl

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext, Float32


class Mimic(Colluder):
    """Commits to the gradient of one honest worker, the first (Karimireddy, He, Jaggi,
    *Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing*, ICLR 2022).

    No rule can tell it from an honest gradient, and yet that worker's data count for all. Here it
    is not even that: WRONG_GRADIENT, by the first honest validator that draws it.
    """

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:  # noqa: ARG002 - the interface
        """The same at all colluders."""
        return context.honest_gradient(context.honest_workers[0])


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"mimic": Mimic}
