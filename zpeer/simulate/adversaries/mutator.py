"""An adversary without a plan: it changes, drops, delays and invents whatever it can.

It wraps an honest peer. Whenever that is about to send something, chance says whether to do
something about it, and what: each such opportunity has a number and a stream of its own, so that a
plan which takes only some of them (`only`) does at those just what the whole one did. Nothing here
knows which of it is dangerous.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from msgspec.structs import replace

from zpeer.attacker import HonestAttack
from zpeer.conduct import After, SendSigned
from zpeer.effects import (
    Broadcast,
    PassOn,
    SendBlob,
    SendBlobRequest,
    SendCertificate,
    SendPart,
    SendResult,
    SendSet,
    SendSetRequest,
)
from zpeer.events import MessageReceived
from zpeer.ids import number
from zpeer.signed import STEP_STAGES, Signed, Stage, body_digest
from zpeer.simulate.adversaries.forgeries import forge
from zpeer.simulate.adversaries.inventions import invent
from zpeer.simulate.adversaries.mutations import alter, flip
from zpeer.simulate.streams import Stream
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import AttackContext, Bytes, Float32
    from zpeer.simulate.plan import Mutator
    from zpeer.simulate.streams import Entropy

HEARD_KEPT = 256
EVENLY = {"stage": 1.0, "slow": 1.0, "answer": 1.0, "bulk": 1.0, "numbers": 0.25, "invent": 0.3}
FOCUSES: dict[str, dict[str, float]] = {
    "all": EVENLY,
    "slow": {"stage": 0.1, "slow": 5.0, "answer": 1.0, "bulk": 0.1, "invent": 0.3},
    "timing": {"stage": 1.0, "slow": 1.0, "answer": 1.0, "bulk": 1.0},
    "bulk": {"stage": 0.02, "slow": 0.1, "answer": 0.5, "bulk": 2.0, "numbers": 0.5},
    "forms": {"stage": 1.0, "slow": 0.1},
}
"""How often, in shares of the mutator's rate, something is done about each kind of thing."""
FORGED = (Stage.COMMIT, Stage.AGGREGATED, Stage.PROJECTIONS, Stage.CHECK)
OFTEN = 0.9
HALF_DELTAS = 40
"""A delay is up to so many halves of Delta, near one of them."""
HALF_DELTAS_BULK = 12
"""The same for tensors: later they are no longer held."""
WAYS = (
    *("alter", "alter", "split", "split", "three", "some", "one", "drop", "late", "late"),
    *("twice", "stale", "borrow", "garble", "old_head"),
)
"""What can become of a broadcast, as often as it stands here."""
QUIET_WAYS = ("some", "one", "drop", "late", "late", "twice")
"""Those that convict nobody."""


class Cabal(NamedTuple):
    """What adversaries share: each other's keys, and the network."""

    members: tuple[PeerId, ...]
    sign: Callable[[PeerId, Digest], bytes]
    throw: Callable[[PeerId, bytes], None]
    delta: float

    def signed(self, peer: PeerId, stage: Stage, head: Digest, payload: bytes) -> Signed:
        """Anything, signed by a member."""
        body = body_digest(stage, head, peer, payload)
        return Signed(stage, head, peer, payload, self.sign(peer, body))


class Mutating(HonestAttack):
    """See the module."""

    def __init__(self, plan: Mutator, entropy: Entropy, cabal: Cabal) -> None:
        self._plan = plan
        self._focus = FOCUSES[plan.focus]
        self._entropy = entropy
        self.cabal = cabal
        self.heard: deque[Signed] = deque(maxlen=HEARD_KEPT)
        """What others said last, my own words among it."""
        self.taken: list[int] = []
        """Numbers of the opportunities that were taken."""
        self._opportunities = 0

    def _opportunity(self, kind: str) -> Stream | None:
        """The stream of the next opportunity, if it is taken."""
        share = min(OFTEN, self._plan.rate * self._focus.get(kind, 0.0))
        place = self._opportunities
        self._opportunities += 1
        only = self._plan.only
        if only is not None and place not in only:
            return None
        seed = self._entropy.key("mutator", number(self._plan.peer), number(place))
        stream = Stream(seed)
        if not stream.chance(share) and only is None:
            return None
        self.taken.append(place)
        return stream

    # --- the interface of attacks -----------------------------------------------------------------

    def observe(self, context: AttackContext, event: Event) -> None:  # noqa: ARG002 - the interface
        """Remember what was said."""
        if isinstance(event, MessageReceived):
            self.heard.append(event.signed)

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:  # noqa: ARG002 - the interface
        """Rarely another one."""
        stream = self._opportunity("numbers")
        return honest if stream is None else alter_vector(honest, stream)

    def aggregate(self, context: AttackContext, honest: Float32) -> Float32:  # noqa: ARG002 - the interface
        """Rarely another one."""
        stream = self._opportunity("numbers")
        return honest if stream is None else alter_vector(honest, stream)

    def committed_part(self, context: AttackContext, part: int, data: Bytes) -> Bytes:  # noqa: ARG002 - the interface
        """Rarely other bytes, of perhaps another length."""
        stream = self._opportunity("numbers")
        return data if stream is None else alter_bytes(bytes(data), stream)

    def part(self, context: AttackContext, part: int, data: Bytes) -> Bytes:  # noqa: ARG002 - the interface
        """Rarely other bytes than committed to."""
        stream = self._opportunity("numbers")
        return data if stream is None else alter_bytes(bytes(data), stream)

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """Each as chance will have it, and now and then something of my own."""
        outgoing: list[Outgoing] = []
        for effect in effects:
            outgoing += self._treat(context, effect)
        stream = self._opportunity("invent")
        if stream is not None:
            outgoing += invent(self, context, stream)
        return outgoing

    # --- what becomes of an effect ----------------------------------------------------------------

    def _treat(self, context: AttackContext, effect: Effect) -> Sequence[Outgoing]:
        kind = kind_of(effect)
        stream = self._opportunity(kind) if kind else None
        if stream is None:
            return [effect]
        match effect:
            case Broadcast(stage=stage) if self._plan.focus == "forms" and stage in FORGED:
                return [replace(effect, payload=self._forge(context, effect, stream))]
            case Broadcast():
                return self._speak(context, effect, stream)
            case SendResult() | PassOn() | SendBlob() | SendCertificate() | SendBlobRequest():
                return self._address(effect, stream)
            case _:
                return self._delay_or_drop(effect, stream)

    def _delay_or_drop(self, effect: Effect, stream: Stream) -> list[Outgoing]:
        """To one receiver: not at all, late, or of a set only some."""
        if isinstance(effect, SendSet) and stream.chance(0.5):
            count = stream.below(len(effect.messages) + 1)
            return [replace(effect, messages=tuple(stream.some(effect.messages, count)))]
        delay = self.draw_delay(stream, HALF_DELTAS_BULK)
        return [After(delay, effect)] if stream.chance(0.5) else []

    def _address(
        self,
        effect: SendResult | PassOn | SendBlob | SendCertificate | SendBlobRequest,
        stream: Stream,
    ) -> list[Outgoing]:
        """To many: to some of them now, to the others later or never."""
        chosen = stream.some(effect.to, stream.below(len(effect.to) + 1))
        rest = tuple(peer for peer in effect.to if peer not in chosen)
        outgoing: list[Outgoing] = [replace(effect, to=tuple(chosen))]
        if rest and stream.chance(0.5):
            delay = self.draw_delay(stream, HALF_DELTAS_BULK)
            outgoing.append(After(delay, replace(effect, to=rest)))
        return outgoing

    def _speak(self, context: AttackContext, said: Broadcast, stream: Stream) -> list[Outgoing]:
        """A broadcast, treated in one of the ways. My own core hears one body a slot, at most."""
        is_quiet = self._plan.focus == "timing" or (
            self._plan.focus != "all" and said.stage in STEP_STAGES
        )
        way = stream.pick(QUIET_WAYS if is_quiet else WAYS)
        if way in ("alter", "stale", "borrow", "garble"):
            return [replace(said, payload=self._another(context, said, stream, way))]
        if way in ("split", "three", "old_head"):
            return self._tell_two(context, said, stream, way)
        if way in ("some", "one"):
            count = 1 if way == "one" else stream.below(len(said.to) + 1)
            few = replace(said, to=tuple(stream.some(said.to, count)))
            return (
                [few, self._later(context.me, said, few, stream)] if stream.chance(0.5) else [few]
            )
        if way == "late":
            return [After(self.draw_delay(stream), said)]
        if way == "twice":
            signed = context.sign(said.stage, said.payload)
            return [
                said,
                SendSigned(said.to, signed),
                After(self.draw_delay(stream), SendSigned(said.to, signed)),
            ]
        return [replace(said, to=())]

    def _forge(self, context: AttackContext, said: Broadcast, stream: Stream) -> bytes:
        """Almost what I would have said."""
        digests = [each.head for each in self.heard] + [each.body for each in self.heard]
        return encode_payload(forge(context.decode(said), context, digests, stream))

    def _later(self, me: PeerId, said: Broadcast, few: Broadcast, stream: Stream) -> Outgoing:
        """The same to the others, later."""
        rest = tuple(peer for peer in said.to if peer not in few.to)
        signed = self.cabal.signed(me, said.stage, said.head, said.payload)
        return After(self.draw_delay(stream), SendSigned(rest, signed))

    def _tell_two(
        self, context: AttackContext, said: Broadcast, stream: Stream, way: str
    ) -> list[Outgoing]:
        """The truth to some, other bodies to the rest."""
        trusting = stream.some(said.to, stream.below(len(said.to) + 1))
        rest = tuple(peer for peer in said.to if peer not in trusting)
        outgoing: list[Outgoing] = [replace(said, to=tuple(trusting))]
        for _ in range(2 if way == "three" else 1):
            other = self._another(context, said, stream, "alter")
            head = self._old_head(context, stream) if way == "old_head" else said.head
            lie = SendSigned(rest, self.cabal.signed(context.me, said.stage, head, other))
            late = stream.chance(0.3)
            outgoing.append(After(self.draw_delay(stream), lie) if late else lie)
        return outgoing

    def _another(self, context: AttackContext, said: Broadcast, stream: Stream, way: str) -> bytes:
        """Another payload for a slot."""
        same = [each for each in self.heard if each.stage is said.stage]
        mine = [each.payload for each in same if each.sender == context.me]
        theirs = [each.payload for each in same if each.sender != context.me]
        if way == "garble":
            return flip(said.payload, stream)
        if way == "stale" and mine:
            return stream.pick(mine)
        if way == "borrow" and theirs:
            return stream.pick(theirs)
        return alter(said.payload, stream, mine + theirs, context.roster)

    def _old_head(self, context: AttackContext, stream: Stream) -> Digest:
        """Of an attempt that is over, or none."""
        heads = dict.fromkeys(each.head for each in self.heard if each.head != context.head)
        return stream.pick([*heads] or [context.head])

    def draw_delay(self, stream: Stream, most: int = HALF_DELTAS) -> float:
        """Seconds: near a multiple of half of Delta, where deadlines and rounds end."""
        return self.cabal.delta * max(0.0, stream.between(0, most) / 2 + stream.uniform(-0.2, 0.2))


def kind_of(effect: Effect) -> str:
    """What kind of thing is about to be sent; empty for what is not sent."""
    match effect:
        case Broadcast(stage=stage):
            return "stage" if stage in STEP_STAGES else "slow"
        case PassOn() | SendCertificate():
            return "slow"
        case SendSet() | SendSetRequest() | SendBlob() | SendBlobRequest():
            return "answer"
        case SendPart() | SendResult():
            return "bulk"
        case _:
            return ""


def alter_vector(vector: Float32, stream: Stream) -> Float32:
    """The other way, off in one place, or much too long."""
    changed = np.array(vector, dtype=np.float32)
    if stream.chance(0.5) or not len(changed):
        return changed * np.float32(stream.pick((-1.0, 0.5, 10.0, 1e20)))
    place = stream.below(len(changed))
    changed[place] = np.float32(stream.pick((changed[place] * (1 + 1e-3), 1e30, np.nan, np.inf)))
    return changed


def alter_bytes(data: bytes, stream: Stream) -> bytes:
    """A bit off, or a number more or less."""
    return stream.pick((flip(data, stream), data[:-4], data + bytes(4)))
