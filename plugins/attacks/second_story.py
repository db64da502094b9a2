"""Another story, signed afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.conduct import SendSigned
from zpeer.errors import WireError
from zpeer.events import MessageReceived
from zpeer.hookspecs import hookimpl
from zpeer.signed import Signed, Stage
from zpeer.wire import encode_payload

from ._colluder import Colluder
from ._speech import StepStage, get_others, is_said
from .equivocation import tell_otherwise

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.interfaces import Attack, AttackContext


class SecondStory(Colluder):
    """When an attempt is decided, signs another message of its `stage` and shows it to all: sets
    that might have been, by which an honest peer would have lied.

    Evidence holds only sets that the accused itself echoed, so the story frames nobody. Who shows
    it to an honest peer has shown it two bodies: EQUIVOCATION, in the next record.
    """

    def __init__(self, stage: StepStage = "REVEAL") -> None:
        self.stage = Stage[stage]
        self._said: Signed | None = None

    def observe(self, context: AttackContext, event: Event) -> None:
        """Note what I said in time."""
        if isinstance(event, MessageReceived):
            signed = event.signed
            if (signed.sender, signed.stage) == (context.me, self.stage):
                self._said = signed

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """The other story, before the next COMMIT."""
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            if is_said(effect, Stage.COMMIT) and self._said is not None:
                outgoing += self._retell(context, self._said)
            outgoing.append(effect)
        return outgoing

    def _retell(self, context: AttackContext, said: Signed) -> list[Outgoing]:
        self._said = None
        if said.head == context.head:
            return []
        try:
            story = encode_payload(tell_otherwise(context.decode(said)))
        except WireError:
            return []
        return [SendSigned(get_others(context), context.sign(self.stage, story, said.head))]


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"second_story": SecondStory}
