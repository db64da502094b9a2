"""Messages of another time, or another run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zpeer.conduct import SendBytes, SendSigned
from zpeer.effects import Broadcast, SendPart, SendResult
from zpeer.events import MessageReceived
from zpeer.hookspecs import hookimpl
from zpeer.ids import digest
from zpeer.parts import Bulk
from zpeer.shell.reception import make_header

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.interfaces import Attack, AttackContext
    from zpeer.signed import Signed, Stage


class WrongHead(Colluder):
    """Sends every message and tensor once more, as if it belonged to another run (`of`), or what it
    said in the attempt before (`past`); or that alone, and never the right one (`instead`).

    Not counted, and no fault. Who says nothing else is silent: CLAIMED_BY_MOST.
    """

    def __init__(self, of: Literal["run", "past"] = "run", instead: bool = False) -> None:
        self.of = of
        self.instead = instead
        self._said: dict[Stage, Signed] = {}

    def observe(self, context: AttackContext, event: Event) -> None:
        """Note what I said."""
        if isinstance(event, MessageReceived) and event.signed.sender == context.me:
            self._said[event.signed.stage] = event.signed

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """The wrong one before the right one."""
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            outgoing += self._misplace(context, effect)
            if not (self.instead and isinstance(effect, Broadcast)):
                outgoing.append(effect)
        return outgoing

    def _misplace(self, context: AttackContext, effect: Outgoing) -> list[Outgoing]:
        head = digest("zpeer/attack/run", context.head)
        if isinstance(effect, SendPart | SendResult):
            kind = Bulk.PART if isinstance(effect, SendPart) else Bulk.RESULT
            to = (effect.to,) if isinstance(effect, SendPart) else effect.to
            return [SendBytes(to, bytes(8), make_header(kind, head))]
        if not isinstance(effect, Broadcast):
            return []
        if self.of == "run":
            return [SendSigned(effect.to, context.sign(effect.stage, effect.payload, head))]
        past = self._said.get(effect.stage)
        return [SendSigned(effect.to, past)] if past and past.head != context.head else []


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"wrong_head": WrongHead}
