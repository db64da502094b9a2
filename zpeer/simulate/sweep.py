"""Many seeds on all cores, with a file of those that are done.

Each line of that file is one finished seed, under the digest of the code that ran it: a sweep goes
on where it was ended, and seeds that another core finished count for nothing.
"""

from __future__ import annotations

import os
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from enum import StrEnum
from importlib import resources
from inspect import getsourcefile
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import msgspec

from zpeer.errors import ConfigError
from zpeer.ids import digest
from zpeer.recorded.recording import digest_core
from zpeer.simulate.ingredients import plugins
from zpeer.simulate.plan import change_plan
from zpeer.simulate.plans.drawing import draw_plan
from zpeer.simulate.plans.exhaustive import list_plans
from zpeer.simulate.running import run_plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future
    from importlib.resources.abc import Traversable

    from zpeer.simulate.plan import Plan

AHEAD_EACH = 4
"""Seeds that wait for each process."""
NIGHT_SECONDS = 10 * 3600
SIMULATED = ("zpeer.compute", "zpeer.numerics", "zpeer.shell", "zpeer.simulate")
"""Packages besides the core that a run is made of."""


class Source(StrEnum):
    """What numbers stand for."""

    SEEDS = "seeds"
    SCRIPTS = "scripts"
    """Places in the list of `exhaustive`."""


class Finished(msgspec.Struct, frozen=True):
    """One plan that is done."""

    code: str
    """Digest of the core and of the simulator that ran it."""
    source: Source
    seed: int
    """Or its place in the list of scripts."""
    check: str
    """The promise that broke; empty if none did."""
    text: str
    peers: int
    steps: int
    records: int
    seconds: float
    fallen: tuple[str, ...] = ()
    met: dict[str, int] = {}


class Totals(msgspec.Struct):
    """What a sweep came to."""

    seeds: int = 0
    steps: int = 0
    records: int = 0
    seconds: float = 0.0
    large: int = 0
    """Seeds with five peers or more."""
    failed: list[Finished] = []
    fallen: list[Finished] = []
    """Seeds in which an adversary's own code broke."""
    met: dict[str, int] = {}

    def add(self, done: Finished) -> None:
        """One seed more."""
        self.seeds += 1
        self.steps += done.steps
        self.records += done.records
        self.seconds += done.seconds
        self.large += done.peers >= 5  # noqa: PLR2004 - as the promise has it
        for name, count in done.met.items():
            self.met[name] = self.met.get(name, 0) + count
        if done.check:
            self.failed.append(done)
        if done.fallen:
            self.fallen.append(done)

    @property
    def rate(self) -> float:
        """Peer-steps a second and core."""
        return self.steps / self.seconds if self.seconds else 0.0

    @property
    def night(self) -> float:
        """Seeds that a night on one core covers."""
        return NIGHT_SECONDS * self.seeds / self.seconds if self.seconds else 0.0


def list_sources(folder: Traversable) -> Iterator[Traversable]:
    """All modules of a package and of those in it."""
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from list_sources(entry)
        elif entry.name.endswith(".py"):
            yield entry


def digest_code() -> str:
    """Of the core, its vocabulary, what stands around it in a simulation, and the attacks: all that
    a seed's run is made of."""
    fields: list[bytes] = []
    for package in SIMULATED:
        for file in list_sources(resources.files(package)):
            fields += [file.name.encode(), file.read_bytes()]
    for plugin in plugins():
        path = getsourcefile(plugin.factory.call)
        fields += [plugin.name.encode(), Path(path).read_bytes() if path else b""]
    return digest("zpeer/simulate/code", digest_core(), *fields).hex()[:16]


def draw(source: Source, number: int) -> Plan:
    """The plan of a number."""
    return list_plans()[number] if source is Source.SCRIPTS else draw_plan(number, plugins())


def run_number(source: Source, number: int, code: str, *, real_signatures: bool) -> Finished:
    """Run the plan of a number."""
    plan = change_plan(draw(source, number), real_signatures=real_signatures)
    outcome = run_plan(plan)
    failure = outcome.failure
    return Finished(
        code=code,
        source=source,
        seed=number,
        check=failure.check if failure else "",
        text=failure.text if failure else "",
        peers=len(plan.members),
        steps=outcome.steps,
        records=outcome.records,
        seconds=outcome.seconds,
        fallen=outcome.fallen,
        met=outcome.met,
    )


def sweep(
    source: Source,
    numbers: Iterable[int],
    *,
    processes: int,
    real_signatures: bool = False,
    code: str = "",
) -> Iterator[Finished]:
    """Run plans, in processes of their own where there are to be several; in the order they end."""
    code = code or digest_code()
    if processes == 1:
        for number in numbers:
            yield run_number(source, number, code, real_signatures=real_signatures)
        return
    queue = iter(numbers)
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=end_with_parent) as pool:
        under_way: set[Future[Finished]] = set()
        while True:
            for number in queue:
                job = pool.submit(run_number, source, number, code, real_signatures=real_signatures)
                under_way.add(job)
                if len(under_way) >= AHEAD_EACH * processes:
                    break
            if not under_way:
                return
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            yield from (job.result() for job in done)


def end_with_parent() -> None:
    """In a process of a pool: end when who started it has ended, however that came. A pool that is
    killed leaves its processes waiting for ever."""
    parent = parent_process()
    assert parent is not None, "a process of a pool has one that started it"

    def end() -> None:
        wait_for([parent.sentinel])
        os._exit(1)

    Thread(target=end, daemon=True).start()


def read_done(path: Path, source: Source, code: str) -> list[Finished]:
    """What this very code finished, by a file; nothing if there is no file."""
    if not path.exists():
        return []
    found = []
    for place, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            found.append(msgspec.json.decode(line, type=Finished))
        except (msgspec.ValidationError, msgspec.DecodeError) as problem:
            raise ConfigError(f"{path}:{place}: no line of finished seeds: {problem}") from problem
    return [each for each in found if (each.source, each.code) == (source, code)]


def append_done(path: Path, done: Finished) -> None:
    """One seed more in the file."""
    with path.open("ab") as file:
        file.write(msgspec.json.encode(done) + b"\n")


def parse_range(text: str) -> range:
    """A:B as the seeds from A to B - 1; raises ConfigError."""
    first, colon, last = text.partition(":")
    if not (colon and first.isdecimal() and last.isdecimal() and int(first) < int(last)):
        raise ConfigError(f"--seeds {text}: expected A:B, two numbers with A below B")
    return range(int(first), int(last))
