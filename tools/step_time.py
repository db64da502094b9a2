"""What protection costs in time: a whole step, protected and plain, side by side.

The same peers, parameters and gradients, over the same sockets; `protection = "none"` is plain
Butterfly All-Reduce. The two take turns, so that a machine whose load changes shows in both.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median

from rich.console import Console

from tools.experiment import QUADRATIC, RUNS, Plan, markdown, report, run_plan
from zpeer.view import PlainView

PROTECTIONS = ("full", "none")
STAGES = ("commit", "aggregated", "reveal", "projections", "check", "verdict", "decided")


def main() -> int:
    """Take turns, then show medians."""
    parser = argparse.ArgumentParser(prog="tools/step_time", description=__doc__)
    parser.add_argument("--peers", type=int, default=8)
    parser.add_argument("--dimension", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--ratio-max", type=float, default=None, help="fail above this ratio")
    options = parser.parse_args()
    console = Console(stderr=True)
    seconds: dict[str, list[float]] = {name: [] for name in PROTECTIONS}
    stages: dict[str, dict[str, list[float]]] = {name: {} for name in PROTECTIONS}
    problems = []
    for turn in range(options.turns):
        for name in PROTECTIONS:
            changes = {
                "run.steps": options.steps,
                "run.protection": name,
                "task.dimension": options.dimension,
            }
            plan = Plan(name, options.peers, changes=changes, template=QUADRATIC)
            console.rule(f"turn {turn + 1} of {options.turns}: protection = {name!r}")
            result = run_plan(plan, RUNS / "step_time" / name, PlainView(console))
            problems += result.board.problems()
            for each in result.steps(result.names[0])[1:]:
                seconds[name].append(each.seconds)
                for stage, value in each.stage_seconds.items():
                    stages[name].setdefault(stage, []).append(value)
    rows = [
        [
            name,
            f"{median(seconds[name]):.3f}",
            *(f"{median(stages[name].get(stage, [0.0])):.3f}" for stage in STAGES),
        ]
        for name in PROTECTIONS
    ]
    print(
        f"{options.peers} peers, d = {options.dimension:,}: median seconds a step, and by stage\n"
    )
    print(markdown(["protection", "step", *STAGES], rows))
    ratio = median(seconds["full"]) / median(seconds["none"])
    print(f"\nprotected over plain: {ratio:.2f}")
    if options.ratio_max is not None and not ratio <= options.ratio_max:
        problems.append(f"ratio {ratio:.2f}, expected at most {options.ratio_max}")
    return report(problems)


if __name__ == "__main__":
    sys.exit(main())
