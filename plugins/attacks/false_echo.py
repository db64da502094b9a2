"""An echo of a set that there never was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from zpeer.effects import SendSet
from zpeer.hookspecs import hookimpl
from zpeer.messages import Commit, Verdict, stage_of
from zpeer.signed import STEP_STAGES, Stage

from ._colluder import Colluder, other

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message


class FalseEcho(Colluder):
    """Echoes, in its message of `stage`, a set that nobody holds; asked for it, shows the true one,
    one that lacks a message (`incomplete`), or `nothing`.

    None of these explains the echo: it would have to hash to it and hold two bodies of one signer.
    CLAIMED_BY_MOST, by the slow path.
    """

    def __init__(
        self,
        stage: Literal["AGGREGATED", "REVEAL", "PROJECTIONS", "CHECK"] = "AGGREGATED",
        show: Literal["truth", "incomplete", "nothing"] = "incomplete",
    ) -> None:
        self.stage = Stage[stage]
        self.show = show

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """What explains nothing."""
        outgoing: list[Outgoing] = []
        before = STEP_STAGES[STEP_STAGES.index(self.stage) - 1]
        for effect in super().effects(context, effects):
            if not isinstance(effect, SendSet) or effect.stage is not before:
                outgoing.append(effect)
            elif self.show != "nothing":
                missing = int(self.show == "incomplete")
                outgoing.append(replace(effect, messages=effect.messages[missing:]))
        return outgoing

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """Another echo, the same from all of the plot."""
        if stage_of(message) is not self.stage or isinstance(message, Commit | Verdict):
            return message
        return replace(message, echo=other(context.head))


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"false_echo": FalseEcho}
