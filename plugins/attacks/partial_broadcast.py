"""Some hear it, the others do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from zpeer.conduct import After
from zpeer.effects import SendSet
from zpeer.faults import FaultKind
from zpeer.hookspecs import hookimpl
from zpeer.messages import Check, stage_of

from ._accuse import accuse, accuse_over_my_part, publish
from ._speech import AnyStage, Provoker, get_honest, get_victim, is_said

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Broadcast, Effect
    from zpeer.ids import PeerId
    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message


class PartialBroadcast(Provoker):
    """Sends its message of `stage` to `one` honest peer or to `half` of them, and hides it from who
    asks; at once, or so that it arrives `before_s` seconds before the deadline (`edge`). In the
    stages of the slow path it calls first.

    What it says is true, cannot be read (`garbage`: no equivocation, for the others hear nothing
    else of it), or, in CHECK, holds a false `accusation`.

    Who has the message is ahead, and is asked for it: no fault, if it is not in what was said.
    Told at the edge nobody has time to ask: CLAIMED_BY_MOST, by the slow path.
    """

    def __init__(
        self,
        stage: AnyStage = "COMMIT",
        to: Literal["one", "half"] = "one",
        when: Literal["now", "edge"] = "now",
        body: Literal["truth", "garbage", "accusation"] = "truth",
        before_s: float = 0.01,
    ) -> None:
        super().__init__(stage)
        self.to = to
        self.when = when
        self.body = body
        self.before_s = before_s

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """Fewer receivers, and only these are answered."""
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            if is_said(effect, self.stage):
                outgoing.append(self._tell(context, effect))
            elif isinstance(effect, SendSet) and effect.to not in self._receivers(context):
                outgoing.append(hide(context, effect))
            else:
                outgoing.append(effect)
        return publish(context, outgoing) if self.body == "accusation" else outgoing

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """Something else, if that is wanted."""
        said = super().lie(context, message)
        if said is not message or stage_of(message) is not self.stage or self.body == "truth":
            return said
        if self.body == "garbage":
            return b"\xc1"
        if not isinstance(message, Check) or context.my_part < 0:
            return message
        fault, victim = FaultKind.WRONG_PROJECTION, context.honest_workers[0]
        return accuse(message, accuse_over_my_part(context, fault, victim))

    def _receivers(self, context: AttackContext) -> tuple[PeerId, ...]:
        honest = get_honest(context)
        return (get_victim(context),) if self.to == "one" else honest[::2]

    def _tell(self, context: AttackContext, effect: Broadcast) -> Outgoing:
        few = replace(effect, to=self._receivers(context))
        wait = context.due(effect.stage) - self.before_s - context.now
        return After(wait, few) if self.when == "edge" and wait > 0 else few


def hide(context: AttackContext, effect: SendSet) -> SendSet:
    """An answer without what I said."""
    kept = tuple(signed for signed in effect.messages if signed.sender != context.me)
    return replace(effect, messages=kept)


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"partial_broadcast": PartialBroadcast}
