"""Asked for its part, it keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.effects import SendBlob
from zpeer.hookspecs import hookimpl

from .wrong_average import WrongAverage

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext


class UnpublishedParts(WrongAverage):
    """As `wrong_average`, and publishes nothing when the averaging is checked, neither its own row
    nor, as the owner, anybody's.

    A majority lacks the plot's rows: PARTS_NOT_PUBLISHED removes who owed one, and the owner, who
    could have filled in. With `distance` 0 it only withholds: where honest norms are beyond Δ_max
    for a while, an honest owner fills in for it, and nobody leaves.
    """

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """Without published bytes."""
        outgoing = super().effects(context, effects)
        return [effect for effect in outgoing if not isinstance(effect, SendBlob)]


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"unpublished_parts": UnpublishedParts}
