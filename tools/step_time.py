"""What protection costs in time: a whole step, protected and plain, side by side.

The same peers, parameters and gradients, over the same sockets; `protection = "none"` is plain
Butterfly All-Reduce. The two take turns, so that a machine whose load changes shows in both.
Processor time, by the thread that spent it, tells more than the clock where others use the machine.

Passes over d numbers that a protected step costs a peer, in ms at d = 11.2 million and 16 peers,
one thread of a machine in use (* not in a plain step, which takes a mean instead):

    deal the gradient                     8    copy, on huge pages
    digest its parts, seal them       14 + 21  read; read, write
    open PARTs, digest and look       17 + 14 + 4  read, write; read; read
    rows of my part into one matrix       9    copy
    aggregate (CenteredClip) *           26    Gram matrix, combination, distances
    seal my result for each peer         21    n times d/n
    open RESULTs, digest and look     17 + 14 + 4
    project my row and my column *       50    a difference, its norm, a matrix product each
    norms of results and directions *    18
    gather, update                   11 + 35
    digest and write the parameters  13 + 12  44.7 MB into the page cache

Fresh memory is what varies: a page fault of 4 kB takes 2.5 us in a virtual machine, 27 ms a
gradient, and much of what a task's own temporaries cost.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console

from tools.experiment import QUADRATIC, RUNS, Plan, markdown, report, run_plan
from tools.kernel import Effort, find_peers, read_effort
from zpeer.swarm.view import PlainView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.observations import StepDecided
    from zpeer.swarm.scoreboard import Scoreboard

PROTECTIONS = ("full", "none")
STAGES = ("commit", "aggregated", "reveal", "projections", "check", "verdict", "decided")


class Watching(PlainView):
    """Lines, and beside them the processor time of all peers from the first step on."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._first: tuple[int, Effort] | None = None
        self._last: tuple[int, Effort] = (0, Effort())

    def update(self, board: Scoreboard, now: float) -> None:
        """Look between the first step and the last: what a thread spent is gone when it ends."""
        super().update(board, now)
        efforts = [read_effort(pid) for pid in find_peers()]
        is_whole = len(efforts) == len(board.members) and all(map(all, efforts))
        if not is_whole or not 0 < board.counted < board.steps:
            return
        total = Effort()
        for effort in efforts:
            total = total.plus(effort)
        self._last = (board.counted, total)
        self._first = self._first or self._last

    @property
    def effort(self) -> Effort:
        """Of the swarm, a step."""
        steps, spent = self._last
        first, before = self._first or self._last
        return Effort().plus(spent.plus(before, -1.0), 1 / max(steps - first, 1))


class Times(NamedTuple):
    """What the turns of one protection took."""

    seconds: list[float]
    stages: dict[str, list[float]]
    efforts: list[Effort]

    def take(self, steps: Sequence[StepDecided], effort: Effort) -> None:
        """One turn: the steps of a peer but for the first, and what the swarm spent a step."""
        self.efforts.append(effort)
        for each in steps[1:]:
            self.seconds.append(each.seconds)
            for stage, value in each.stage_seconds.items():
                self.stages.setdefault(stage, []).append(value)

    def clock(self) -> list[str]:
        """Medians: of a step, and of its stages."""
        stages = [median(self.stages.get(stage, [0.0])) for stage in STAGES]
        return [f"{value:.3f}" for value in (median(self.seconds), *stages)]

    def processor(self) -> list[str]:
        """Medians over turns: of all, and of the parts."""
        parts = [median(part) for part in zip(*self.efforts, strict=True)]
        return [f"{value:.3f}" for value in (sum(parts), *parts)]


def main() -> int:
    """Take turns, then show medians."""
    parser = argparse.ArgumentParser(
        prog="tools/step_time",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--peers", type=int, default=8)
    parser.add_argument("--dimension", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--patience", type=float, default=60.0, help="run.patience, in seconds")
    parser.add_argument("--ratio-max", type=float, default=None, help="fail above this ratio")
    options = parser.parse_args()
    console = Console(stderr=True)
    times = {name: Times([], {}, []) for name in PROTECTIONS}
    problems = []
    for turn in range(options.turns):
        for name in PROTECTIONS:
            changes = {
                "run.steps": options.steps,
                "run.protection": name,
                "run.patience": options.patience,
                "task.dimension": options.dimension,
            }
            plan = Plan(name, options.peers, changes=changes, template=QUADRATIC)
            console.rule(f"turn {turn + 1} of {options.turns}: protection = {name!r}")
            view = Watching(console)
            result = run_plan(plan, RUNS / "step_time" / name, view)
            problems += result.board.problems()
            times[name].take(result.steps(result.names[0]), view.effort)
    print(f"{options.peers} peers, d = {options.dimension:,}: seconds a step, medians\n")
    clock = [[name, *times[name].clock()] for name in PROTECTIONS]
    print(markdown(["protection", "step", *STAGES], clock))
    print("\nprocessor seconds of all peers a step, gradients included\n")
    processor = [[name, *times[name].processor()] for name in PROTECTIONS]
    print(markdown(["protection", "all", *Effort._fields], processor))
    ratio = median(times["full"].seconds) / median(times["none"].seconds)
    print(f"\nprotected over plain, by the clock: {ratio:.2f}")
    if options.ratio_max is not None and not ratio <= options.ratio_max:
        problems.append(f"ratio {ratio:.2f}, expected at most {options.ratio_max}")
    return report(problems)


if __name__ == "__main__":
    sys.exit(main())
