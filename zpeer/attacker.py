"""Byzantine behaviour, wrapped around an honest peer from outside (architecture, section 7).

An attack is a plugin: subclass `HonestAttack` and override what it lies about. `Attacker` shows it
the attempt as a `Situation`, and stands between the peer's core, its numerics and the world. What a
situation offers is what a real attacker has: its own key, all that its peer holds, everybody's data
(they are public), and colluders that decide alike because they compute alike: there is no channel
between them.
"""

from __future__ import annotations

from contextlib import contextmanager
from inspect import getsourcefile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from msgspec.structs import replace

from zpeer.compute.measures import get_axes
from zpeer.conduct import AT_ONCE, Hearing
from zpeer.core.base import make_first_base, make_next_base
from zpeer.core.draw import validators_in_force
from zpeer.core.mprng import compute_batch_seed
from zpeer.effects import Broadcast
from zpeer.errors import PluginError, WireError, ZpeerError
from zpeer.events import MessageReceived, SecretDrawn, Started
from zpeer.factories import describe_error
from zpeer.ids import NOTHING, Digest, PeerId, digest
from zpeer.messages import Commit, Message
from zpeer.numerics.dealing import deal, from_bytes
from zpeer.numerics.projections import scalars
from zpeer.parts import Layout
from zpeer.signed import Signed, Stage, body_digest
from zpeer.wire import decode_payload, encode_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zpeer.compute.gradients import Gradients
    from zpeer.compute.parameters import ParameterFiles
    from zpeer.compute.store import Bytes, TensorStore
    from zpeer.conduct import Outgoing
    from zpeer.core.state import Base
    from zpeer.effects import Effect
    from zpeer.events import Event, Scalars
    from zpeer.genesis import Genesis
    from zpeer.interfaces import (
        Aggregator,
        Attack,
        AttackContext,
        Batch,
        Float32,
        ValidatorPolicy,
    )
    from zpeer.record import Record
    from zpeer.wire import WireLimits

SITUATIONS_REMEMBERED = 4
"""The worker may still be at the attempt before; nothing looks further back."""


class HonestAttack:
    """Lies about nothing: the base of every attack (see `zpeer.interfaces.Attack`)."""

    def observe(self, context: AttackContext, event: Event) -> Sequence[Outgoing] | None:
        """See an event before my core does, and perhaps do something about it."""

    def hears_after(self, context: AttackContext, event: Event) -> float:  # noqa: ARG002 - the interface
        """Seconds after which my core hears of an event; infinity: never."""
        return 0.0

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:  # noqa: ARG002 - the interface
        """The gradient to commit to."""
        return honest

    def committed_part(self, context: AttackContext, part: int, data: Bytes) -> Bytes:  # noqa: ARG002 - the interface
        """The bytes of a part to commit to and send."""
        return data

    def part(self, context: AttackContext, part: int, data: Bytes) -> Bytes:  # noqa: ARG002 - the interface
        """The bytes to send as PART, whatever was committed to."""
        return data

    def aggregate(self, context: AttackContext, honest: Float32) -> Float32:  # noqa: ARG002 - the interface
        """The aggregate to commit to and send as RESULT."""
        return honest

    def message(self, context: AttackContext, message: Message) -> Message | bytes:  # noqa: ARG002 - the interface
        """My stage message before it is signed; bytes are signed as they are."""
        return message

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """My outgoing effects before signing; here `message` is asked about each broadcast."""
        return [self.speak(context, e) if isinstance(e, Broadcast) else e for e in effects]

    def speak(self, context: AttackContext, effect: Broadcast) -> Broadcast:
        """A broadcast as `message` wants it."""
        said = context.decode(effect)
        lie = self.message(context, said)
        if lie is said:
            return effect
        return replace(effect, payload=lie if isinstance(lie, bytes) else encode_payload(lie))


class Resources:
    """What an attacker has besides its wits; the same for every attempt."""

    def __init__(
        self,
        genesis: Genesis,
        aggregator: Aggregator,
        policy: ValidatorPolicy,
        limits: WireLimits,
        me: PeerId,
        *,
        colluders: tuple[PeerId, ...],
        sign: Callable[[Digest], bytes],
        flip_labels: Callable[[Batch], Batch],
        gradients: Gradients,
        files: ParameterFiles,
        store: TensorStore,
    ) -> None:
        self.genesis = genesis
        self.aggregator = aggregator
        self.policy = policy
        self.limits = limits
        self.me = me
        self.colluders = colluders
        self.sign = sign
        self.flip_labels = flip_labels
        self.gradients = gradients
        self.files = files
        self.store = store


class Situation:
    """One attempt as an attacker sees it (`zpeer.interfaces.AttackContext`)."""

    def __init__(self, resources: Resources, base: Base, now: float) -> None:
        self._has = resources
        self.base = base
        self.now = self.started = now
        self.delta = resources.genesis.delta
        self.place = base.place
        self.secret = NOTHING
        self.me = resources.me
        self.head = base.head
        self.step = base.step
        self.attempt = base.attempt
        self.roster = base.roster
        self.workers = base.workers
        self.validators = base.validators
        self.parts = len(base.workers)
        self.my_part = base.part_of(self.me)
        self.radii = base.radii
        self.delta_max = base.delta_max
        self.matters = base.matters
        self.duties = {
            validator: tuple(draw.target for draw in duty)
            for validator, duty in zip(base.validators, base.duties, strict=True)
        }
        self.commits: dict[PeerId, tuple[Digest, ...]] = {}
        self.colluders = tuple(
            peer for peer in base.roster if peer == self.me or peer in resources.colluders
        )
        self.honest_workers = tuple(peer for peer in self.workers if peer not in self.colluders)

    @property
    def layout(self) -> Layout:
        """How this attempt's gradients are dealt."""
        genesis = self._has.genesis
        return Layout(genesis.dimension, genesis.block, self.parts)

    def honest_gradient(
        self, peer: PeerId, transform: Callable[[Batch], Batch] | None = None
    ) -> Float32:
        """What an honest `peer` computes this step, of its batch as `transform` changes it."""
        seed = compute_batch_seed(self.base.seed_beacon, self.step, peer)
        gradients, files = self._has.gradients, self._has.files
        if transform is None:
            return gradients.get(self.base.parameters, files.load, seed).vector
        return gradients.transformed(files.load(self.base.parameters), seed, transform).vector

    def flip_labels(self, batch: Batch) -> Batch:
        """The task's wrong labels."""
        return self._has.flip_labels(batch)

    def shared_vector(self, label: str) -> Float32:
        """Standard normal numbers from run and label: the same at all colluders."""
        seed = digest("zpeer/attack", self._has.genesis.run, label.encode())
        generator = torch.Generator().manual_seed(int.from_bytes(seed[:8], "little", signed=True))
        vector = torch.randn(self._has.genesis.dimension, generator=generator)
        return np.asarray(vector.numpy(), dtype=np.float32)

    def deal(self, gradient: Float32) -> list[Float32]:
        """A gradient cut into this attempt's parts."""
        return deal(gradient, self.layout)

    def result(self, owner: PeerId) -> Float32:
        """The aggregate that an owner sent, as I hold it."""
        return from_bytes(self._has.store.result(self.head, owner).data)

    def stated_honestly(self, part: int, beacon: Digest) -> tuple[Scalars, ...]:
        """What each worker, if honest, would state on a part in PROJECTIONS; in worker order."""
        rows = [self.deal(self.honest_gradient(worker))[part] for worker in self.workers]
        axes = get_axes(beacon, self.layout, self._has.genesis.directions)[part].directions
        result = self.result(self.workers[part])
        return tuple(
            scalars(row, result, self.base.radii[part], self._has.aggregator.weight, axes)
            for row in rows
        )

    def committed(self, worker: PeerId, part: int) -> Digest:
        """H(g_i[j]) as a worker committed to it in this attempt; NOTHING where I have seen none."""
        parts = self.commits.get(worker, ())
        return parts[part] if 0 <= part < len(parts) else NOTHING

    def due(self, stage: Stage) -> float:
        """When a stage is due at peers that started this attempt when I did."""
        return self.started + sum(self.base.allowances[:stage])

    def draw(self, beacon: Digest) -> tuple[tuple[PeerId, ...], tuple[PeerId, ...]]:
        """Validators and targets that q would draw if nobody left."""
        policy, genesis = self._has.policy, self._has.genesis
        count = validators_in_force(genesis.validators, len(self.roster))
        validators = policy.validators(beacon, self.roster, count)
        return validators, policy.targets(beacon, self.workers, count)

    def see(self, event: Event, now: float) -> None:
        """Note the time, my secret, and what others committed to."""
        self.now = now
        if isinstance(event, SecretDrawn) and event.head == self.head:
            self.secret = event.secret
        if not isinstance(event, MessageReceived):
            return
        signed = event.signed
        if (signed.stage, signed.head) != (Stage.COMMIT, self.head):
            return
        try:
            message = decode_payload(signed.stage, signed.payload, self._has.limits)
        except WireError:
            return
        if isinstance(message, Commit):
            self.commits[signed.sender] = message.parts

    def decode(self, effect: Broadcast | Signed) -> Message:
        """The message in one of my broadcasts or in what another sent; raises WireError."""
        return decode_payload(effect.stage, effect.payload, self._has.limits)

    def sign(self, stage: Stage, payload: bytes, head: Digest | None = None) -> Signed:
        """Sign anything with my own key, for this attempt's head or another."""
        on = self.head if head is None else head
        body = body_digest(stage, on, self.me, payload)
        return Signed(stage, on, self.me, payload, self._has.sign(body))


class Attacker:
    """An attack as a peer's conduct (`zpeer.conduct.Conduct`)."""

    def __init__(self, attack: Attack, resources: Resources, start: int = 0) -> None:
        self._attack = attack
        self._resources = resources
        self._start = start
        self._now = 0.0
        first = make_first_base(resources.genesis, resources.aggregator)
        self._situations = {first.head: Situation(resources, first, 0.0)}

    def decided(self, record: Record) -> None:
        """See the next attempt."""
        has = self._resources
        base = make_next_base(has.genesis, has.aggregator, record)
        self._situations[base.head] = Situation(has, base, self._now)
        while len(self._situations) > SITUATIONS_REMEMBERED:
            del self._situations[next(iter(self._situations))]

    def hear(self, head: Digest, event: Event, now: float) -> Hearing:
        """Show the attack an event, and let it say what becomes of it."""
        situation = self._situations[head]
        if isinstance(event, Started):
            situation.started = now
        self._now = now
        situation.see(event, now)
        with blamed(self._attack):
            reaction = self._attack.observe(situation, event) or ()
            if not self._is_on(situation):
                return AT_ONCE
            return Hearing(self._attack.hears_after(situation, event), reaction)

    def gradient(self, head: Digest, honest: Float32) -> Float32:
        """The attack's gradient."""
        situation = self._situations[head]
        if not self._is_on(situation):
            return honest
        with blamed(self._attack):
            return self._attack.gradient(situation, honest)

    def committed_part(self, head: Digest, part: int, data: Bytes) -> Bytes:
        """The attack's part."""
        situation = self._situations[head]
        if not self._is_on(situation):
            return data
        with blamed(self._attack):
            return self._attack.committed_part(situation, part, data)

    def sent_part(self, head: Digest, part: int, data: Bytes) -> Bytes:
        """The attack's PART."""
        situation = self._situations[head]
        if not self._is_on(situation):
            return data
        with blamed(self._attack):
            return self._attack.part(situation, part, data)

    def aggregate(self, head: Digest, honest: Float32) -> Float32:
        """The attack's aggregate."""
        situation = self._situations[head]
        if not self._is_on(situation):
            return honest
        with blamed(self._attack):
            return self._attack.aggregate(situation, honest)

    def effects(self, head: Digest, effects: list[Effect]) -> list[Outgoing]:
        """The attack's effects."""
        situation = self._situations[head]
        if not self._is_on(situation):
            return list(effects)
        with blamed(self._attack):
            return list(self._attack.effects(situation, effects))

    def _is_on(self, situation: Situation) -> bool:
        return situation.step >= self._start


@contextmanager
def blamed(attack: Attack) -> Iterator[None]:
    """Name the attack's file and line in whatever it raises."""
    try:
        yield
    except ZpeerError:
        raise
    except Exception as problem:
        file = getsourcefile(type(attack))
        where = describe_error(problem, Path(file) if file else None)
        raise PluginError(f"attack {type(attack).__name__}: {where}") from problem
