"""What every stage works with: the run's constants, the state, the present time and the effects so
far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from zpeer.effects import Broadcast, Stop
from zpeer.genesis import Agreement, Protection
from zpeer.ids import short
from zpeer.parts import Layout
from zpeer.signed import STEP_STAGES, Stage
from zpeer.wire import encode_payload, payload_decoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zpeer.core.state import Attempt, State
    from zpeer.effects import Effect
    from zpeer.faults import FaultKind
    from zpeer.genesis import Genesis
    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import Aggregator, ValidatorPolicy
    from zpeer.messages import Message
    from zpeer.signed import Signed, Statement
    from zpeer.wire import WireLimits

UNPROTECTED_STAGES = (Stage.COMMIT, Stage.AGGREGATED, Stage.VERDICT)


class StageRules(Protocol):
    """One stage of an attempt: what I say in it, and what its set says to all."""

    @staticmethod
    def prepare(context: Context) -> None:
        """Ask for what my message needs; called until it is sent, so requests are made once."""
        ...

    @staticmethod
    def compose(context: Context) -> Message | None:
        """My message; None while something it needs is not there."""
        ...

    @staticmethod
    def on_sent(context: Context) -> None:
        """What goes out right behind it."""
        ...

    @staticmethod
    def on_set(context: Context) -> None:
        """Judge the complete set."""
        ...

    @staticmethod
    def awaited(context: Context) -> list[str]:
        """What is still missing for my message, for people."""
        ...


class Context:
    """One peer's view while it handles one event."""

    state: State
    attempt: Attempt
    """The one under way, which is the state's; there is none before the run starts."""

    def __init__(
        self,
        genesis: Genesis,
        me: PeerId,
        *,
        aggregator: Aggregator,
        policy: ValidatorPolicy,
        limits: WireLimits,
        verify: Callable[[Signed | Statement], bool],
        state: State,
    ) -> None:
        self.genesis = genesis
        self.me = me
        self.aggregator = aggregator
        self.policy = policy
        self.limits = limits
        self.verify = verify
        """Whether a signature inside a message is its sender's: a pure function of public keys."""
        self.is_protected = genesis.protection is Protection.FULL
        """Whether anything is checked at all."""
        self.is_agreeing = self.is_protected and genesis.agreement is Agreement.FULL
        """Whether there is a slow path, or a stop at the first missed deadline."""
        self.stages = STEP_STAGES if self.is_protected else UNPROTECTED_STAGES
        """The stages of every attempt of this run."""
        self.stage_before = dict(zip(self.stages[1:], self.stages, strict=False))
        """The stage whose set the messages of a stage echo; none before the first."""
        self.now = 0.0
        self.effects: list[Effect] = []
        self._decode = payload_decoder(limits)
        self.resume(state)

    def resume(self, state: State) -> None:
        """Go on from a state."""
        self.state = state
        if state.attempt is not None:
            self.attempt = state.attempt

    def begin(self, attempt: Attempt) -> None:
        """From now on this is the attempt under way."""
        self.state.attempt = self.attempt = attempt

    @property
    def others(self) -> tuple[PeerId, ...]:
        """The roster without me."""
        return tuple(peer for peer in self.attempt.base.roster if peer != self.me)

    def names(self, peers: Sequence[PeerId]) -> str:
        """Peers as people call them."""
        known = dict(zip(self.genesis.peers, self.genesis.names, strict=True))
        return ", ".join(known.get(peer, short(peer)) for peer in peers)

    def layout(self, attempt: Attempt) -> Layout:
        """How that attempt's gradients are dealt."""
        return Layout(self.genesis.dimension, self.genesis.block, len(attempt.base.workers))

    def find_attempt(self, head: Digest) -> Attempt | None:
        """The present or a remembered attempt on a head."""
        if head == self.attempt.base.head:
            return self.attempt
        return self.state.past.get(head)

    def emit(self, *effects: Effect) -> None:
        """Append to what is to be done."""
        self.effects += effects

    def request(self, name: str, effect: Effect) -> None:
        """Ask for a computation once an attempt."""
        if name not in self.attempt.requested:
            self.attempt.requested.add(name)
            self.emit(effect)

    def broadcast(self, stage: Stage, message: Message) -> None:
        """Send my message of a stage, once."""
        self.attempt.sent.add(stage)
        payload = encode_payload(message)
        head = self.attempt.base.head
        self.emit(Broadcast(head=head, stage=stage, payload=payload, to=self.others))

    def decode(self, signed: Signed) -> Message:
        """The typed message; raises WireError."""
        return self._decode(signed.stage, signed.payload)

    def stop(
        self,
        code: int,
        reason: str,
        peers: tuple[PeerId, ...] = (),
        fault: FaultKind | None = None,
    ) -> None:
        """End the run here."""
        if not self.state.stopped:
            self.state.stopped = True
            self.emit(Stop(code=code, reason=reason, fault=fault, peers=peers))


def encode(value: msgspec.Struct) -> bytes:
    """Canonical bytes of the state: sets and dictionaries are sorted.

    In two steps, since the encoder sorts only dictionaries whose keys are text.
    """
    plain = msgspec.to_builtins(value, builtin_types=(bytes,), order="deterministic")
    return msgspec.msgpack.encode(plain)
