"""One view, brought up again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from zpeer.conduct import SendSigned
from zpeer.effects import PassOn
from zpeer.hookspecs import hookimpl
from zpeer.messages import Check
from zpeer.signed import Stage

from ._speech import Caller, get_others, is_said, make_claim

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message
    from zpeer.signed import Signed


class OldView(Caller):
    """Calls once, at VERDICT, with a claim against an honest peer; then shows that view again in
    every attempt: to all, in a chain, and in its CHECK.

    The pair is charged once. Each signer's view of a head is settled once, and none that is older
    than the last record with a CHECK set: the rest costs nobody anything.
    """

    def __init__(self) -> None:
        super().__init__()
        self._view: Signed | None = None

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """The call, then its echo."""
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            if self._view is None and is_said(effect, Stage.VERDICT):
                outgoing += self._begin(context)
            elif self._view is not None and is_said(effect, Stage.COMMIT):
                others = get_others(context)
                outgoing += [SendSigned(others, self._view), PassOn(self._view, (), others)]
            outgoing.append(effect)
        return outgoing

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """With the old view among the others."""
        said = super().lie(context, message)
        if not isinstance(said, Check) or self._view is None or self._view in said.views:
            return said
        return replace(said, views=(*said.views, self._view)[-len(context.roster) :])

    def _begin(self, context: AttackContext) -> list[Outgoing]:
        (call,) = self.call(context, make_claim(context))
        assert isinstance(call, SendSigned), "a call is a signed view"
        self._view = call.signed
        return [call]


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"old_view": OldView}
