"""The main job, watched: 8 peers train a model together, 3 of them attack, and are banned.

Then the same attack against plain averaging, and a run without attack; one picture and one table of
the three. Everything lies under runs/demo/ afterwards.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from rich.console import Console

from tools.comparison import ATTACKERS, PEERS, START, Comparison, compare
from tools.experiment import RUNS, markdown, percent, report
from zpeer.swarm.driver import CODE_INTERRUPTED
from zpeer.swarm.figure import curve_of, draw
from zpeer.swarm.summary import summarize
from zpeer.swarm.view import make_view

if TYPE_CHECKING:
    from pathlib import Path

    from tools.experiment import Plan, Result

HOME = RUNS / "demo"
PROTECTED_SECONDS_MAX = 60.0
OTHER_SECONDS_MAX = 45.0

NEXT_STEPS = """What to do next (zpeer is .venv/bin/zpeer):
  look into a log       zpeer replay {run}/state/peer-0/log/peer-0 --step {step}
  prove a ban           zpeer verify-evidence {evidence} \\
                          --run {run}/run.toml
  the same swarm again  zpeer swarm {run}
  start peers by hand   zpeer init --from config/digits.toml --peers 4 runs/mine
                        and in four terminals: zpeer run runs/mine/peers/peer-0.toml, peer-1.toml ..
  write an aggregator   plugins/README.md; plugins/aggregators/geometric_median.py is an example
"""


def show_table(results: Comparison) -> str:
    """A line a run."""
    header = ["run", "accuracy", "attackers banned", "honest lost", "seconds", "s a step"]
    rows = [
        [
            each.plan.label,
            percent(each.board.figure("accuracy")),
            f"{len(each.banned_attackers)} of {each.plan.attackers.count}",
            str(len(each.lost_honest)),
            f"{each.seconds:.1f}",
            f"{each.board.step_seconds:.2f}",
        ]
        for each in results
    ]
    return markdown(header, rows)


def find_slow(results: Comparison) -> list[str]:
    """Runs that took longer than promised on two cores."""
    limits = (PROTECTED_SECONDS_MAX, OTHER_SECONDS_MAX, OTHER_SECONDS_MAX)
    return [
        f"{each.plan.label}: took {each.seconds:.0f} s, expected at most {limit:.0f} s"
        for each, limit in zip(results, limits, strict=True)
        if each.seconds > limit
    ]


def next_steps(protected: Result) -> str:
    """What a newcomer can do now, with paths of this run."""
    evidence = relative(next(iter(protected.board.evidence.values()), "FILE.evidence"))
    return NEXT_STEPS.format(run=relative(HOME / "protected"), evidence=evidence, step=START)


def relative(path: Path | str) -> str:
    """A path as it is typed in the clone."""
    return str(path).removeprefix(f"{RUNS.parent}/")


def main() -> int:
    """Run all three, then sum up."""
    parser = argparse.ArgumentParser(prog="tools/demo", description=__doc__)
    parser.add_argument("--plain", action="store_true", help="plain lines instead of a live view")
    parser.add_argument("--attack", default="sign_flip", help="any attack that zpeer plugins lists")
    options = parser.parse_args()
    console = Console()

    def announce(plan: Plan) -> None:
        console.rule(f"{plan.label}: {plan.peers} peers, {plan.attackers.count} of them attack")

    results = compare(
        HOME,
        lambda: make_view(console, plain=options.plain),
        attack=options.attack,
        before=announce,
        after=lambda result: summarize(console, result.board, None),
    )
    picture = HOME / "demo.png"
    curves = [curve_of(each.board, each.plan.label) for each in results]
    draw(picture, curves, f"{PEERS} peers, {ATTACKERS} attack ({options.attack})", START)
    console.rule("all three")
    print(show_table(results))
    print(f"\npicture: {relative(picture)}\n")
    print(next_steps(results.protected))
    return report([*results.problems(), *find_slow(results)])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted: all peers were ended", file=sys.stderr)
        sys.exit(CODE_INTERRUPTED)
