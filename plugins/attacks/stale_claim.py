"""A call about what is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.conduct import SendSigned
from zpeer.hookspecs import hookimpl
from zpeer.messages import View
from zpeer.signed import Stage
from zpeer.wire import encode_payload

from ._colluder import Colluder
from ._speech import get_others, get_victim, is_said

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.ids import Digest
    from zpeer.interfaces import Attack, AttackContext


class StaleClaim(Colluder):
    """In every attempt calls for the one `age` attempts before, which is decided, and claims to
    have waited for an honest peer in it.

    Nobody joins. A view of the last attempt is settled in the next CHECK, so that no call is free:
    each time the pair is charged, PAIR_ELIMINATED past the limit. An older one is not looked at.
    """

    def __init__(self, age: int = 1) -> None:
        self.age = age
        self._heads: list[Digest] = []
        self._spoken: set[Digest] = set()
        """Attempts in which my core has signed a view itself."""

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """An old view before my COMMIT."""
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            if is_said(effect, Stage.VIEW):
                self._spoken.add(effect.head)
            if is_said(effect, Stage.COMMIT):
                outgoing += self._call(context)
                self._heads = [*self._heads, context.head][-self.age :]
            outgoing.append(effect)
        return outgoing

    def _call(self, context: AttackContext) -> list[Outgoing]:
        if len(self._heads) < self.age or self._heads[0] in self._spoken:
            return []
        payload = encode_payload(View(claims=(get_victim(context),)))
        signed = context.sign(Stage.VIEW, payload, self._heads[0])
        return [SendSigned(get_others(context), signed)]


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"stale_claim": StaleClaim}
