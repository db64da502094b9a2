"""Runs one plan from its start to its end, or to the first promise that is broken."""

from __future__ import annotations

import gc
import shutil
import tempfile
import traceback
from contextlib import contextmanager, nullcontext
from math import inf
from pathlib import Path
from struct import Struct
from time import process_time
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from blake3 import blake3

from zpeer.events import Started
from zpeer.simulate.pardon import Pardons, pardoning
from zpeer.simulate.promises.bounds import BEHIND, longest_attempt
from zpeer.simulate.promises.judges import Judges
from zpeer.simulate.promises.verdicts import Setting, ViolationError
from zpeer.simulate.universe import START_SPREAD, Universe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zpeer.core.machine import Core
    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.recorded.recording import Recorder
    from zpeer.simulate.host import Host
    from zpeer.simulate.plan import Plan

MEMORY_DISK = Path("/dev/shm")  # noqa: S108 - a file system in memory, where there is one
EVENTS_EACH = 600
"""Events a pair of peers and attempt: more than that is a storm."""
GATHERED = 1 << 10
ATTEMPTS_MORE = 60
"""Attempts besides those that count, at most."""


class Failure(msgspec.Struct, frozen=True):
    """How a run failed."""

    check: str
    """The promise; "raised" for an exception in an honest peer."""
    text: str
    event: int
    """How many things had happened."""
    time: float


class Outcome(msgspec.Struct, frozen=True):
    """What became of a plan."""

    failure: Failure | None
    events: int
    time: float
    """Virtual seconds."""
    steps: int
    """Counted steps, once for each honest peer that kept its deadlines."""
    records: int
    """Records likewise, void ones and closing ones among them."""
    seconds: float
    """Of the processor."""
    trace: str
    """Digest of all events in their order: equal runs have equal ones."""
    fallen: tuple[str, ...] = ()
    """What adversaries' own code raised: they went down of it."""
    met: dict[str, int] = {}
    """Records by outcome, and departures by fault."""
    taken: tuple[tuple[int, tuple[int, ...]], ...] = ()
    """For each mutator which of its opportunities it took."""


class Branch(msgspec.Struct, frozen=True):
    """Another future: from event `after` on everything is drawn otherwise."""

    after: int
    future: int


def run_plan(
    plan: Plan,
    *,
    branch: Branch | None = None,
    record: Callable[[Host, Core], Recorder] | None = None,
    keep: Path | None = None,
) -> Outcome:
    """Run a plan. `record` makes logs of honest peers; `keep`: a directory for what peers write."""
    with state_directory(keep) as directory, np.errstate(all="ignore"):
        return Run(plan, directory, branch, record).run()


class Run:
    """One run of one plan."""

    def __init__(
        self,
        plan: Plan,
        directory: Path,
        branch: Branch | None = None,
        record: Callable[[Host, Core], Recorder] | None = None,
    ) -> None:
        self.plan = plan
        self._branch = branch
        self._trace = Trace()
        self._violation: ViolationError | None = None
        self.universe = Universe(plan, directory, self._tell, record=record)
        keys = self.universe.keys.peers
        byzantine = frozenset(keys[each] for each in plan.byzantine)
        self._pardons = Pardons(plan.pardon, byzantine)
        setting = Setting(
            plan,
            self.universe.shared.genesis,
            {peer: each for each, peer in keys.items()},
            frozenset(keys[each] for each in plan.faulty),
            byzantine,
            self._pardons,
        )
        self.judges = Judges(setting, self.universe.shared, self.universe.numerics.gradients)
        self._limit = EVENTS_EACH * len(keys) ** 2 * (plan.steps + ATTEMPTS_MORE)
        self._until = inf

    def run(self) -> Outcome:
        """Start all, let things happen until all are done, look back."""
        began = process_time()
        failure = None
        gc.disable()  # what a run leaves behind is collected when it is over
        try:
            with pardoning(self._pardons) if self.plan.pardon else nullcontext():
                self._start()
                self._turn()
            self.judges.finish()
        except ViolationError as problem:
            failure = self._fail(problem.check, problem.text)
        except Exception as problem:  # noqa: BLE001 - any is a failure of a peer, and reported
            failure = self._fail("raised", describe(problem))
        finally:
            gc.enable()
        universe, judges = self.universe, self.judges
        return Outcome(
            failure=failure,
            events=universe.world.count,
            time=universe.world.now,
            steps=judges.steps,
            records=judges.records,
            seconds=process_time() - began,
            trace=self._trace.hexdigest(),
            fallen=tuple(f"{h.number}: {h.fell}" for h in universe.hosts if h.fell),
            met=dict(judges.met),
            taken=tuple((peer, tuple(m.taken)) for peer, m in universe.mutators.items()),
        )

    def _fail(self, check: str, text: str) -> Failure:
        world = self.universe.world
        return Failure(check, text, world.count, world.now)

    def _start(self) -> None:
        universe = self.universe
        self.judges.start(universe.hosts)
        for host in universe.hosts:
            late = universe.entropy.stream("start", host.me).share()
            universe.world.after(late * START_SPREAD * self.plan.delta, host.start, Started())

    def _turn(self) -> None:
        """Until every honest peer that is still up has stopped."""
        world, progress, branch = self.universe.world, self.judges.progress, self._branch
        while not (progress.is_over and self._is_over()):
            if branch is not None and world.count == branch.after:
                self.universe.entropy.branch(branch.future)
            if not world.step() or world.now > self._until:
                names = ", ".join(f"peer {host.number}" for host in self._waiting())
                raise ViolationError("stall", f"{names} waits for ever, time {world.now:.2f}")
            if self._violation is not None:
                raise self._violation
            if world.count > self._limit:
                raise ViolationError("storm", f"{world.count} events, time {world.now:.2f}")
            progress.passed(world.now)

    def _is_over(self) -> bool:
        """Those who were cut off are given some time more to find out."""
        if self._until == inf:
            genesis = self.universe.shared.genesis
            longest = max(longest_attempt(genesis, base) for base in self.judges.latest)
            self._until = self.universe.world.now + BEHIND * longest
        return not self._waiting()

    def _waiting(self) -> list[Host]:
        return [host for host in self.universe.hosts if host.trusted and host.is_running]

    def _tell(self, host: Host, event: Event, effects: list[Effect]) -> None:
        """What happened in an honest core."""
        tag = event.__struct_config__.tag
        self._trace.add(host.world.now, host.number, tag, len(effects))
        try:
            self.judges.tell(host, event, effects)
        except ViolationError as problem:  # not through the core, whose log would call it a crash
            self._violation = self._violation or problem


class Trace:
    """The digest of what happened in honest cores. What comes is gathered before it is hashed."""

    _entry = Struct("<dHHH")

    def __init__(self) -> None:
        self._hasher = blake3()
        self._waiting: list[bytes] = []

    def add(self, time: float, number: int, tag: object, effects: int) -> None:
        """An event of a kind at a peer, and how many effects it had."""
        self._waiting.append(self._entry.pack(time, number, tag, effects))
        if len(self._waiting) == GATHERED:
            self._flush()

    def _flush(self) -> None:
        self._hasher.update(b"".join(self._waiting))
        self._waiting.clear()

    def hexdigest(self) -> str:
        """Of all so far."""
        self._flush()
        return self._hasher.hexdigest()


def describe(problem: Exception) -> str:
    """The error, and the last lines of ours that it passed."""
    frames = traceback.extract_tb(problem.__traceback__)[-4:]
    where = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))
    return f"{type(problem).__name__}: {problem} ({where})"


@contextmanager
def state_directory(keep: Path | None) -> Iterator[Path]:
    """Where peers write: kept, or in memory and gone afterwards."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    parent = MEMORY_DISK if MEMORY_DISK.is_dir() else None
    made = Path(tempfile.mkdtemp(prefix="zpeer-simulate-", dir=parent))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
