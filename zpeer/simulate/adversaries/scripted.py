"""A liar that follows a script: at a stage it tells some peers the truth, some another story, and
the rest nothing; asked about it later, it says nothing either."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from zpeer.attacker import HonestAttack
from zpeer.conduct import SendSigned
from zpeer.effects import Broadcast, SendBlob, SendPart, SendResult, SendSet
from zpeer.ids import Digest
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
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.ids import PeerId
    from zpeer.interfaces import AttackContext
    from zpeer.simulate.plan import Script, Show

PART, RESULT = BULK = ("PART", "RESULT")


class Scripted(HonestAttack):
    """See the module. `peers`: ids by number."""

    def __init__(self, plan: Script, peers: Mapping[int, PeerId]) -> None:
        self._peers = peers
        self._left = list(plan.shows)
        self._taken: dict[tuple[Digest, str], Show] = {}

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """What the script says for each."""
        return [out for effect in effects for out in self._play(context, effect)]

    def _play(self, context: AttackContext, effect: Effect) -> list[Outgoing]:
        match effect:
            case Broadcast(stage=stage):
                show = self._take(context, stage.name)
                return [effect] if show is None else self._tell(context, effect, show)
            case SendPart(to=peer):
                show = self._take_bulk(context, PART)
                return [effect] if show is None or self._hears(show, peer) else []
            case SendResult(to=to):
                show = self._take_bulk(context, RESULT)
                heard = tuple(peer for peer in to if show is None or self._hears(show, peer))
                return [replace(effect, to=heard)]
            case SendSet(stage=stage, messages=messages):
                told = (effect.head, stage.name) in self._taken
                kept = tuple(each for each in messages if not told or each.sender != context.me)
                return [replace(effect, messages=kept)]
            case SendBlob() if any((context.head, kind) in self._taken for kind in BULK):
                return []
            case _:
                return [effect]

    def _take(self, context: AttackContext, stage: str) -> Show | None:
        """What the script says of a stage, once."""
        for show in self._left:
            if show.stage == stage and show.step <= context.step:
                self._left.remove(show)
                self._taken[context.head, stage] = show
                return show
        return None

    def _take_bulk(self, context: AttackContext, kind: str) -> Show | None:
        """The same, for all tensors of an attempt."""
        return self._taken.get((context.head, kind)) or self._take(context, kind)

    def _hears(self, show: Show, peer: PeerId) -> bool:
        return any(self._peers[each] == peer for each in show.truth)

    def _tell(self, context: AttackContext, said: Broadcast, show: Show) -> list[Outgoing]:
        """One story to some, another to others."""
        trusting = tuple(self._peers[each] for each in show.truth)
        deceived = tuple(self._peers[each] for each in show.lie)
        true = replace(said, to=tuple(peer for peer in said.to if peer in trusting))
        if not deceived:
            return [true]
        lie = encode_payload(tell_otherwise(context.decode(said)))
        if not trusting:  # then it may believe that itself
            return [replace(said, payload=lie, to=deceived)]
        return [true, SendSigned(deceived, context.sign(said.stage, lie))]


CHANGED: dict[type[Message], str] = {
    Commit: "commitment",
    Aggregated: "result",
    Reveal: "share",
    Projections: "beacon",
    Check: "secret",
    Verdict: "record",
    View: "secret",
    Closed: "views",
    Decided: "record",
}
"""The digest that another story changes."""


def tell_otherwise(message: Message) -> Message:
    """The same with another digest in it."""
    field = CHANGED[type(message)]
    if getattr(message, field) is None:  # a validator's AGGREGATED
        field = "echo"
    return replace(message, **{field: other(getattr(message, field))})


def other(digest: Digest) -> Digest:
    """Another digest."""
    return Digest(bytes([digest[0] ^ 1]) + digest[1:])
