"""Everything at the edge of its deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.conduct import After
from zpeer.effects import Broadcast, SendPart, SendResult
from zpeer.hookspecs import hookimpl
from zpeer.signed import Stage

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext

PATIENCE = 6
"""Δ of it: so long before the word that rests on them bytes are due."""


class LastMoment(Colluder):
    """Sends every message, PART and RESULT so that it leaves `before_s` seconds before it is due
    (after, if that is negative).

    In time it is no fault, however slow the run becomes. A little late: CLAIMED_BY_MOST. Where some
    get it in time and others do not, the slow path decides, for all alike.
    """

    def __init__(self, before_s: float = 0.05) -> None:
        self.before_s = before_s

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """All that has a deadline, put off."""
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            wait = self._find_due(context, effect) - self.before_s - context.now
            outgoing.append(After(wait, effect) if wait > 0 else effect)
        return outgoing

    @staticmethod
    def _find_due(context: AttackContext, effect: Outgoing) -> float:
        early = PATIENCE * context.delta
        match effect:
            case Broadcast(stage=stage) if stage <= Stage.VERDICT:
                return context.due(stage)
            case SendPart():
                return context.due(Stage.AGGREGATED) - early
            case SendResult():
                return context.due(Stage.PROJECTIONS) - early
            case _:
                return context.now


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"last_moment": LastMoment}
