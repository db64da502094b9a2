"""Runs every attack that ships, in every variant: alone among 8 peers, as a plot of as many as may
attack (3 of 8, and 7 of 16 for one variant of each attack and fault), and different ones at once.

A line a run: the faults that are named, after how many attempts the attackers were gone (the first
and the last of them), and honest peers lost: none, or, where a dispute ends by ELIMINATE, one for
each attacker at most; there fewer attack, so that a run is left. A second table has a line for
each fault. What is no fault must cost nobody the place.

Exits with 1 where an attacker stays or leaves for something else, another honest peer is lost,
honest peers differ, or a ban is not proven by its evidence. All in one process, softmax regression
on the digits. Entropy is fixed: equal seeds, equal tables.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median_low
from typing import TYPE_CHECKING, NamedTuple

import torch
from rich.console import Console
from rich.table import Table

from tests.attacks.cases import CASES, FLOODS, HARMLESS, LED, PLOTS, Case
from tests.attacks.harness import check_evidence, check_gone, check_unharmed, run_mix, run_plot
from tests.attacks.mixes import BIG_MIXES, MIXES, Mix
from tests.swarms import Softmax
from tools.experiment import markdown
from zpeer.faults import FaultKind, is_ban

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.attacks.harness import Trial


PEERS, PLOTTERS = 8, 3
DRAWN = 5
"""Steps of a case that waits for draws, in the tests; here it gets more."""
SEEN = 2
"""Steps of a case that is seen at once."""
FEW = 5
"""Steps that show it here, whatever it costs; one more for each attacker where they go in turn."""


COVERED = {"wrong_average", "unpublished_parts", "covered_shift", "colluding_cover"}
"""Shifts with a cover. Where too few cover too much, the sum fails first."""
AGAIN = 2
"""So often a run that waits for draws is made again."""


class Line(NamedTuple):
    """What became of one run."""

    attack: str
    who: str
    left: tuple[tuple[FaultKind, int], ...]
    """Why attackers left first, and in which attempt, counted from 1; in that order."""
    attackers: int
    lost: tuple[FaultKind, ...]
    """Why honest peers left."""
    accuracy: float
    seconds: float
    problem: str


class Job(NamedTuple):
    """A run to make."""

    attack: str
    who: str
    make: Callable[[Path, int], Trial]
    judge: Callable[[Trial], None]
    draws: bool = False
    """Whether attackers are found by draws alone: who validates in the last step is not drawn for
    it, so a run that is short may end too early, and is made again by other entropy."""


def plan_case(case: Case, attackers: int, peers: int, steps: int) -> Job:
    """One attack by peers 1, 3, 5, ...; half as many where each may take an honest one along, and
    an even number where it takes two: the odd one's lies would be too small to be accused."""
    if case.takes_one:
        attackers = max(min(attackers, 2), attackers // 2)
    elif case.plot and not case.alone:
        attackers -= attackers % 2
    places = range(1, 2 * attackers, 2)
    steps = count_steps(case, attackers, steps)

    def make(path: Path, seed: int) -> Trial:
        given = case.parameters
        return run_plot(path, case.name, given, places, peers=peers, steps=steps, seed=seed)

    def judge(trial: Trial) -> None:
        check_unharmed(trial, takes_one=case.takes_one)
        if case.plot:
            too_few = {FaultKind.WRONG_SUM} if case.name in COVERED else set()
            check_gone(trial, case.plot | too_few)
        else:
            assert trial.departures == [], trial.faults
        check_evidence(trial)

    return Job(case.label, f"{attackers} of {peers}", make, judge, case.steps >= DRAWN)


def plan_mix(mix: Mix) -> Job:
    """Different attacks at once."""

    def judge(trial: Trial) -> None:
        check_unharmed(trial, takes_one=True)
        check_evidence(trial)
        assert {result.name for result in trial.attackers} & set(trial.faults), "nobody left"

    names = ", ".join(name for name, _ in mix.attacks.values())
    who = f"{len(mix.attacks)} of {mix.peers}"
    return Job(f"{mix.title}: {names}", who, lambda path, seed: run_mix(path, mix, seed), judge)


def count_steps(case: Case, attackers: int, steps: int) -> int:
    """Who is only found when it is drawn needs many."""
    if case.steps >= DRAWN:
        return steps
    return min(steps, FEW + attackers if case.steps > SEEN else FEW)


def plan(only: Sequence[str], *, small: bool, steps: int) -> Iterator[Job]:
    """All runs, or those of the attacks that are called so."""
    for case in (*CASES, *HARMLESS, *FLOODS, *LED):
        if only and case.name not in only:
            continue
        if case.alone or not case.plot:
            yield plan_case(case, 1, PEERS, steps)
        yield plan_case(case, PLOTTERS, PEERS, steps)
        if case in PLOTS and not small:
            yield plan_case(case, 7, 16, steps)
    for mix in MIXES if small else (*MIXES, *BIG_MIXES):
        if not only or {name for name, _ in mix.attacks.values()} & set(only):
            yield plan_mix(mix)


def measure(job: Job, seed: int) -> Line:
    """Make a run and look at what became of it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        trial = job.make(Path(directory), seed)
        problem = ""
        try:
            job.judge(trial)
        except AssertionError as found:
            problem = str(found) or "see tests/attacks/harness.py"
    honest = {result.name for result in trial.honest}
    left = find_left(trial)
    return Line(
        attack=job.attack,
        who=job.who,
        left=tuple(why for name, why in left.items() if name not in honest),
        attackers=len(trial.attackers),
        lost=tuple(fault for name, (fault, _) in left.items() if name in honest),
        accuracy=find_accuracy(trial),
        seconds=time.monotonic() - began,
        problem=problem,
    )


def find_accuracy(trial: Trial) -> float:
    """Of what an honest peer that was there to the end has learnt."""
    witness = next(p for p in trial.swarm.honest if p.reporter.name == trial.witness.name)
    return Softmax().evaluate(witness.files.current)["accuracy"]


def find_left(trial: Trial) -> dict[str, tuple[FaultKind, int]]:
    """Why and in which attempt each peer left for the first time."""
    left: dict[str, tuple[FaultKind, int]] = {}
    for attempts, record in enumerate(trial.records, 1):
        for each in record.departures:
            left.setdefault(trial.name_of(each), (each.fault, attempts))
    return left


def describe(line: Line) -> list[str]:
    """The cells of a line."""
    kinds = Counter(fault.name for fault, _ in line.left)
    faults = [name if count == 1 else f"{name} x{count}" for name, count in sorted(kinds.items())]
    attempts = [when for _, when in line.left]
    spread = "" if not attempts else f"{min(attempts)}"
    if attempts and max(attempts) > min(attempts):
        spread += f"-{max(attempts)}"
    return [
        line.attack,
        line.who,
        ", ".join(faults) or "none",
        f"{len(line.left)}",
        spread,
        f"{len(line.lost)}",
        f"{line.accuracy:.2f}",
        f"{line.seconds:.1f}",
    ]


HEADER = ["attack", "attackers", "fault named", "gone", "attempts", "honest lost", "accuracy", "s"]
FAULT_HEADER = ["fault", "outcome", "attackers", "attempts: first", "median", "last", "honest lost"]


def summarise(lines: Sequence[Line]) -> list[list[str]]:
    """A line for each fault: how many left for it, after how many attempts, and at what price."""
    rows = []
    for fault in FaultKind:
        attempts = sorted(when for line in lines for kind, when in line.left if kind is fault)
        lost = sum(line.lost.count(fault) for line in lines)
        if not attempts and not lost:
            continue
        shown = (attempts[0], median_low(attempts), attempts[-1]) if attempts else ("", "", "")
        outcome = "ban" if is_ban(fault) else "removal"
        rows.append([fault.name, outcome, f"{len(attempts)}", *map(str, shown), f"{lost}"])
    return rows


def show(title: str, header: list[str], rows: list[list[str]], console: Console) -> None:
    """A table; numbers to the right."""
    table = Table(title=title)
    for place, name in enumerate(header):
        table.add_column(name, justify="left" if place < 3 else "right")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these attacks")
    parser.add_argument("--small", action="store_true", help="without the swarms of 16")
    parser.add_argument("--steps", type=int, default=24, help="of an attack that waits for draws")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables here too")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=None if sys.stdout.isatty() else 150)
    jobs = list(plan(asked.only, small=asked.small, steps=asked.steps))
    lines: list[Line] = []
    for job in jobs:
        line = measure(job, asked.seed)
        for again in range(1, AGAIN + 1):
            if job.draws and len(line.left) < line.attackers and not line.lost:
                line = measure(job, asked.seed + again)
        lines.append(line)
        what = " | ".join(describe(line))
        print(f"{len(lines)} of {len(jobs)}: {what} {line.problem or 'ok'}", file=sys.stderr)
    tables = [
        (f"{len(lines)} runs under attack", HEADER, [describe(line) for line in lines]),
        ("by fault", FAULT_HEADER, summarise(lines)),
    ]
    for title, header, rows in tables:
        show(title, header, rows, console)
    if asked.markdown:
        asked.markdown.write_text("\n\n".join(markdown(h, rows) for _, h, rows in tables) + "\n")
    broken = [line for line in lines if line.problem]
    for line in broken:
        console.print(f"[red]{line.attack}, {line.who}[/]: {line.problem}")
    console.print(f"{len(broken)} runs not answered" if broken else "every attack is answered")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
