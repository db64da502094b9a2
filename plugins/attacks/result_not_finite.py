"""An aggregate that is no vector of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from msgspec.structs import replace

from zpeer.effects import SendResult
from zpeer.hookspecs import hookimpl

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext, Float32


class ResultNotFinite(Colluder):
    """Fixes and sends as its part's aggregate `nan`s, or `short`: a number too few.

    Sends it to itself as well, so that it judges itself as the others do. RESULT_NOT_FINITE by
    all, in the same attempt, which is void.
    """

    def __init__(self, mode: Literal["nan", "short"] = "nan") -> None:
        self.mode = mode

    def aggregate(self, context: AttackContext, honest: Float32) -> Float32:  # noqa: ARG002 - the interface
        """Spoilt."""
        return honest[:-1] if self.mode == "short" else np.full_like(honest, np.nan)

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """RESULT comes to me, too."""
        return [
            replace(effect, to=(*effect.to, context.me))
            if isinstance(effect, SendResult)
            else effect
            for effect in super().effects(context, effects)
        ]


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"result_not_finite": ResultNotFinite}
