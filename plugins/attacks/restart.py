"""Back from the dead, and forgetful."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from zpeer.conduct import After, SendSigned
from zpeer.hookspecs import hookimpl
from zpeer.wire import encode_payload

from ._speech import SENDING, AnyStage, Provoker, get_honest, get_others, is_said, sign_anew
from .equivocation import tell_otherwise

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Broadcast, Effect
    from zpeer.events import Event
    from zpeer.interfaces import Attack, AttackContext


class Restart(Provoker):
    """Dies with its message of `stage`, which still reaches `one`, `half` of the honest peers, or
    `all`; comes back `seconds` later and signs that slot again, for all. In the stages of the slow
    path it calls first.

    The journal beside a key refuses that (`zpeer.shell.journal`); here it was deleted. With its
    memory `lost` it draws other secrets, or votes by an older state: EQUIVOCATION, by two
    signatures, in the same record or the next. With its memory `kept` it says the same again: no
    fault, if the deadline has not passed.
    """

    def __init__(
        self,
        stage: AnyStage = "COMMIT",
        told: Literal["one", "half", "all"] = "all",
        memory: Literal["lost", "kept"] = "lost",
        seconds: float = 0.5,
    ) -> None:
        super().__init__(stage)
        self.told = told
        self.memory = memory
        self.seconds = seconds
        self._until = 0.0

    def hears_after(self, context: AttackContext, event: Event) -> float:  # noqa: ARG002 - the interface
        """When it is back."""
        return max(0.0, self._until - context.now)

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """The last word before, the first one after; in between nothing that others would
        notice."""
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            wait = self._until - context.now
            if is_said(effect, self.stage) and wait <= 0:
                outgoing += self._say_again(context, effect)
            else:
                is_late = wait > 0 and isinstance(effect, SENDING)
                outgoing.append(After(wait, effect) if is_late else effect)
        return outgoing

    def _say_again(self, context: AttackContext, effect: Broadcast) -> list[Outgoing]:
        """Two bodies of one slot, or one body twice."""
        honest = get_honest(context)
        told = {"one": 1, "half": len(honest) // 2, "all": len(honest)}
        first = replace(effect, to=honest[: told[self.told]])
        self._until = context.now + self.seconds
        again = effect.payload
        if self.memory == "lost":
            again = encode_payload(tell_otherwise(context.decode(effect)))
        second = SendSigned(get_others(context), sign_anew(context, effect, again))
        return [first, After(self.seconds, second)]


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"restart": Restart}
