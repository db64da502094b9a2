"""Puts the run of a plan together: keys, genesis, hosts over the links, adversaries, faults.

Everything follows from the plan. Peers of one process share what is a pure function of bytes:
decoded messages, verified signatures, gradients and projections.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, cast

from zpeer.compute.gradients import Gradients
from zpeer.compute.measures import Measures
from zpeer.core.machine import Core
from zpeer.crypto import Remembered
from zpeer.ids import PeerId, number
from zpeer.plugins import Kind
from zpeer.shell.assembly import Numerics, Own, Plot, assemble
from zpeer.simulate.adversaries.forger import Forging
from zpeer.simulate.adversaries.mutator import Cabal, Mutating
from zpeer.simulate.adversaries.plotting import Plotting
from zpeer.simulate.adversaries.scripted import Scripted
from zpeer.simulate.adversaries.twins import Split
from zpeer.simulate.host import Host, Parcel
from zpeer.simulate.ingredients import make_ingredients, make_keys, plugins
from zpeer.simulate.links import Links
from zpeer.simulate.plan import (
    Break,
    Crash,
    Forger,
    Freeze,
    Hold,
    Known,
    Mutator,
    Plotter,
    Restart,
    Script,
    Twins,
)
from zpeer.simulate.streams import Entropy
from zpeer.simulate.task import Quadratic
from zpeer.simulate.watch import WatchedCore
from zpeer.simulate.world import World
from zpeer.simulation import Slots

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.interfaces import Attack
    from zpeer.recorded.recording import Recorder
    from zpeer.shell.session import Session
    from zpeer.simulate.plan import Adversary, Fault, Plan

SIGNATURES_REMEMBERED = 1 << 15
GRADIENTS_EACH = 8
DECODED_REMEMBERED = 2048
START_SPREAD = 0.5
"""Of Delta: how far apart peers start."""


class Universe:
    """All processes of a run, and the clock they share."""

    def __init__(
        self,
        plan: Plan,
        directory: Path,
        tell: Callable[[Host, Event, list[Effect]], None],
        *,
        record: Callable[[Host, Core], Recorder] | None = None,
    ) -> None:
        self.plan = plan
        self.entropy = Entropy(plan.seed)
        self.world = World(self.entropy)
        self.links = Links(plan.network, plan.delta, self.entropy)
        self.keys = make_keys(plan)
        task = Quadratic(plan.dimension)
        self.shared = make_ingredients(plan, self.keys, task)
        self._directory = directory
        self._tell = tell
        self._record = record
        self._verify = Remembered(self.keys.signatures.verify, SIGNATURES_REMEMBERED)
        self._decode = lru_cache(maxsize=DECODED_REMEMBERED)(self.shared.decode)
        self.numerics = Numerics(
            task,
            Gradients(task, GRADIENTS_EACH * len(plan.members)),
            Measures(self.shared.aggregator.weight),
        )
        self._adversaries = {each.peer: each for each in plan.adversaries}
        self._splits: dict[PeerId, Split] = {}
        self.mutators: dict[int, Mutating] = {}
        self.hosts = [host for each in plan.members for host in self._make_hosts(each)]
        self._by_peer: dict[PeerId, list[Host]] = {}
        for host in self.hosts:
            self._by_peer.setdefault(host.me, []).append(host)
        for fault in plan.faults:
            self._expect(fault)

    def find(self, member: int) -> Host:
        """The process of a peer; of twins the first."""
        return self._by_peer[self.keys.peers[member]][0]

    # --- peers ------------------------------------------------------------------------------------

    def _make_hosts(self, member: int) -> list[Host]:
        """One process, or two with one key."""
        adversary = self._adversaries.get(member)
        if not isinstance(adversary, Twins):
            return [self._make_host(member, adversary, 0)]
        peer = self.keys.peers[member]
        self._splits[peer] = Split(self.entropy, peer, adversary)
        return [self._make_host(member, adversary, side) for side in (0, 1)]

    def _make_host(self, member: int, adversary: Adversary | None, side: int) -> Host:
        peer = self.keys.peers[member]
        host = Host(
            self.world,
            member,
            peer,
            side=side,
            trusted=adversary is None,
            post=self._post,
            cost=lambda: self._cost(peer),
        )
        own = self._make_own(host, adversary)
        record = self._record
        made = assemble(
            self.shared,
            own,
            self.numerics,
            network=host,
            submit=host.submit,
            opener=lambda frame: frame if isinstance(frame, bytes) else None,
            record=(lambda core: record(host, core)) if record and host.trusted else None,
            decode=self._decode,
        )
        host.settle(made, watch(made.session, partial(self._hear, host)))
        return host

    def _make_own(self, host: Host, adversary: Adversary | None) -> Own:
        signatures, peer = self.keys.signatures, host.me
        alike = not isinstance(adversary, Twins) or adversary.alike
        return Own(
            name=f"peer-{host.number:02}",
            me=peer,
            directory=self._directory / f"peer-{host.number:02}-{host.side}",
            entropy=self.entropy.key("secrets", peer, number(0 if alike else host.side)),
            sign=Slots(peer, signatures).sign,
            verify=self._verify,
            observe=lambda _observation: None,
            traffic=host.traffic,
            plot=self._make_plot(host, adversary),
        )

    def _make_plot(self, host: Host, adversary: Adversary | None) -> Plot | None:
        """What the adversary is up to; all of a plan collude."""
        signatures, peer = self.keys.signatures, host.me
        match adversary:
            case Known(attack=name, parameters=parameters):
                attack = cast("Attack", plugins().build(Kind.ATTACK, name, parameters))
            case Mutator():
                cabal = Cabal(self._cabal, signatures.sign, host.throw, self.plan.delta)
                attack = self.mutators[host.number] = Mutating(adversary, self.entropy, cabal)
            case Script():
                attack = Scripted(adversary, self.keys.peers)
            case Forger():
                attack = Forging(adversary)
            case Plotter():
                attack = Plotting(adversary, self.keys.peers)
            case _:
                return None
        start = getattr(adversary, "start", 0)
        return Plot(attack, start, self._cabal, lambda body: signatures.sign(peer, body))

    @property
    def _cabal(self) -> tuple[PeerId, ...]:
        """All adversaries, in roster order."""
        members = [each for each in self.plan.members if each in self.plan.byzantine]
        return tuple(self.keys.peers[each] for each in members)

    def _cost(self, peer: PeerId) -> float:
        """Seconds that a gradient takes."""
        most = self.plan.network.compute_max * self.plan.work
        return most * self.entropy.stream("compute", peer).share() if most else 0.0

    def _hear(self, host: Host, event: Event, effects: list[Effect]) -> None:
        """Something happened in a core: judges hear of it first, then what waits for it."""
        if host.trusted:
            self._tell(host, event, effects)
        if effects:
            record = host.session.record
            host.notice(record.counted if record else 0, effects)

    # --- the network ------------------------------------------------------------------------------

    def _post(self, host: Host, parcel: Parcel) -> None:
        """Put something under way, unless a twin is not shown to its receiver."""
        receivers = self._by_peer.get(parcel.to)
        if receivers is None:
            return
        if self._splits and parcel.sender in self._splits:
            split = self._splits[parcel.sender]
            if not split.shows(host.side, host.speaking, parcel.to):
                return
        world = self.world
        for at in self.links.arrivals(parcel.sender, parcel.to, world.now):
            world.at(at, self._arrive, parcel)

    def _arrive(self, parcel: Parcel) -> None:
        """Hand it over, if the connection stood all the while."""
        if self.links.has_broken and self.links.is_lost(parcel, self.world.now):
            return
        split = self._splits.get(parcel.to) if self._splits else None
        for host in self._by_peer[parcel.to]:
            if split is None or split.hears(host.side, host.speaking, parcel.sender):
                host.deliver(parcel)

    # --- faults -----------------------------------------------------------------------------------

    def _expect(self, fault: Fault) -> None:
        """Let a fault happen when its moment comes."""
        delta, when = self.plan.delta, fault.when
        host = self.find(when.peer)

        def happen() -> None:
            now = self.world.now
            match fault:
                case Hold(last=last, peers=side):
                    self.links.hold(now, last * delta, [self.keys.peers[each] for each in side])
                case Break(last=last, peer=peer, others=others):
                    ids = [self.keys.peers[each] for each in others]
                    self.links.cut(now, last * delta, self.keys.peers[peer], ids)
                case Freeze(last=last):
                    host.freeze(last * delta)
                case Crash():
                    host.crash()
                case Restart(last=last):
                    rest = [each for each in self._by_peer if each != host.me]
                    self.links.cut(now, last * delta, host.me, rest)
                    host.restart(last * delta, lambda core: core.restart(self._restore(host.me)))

        host.wait_for(when, when.later * delta, happen)

    def _restore(self, me: PeerId) -> Callable[[bytes], Core]:
        """Makes a core of a state."""
        shared = self.shared

        def restore(snapshot: bytes) -> Core:
            return Core.restore(
                snapshot,
                shared.genesis,
                me,
                aggregator=shared.aggregator,
                policy=shared.policy,
                limits=shared.limits,
                verify=self._verify,
            )

        return restore


def watch(session: Session, tell: Callable[[Event, list[Effect]], None]) -> WatchedCore:
    """Put a watched core into a session: nothing in a real peer needs that door."""
    core = WatchedCore(session._core, tell)  # noqa: SLF001 - see above
    session._core = cast("Core", core)  # noqa: SLF001 - see above
    return core
