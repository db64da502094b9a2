"""Who gets to hear what: victims, receivers, and views that nobody asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeGuard

from zpeer.conduct import SendSigned
from zpeer.effects import (
    Broadcast,
    PassOn,
    SendBlob,
    SendBlobRequest,
    SendCertificate,
    SendPart,
    SendProof,
    SendResult,
    SendSet,
    SendSetRequest,
)
from zpeer.errors import WireError
from zpeer.events import MessageReceived
from zpeer.messages import Check, View
from zpeer.signed import Signed, Stage
from zpeer.wire import encode_payload

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import AttackContext
    from zpeer.messages import Message

StepStage = Literal["COMMIT", "AGGREGATED", "REVEAL", "PROJECTIONS", "CHECK", "VERDICT"]
AnyStage = Literal[
    "COMMIT",
    "AGGREGATED",
    "REVEAL",
    "PROJECTIONS",
    "CHECK",
    "VERDICT",
    "VIEW",
    "CLOSED",
    "DECIDED",
]
SENDING = (
    Broadcast,
    SendPart,
    SendResult,
    SendSet,
    SendSetRequest,
    SendProof,
    SendBlob,
    SendBlobRequest,
    PassOn,
    SendCertificate,
)
"""Effects that others notice."""


def get_others(context: AttackContext) -> tuple[PeerId, ...]:
    """The roster without me."""
    return tuple(peer for peer in context.roster if peer != context.me)


def get_honest(context: AttackContext) -> tuple[PeerId, ...]:
    """The roster without the plot."""
    return tuple(peer for peer in context.roster if peer not in context.colluders)


def get_victim(context: AttackContext) -> PeerId:
    """An honest peer that is mine alone, as long as there are enough."""
    honest = get_honest(context)
    place = context.colluders.index(context.me) if context.me in context.colluders else 0
    return honest[place % len(honest)]


def get_faulty_max(context: AttackContext) -> int:
    """F: the largest minority of the roster."""
    return (len(context.roster) - 1) // 2


def pick_victims(context: AttackContext, of: str) -> tuple[PeerId, ...]:
    """`one` honest peer, `some`: as many as may be faulty, or `all`."""
    honest = get_honest(context)
    if of == "one":
        return (get_victim(context),)
    return honest[: get_faulty_max(context)] if of == "some" else honest


def read_check(context: AttackContext, event: Event) -> tuple[PeerId, Check] | None:
    """Who says what in CHECK, as I hear it."""
    if not isinstance(event, MessageReceived) or event.signed.stage is not Stage.CHECK:
        return None
    try:
        message = context.decode(event.signed)
    except WireError:
        return None
    return (event.signed.sender, message) if isinstance(message, Check) else None


def is_said(effect: Outgoing, stage: Stage) -> TypeGuard[Broadcast]:
    """Whether my core speaks in a stage."""
    return isinstance(effect, Broadcast) and effect.stage is stage


def sign_anew(context: AttackContext, effect: Broadcast, payload: bytes) -> Signed:
    """Another body for the slot of a broadcast."""
    return context.sign(effect.stage, payload, effect.head)


class Caller(Colluder):
    """Signs a view when it likes. Its core is given to say the same once it joins: one body."""

    def __init__(self) -> None:
        self._called: tuple[Digest, bytes] | None = None

    def has_called(self, context: AttackContext) -> bool:
        """Whether my view of this attempt is out."""
        return self._called is not None and self._called[0] == context.head

    def call(
        self, context: AttackContext, view: View, to: Sequence[PeerId] | None = None
    ) -> list[Outgoing]:
        """Show a view to all, or to some."""
        payload = encode_payload(view)
        self._called = (context.head, payload)
        signed = context.sign(Stage.VIEW, payload)
        return [SendSigned(get_others(context) if to is None else tuple(to), signed)]

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """What I called with."""
        if isinstance(message, View) and self._called and self.has_called(context):
            return self._called[1]
        return message


class Provoker(Caller):
    """Makes sure that there is a slow path for what it does in `stage`, if that is a stage of it:
    calls at COMMIT, with a claim against an honest peer of its own."""

    def __init__(self, stage: AnyStage) -> None:
        super().__init__()
        self.stage = Stage[stage]

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """A call before my COMMIT, if one is needed."""
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            if self.stage >= Stage.VIEW and is_said(effect, Stage.COMMIT):
                outgoing += self.provoke(context, make_claim(context))
            outgoing.append(effect)
        return outgoing

    def provoke(self, context: AttackContext, view: View) -> list[Outgoing]:
        """The call."""
        return self.call(context, view)


def make_claim(context: AttackContext) -> View:
    """A view that is true but for a claim against an honest peer of mine."""
    return View(secret=context.secret, claims=(get_victim(context),))
