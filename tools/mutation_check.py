"""The mutation check: each rule of the core is switched off in turn, and simulations must find it.

The list of rules comes from the core (`zpeer/core/rules*.py`), the patches from `tools/mutating`.
Seeds are looked at in pieces. Each is run once as it is, with every rule watched: a patch that
makes no difference in a run cannot be found by it, so a rule is then switched off in those seeds
alone in which it bites, until a promise breaks. Which promise, at which seed, is the table.

0: every hole was found. 1: some were not.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from tools.mutating.holes import (
    PATCHES,
    RULES,
    Line,
    Tried,
    Watched,
    digest_check,
    try_rule,
    watch_seed,
)
from tools.mutating.outside import OUTSIDE
from zpeer.errors import ConfigError
from zpeer.simulate.sweep import end_with_parent, parse_range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

PIECE = 20
"""Seeds that are looked at together."""


class Lines:
    """What is done, in memory and in a file."""

    def __init__(self, path: Path | None, code: str) -> None:
        self._path = path
        self._code = code
        self.watched: dict[int, Watched] = {}
        self.tried: dict[tuple[str, int, int], Tried] = {}
        for line in read_lines(path) if path else ():
            if line.code == code:
                self._keep(line)

    def add(self, line: Line) -> None:
        """One line more."""
        self._keep(line)
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(line) + b"\n")

    def _keep(self, line: Line) -> None:
        if isinstance(line, Watched):
            self.watched[line.seed] = line
        else:
            self.tried[line.rule, line.first, line.last] = line

    def find(self, rule: str) -> Tried | None:
        """Where a rule was found missing: the first seed."""
        found = [each for each in self.tried.values() if each.rule == rule and each.seed >= 0]
        return min(found, key=lambda each: each.seed, default=None)

    def list_bites(self, rule: str, seeds: Iterable[int]) -> list[int]:
        """Seeds in which a rule bites and nothing is wrong as it is."""
        known = [self.watched[seed] for seed in seeds if seed in self.watched]
        return [each.seed for each in known if rule in each.bites and not each.check]


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a file, if there is one; raises ConfigError."""
    if not path.exists():
        return
    for place, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            yield msgspec.json.decode(line, type=Line)
        except (msgspec.ValidationError, msgspec.DecodeError) as problem:
            raise ConfigError(f"{path}:{place}: no line of this check: {problem}") from problem


class Job(NamedTuple):
    """Something to run in a process of its own."""

    call: Callable[..., Line]
    arguments: tuple[object, ...]


def work(job: Job) -> Line:
    """Do it."""
    return job.call(*job.arguments)


def spread(pool: ProcessPoolExecutor | None, jobs: Iterable[Job]) -> Iterator[Line]:
    """Do all; what is done first is told first, for only what was told is kept."""
    if pool is None:
        yield from map(work, jobs)
    else:
        for done in as_completed([pool.submit(work, job) for job in jobs]):
            yield done.result()


class Check(NamedTuple):
    """All of it."""

    lines: Lines
    code: str
    rules: Sequence[str]
    console: Console

    def run(self, seeds: Sequence[range], processes: int) -> None:
        """Piece by piece, as far as there are rules that were not found missing."""
        context = get_context("spawn")
        pool = ProcessPoolExecutor(processes, context, end_with_parent) if processes > 1 else None
        with pool or nullcontext():
            for piece in deal(seeds):
                for jobs in (self._list_watches(piece), self._list_trials(piece)):
                    for line in spread(pool, jobs):
                        self._take(line)

    def _list_watches(self, piece: range) -> Iterator[Job]:
        for seed in piece:
            if seed not in self.lines.watched:
                yield Job(watch_seed, (seed, self.code))

    def _list_trials(self, piece: range) -> Iterator[Job]:
        span = (piece.start, piece.stop)
        for rule in self.rules:
            bites = self.lines.list_bites(rule, piece)
            if bites and self.lines.find(rule) is None and (rule, *span) not in self.lines.tried:
                yield Job(try_rule, (rule, span, bites, self.code))

    def _take(self, line: Line) -> None:
        self.lines.add(line)
        if isinstance(line, Tried) and line.seed >= 0:
            self.console.print(f"{line.rule}: {line.check} at seed {line.seed}: {line.text}")
        elif isinstance(line, Watched) and line.check:
            self.console.print(f"seed {line.seed} fails as it is: {line.check}")

    def tabulate(self, spans: Sequence[range]) -> int:
        """The table; the number of rules that were not found missing."""
        seeds = [seed for span in spans for seed in span]
        names = ("rule", "section", "instead", "found by", "at seed", "runs", "bites in")
        table = Table(title=f"rules switched off, {len(seeds)} seeds")
        for name in names:
            table.add_column(name, justify="right" if name in names[4:] else "left")
        missing = 0
        for rule in self.rules:
            found = self.lines.find(rule)
            trials = [each for each in self.lines.tried.values() if each.rule == rule]
            missing += found is None
            table.add_row(
                rule,
                RULES[rule].place,
                PATCHES[rule].says,
                found.check if found else "NOT FOUND",
                str(found.seed) if found else "",
                str(sum(each.ran for each in trials)),
                str(len(self.lines.list_bites(rule, seeds))),
            )
        self.console.print(table)
        watched = sum(seed in self.lines.watched for seed in seeds)
        self.console.print(f"{watched} seeds watched; {missing} rules not found missing")
        return missing


def deal(spans: Iterable[range]) -> Iterator[range]:
    """Seeds in pieces."""
    for span in spans:
        for first in range(span.start, span.stop, PIECE):
            yield range(first, min(first + PIECE, span.stop))


def parse_spans(text: str) -> list[range]:
    """A:B, or several of these and of single seeds, with commas; raises ConfigError."""
    parts = text.split(",")
    return [parse_range(part if ":" in part else f"{part}:{int(part) + 1}") for part in parts]


def show_outside(console: Console) -> None:
    """Rules that are upheld elsewhere, and what provokes them."""
    table = Table(title="rules upheld outside the core")
    for name in ("rule", "where", "test"):
        table.add_column(name)
    for each in OUTSIDE:
        table.add_row(each.says, each.where, each.test)
    console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--seeds", default="0:2000", help="A:B, from A to B - 1; or several, with commas"
    )
    parser.add_argument("--rule", action="append", choices=sorted(RULES), help="this one alone")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--done", type=Path, help="a file of what is done; goes on where it ends")
    parser.add_argument("--table", action="store_true", help="only show what is done")
    asked = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    try:
        seeds, code = parse_spans(asked.seeds), digest_check()
        lines = Lines(asked.done, code)
    except (ConfigError, ValueError) as problem:
        print(f"mutation_check: {problem}", file=sys.stderr)
        return 2
    check = Check(lines, code, asked.rule or list(RULES), console)
    if not asked.table:
        check.run(seeds, asked.processes)
    missing = check.tabulate(seeds)
    if asked.rule is None:
        show_outside(console)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
