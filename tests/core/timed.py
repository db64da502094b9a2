"""A timed network of toy peers: a virtual clock, one process, and whoever a test sets upon it.

Honest peers' messages arrive within Delta (one unit of time here: `patience` is 6), after delays
drawn from a seeded stream. A *mind* speaks for a Byzantine peer: whatever its core would send
passes through it, and it may send anything else that it can sign. The door of the real shell is
kept: signatures and chains are checked, only a signer itself is heard of heads to come, and bytes
lie in the store that were told of first.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from blake3 import blake3
from msgspec.structs import replace

from tests.core.plain import is_finite, make_genesis, peer, sign, verify
from tests.core.shell import Toy
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.machine import Core
from zpeer.ids import Digest, PeerId, digest, digest_bytes, number
from zpeer.parts import Bulk
from zpeer.shell.reception import is_chain
from zpeer.signed import Signed, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zpeer.core.state import Attempt

T = TypeVar("T")

DELTA = 1.0
MOST = 0.999
"""Longest delay between honest peers, of Delta: equal times are left to other tests."""
EVENTS_MAX = 400_000


class Stream:
    """Numbers from a seed."""

    def __init__(self, *seed: object) -> None:
        self._bytes = blake3(repr(seed).encode())
        self._place = 0

    def below(self, count: int) -> int:
        """One of 0 ... count - 1."""
        data = self._bytes.digest(length=4, seek=self._place)
        self._place += 4
        return int.from_bytes(data, "little") % count

    def share(self) -> float:
        """A number from 0 to 1, in steps of 1/1024."""
        return self.below(1025) / 1024

    def chance(self, share: float) -> bool:
        """True with a probability."""
        return self.share() < share

    def pick(self, choices: tuple[T, ...] | list[T]) -> T:
        """One of them."""
        return choices[self.below(len(choices))]

    def some(self, choices: Iterable[T]) -> tuple[T, ...]:
        """A part of them, perhaps none."""
        return tuple(each for each in choices if self.below(2))


class Delivery(NamedTuple):
    """What one peer is to hear of."""

    to: PeerId
    event: ev.Event
    data: bytes = b""
    """Bulk bytes behind it."""


Sent = tuple[float, Delivery]
"""A delivery and the delay after which it arrives."""
Mind = Callable[["Timed", Toy, Delivery], Iterable[Sent] | None]
"""What becomes of one thing that a Byzantine peer's core sends; None: what the network makes of
it."""
Tamper = Callable[[Any, Toy, list[fx.Effect]], list[fx.Effect]]
Watcher = Callable[["Timed", Toy, ev.Event, list[Any]], None]
"""Sees everything that happens."""


class Timed:
    """n toy peers in a network with a clock."""

    def __init__(
        self,
        n: int,
        steps: int = 2,
        *,
        seed: int = 0,
        delays: Callable[[Stream, PeerId, PeerId], float] | None = None,
        minds: Mapping[int, Mind] | None = None,
        radius: float = inf,
        toys: Mapping[int, type[Toy]] | None = None,
        duplicates: float = 0.0,
        computing: float = 0.0,
        timers_last: bool = False,
        starts: float = MOST,
        **changes: Any,
    ) -> None:
        changes = {"patience": 6 * DELTA, "run": digest("timed", number(seed)), **changes}
        self.genesis = make_genesis(n, steps, **changes)
        kinds = toys or {}
        self.toys = {peer(i): kinds.get(i, Toy)(self.genesis, peer(i), radius) for i in range(n)}
        self.minds = {peer(i): mind for i, mind in (minds or {}).items()}
        self.watchers: list[Watcher] = []
        self.stream = Stream("network", seed)
        self.delays = delays or any_delay
        self.duplicates = duplicates
        self.computing = computing
        self.timers_last = timers_last
        self.starts = starts
        self.tampers: dict[PeerId, Tamper] = {}
        """What Byzantine peers make of their cores' effects (`lies.py`)."""
        self.restoring = 0
        """Every so many events, the core that hears of one is first put together anew from its
        snapshot; 0: never."""
        self.instead: dict[tuple[PeerId, Digest, Stage], Callable[[bytes], bytes]] = {}
        """What a Byzantine peer says, even to itself, instead of what its core would."""
        self.frozen: dict[PeerId, tuple[float, float]] = {}
        """Peers that hear and do nothing from one time to another."""
        self.now = 0.0
        self.is_started = False
        self.count = 0
        self.heap: list[tuple[float, int, PeerId, ev.Event | Callable[[], None], bytes]] = []
        self.trace: list[tuple[float, PeerId, ev.Event, list[Any]]] | None = None

    # --- the clock --------------------------------------------------------------------------------

    def at(self, time: float, delivery: Delivery, order: int = 0) -> None:
        """Let something happen at a time; of equal times what was planned first happens first."""
        self.count += 1
        place = self.count + order
        heapq.heappush(
            self.heap, (max(time, self.now), place, delivery.to, delivery.event, delivery.data)
        )

    def later(self, time: float, action: Callable[[], None]) -> None:
        """Let a test or a mind do something at a time."""
        self.count += 1
        nobody = next(iter(self.toys))
        heapq.heappush(self.heap, (max(time, self.now), self.count, nobody, action, b""))

    def run(self, until: float = inf) -> Timed:
        """Until nothing happens any more, or a time has come."""
        if not self.is_started:
            self.is_started = True
            for to in self.toys:
                self.at(self.stream.share() * self.starts, Delivery(to, ev.Started()))
        while self.heap and self.heap[0][0] <= until:
            self.step()
        return self

    def run_while(self, unfinished: Callable[[], bool]) -> Timed:
        """Until a test has what it waits for."""
        self.run(until=-1.0)
        while self.heap and unfinished():
            self.step()
        return self

    def step(self) -> None:
        """The next thing that happens."""
        assert self.count < EVENTS_MAX, "the run does not come to an end"
        self.now, _, to, event, data = heapq.heappop(self.heap)
        if callable(event):
            event()
            return
        toy = self.toys[to]
        start, end = self.frozen.get(to, (inf, inf))
        if start <= self.now < end:
            self.at(end, Delivery(to, event, data))
        elif isinstance(event, ev.TimerFired):
            if toy.timer <= self.now:  # else another was set since
                toy.timer = inf
                self.deliver(toy, event)
        else:
            self.reach(toy, event, data)

    def reach(self, toy: Toy, event: ev.Event, data: bytes) -> None:
        """Something comes to a peer's door."""
        if self.opens(toy, event, data):
            self.deliver(toy, event)

    # --- the door ---------------------------------------------------------------------------------

    def opens(self, toy: Toy, event: ev.Event, data: bytes) -> bool:
        """Put bytes where they belong; refuse what the shell refuses."""
        match event:
            case ev.PartArrived(head=head, sender=sender):
                toy.rows.setdefault((head, sender), data)
            case ev.ResultArrived(head=head, sender=sender):
                toy.results.setdefault((head, sender), data)
            case ev.BlobArrived(digest=name):
                toy.blobs[name] = data
            case ev.ChainReceived(view=view, witnesses=witnesses):
                return is_chain(view, witnesses) and all(map(verify, (view, *witnesses)))
            case ev.MessageReceived(signed=signed):
                return verify(signed)
            case ev.SetReceived(messages=messages) | ev.CertificateReceived(messages=messages):
                return all(map(verify, messages))
            case _:
                pass
        return True

    def deliver(self, toy: Toy, event: ev.Event) -> None:
        """One event to one core, and what follows."""
        if self.restoring and self.count % self.restoring == 0:
            toy.core = restore(toy)
        done = toy.core.handle(event, self.now)
        if self.trace is not None:
            self.trace.append((self.now, toy.me, event, done))
        for watcher in self.watchers:
            watcher(self, toy, event, done)
        tamper = self.tampers.get(toy.me)
        for effect in tamper(self, toy, done) if tamper else done:
            self.carry_out(toy, effect)

    # --- effects ----------------------------------------------------------------------------------

    def carry_out(self, toy: Toy, effect: fx.Effect) -> None:  # noqa: C901, PLR0912 - one table
        """One effect."""
        if isinstance(effect, fx.Broadcast):
            change = self.instead.get((toy.me, effect.head, effect.stage), bytes)
            effect = replace(effect, payload=change(effect.payload))
        match effect:
            case fx.SetTimer(at=at):
                toy.timer = at
                order = EVENTS_MAX if self.timers_last else -EVENTS_MAX
                self.at(at, Delivery(toy.me, ev.TimerFired()), order)
            case fx.Place():
                toy.place(effect)
            case fx.Warn():
                toy.warnings.append(effect)
            case fx.Decide():
                toy.records.append(effect.record)
            case fx.WriteEvidence():
                toy.evidence.append(effect)
            case fx.Stop():
                toy.stop = effect
            case fx.Release():
                pass
            case fx.DrawSecret() | fx.AggregatePart() | fx.Project() | fx.ProjectBlob():
                self.at(self.now, Delivery(toy.me, toy.compute(effect)))
            case fx.ComputeParts() | fx.Recompute() | fx.TestAverage() | fx.Update():
                busy = self.computing * self.stream.share() if self.computing else 0.0
                self.at(self.now + busy, Delivery(toy.me, toy.compute(effect)))
            case fx.SendBlob(digest=name) if toy.me in self.minds and not has_blob(toy, name):
                pass  # who accuses without evidence has none to show
            case _:
                for delivery in spell_out(toy, effect):
                    self.send(toy, delivery)

    def send(self, toy: Toy, delivery: Delivery) -> None:
        """What a peer sends goes through its mind, if it is Byzantine, and the network."""
        mind = self.minds.get(toy.me)
        sent: Iterable[Sent] | None = None
        if delivery.to == toy.me:
            sent = [(0.0, delivery)]
        elif mind is not None:
            sent = mind(self, toy, delivery)
        for delay, each in self.delay(toy.me, delivery) if sent is None else sent:
            self.at(self.now + delay, each)

    def delay(self, sender: PeerId, delivery: Delivery) -> Iterator[Sent]:
        """Honest delivery: within Delta, now and then twice."""
        yield self.delays(self.stream, sender, delivery.to) * DELTA, delivery
        while self.duplicates and self.stream.chance(self.duplicates):
            yield self.delays(self.stream, sender, delivery.to) * DELTA, delivery

    # --- what tests look at -----------------------------------------------------------------------

    def toy(self, i: int) -> Toy:
        """Peer i."""
        return self.toys[peer(i)]

    def honest(self) -> list[Toy]:
        """Those for whom no mind speaks."""
        return [toy for me, toy in self.toys.items() if me not in self.minds]


def attempt_of(toy: Toy) -> Attempt:
    """The attempt that a peer is at."""
    return toy.core._context.attempt


def has_started(toy: Toy) -> bool:
    """Whether a peer is at any attempt."""
    return toy.core._context.state.attempt is not None


def restore(toy: Toy) -> Core:
    """The same core, from its snapshot."""
    core = toy.core
    context = core._context
    return Core.restore(
        core.snapshot(),
        toy.genesis,
        toy.me,
        aggregator=toy.clip,
        policy=context.policy,
        limits=context.limits,
        verify=verify,
    )


def has_blob(toy: Toy, name: Digest) -> bool:
    """Whether a peer holds these bytes."""
    held = [*toy.blobs.values(), *toy.rows.values(), *toy.results.values()]
    mine = [part for parts in toy.parts.values() for part in parts]
    return any(digest_bytes(data) == name for data in (*held, *mine))


def any_delay(stream: Stream, sender: PeerId, to: PeerId) -> float:
    """Anything up to Delta."""
    return stream.share() * MOST


def quick_delay(stream: Stream, sender: PeerId, to: PeerId) -> float:
    """A twentieth of it."""
    return stream.share() / 20


def edge_delay(stream: Stream, sender: PeerId, to: PeerId) -> float:
    """Almost none or almost all."""
    return MOST if stream.below(2) else 0.001


# --- what an effect sends -------------------------------------------------------------------------


def spell_out(toy: Toy, effect: fx.Effect) -> Iterator[Delivery]:  # noqa: C901, PLR0912 - one table
    """Each peer's share of what an effect sends."""
    me = toy.me
    match effect:
        case fx.Broadcast(head=head, stage=stage, payload=payload, to=to):
            signed = sign(stage, head, me, payload)
            for each in (me, *to):
                yield Delivery(each, ev.MessageReceived(signed))
        case fx.SendPart(head=head, part=part, to=each):
            yield tell_bulk(Bulk.PART, head, me, each, toy.parts[head][part])
        case fx.SendResult(head=head, to=to):
            for each in to:
                yield tell_bulk(Bulk.RESULT, head, me, each, toy.results[head, me])
        case fx.SendBlob(digest=name, to=to):
            data = toy.find_blob(name)
            for each in to:
                yield Delivery(each, ev.BlobArrived(name, len(data), is_finite(data)), data)
        case fx.SendBlobRequest(digest=name, to=to):
            for each in to:
                yield Delivery(each, ev.BlobRequested(me, name))
        case fx.SendSetRequest(to=each, head=head, stage=stage):
            yield Delivery(each, ev.SetRequested(me, head, stage))
        case fx.SendSet(to=each, head=head, stage=stage, messages=messages):
            yield Delivery(each, ev.SetReceived(me, head, stage, messages))
        case fx.SendProof(to=to, proof=proof):
            for each in to:
                yield Delivery(each, ev.ProofReceived(proof))
        case fx.PassOn(view=view, witnesses=witnesses, to=to):
            chain = ev.ChainReceived(view, (*witnesses, witness(view, me)))
            for each in to:
                yield Delivery(each, chain)
        case fx.SendCertificate(to=to, record=record, messages=messages):
            for each in to:
                yield Delivery(each, ev.CertificateReceived(record, messages))
        case _:
            raise TypeError(f"no effect that sends anything: {effect}")


def witness(view: Signed, signer: PeerId) -> Signed:
    """A signature under what another said."""
    return sign(Stage.WITNESS, view.head, signer, view.body)


def tell_bulk(kind: Bulk, head: Digest, sender: PeerId, to: PeerId, data: bytes) -> Delivery:
    """A PART or RESULT on its way."""
    event = ev.PartArrived if kind is Bulk.PART else ev.ResultArrived
    told = event(head, sender, digest_bytes(data), len(data), is_finite(data))
    return Delivery(to, told, data)
