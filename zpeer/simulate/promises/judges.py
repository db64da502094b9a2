"""All checkers of a run behind one ear: what cores are told and say, sorted and handed on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, get_args

from zpeer.core.base import make_first_base, make_next_base
from zpeer.effects import Decide, Stop
from zpeer.events import Event
from zpeer.simulate.promises.averaging import Averaging
from zpeer.simulate.promises.bounds import Memory, Progress, TrafficPerAttempt
from zpeer.simulate.promises.checkers import Agreement, Draws, Fairness, Voids
from zpeer.simulate.promises.claims import Claims
from zpeer.simulate.promises.duties import Duties
from zpeer.simulate.promises.ledger import Ledger
from zpeer.simulate.promises.manners import Manners
from zpeer.simulate.promises.matters import Matters
from zpeer.simulate.promises.punishment import Punishment
from zpeer.simulate.promises.rows import Rows
from zpeer.simulate.promises.settling import Settling
from zpeer.simulate.promises.verdicts import Decision, Setting
from zpeer.simulate.promises.votes import Votes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zpeer.compute.gradients import Gradients
    from zpeer.core.state import Base
    from zpeer.effects import Effect
    from zpeer.ids import Digest, PeerId
    from zpeer.record import Record
    from zpeer.shell.assembly import Ingredients
    from zpeer.simulate.host import Host
    from zpeer.simulate.promises.verdicts import Checker


class Judges:
    """Tells every checker what concerns it. `shared` is what all peers of the run have alike."""

    def __init__(self, setting: Setting, shared: Ingredients, gradients: Gradients) -> None:
        self.setting = setting
        self._shared = shared
        first = make_first_base(shared.genesis, shared.aggregator)
        self._bases: dict[Digest, Base] = {first.head: first}
        self._first = first
        self._at: dict[PeerId, Base] = {}
        self._heights: dict[PeerId, int] = {}
        self._done: set[PeerId] = set()
        self.progress = Progress(setting)
        punishment = Punishment(setting, shared.limits, gradients, shared.aggregator.weight)
        matters = Matters(setting, shared.limits)
        averaging = Averaging(setting, shared.limits)
        settling = Settling(setting, shared.limits)
        rows = Rows(setting, shared.limits, shared.aggregator.weight)
        claims, manners = Claims(setting, shared.limits), Manners(setting, shared.limits)
        votes = Votes(setting, shared.limits)
        self._checkers: tuple[Checker, ...] = (
            Agreement(setting),
            Fairness(setting),
            Draws(setting),
            Voids(setting),
            Ledger(setting, shared.policy),
            Duties(setting),
            averaging,
            claims,
            manners,
            votes,
            punishment,
            matters,
            settling,
            rows,
            self.progress,
            Memory(setting),
            TrafficPerAttempt(setting),
        )
        self._curious: tuple[Checker, ...] = (
            (averaging, claims, manners, votes, punishment, matters, settling, rows)
            if setting.byzantine
            else (claims, manners, votes)
        )
        """Those that look at events, of which there are many."""
        self._listeners = sort_out(self._curious)
        self._watchers = tuple(each for each in self._curious if each.minds_effects)
        self.met: Counter[str] = Counter()
        """What the run came to, by name: outcomes of attempts, and why peers left."""
        self._seen: set[Digest] = set()
        self.records = 0
        self.steps = 0
        """Counted steps, once for each kept peer."""

    def add(self, checker: Checker) -> None:
        """One checker more."""
        self._checkers = (*self._checkers, checker)
        self._curious = (*self._curious, checker)
        self._listeners = sort_out(self._curious)

    def start(self, hosts: list[Host]) -> None:
        """The run begins."""
        trusted = [host.me for host in hosts if host.trusted]
        kept = [peer for peer in trusted if peer not in self.setting.faulty]
        self.progress.start(kept, self._first)

    def tell(self, host: Host, event: Event, effects: list[Effect]) -> None:
        """A core of an honest peer was given an event and said what is to be done."""
        peer, now = host.me, host.world.now
        if peer not in self._done:
            before, is_kept = self._at.get(peer, self._first), peer not in self.setting.faulty
            for checker in self._listeners[type(event)]:
                if is_kept or checker.minds_all:
                    checker.saw(host, before, event, now)
            for checker in self._watchers if effects else ():
                if is_kept or checker.minds_all:
                    checker.said(host, before, effects, now)
        for effect in effects:
            if isinstance(effect, Decide):
                self._decide(host, effect.record, now)
            elif isinstance(effect, Stop):
                self._done.add(peer)
                for checker in self._checkers:
                    checker.stopped(host, effect)

    def _decide(self, host: Host, record: Record, now: float) -> None:
        peer = host.me
        before = self._at.get(peer, self._first)
        after = self._bases.get(record.head)
        if after is None:
            after = make_next_base(self._shared.genesis, self._shared.aggregator, record)
            self._bases[record.head] = after
        height = self._heights.get(peer, 0)
        decision = Decision(host, record, height, before, after, now)
        self._heights[peer] = height + 1
        self._at[peer] = after
        if peer not in self.setting.faulty:
            self.records += 1
            self._count(record)
            self.steps += after.counted > before.counted
        for checker in self._checkers:
            checker.decided(decision)

    def _count(self, record: Record) -> None:
        """Each record once."""
        if record.head in self._seen:
            return
        self._seen.add(record.head)
        self.met[record.outcome.name] += 1
        self.met["VIEWS"] += bool(record.views)
        self.met["CHARGED"] += bool(record.charges)
        self.met.update(departure.fault.name for departure in record.departures)

    @property
    def latest(self) -> list[Base]:
        """Where each honest peer stands."""
        return [self._first, *self._at.values()]

    def finish(self) -> None:
        """Nothing more will happen."""
        for checker in self._checkers:
            checker.finish()


def sort_out(checkers: Iterable[Checker]) -> dict[type[Event], tuple[Checker, ...]]:
    """Whom events of each kind concern."""
    found = tuple(checkers)
    return {kind: tuple(c for c in found if kind in c.hears) for kind in get_args(Event)}
