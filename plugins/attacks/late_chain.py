"""A view that turns up at the very end of a round, at one peer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from zpeer.conduct import After
from zpeer.effects import Broadcast, PassOn, SendSet
from zpeer.hookspecs import hookimpl
from zpeer.signed import Stage

from ._colluder import Colluder
from ._speech import get_honest, get_victim, is_said
from .partial_broadcast import hide

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.ids import PeerId
    from zpeer.interfaces import Attack, AttackContext

ROUND = 4
"""Δ of a round of the slow path."""


class LateChain(Colluder):
    """Says nothing in COMMIT, so that others call. The first of the plot shows its view to the next
    alone, who signs under it and shows it to the next; the last one shows the chain to one honest
    peer, `before_s` seconds before a chain of so many signatures is taken no more. Alone it shows
    its own view so, at the end of the first round.

    F + 1 signatures hold an honest one, who has passed it on: all end with the same views, this one
    among them or not. CLAIMED_BY_MOST or SILENT, and nobody disagrees.
    """

    def __init__(self, before_s: float = 0.01) -> None:
        self.before_s = before_s
        self._joined = 0.0

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """The view by another way, and at another time."""
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            if is_said(effect, Stage.VIEW):
                self._joined = context.now
            outgoing += self._treat(context, effect)
        return outgoing

    def _treat(self, context: AttackContext, effect: Outgoing) -> list[Outgoing]:
        if isinstance(effect, Broadcast) and effect.stage is Stage.COMMIT:
            return []
        if isinstance(effect, Broadcast) and effect.stage is Stage.VIEW:
            return [self._show_view(context, effect)]
        if isinstance(effect, PassOn) and effect.view.sender == context.colluders[0]:
            return [self._pass_on(context, effect)]
        return [hide(context, effect) if isinstance(effect, SendSet) else effect]

    def _show_view(self, context: AttackContext, effect: Broadcast) -> Outgoing:
        """Mine, if I am the first: to the next of the plot, or, alone, to one, late."""
        if context.me != context.colluders[0]:
            return effect
        nxt = find_next(context)
        if nxt is not None:
            return replace(effect, to=(nxt,))
        return self._delay(context, replace(effect, to=(get_victim(context),)), 1)

    def _pass_on(self, context: AttackContext, effect: PassOn) -> Outgoing:
        """The first one's, with my signature: to the next of the plot, or to one honest peer."""
        nxt = find_next(context)
        if nxt is not None:
            return replace(effect, to=(nxt,))
        late = replace(effect, to=get_honest(context)[-1:])
        return self._delay(context, late, 2 + len(effect.witnesses))

    def _delay(self, context: AttackContext, effect: Effect, signatures: int) -> Outgoing:
        end = self._joined + signatures * ROUND * context.delta
        return After(max(0.0, end - self.before_s - context.now), effect)


def find_next(context: AttackContext) -> PeerId | None:
    """Who of the plot comes after me."""
    place = context.colluders.index(context.me) + 1
    return context.colluders[place] if place < len(context.colluders) else None


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"late_chain": LateChain}
