"""Two stories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from zpeer.conduct import SendSigned
from zpeer.faults import FaultKind
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

from ._accuse import accuse, accuse_over_my_part
from ._colluder import other
from ._speech import AnyStage, Provoker, get_others, get_victim, is_said, sign_anew

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Broadcast, Effect
    from zpeer.ids import PeerId
    from zpeer.interfaces import Attack, AttackContext


class Equivocation(Provoker):
    """Signs two bodies for one slot of `stage` (or three) and tells each of as many groups of the
    others, or a single honest peer (`to`), another one. In the stages of the slow path it calls
    first.

    The lie is the truth with another digest in it, bytes that do not decode (`garbage`), or, in
    CHECK, the truth and a false `accusation`.

    The next stage's echoes differ, so peers ask for each other's sets and find both bodies; in
    VERDICT and the slow path either body reaches everybody by itself, or nobody who minds.
    EQUIVOCATION, in the same record or the next; with `agreement = "stop"` the run ends there.
    Two CLOSED or two DECIDED that never meet at one peer cost nothing and change nothing.
    """

    def __init__(
        self,
        stage: AnyStage = "COMMIT",
        to: Literal["half", "one"] = "half",
        bodies: Literal[2, 3] = 2,
        lie: Literal["other", "garbage", "accusation"] = "other",
    ) -> None:
        super().__init__(stage)
        self.to = to
        self.bodies = bodies
        self.kind = lie

    def provoke(self, context: AttackContext, view: View) -> list[Outgoing]:
        """A call that is itself two, if that is the stage."""
        if self.stage is not Stage.VIEW:
            return super().provoke(context, view)
        truth, *lies = self._divide(context)
        outgoing = self.call(context, view, truth)
        for place, receivers in enumerate(lies, 1):
            payload = self._lie(context, view, place)
            outgoing.append(SendSigned(receivers, context.sign(self.stage, payload)))
        return outgoing

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """The broadcast of that stage becomes several."""
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            outgoing += self._split(context, effect) if is_said(effect, self.stage) else [effect]
        return outgoing

    def _split(self, context: AttackContext, effect: Broadcast) -> list[Outgoing]:
        """The truth for some, other stories for the others."""
        truth, *lies = self._divide(context)
        outgoing: list[Outgoing] = [replace(effect, to=truth)]
        for place, receivers in enumerate(lies, 1):
            payload = self._lie(context, context.decode(effect), place)
            outgoing.append(SendSigned(receivers, sign_anew(context, effect, payload)))
        return outgoing

    def _divide(self, context: AttackContext) -> list[tuple[PeerId, ...]]:
        """Who hears which body."""
        others = get_others(context)
        if self.to == "one":
            victim = get_victim(context)
            rest = tuple(peer for peer in others if peer != victim)
            return [rest] + [(victim,)] * (self.bodies - 1)
        return [others[place :: self.bodies] for place in range(self.bodies)]

    def _lie(self, context: AttackContext, message: Message, place: int) -> bytes:
        """The so-manieth other body."""
        if self.kind == "garbage":
            return b"\xc1" * place
        if self.kind == "accusation" and isinstance(message, Check) and context.my_part >= 0:
            fault, victim = FaultKind.WRONG_PROJECTION, get_victim(context)
            return encode_payload(accuse(message, accuse_over_my_part(context, fault, victim)))
        for _ in range(place):
            message = tell_otherwise(message)
        return encode_payload(message)


def tell_otherwise(message: Message) -> Message:  # noqa: PLR0911 - one table
    """The same message with another digest in it."""
    match message:
        case Commit():
            return replace(message, commitment=other(message.commitment))
        case Aggregated(result=None):
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
        case Verdict() | Decided():
            return replace(message, record=other(message.record))


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"equivocation": Equivocation}
