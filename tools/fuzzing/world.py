"""A swarm of bare cores with made-up arithmetic, to be attacked: quick, exact, forked at will.

All cores are real and honest. Between them everything arrives a millisecond later, in order, and
what they say is remembered: liars pass it on, quote it and alter it. What a liar's own core says
goes through `tamper` first.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from tests.core.plain import ByHash, Clip, sign, verify
from tools.fuzzing.arithmetic import answer
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.machine import Core
from zpeer.ids import Digest, PeerId
from zpeer.parts import Layout
from zpeer.shell.reception import Reception
from zpeer.signed import Signed, Stage
from zpeer.wire import WireLimits, decode_control

if TYPE_CHECKING:
    from zpeer.genesis import Genesis
    from zpeer.record import Record
    from zpeer.relays import Relay

RADIUS = 2.0
LATENCY = 0.001
TENSOR_BYTES_MAX = 1 << 42
SAID_KEPT = 400
CHAINS_KEPT = 60
DIGESTS_KEPT = 200
RECORDS_KEPT = 6

SENDING = (
    *(fx.SendPart, fx.SendResult, fx.SendBlob, fx.SendBlobRequest, fx.SendSetRequest),
    *(fx.SendSet, fx.SendProof, fx.PassOn, fx.SendCertificate),
)
Tamper = Callable[["Host", fx.Broadcast], list[tuple[Signed, tuple[PeerId, ...]]]]
Watch = Callable[["Host", ev.Event, list[fx.Effect]], None]


class Known(NamedTuple):
    """What everybody could have heard, oldest first; the lists are cut to their last items."""

    said: list[Signed]
    chains: list[tuple[Signed, tuple[Signed, ...]]]
    digests: list[Digest]
    """Of parts and results."""
    records: list[Record]

    def copy(self) -> Known:
        """The same for another future."""
        return Known(
            self.said[-SAID_KEPT:],
            self.chains[-CHAINS_KEPT:],
            self.digests[-DIGESTS_KEPT:],
            self.records[-RECORDS_KEPT:],
        )


class Host:
    """One peer: its door, its core, and the little that a shell must remember."""

    def __init__(self, me: PeerId, core: Core, reception: Reception) -> None:
        self.me = me
        self.core = core
        self.reception = reception
        self.timer = inf
        self.held: set[Digest] = set()
        """Bytes that its shell has been told of."""
        self.slots: dict[bytes, bytes] = {}
        """What it signed, by head and stage."""
        self.parts: dict[Digest, tuple[Digest, ...]] = {}
        """Of its gradient, by head."""
        self.result: tuple[Digest, int] | None = None
        """Its last aggregate, and which part that is of how many."""


class Frozen(NamedTuple):
    """A host as values."""

    me: PeerId
    state: bytes
    timer: float
    held: frozenset[Digest]
    slots: dict[bytes, bytes]
    parts: dict[Digest, tuple[Digest, ...]]
    result: tuple[Digest, int] | None


class Scene(NamedTuple):
    """A swarm at one moment, as values: any number of futures start from it."""

    label: str
    genesis: Genesis
    faulty: tuple[PeerId, ...]
    """Who has done wrong already."""
    now: float
    queue: tuple[tuple[float, int, PeerId, ev.Event], ...]
    pushed: int
    hosts: tuple[Frozen, ...]
    known: Known

    def thaw(self) -> World:
        """A swarm that goes on from here."""
        world = World(self.genesis)
        world.now, world.pushed = self.now, self.pushed
        world.queue = list(self.queue)
        world.known = self.known.copy()
        for frozen in self.hosts:
            host = world.hosts[frozen.me]
            host.core = world.restore(frozen.me, frozen.state)
            host.timer, host.held, host.result = frozen.timer, set(frozen.held), frozen.result
            host.slots, host.parts = dict(frozen.slots), dict(frozen.parts)
        return world


class World:
    """The swarm and the network between its peers."""

    def __init__(self, genesis: Genesis) -> None:
        self.genesis = genesis
        self.limits = WireLimits(len(genesis.peers), genesis.directions)
        self.now = 0.0
        self.queue: list[tuple[float, int, PeerId, ev.Event]] = []
        self.pushed = 0
        self.known = Known([], [], [], [])
        self.tampers: dict[PeerId, Tamper] = {}
        self.liars: set[PeerId] = set()
        """Whose cores may fail: they hear what their owners never said."""
        self.lost_cores = 0
        self.silent: set[PeerId] = set()
        """From whom nothing goes out any more."""
        self.hoarding: set[PeerId] = set()
        """Who shows no published bytes."""
        self.is_lost: Callable[[PeerId, ev.Event], bool] = lambda to, event: False  # noqa: ARG005 - nothing is
        self.watch: Watch = lambda host, event, effects: None  # noqa: ARG005 - nobody looks
        self.hosts = {
            me: Host(me, self.make_core(me), self.make_reception()) for me in genesis.peers
        }

    # --- cores ------------------------------------------------------------------------------------

    def make_core(self, me: PeerId) -> Core:
        """A core before its first event."""
        return Core(
            self.genesis,
            me,
            aggregator=Clip(RADIUS),
            policy=ByHash(),
            limits=self.limits,
            verify=verify,
        )

    def restore(self, me: PeerId, state: bytes) -> Core:
        """A core that goes on from a state."""
        return Core.restore(
            state,
            self.genesis,
            me,
            aggregator=Clip(RADIUS),
            policy=ByHash(),
            limits=self.limits,
            verify=verify,
        )

    def make_reception(self) -> Reception:
        """A real door."""
        return Reception(len(self.genesis.peers), verify, self.decode, TENSOR_BYTES_MAX)

    def decode(self, data: bytes) -> Signed | Relay:
        """A control message."""
        return decode_control(data, self.limits)

    def freeze(self, label: str, faulty: tuple[PeerId, ...] = ()) -> Scene:
        """This moment."""
        return Scene(
            label,
            self.genesis,
            faulty,
            self.now,
            tuple(self.queue),
            self.pushed,
            tuple(
                Frozen(
                    host.me,
                    host.core.snapshot(),
                    host.timer,
                    frozenset(host.held),
                    dict(host.slots),
                    dict(host.parts),
                    host.result,
                )
                for host in self.hosts.values()
            ),
            self.known.copy(),
        )

    # --- time -------------------------------------------------------------------------------------

    def push(self, to: PeerId, event: ev.Event, delay: float = LATENCY) -> None:
        """Let something happen to a peer."""
        if self.is_lost(to, event):
            return
        self.pushed += 1
        heapq.heappush(self.queue, (self.now + delay, self.pushed, to, event))

    def step(self) -> bool:
        """The next thing that happens: an event, or a timer."""
        waiting = [host for host in self.hosts.values() if host.timer < inf]
        first = min(waiting, key=lambda host: host.timer, default=None)
        if first is not None and (not self.queue or first.timer < self.queue[0][0]):
            self.now, first.timer = max(self.now, first.timer), inf
            self.tell(first, ev.TimerFired())
        elif self.queue:
            at, _, to, event = heapq.heappop(self.queue)
            self.now = max(self.now, at)
            self.tell(self.hosts[to], event)
        else:
            return False
        return True

    def tell(self, host: Host, event: ev.Event) -> list[fx.Effect]:
        """One event to one core, and what follows from it."""
        note_held(host, event)
        try:
            effects = host.core.handle(event, self.now)
        except Exception:
            if host.me not in self.liars:
                raise
            self.lost_cores += 1
            return []
        self.watch(host, event, effects)
        for effect in effects:
            self.carry_out(host, effect)
        return effects

    # --- effects ----------------------------------------------------------------------------------

    def carry_out(self, host: Host, effect: fx.Effect) -> None:  # noqa: C901, PLR0912 - one table
        """One effect."""
        me = host.me
        match effect:
            case fx.Broadcast():
                self.broadcast(host, effect)
            case _ if me in self.silent and isinstance(effect, SENDING):
                pass
            case fx.SendBlob() if me in self.hoarding:
                pass
            case fx.SendPart(head=head, part=part, to=to):
                size = self.layout(len(host.parts[head])).size_bytes(part)
                self.push(to, ev.PartArrived(head, me, host.parts[head][part], size, True))
            case fx.SendResult(head=head, to=several):
                for to in several:
                    self.send_result(host, head, to)
            case fx.SendBlob(digest=name, to=several):
                for to in several:
                    self.push(to, ev.BlobArrived(name, self.layout(1).size_bytes(0), True))
            case fx.SendBlobRequest(digest=name, to=several):
                for to in several:
                    self.push(to, ev.BlobRequested(me, name))
            case fx.SendSetRequest(to=to, head=head, stage=stage):
                self.push(to, ev.SetRequested(me, head, stage))
            case fx.SendSet(to=to, head=head, stage=stage, messages=messages):
                self.push(to, ev.SetReceived(me, head, stage, messages))
            case fx.SendProof(to=several, proof=proof):
                for to in several:
                    self.push(to, ev.ProofReceived(proof))
            case fx.PassOn():
                self.pass_on(host, effect)
            case fx.SendCertificate(to=several, record=record, messages=messages):
                for to in several:
                    self.push(to, ev.CertificateReceived(record, messages))
            case fx.SetTimer(at=at):
                host.timer = at
            case fx.Decide(record=decided):
                host.reception.decided()
                if decided not in self.known.records:
                    self.known.records.append(decided)
            case fx.Stop():
                host.timer = inf
            case fx.Place() | fx.Warn() | fx.Release() | fx.WriteEvidence():
                pass
            case _:
                self.compute(host, effect)

    def broadcast(self, host: Host, effect: fx.Broadcast) -> None:
        """To all, and back to its own core; of a liar others hear what it likes, and its own core
        the same if that is one thing."""
        signed = sign(effect.stage, effect.head, host.me, effect.payload)
        host.slots[effect.head + bytes([effect.stage])] = effect.payload
        tamper = self.tampers.get(host.me)
        told = tamper(host, effect) if tamper else [(signed, effect.to)]
        for said, to in told:
            self.known.said.append(said)
            for each in () if host.me in self.silent else to:
                self.push(each, ev.MessageReceived(said))
        own = told[0][0] if len(told) == 1 else signed
        self.push(host.me, ev.MessageReceived(own))

    def pass_on(self, host: Host, effect: fx.PassOn) -> None:
        """A view or a closed set, with one signature more."""
        view = effect.view
        witnesses = (*effect.witnesses, sign(Stage.WITNESS, view.head, host.me, view.body))
        self.known.chains.append((view, witnesses))
        for each in effect.to:
            self.push(each, ev.ChainReceived(view, witnesses))

    def send_result(self, host: Host, head: Digest, to: PeerId) -> None:
        """An aggregate."""
        assert host.result is not None, "a result is sent after it was computed"
        name, size = host.result
        self.push(to, ev.ResultArrived(head, host.me, name, size, True))

    def compute(self, host: Host, effect: fx.Computation) -> None:
        """What the worker answers."""
        event = answer(effect, host.me, self.genesis.directions)
        if isinstance(event, ev.PartsComputed):
            host.parts[event.head] = event.digests
            self.known.digests.extend(event.digests)
        if isinstance(event, ev.PartAggregated) and isinstance(effect, fx.AggregatePart):
            host.result = event.digest, self.layout(effect.parts).size_bytes(effect.part)
            self.known.digests.append(event.digest)
        self.push(host.me, event)

    def layout(self, parts: int) -> Layout:
        """How gradients are dealt to so many."""
        return Layout(self.genesis.dimension, self.genesis.block, parts)


def note_held(host: Host, event: ev.Event) -> None:
    """Remember which bytes a shell was told of."""
    match event:
        case (
            ev.PartArrived(digest=name)
            | ev.ResultArrived(digest=name)
            | ev.BlobArrived(digest=name)
            | ev.PartAggregated(digest=name)
        ):
            host.held.add(name)
        case ev.PartsComputed(digests=names):
            host.held.update(names)
        case _:
            pass
