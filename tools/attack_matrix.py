"""Runs every shipped attack that costs its peer the place: 16 peers, 7 attackers, one process.

A line an attack: the fault that is named, attempts until the last attacker had left, and honest
peers lost: none, or, where a dispute ends by ELIMINATE, one for each attacker at most; there fewer
attack, so that a run is left. Exits with 1 where an attacker stays, another honest peer is lost,
honest peers differ, or a ban is not proven by its evidence. Entropy is fixed: equal seeds, equal
tables.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from rich.console import Console
from rich.table import Table

from tests.attacks.cases import CASES, PLOTS, Case
from tests.attacks.harness import check_evidence, check_gone, check_unharmed, run_plot
from tests.swarm import Softmax

if TYPE_CHECKING:
    from tests.attacks.harness import Trial


DRAWN = 8
"""Steps of a case that waits for draws."""
SEEN = 2
"""Steps of a case that is seen at once."""
FEW = 5
"""Steps that show it here, whatever it costs; one more for each attacker where they go in turn."""


class Line(NamedTuple):
    """What became of one attack."""

    attack: str
    faults: str
    gone: int
    attackers: int
    lost: int
    last: str
    """Attempts until the last attacker had left, and the step it was."""
    accuracy: float
    seconds: float
    problem: str


def measure(case: Case, peers: int, attackers: int, steps: int, seed: int) -> Line:
    """One attack by peers 1, 3, 5, ...; half as many where each may take an honest one along."""
    began = time.monotonic()
    attackers = max(1, attackers // 2) if case.takes_one else attackers
    with tempfile.TemporaryDirectory() as directory:
        trial = run_plot(
            Path(directory),
            case.name,
            case.parameters,
            range(1, 2 * attackers, 2),
            peers=peers,
            steps=count_steps(case, attackers, steps),
            seed=seed,
        )
        problem = find_problem(trial, case)
    honest = {result.name for result in trial.honest}
    kinds = Counter(fault.name for name, fault in trial.faults.items() if name not in honest)
    return Line(
        attack=case.label,
        faults=", ".join(f"{name} x{count}" for name, count in sorted(kinds.items())),
        gone=sum(kinds.values()),
        attackers=attackers,
        lost=len(honest & set(trial.faults)),
        last=find_last(trial),
        accuracy=Softmax().evaluate(trial.swarm.honest[0].files.current)["accuracy"],
        seconds=time.monotonic() - began,
        problem=problem,
    )


def count_steps(case: Case, attackers: int, steps: int) -> int:
    """Who is only found when it is drawn needs many."""
    if case.steps >= DRAWN:
        return steps
    return min(steps, FEW + attackers if case.steps > SEEN else FEW)


def find_problem(trial: Trial, case: Case) -> str:
    """What did not hold; empty if all did."""
    try:
        check_unharmed(trial, takes_one=case.takes_one)
        check_gone(trial, case.alone if len(trial.attackers) == 1 else case.plot)
        check_evidence(trial)
    except AssertionError as found:
        return str(found) or "see tests/attacks/harness.py"
    return ""


def find_last(trial: Trial) -> str:
    """When the last peer left that had not left before."""
    left: set[bytes] = set()
    last = "never"
    for attempts, record in enumerate(trial.records, 1):
        new = {departure.peer for departure in record.departures} - left
        if new:
            left |= new
            last = f"{attempts} (step {record.step})"
    return last


def show(lines: list[Line], console: Console) -> None:
    """The table."""
    table = Table(title=f"{len(lines)} attacks")
    for name in ("attack", "fault named", "gone", "honest lost", "attempts", "accuracy", "s"):
        table.add_column(name, justify="left" if name in ("attack", "fault named") else "right")
    for line in lines:
        table.add_row(
            line.attack,
            line.faults,
            f"{line.gone} of {line.attackers}",
            str(line.lost),
            line.last,
            f"{line.accuracy:.3f}",
            f"{line.seconds:.0f}",
            style="red" if line.problem else "",
        )
    console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--peers", type=int, default=16)
    parser.add_argument("--attackers", type=int, default=7)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--variants", action="store_true", help="every variant of each, longer")
    parser.add_argument("attacks", nargs="*", help="names, with all variants; else every attack")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=None if sys.stdout.isatty() else 150)
    is_all = asked.variants or asked.attacks
    chosen = [
        case
        for case in (CASES if is_all else PLOTS)
        if not asked.attacks or case.name in asked.attacks
    ]
    lines: list[Line] = []
    for case in chosen:
        line = measure(case, asked.peers, asked.attackers, asked.steps, asked.seed)
        lines.append(line)
        print(f"{line.attack}: {line.faults}; {line.last}; {line.problem or 'ok'}", file=sys.stderr)
    show(lines, console)
    broken = [line for line in lines if line.problem]
    for line in broken:
        console.print(f"[red]{line.attack}[/]: {line.problem}")
    console.print(f"{len(broken)} attacks not answered" if broken else "every attack is answered")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
