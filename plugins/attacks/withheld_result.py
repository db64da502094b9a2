"""One peer waits for a result in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from zpeer.effects import SendResult
from zpeer.hookspecs import hookimpl

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext


class WithheldResult(Colluder):
    """Sends its part's aggregate to all but the first honest peer.

    Only that peer sees it and has no proof: a claim, not a fault (protocol, section 5). With
    `agreement = "stop"` it stops at its deadline, naming this peer; the others stop naming it.
    """

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """RESULT to all but one."""
        victim = next(peer for peer in context.roster if peer not in context.colluders)
        return [
            replace(effect, to=tuple(peer for peer in effect.to if peer != victim))
            if isinstance(effect, SendResult)
            else effect
            for effect in super().effects(context, effects)
        ]


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"withheld_result": WithheldResult}
