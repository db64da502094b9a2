"""The core's door: episodes in which liars throw what they like at honest peers of a swarm.

Each starts from a moment of a run and goes on with it, at any pace. Lies pass the real reception,
their decoder and signatures, and reach the real core. Nothing may be raised; a core signs no slot
twice, sends no bytes that it does not hold, says no more than it may after one event, keeps no more
than it may, goes on equally from its own snapshot, and all it heard and said can stand in a log.
"""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING

import msgspec

from tools.fuzzing.bounds import bound_sends, bound_state, count_sends
from tools.fuzzing.doors import FoundError, Tally, explain, require
from tools.fuzzing.lies import Liars
from tools.fuzzing.scenes import STORIES, tell
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.broadcast import faulty_max
from zpeer.narrator import Narrator
from zpeer.parts import Bulk
from zpeer.recorded.timeline import render_effect, render_event
from zpeer.recorded.zlog import Entry, encode_effects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.fuzzing.lies import Input
    from tools.fuzzing.scenes import Story
    from tools.fuzzing.world import Host, Scene
    from zpeer.core.machine import Core
    from zpeer.ids import PeerId
    from zpeer.simulate.streams import Stream

EPISODE = 400
OTHERS = 4
"""Honest peers that may be told the same."""
PACES = (0, 0, 1, 1, 3, 6)
"""How many things happen in the swarm for every lie."""
SLY_PACES = (3, 6, 10)
STATE_EVERY = 64
LOGGED = 24
"""One of so many events is written as a log would, and put into words."""

_ENTRIES: msgspec.msgpack.Decoder[Entry] = msgspec.msgpack.Decoder(Entry, strict=True)


class CoreDoor:
    """See the module."""

    name = "core"
    case_inputs = EPISODE

    def __init__(self, stories: Sequence[Story] = STORIES) -> None:
        self.stories = [tell(story) for story in stories]

    def run(self, case: int, stream: Stream, tally: Tally) -> None:  # noqa: ARG002 - the stream knows
        """One episode."""
        Episode(stream.pick(stream.pick(self.stories)), stream, tally).run()


class Episode:
    """One future of a scene."""

    def __init__(self, scene: Scene, stream: Stream, tally: Tally) -> None:
        self.scene = scene
        self.stream = stream
        self.tally = tally
        self.world = scene.thaw()
        self.sly = stream.below(3) == 0
        self.liars = Liars(self.world, self._draw_liars(), stream, sly=self.sly)
        self.world.liars = set(self.liars.members)
        self.world.watch = self.watch
        honest = [me for me in self.world.genesis.peers if me not in self.liars.members]
        self.victims = [self.world.hosts[me] for me in (honest[0], stream.pick(honest))]
        self.others = [self.world.hosts[me] for me in honest[:OTHERS]]
        self.limits = self.world.limits
        self.sends_max = bound_sends(self.limits.peers)
        self.state_max = bound_state(self.limits)
        self.narrator = Narrator.of(self.world.genesis)
        self.twin: tuple[Host, Core] | None = None
        self.told: ev.Event | None = None

    def _draw_liars(self) -> list[PeerId]:
        """A minority, with those in it who have done wrong already."""
        peers = self.scene.genesis.peers
        most = faulty_max(len(peers))
        others = [peer for peer in peers if peer not in self.scene.faulty]
        more = (
            self.stream.below(most - len(self.scene.faulty) + 1)
            if self.scene.faulty
            else (1 + self.stream.below(most))
        )
        return [*self.scene.faulty, *self.stream.some(others[1:], more)]

    def run(self) -> None:
        """All of it."""
        pace = self.stream.pick(SLY_PACES if self.sly else PACES)
        last = self.tally.inputs + EPISODE
        place = 0
        while self.tally.inputs < last:
            place += 1
            try:
                self._turn(place, pace)
            except FoundError as found:
                raise self._tell_where(place, found.what) from found
            except Exception as problem:
                raise self._tell_where(place, explain(problem)) from problem
        self._compare_twin()
        for host in self.victims:
            self._weigh(host)

    def _tell_where(self, place: int, what: str) -> FoundError:
        where = f"input {place} of an episode from '{self.scene.label}'"
        event = msgspec.msgpack.encode(self.told) if self.told is not None else b""
        return FoundError(f"{where}: {type(self.told).__name__}: {what}", event)

    def _turn(self, place: int, pace: int) -> None:
        """One lie, and what else happens in the meantime."""
        for _ in range(pace - self.stream.below(2) if pace else 0):
            self.world.step()
        victim = self.victims[self.stream.below(4) == 0]
        lie = self.liars.draw(victim)
        self._throw(victim, lie)
        if lie.frame and self.stream.below(2):
            for host in self.others:
                if host is not victim:
                    self._throw(host, lie)
        if place % STATE_EVERY == STATE_EVERY - 1:
            self._weigh(victim)
            if self.twin is None and self.stream.below(8) == 0:
                self._restore(victim)

    def _throw(self, victim: Host, lie: Input) -> None:
        """One input at a door."""
        self.tally.inputs += 1
        self.world.now += lie.later
        event = self._open(victim, lie)
        if event is not None:
            self.tally.read += 1
            began = process_time()
            self.world.tell(victim, event)
            self.tally.measure("slowest ms", 1000 * (process_time() - began))

    def _open(self, victim: Host, lie: Input) -> ev.Event | None:
        """What the core hears of it, if anything. Of tensors the worker is slow to open some."""
        if lie.frame:
            return victim.reception.control(lie.sender, lie.frame)
        if lie.tensor is None:
            return ev.TimerFired()
        header, name, size, finite = lie.tensor
        arrival = victim.reception.bulk(lie.sender, header, None, size)
        if arrival is None:
            return None
        if self.stream.below(50):
            victim.reception.opened(arrival)
        match arrival.kind:
            case Bulk.PART:
                return ev.PartArrived(arrival.head, lie.sender, name, size, finite)
            case Bulk.RESULT:
                return ev.ResultArrived(arrival.head, lie.sender, name, size, finite)
            case Bulk.BLOB:
                return ev.BlobArrived(name, size, finite)

    # --- what must hold ---------------------------------------------------------------------------

    def watch(self, host: Host, event: ev.Event, effects: list[fx.Effect]) -> None:
        """Look at one turn of a core."""
        self.told = event
        if host.me in self.world.liars:
            return
        if effects:
            self._judge_effects(host, effects)
        if self.twin is not None and self.twin[0] is host:
            again = self.twin[1].handle(event, self.world.now)
            require(encode_effects(again) == encode_effects(effects), "a restored core differs")
        if self.tally.inputs % LOGGED == 0:
            self._log(event, effects)

    def _judge_effects(self, host: Host, effects: list[fx.Effect]) -> None:
        sends = count_sends(effects)
        self.tally.count("effects", len(effects))
        self.tally.measure("sends of one event", sends)
        require(sends <= self.sends_max, f"{sends} messages after one event")
        for effect in effects:
            if isinstance(effect, fx.Broadcast):
                slot = effect.head + bytes([effect.stage])
                said = host.slots.setdefault(slot, effect.payload)
                require(
                    said == effect.payload, f"signs {effect.stage.name} twice (SecondBodyError)"
                )
            elif isinstance(effect, fx.SendBlob):
                require(effect.digest in host.held, "sends bytes that it does not hold")

    def _log(self, event: ev.Event, effects: list[fx.Effect]) -> None:
        """As recorder and replay do."""
        written = msgspec.msgpack.encode(Entry(self.world.now, event, effects))
        require(msgspec.msgpack.encode(_ENTRIES.decode(written)) == written, "a log entry changes")
        render_event(self.narrator, self.world.now, event)
        for effect in effects:
            render_effect(self.narrator, effect)

    def _weigh(self, host: Host) -> None:
        size = len(host.core.snapshot())
        self.tally.measure("state bytes", size)
        self.tally.measure("share of its bound", size / self.state_max)
        require(size <= self.state_max, f"a state of {size} bytes")

    def _restore(self, host: Host) -> None:
        """Let a core made of its snapshot hear the same from now on."""
        state = host.core.snapshot()
        core = self.world.restore(host.me, state)
        require(core.snapshot() == state, "a snapshot of a restored core differs")
        self.twin = (host, core)

    def _compare_twin(self) -> None:
        if self.twin is not None:
            host, core = self.twin
            self.tally.count("restored")
            require(core.snapshot() == host.core.snapshot(), "a restored core ended differently")
