"""How fast a core simulates peers, honest ones and drawn plans, and what a night of it covers.

A peer-step is one counted step of one honest peer. Measured is the processor's time of this one
process: all of a run, from its keys to its last checker. Two kinds of runs take turns, so that a
machine whose load changes shows in both:

1. `honest`: 8 peers that all keep to the protocol, no faults; in every turn another seed.
2. `drawn`: what `zpeer simulate --seeds` runs, with liars and faults; in every turn other seeds.

How fast the machine itself was is said with it, in calls of an empty Python function: machines that
are shared differ by more than a factor of two from one minute to the next, and so do these rates.

A night is 10 hours on one core. Exits with 1 where a run broke a promise.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median
from time import process_time
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console

from tools.experiment import markdown, report
from zpeer.simulate.ingredients import plugins
from zpeer.simulate.plan import Plan
from zpeer.simulate.plans.drawing import draw_plan
from zpeer.simulate.running import run_plan
from zpeer.simulate.sweep import NIGHT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

PEERS = 8
CALLS = 1_000_000
HEADER = [
    *("runs", "peer-steps/s a core", "least", "most", "by turns"),
    *("peer-steps a night", "plans a night"),
]


class Turn(NamedTuple):
    """What the runs of one kind came to, and what they took."""

    plans: int
    steps: int
    """Of all honest peers together."""
    seconds: float
    """Of the processor."""

    @property
    def rate(self) -> float:
        """Peer-steps a second."""
        return self.steps / self.seconds


def honest(seed: int, steps: int) -> Plan:
    """Nothing is wrong."""
    return Plan(seed=seed, members=tuple(range(PEERS)), steps=steps)


def take_turn(plans: Iterable[Plan], problems: list[str]) -> Turn:
    """Run them one after another; note what failed."""
    outcomes = []
    for plan in plans:
        outcome = run_plan(plan)
        outcomes.append(outcome)
        if outcome.failure is not None:
            failure = outcome.failure
            problems.append(f"seed {plan.seed} failed {failure.check}: {failure.text}")
    steps = sum(outcome.steps for outcome in outcomes)
    return Turn(len(outcomes), steps, sum(outcome.seconds for outcome in outcomes))


def count_calls() -> float:
    """Millions of calls of an empty function that this core makes in a second."""

    def nothing() -> None: ...

    began = process_time()
    for _ in range(CALLS):
        nothing()
    return CALLS / (process_time() - began) / 1e6


def show_row(name: str, turns: list[Turn]) -> list[str]:
    """A line of the table. Rates of turns scatter with the load, which only slows down: of what a
    night covers the median speaks."""
    rates = sorted(turn.rate for turn in turns)
    middle = median(rates)
    each = sum(turn.steps for turn in turns) / sum(turn.plans for turn in turns)
    return [
        name,
        f"{middle:.0f}",
        f"{rates[0]:.0f}",
        f"{rates[-1]:.0f}",
        " ".join(f"{turn.rate:.0f}" for turn in turns),
        f"{middle * NIGHT_SECONDS:,.0f}",
        f"{middle * NIGHT_SECONDS / each:,.0f}" if each else "-",
    ]


def main() -> int:
    """Both kinds in turn."""
    parser = argparse.ArgumentParser(
        prog="tools/simulator_speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=50, help="of an honest run")
    parser.add_argument("--seeds", type=int, default=6, help="drawn plans of a turn")
    options = parser.parse_args()
    console = Console(stderr=True)
    problems: list[str] = []
    kinds: dict[str, list[Turn]] = {f"honest, n = {PEERS}": [], "drawn": []}
    run_plan(honest(0, 2))  # what is loaded once belongs to no turn
    calls = []
    for turn in range(options.turns):
        calls.append(count_calls())
        first = options.seeds * turn + 1
        drawn = [draw_plan(seed, plugins()) for seed in range(first, first + options.seeds)]
        for turns, plans in zip(
            kinds.values(), ([honest(turn + 1, options.steps)], drawn), strict=True
        ):
            turns.append(take_turn(plans, problems))
        last = ", ".join(f"{name}: {turns[-1].rate:.0f}" for name, turns in kinds.items())
        console.print(f"turn {turn + 1} of {options.turns}, peer-steps/s: {last}")
    print(markdown(HEADER, [show_row(name, turns) for name, turns in kinds.items()]))
    by_turns = " ".join(f"{each:.1f}" for each in calls)
    print(f"million empty calls/s of this core, by turns: {by_turns}; median {median(calls):.1f}")
    return report(problems)


if __name__ == "__main__":
    sys.exit(main())
