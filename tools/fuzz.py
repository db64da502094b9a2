"""Mutated inputs at every door of zpeer, by the million: none may make anything happen.

- `decoder`: bytes at the decoders of messages. Only `WireError` comes out.
- `core`: lies of validly signing members of a roster at honest peers' receptions and cores, in the
  middle of runs. Nothing comes out; state, and what one event makes a peer say, stay within bounds
  computed from the limits of messages.
- `files`: logs, evidence (judged, too), settings, keys, greetings. Only the `ZpeerError` that each
  names comes out, and of a greeting `HelloError`, which the transport keeps to itself.

Cases are numbered and drawn from the seed, so a failure prints the command that repeats it, and the
input in hex. The memory of every process is compared with what it was after a first tenth.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import os
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tools.fuzzing.core import CoreDoor
from tools.fuzzing.decoder import DecoderDoor
from tools.fuzzing.doors import HEX_SHOWN, Door, FoundError, Tally, explain, make_stream
from tools.fuzzing.files import FilesDoor
from tools.kernel import read_memory
from zpeer.simulate.sweep import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOORS: dict[str, Callable[[Path], Door]] = {
    "decoder": lambda _: DecoderDoor(),
    "core": lambda _: CoreDoor(),
    "files": FilesDoor,
}
"""Made in a directory of their own."""
CASE_INPUTS = {"decoder": DecoderDoor.case_inputs, "core": CoreDoor.case_inputs} | {
    "files": FilesDoor.case_inputs
}
SHARES = {"decoder": 1.0, "core": 1.0, "files": 0.01}
"""Of the number of inputs asked for."""
CHUNKS = 100
"""Pieces that a door's cases are dealt in."""
WARM = 0.1
GROWTH_BYTES_MAX = 48 << 20
"""Of a process's own memory after that share of its inputs: caches are bounded, but fill slowly."""
ADDRESSES_BYTES = 8 << 30
"""Whoever believes a length of four billion fails here."""
HANGS_AFTER = 900.0
FAILURES_SHOWN = 8

_open: dict[str, Door] = {}
"""The doors of this process."""


class Chunk(NamedTuple):
    """Cases in a row."""

    door: str
    seed: int
    first: int
    cases: int


class Failure(NamedTuple):
    """What a case found."""

    case: int
    what: str
    data: bytes


class Report(NamedTuple):
    """What a chunk came to."""

    tally: Tally
    failures: list[Failure]
    process: int
    own_bytes: int
    """Of the process, when it was done."""
    seconds: float
    """Of processor time."""


class Result(NamedTuple):
    """What a door came to."""

    door: str
    tally: Tally
    failures: list[Failure]
    seconds: float
    """Of processor time, in all processes."""
    memory: tuple[int, int]
    """Of the process that grew most: when it was warm, and at its end."""


def open_door(door: str, directory: str) -> None:
    """Make a process ready: it takes no more than its share of the machine's memory."""
    end_with_parent()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES_BYTES, ADDRESSES_BYTES))
    own = Path(directory) / str(os.getpid())
    own.mkdir()
    _open[door] = DOORS[door](own)
    gc.collect()
    gc.freeze()  # else looking through all that again takes longer than any input


def run_watched(chunk: Chunk) -> Report:
    """The same; a process that hangs ends, and says where."""
    faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
    report = run_chunk(chunk)
    faulthandler.cancel_dump_traceback_later()
    return report


def run_chunk(chunk: Chunk) -> Report:
    """All cases of a chunk, in this process."""
    began = time.process_time()
    tally, failures = run_cases(_open[chunk.door], chunk)
    seconds = time.process_time() - began
    return Report(tally, failures, os.getpid(), read_memory(os.getpid()).own, seconds)


def run_cases(door: Door, chunk: Chunk) -> tuple[Tally, list[Failure]]:
    """Case after case; what one finds does not keep the others from running."""
    tally = Tally()
    failures: list[Failure] = []
    for case in range(chunk.first, chunk.first + chunk.cases):
        try:
            door.run(case, make_stream(chunk.seed, door.name, case), tally)
        except FoundError as found:
            failures.append(Failure(case, found.what, found.data))
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is told with its case
            failures.append(Failure(case, explain(problem), b""))
    return tally, failures


def deal(door: str, seed: int, inputs: int) -> Iterator[Chunk]:
    """Cases for so many inputs, in chunks."""
    cases = max(1, -(-inputs // CASE_INPUTS[door]))
    size = max(1, -(-cases // CHUNKS))
    for first in range(0, cases, size):
        yield Chunk(door, seed, first, min(size, cases - first))


def run_door(door: str, seed: int, inputs: int, workers: int, console: Console) -> Result:
    """All inputs of a door, on some processes of its own."""
    reports: list[Report] = []
    chunks = list(deal(door, seed, inputs))
    with (
        TemporaryDirectory(prefix="zpeer-fuzz-") as directory,
        Progress(console=console, transient=True) as progress,
        ProcessPoolExecutor(workers, get_context("spawn"), open_door, (door, directory)) as pool,
    ):
        task = progress.add_task(door, total=len(chunks))
        waiting = {pool.submit(run_watched, chunk): chunk for chunk in chunks}
        for done in as_completed(waiting):
            try:
                reports.append(done.result())
            except BrokenProcessPool as problem:
                failure = Failure(waiting[done].first, f"a process ended: {problem}", b"")
                return Result(door, Tally(), [failure], 0.0, (0, 0))
            progress.advance(task)
    return sum_up(door, reports)


def sum_up(door: str, reports: list[Report]) -> Result:
    """Everything together, and the memory of the process that grew most."""
    tally = Tally()
    memory: dict[int, list[int]] = {}
    for report in reports:
        tally.add(report.tally)
        memory.setdefault(report.process, []).append(report.own_bytes)
    grown = [(sizes[int(WARM * len(sizes))], sizes[-1]) for sizes in memory.values()]
    return Result(
        door,
        tally,
        [failure for report in reports for failure in report.failures],
        sum(report.seconds for report in reports),
        max(grown, key=lambda pair: pair[1] - pair[0]),
    )


def tell(result: Result, seed: int, console: Console) -> None:
    """What a door found, with the command that repeats it."""
    for failure in result.failures[:FAILURES_SHOWN]:
        console.print(f"\n{result.door}: {failure.what}", markup=False, style="red")
        command = f"tools/fuzz --door {result.door} --seed {seed} --case {failure.case}"
        console.print(f"again: {command}", markup=False, style="bold")
        shown = failure.data.hex()[:HEX_SHOWN]
        console.print(f"input ({len(failure.data)} bytes): {shown}", markup=False, soft_wrap=True)
    if len(result.failures) > FAILURES_SHOWN:
        console.print(f"... and {len(result.failures) - FAILURES_SHOWN} more cases that failed")


def tabulate(results: list[Result], console: Console) -> None:
    """All doors."""
    table = Table(title="mutated inputs")
    for name in ("door", "inputs", "taken", "a core's second", "memory", "at the end", "failed"):
        table.add_column(name, justify="left" if name == "door" else "right")
    for result in results:
        warm, end = (f"{size / (1 << 20):.1f} MiB" for size in result.memory)
        rate = result.tally.inputs / result.seconds if result.seconds else 0.0
        table.add_row(
            result.door,
            f"{result.tally.inputs:,}",
            f"{result.tally.read:,}",
            f"{rate:,.0f}",
            warm,
            end,
            str(len(result.failures)),
        )
    console.print(table)
    for result in results:
        figures = {**result.tally.sums, **result.tally.most}
        words = [f"{what}: {amount:,.6g}" for what, amount in figures.items()]
        console.print(f"{result.door}: {'; '.join(words) or 'nothing else counted'}")


def find_problems(results: list[Result]) -> list[str]:
    """What must not be."""
    problems = [f"{len(r.failures)} cases of {r.door} failed" for r in results if r.failures]
    for result in results:
        warm, end = result.memory
        if end - warm > GROWTH_BYTES_MAX:
            problems.append(
                f"memory at {result.door} grew from {warm:,} to {end:,} bytes;"
                f" expected at most {GROWTH_BYTES_MAX:,} more"
            )
    return problems


def run_again(doors: list[str], seed: int, case: int, console: Console) -> list[Result]:
    """One case, in this process."""
    results = []
    with TemporaryDirectory(prefix="zpeer-fuzz-") as directory:
        for door in doors:
            if door not in _open:
                _open[door] = DOORS[door](Path(directory))
            results.append(sum_up(door, [run_chunk(Chunk(door, seed, case, 1))]))
            tell(results[-1], seed, console)
    return results


def main(arguments: list[str] | None = None) -> int:
    """All doors, or one case."""
    parser = argparse.ArgumentParser(
        prog="tools/fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--inputs", type=int, default=10**7, help="at decoder and core each; files get a hundredth"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--door", choices=DOORS, action="append", help="this one alone")
    parser.add_argument("--case", type=int, help="this one alone, in this process")
    asked = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 120)
    doors = asked.door or list(DOORS)
    if asked.case is not None:
        results = run_again(doors, asked.seed, asked.case, console)
    else:
        results = []
        for door in doors:
            inputs = max(1, int(asked.inputs * SHARES[door]))
            results.append(run_door(door, asked.seed, inputs, asked.workers, console))
            tell(results[-1], asked.seed, console)
    tabulate(results, console)
    problems = find_problems(results)
    for problem in problems:
        console.print(problem, style="red", markup=False)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
