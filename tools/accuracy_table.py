"""What an attack costs in accuracy: three seeds, each without attack, protected, and unprotected.

Accuracy is the mean of the last five evaluations on the held-out samples (digits: 599). Bound: with
each seed all attackers are banned, no honest peer is, and the protected run ends at most two points
below the one without attack.
"""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from tools.comparison import ATTACKERS, PEERS, Comparison, compare
from tools.experiment import RUNS, markdown, percent, report
from zpeer.swarm.view import PlainView

SEEDS = (0, 1, 2)
HEADER = [
    "seed",
    "no attack",
    "protected",
    "plain averaging",
    "points lost",
    "attackers banned",
    "honest lost",
]


def row(seed: int, results: Comparison) -> list[str]:
    """A line of the table."""
    calm, protected, averaging = results.calm, results.protected, results.averaging
    points = "-" if results.points is None else f"{results.points:+.2f}"
    return [
        str(seed),
        percent(calm.board.figure("accuracy")),
        percent(protected.board.figure("accuracy")),
        percent(averaging.board.figure("accuracy")),
        points,
        f"{len(protected.banned_attackers)} of {ATTACKERS}",
        str(len(protected.lost_honest)),
    ]


def main() -> int:
    """All seeds."""
    parser = argparse.ArgumentParser(prog="tools/accuracy_table", description=__doc__)
    parser.add_argument("--attack", default="sign_flip", help="any attack that zpeer plugins lists")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    options = parser.parse_args()
    console = Console(stderr=True)
    rows, problems = [], []
    for seed in options.seeds:
        results = compare(
            RUNS / "accuracy" / f"seed-{seed}",
            lambda: PlainView(console),
            attack=options.attack,
            seed=seed,
            before=lambda plan, seed=seed: console.rule(f"seed {seed}: {plan.label}"),  # type: ignore[misc]
        )
        rows.append(row(seed, results))
        problems += [f"seed {seed}: {problem}" for problem in results.problems()]
    print(f"{PEERS} peers, {ATTACKERS} attack with {options.attack}\n")
    print(markdown(HEADER, rows))
    return report(problems)


if __name__ == "__main__":
    sys.exit(main())
