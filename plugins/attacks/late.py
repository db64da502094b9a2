"""Everything at the last moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.conduct import After
from zpeer.effects import Broadcast
from zpeer.hookspecs import hookimpl

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext


class Late(Colluder):
    """Sends every message `seconds` late, and so hears others before it speaks.

    No fault while it keeps the deadlines; it only makes every stage as long as it likes.
    """

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """Broadcasts, put off."""
        return [
            After(self.seconds, effect) if isinstance(effect, Broadcast) else effect
            for effect in super().effects(context, effects)
        ]


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"late": Late}
