"""Two stories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from zpeer.conduct import SendSigned
from zpeer.effects import Broadcast
from zpeer.hookspecs import hookimpl
from zpeer.messages import (
    Aggregated,
    Check,
    Closed,
    Commit,
    Decided,
    Message,
    Projections,
    Reveal,
    Verdict,
    View,
)
from zpeer.signed import Stage
from zpeer.wire import encode_payload

from ._colluder import Colluder, other

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext


class Equivocation(Colluder):
    """Signs two bodies for one slot of `stage` and tells each half of the others another one.

    The next stage's echoes differ, so peers ask for each other's sets and find both bodies.
    EQUIVOCATION, proven to all within a stage; with `agreement = "stop"` the run ends there.
    """

    def __init__(
        self,
        stage: Literal["COMMIT", "AGGREGATED", "REVEAL", "PROJECTIONS", "CHECK"] = "COMMIT",
    ) -> None:
        self.stage = Stage[stage]

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """The broadcast of that stage becomes two."""
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            if isinstance(effect, Broadcast) and effect.stage is self.stage:
                outgoing += self._split(context, effect)
            else:
                outgoing.append(effect)
        return outgoing

    def _split(self, context: AttackContext, effect: Broadcast) -> tuple[Outgoing, Outgoing]:
        """The truth for one half, another story for the other."""
        half = len(effect.to) // 2
        payload = encode_payload(tell_otherwise(context.decode(effect)))
        lie = SendSigned(effect.to[half:], context.sign(self.stage, payload))
        return replace(effect, to=effect.to[:half]), lie


def tell_otherwise(message: Message) -> Message:  # noqa: PLR0911 - one table
    """The same message with another digest in it."""
    match message:
        case Commit():
            return replace(message, commitment=other(message.commitment))
        case Aggregated(result=None) | Verdict():
            return replace(message, echo=other(message.echo))
        case Aggregated():
            return replace(message, result=other(message.echo))
        case Reveal():
            return replace(message, share=other(message.share))
        case Projections():
            return replace(message, beacon=other(message.beacon))
        case Check():
            return replace(message, secret=other(message.secret))
        case View():
            return replace(message, commits=other(message.commits))
        case Closed():
            return replace(message, views=other(message.views))
        case Decided():
            return replace(message, record=other(message.record))


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"equivocation": Equivocation}
