"""What agreement costs: a crash, at every stage, and a step in which nothing is wrong.

1. One of 8 peers dies (`kill -9`) just before it would say something. That may cost the others at
   most the deadline of what they wait for, and the slow path. Both are computed from the records:
   the deadline is the sum of the agreed durations from the start of the attempt, the slow path F+1
   rounds and the time in which a closed set may come. Who dies before its VERDICT keeps the others
   twice: most have voted, so the record stands and the dead peer in its roster, and the next
   attempt waits for its COMMIT.
2. The same run with `agreement = "full"` and with `"stop"`, which knows neither calls nor slow
   path. The two take turns, first one and then the other at the front, so that a machine whose load
   changes shows in both, until the ratio of their median steps is known well enough. The fast path
   must send the same broadcasts, and its median step be at most 5% longer.

Exits with 1 where a bound does not hold. The runs lie under runs/agreement_cost/.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from math import exp, inf, log, sqrt
from statistics import mean, median, stdev
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console

from tools.experiment import QUADRATIC, ROOT, RUNS, Plan, Result, markdown, report, run_plan
from tools.faults import KILLED, PEERS, WARM_UP, Fault
from tools.process_faults import find_problems
from tools.scene import play
from tools.spoken import count_messages, find_stuck
from tools.step_time import Watching
from zpeer.runs.documents import read_document, set_section, write_text
from zpeer.signed import STEP_STAGES, Stage
from zpeer.swarm.view import PlainView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tools.kernel import Effort
    from tools.scene import Scene, Wait
    from tools.spoken import Stuck

HOME = RUNS / "agreement_cost"
DYING = ROOT / "tools" / "dying.py"
VICTIM = f"peer-{PEERS - 1}"
SURVIVORS = tuple(f"peer-{place}" for place in range(PEERS - 1))
PATIENCE = 2.0
DIMENSION = 20_000
CRASH_STEPS = WARM_UP + 20
SKIPPED = 2
RATIO_MAX = 1.05
TURNS_LEAST = 4
ERROR_MAX = 0.015
"""Standard error of the ratio with which it is known well enough."""
AGREEMENTS = ("full", "stop")


# --- a crash --------------------------------------------------------------------------------------


def let_die(stage: Stage) -> Callable[[Path], None]:
    """A change of a run's files: one peer dies when it should say something of this stage."""

    def change(run: Path) -> None:
        path = run / "peers" / f"{VICTIM}.toml"
        document: Any = read_document(path)
        document["plugins"] = [str(DYING)]
        attack = {"name": "dying", "stage": stage.name, "start": WARM_UP}
        set_section(document, "attack", attack)
        write_text(path, document.as_string(), is_new=False)

    return change


def watch_death(scene: Scene) -> Iterator[Wait]:
    """Note when it is felt."""
    yield scene.at_step(WARM_UP)
    scene.begin()
    yield scene.someone_waits


class Crash(NamedTuple):
    """What the death of a peer cost the others."""

    stage: Stage
    costs: dict[str, list[Stuck]]
    """Of every survivor, by the attempts that got stuck."""
    problems: list[str]


def crash(stage: Stage, console: Console) -> Crash:
    """One run."""
    changes = {"run.steps": CRASH_STEPS, "run.patience": PATIENCE, "task.dimension": DIMENSION}
    plan = Plan(stage.name, PEERS, changes=changes, template=QUADRATIC)
    home = HOME / f"crash-{stage.name.lower()}"
    outcome = play(plan, home, watch_death, PlainView(console), change=let_die(stage))
    fault = Fault(f"crash before {stage.name}", watch_death, 0, {VICTIM: (KILLED,)})
    costs = {name: find_stuck(home / "state" / name / "log") for name in SURVIVORS}
    problems = find_problems(fault, outcome)
    for name, stuck in costs.items():
        stages = [each.stage for each in stuck]
        expected = [stage] if stage is not Stage.VERDICT else [stage, Stage.COMMIT]
        if stages != expected:
            problems.append(f"{fault.label}: {name} was stuck in {stages}, expected {expected}")
        problems += [
            f"{fault.label}: {name} lost {each.lost:.2f} s, at most {each.bound:.2f} s"
            for each in stuck
            if not each.lost <= each.bound
        ]
    return Crash(stage, costs, problems)


def show_crash(result: Crash) -> list[str]:
    """A line of the table: of the survivor that lost most."""
    most = max(result.costs.values(), key=lambda stuck: sum(each.lost for each in stuck))
    columns = [
        (each.waited, each.deadline, each.agreeing, each.agreeing_max, each.lost, each.bound)
        for each in most
    ]
    totals = [sum(column) for column in zip(*columns, strict=True)] or [0.0] * 6
    return [result.stage.name, str(len(most)), *(f"{each:.2f}" for each in totals)]


CRASH_HEADER = [
    *("dies before", "stuck attempts", "waited, s", "deadline, s", "slow path, s", "at most, s"),
    *("lost, s", "bound, s"),
]


# --- a step ---------------------------------------------------------------------------------------


class Turns:
    """What the runs of one kind took and sent."""

    def __init__(self) -> None:
        self.seconds: list[list[float]] = []
        self.efforts: list[Effort] = []
        self.messages: Counter[str] = Counter()
        self.peer_steps = 0
        self.control_bytes: list[float] = []

    def take(self, result: Result, effort: Effort) -> None:
        """One turn."""
        self.efforts.append(effort)
        steps = {name: result.steps(name)[SKIPPED:] for name in result.names}
        self.seconds.append([each.seconds for each in steps[result.names[0]]])
        for name in result.names:
            count, sent = count_messages(result.directory / "state" / name / "log", SKIPPED)
            self.messages += sent
            self.peer_steps += count
            self.control_bytes += [each.bytes_sent - each.bulk_bytes_sent for each in steps[name]]

    @property
    def step_seconds(self) -> float:
        """Median of all."""
        return median(second for turn in self.seconds for second in turn)

    def rate(self, kinds: set[str], *, others: bool = False) -> float:
        """Messages of these kinds a peer sent in a step; or of all others."""
        count = sum(n for kind, n in self.messages.items() if (kind in kinds) is not others)
        return count / max(self.peer_steps, 1)


BROADCASTS = {stage.name for stage in STEP_STAGES}


def show_turns(name: str, turns: Turns) -> list[str]:
    """A line of the table."""
    parts = [sum(effort) for effort in turns.efforts]
    return [
        name,
        f"{turns.step_seconds:.4f}",
        " ".join(f"{median(turn):.3f}" for turn in turns.seconds),
        f"{median(parts):.3f}",
        f"{turns.rate(BROADCASTS):.2f}",
        f"{turns.rate(BROADCASTS, others=True):.3f}",
        f"{mean(turns.control_bytes):,.0f}",
    ]


STEP_HEADER = [
    *("agreement", "step, s", "by turns", "processor s, all peers"),
    *("stage messages", "others", "bytes but tensors"),
]


def run_turns(turns: int, steps: int, console: Console) -> tuple[dict[str, Turns], list[str]]:
    """Both kinds in turn, at most so often, and what was wrong with the runs."""
    found = {name: Turns() for name in AGREEMENTS}
    problems: list[str] = []
    for turn in range(turns):
        if turn >= TURNS_LEAST and compute_ratio(found).error <= ERROR_MAX:
            break
        for name in AGREEMENTS if turn % 2 == 0 else AGREEMENTS[::-1]:
            console.rule(f'turn {turn + 1}, at most {turns}: agreement = "{name}"')
            changes = {
                "run.steps": steps,
                "run.agreement": name,
                "task.dimension": DIMENSION,
            }
            plan = Plan(name, PEERS, changes=changes, template=QUADRATIC)
            view = Watching(console)
            result = run_plan(plan, HOME / name, view)
            problems += result.board.problems()
            found[name].take(result, view.effort)
    return found, problems


class Ratio(NamedTuple):
    """How much longer a step takes."""

    value: float
    error: float
    """Standard error."""


def compute_ratio(found: dict[str, Turns]) -> Ratio:
    """Of the median steps of two runs that followed each other, the mean over all such pairs."""
    full, stop = (found[name].seconds for name in AGREEMENTS)
    logs = [log(median(a) / median(b)) for a, b in zip(full, stop, strict=True)]
    value = exp(mean(logs))
    return Ratio(value, value * stdev(logs) / sqrt(len(logs)) if len(logs) > 1 else inf)


def judge_turns(found: dict[str, Turns]) -> list[str]:
    """What was promised and is not so."""
    problems = []
    full, stop = (found[name] for name in AGREEMENTS)
    broadcasts = (full.rate(BROADCASTS), stop.rate(BROADCASTS))
    expected = float(len(STEP_STAGES) * (PEERS - 1))
    if broadcasts != (expected, expected):
        problems.append(f"{broadcasts} stage messages a step and peer, expected {expected} in both")
    ratio = compute_ratio(found)
    if not ratio.value <= RATIO_MAX:
        problems.append(f"a step takes {ratio.value:.3f} times as long, at most {RATIO_MAX}")
    return problems


def main() -> int:
    """The crashes, then the steps."""
    parser = argparse.ArgumentParser(
        prog="tools/agreement_cost",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--turns", type=int, default=16, help="at most")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--no-crashes", action="store_true", help="only the steps")
    options = parser.parse_args()
    console = Console(stderr=True)
    problems: list[str] = []
    crashes = []
    for stage in () if options.no_crashes else STEP_STAGES:
        console.rule(f"{VICTIM} dies before its {stage.name}")
        crashes.append(crash(stage, console))
        problems += crashes[-1].problems
    found, wrong = run_turns(options.turns, options.steps, console)
    if crashes:
        print(f"A peer of {PEERS} dies; what the others lost, at most (patience {PATIENCE} s)\n")
        print(markdown(CRASH_HEADER, [show_crash(each) for each in crashes]))
    print(f"\n{PEERS} peers, d = {DIMENSION:,}: a step, messages by peer and step\n")
    print(markdown(STEP_HEADER, [show_turns(name, found[name]) for name in AGREEMENTS]))
    ratio = compute_ratio(found)
    print(f"\nmedian step, full over stop: {ratio.value:.3f}, standard error {ratio.error:.3f}")
    return report([*problems, *wrong, *judge_turns(found)])


if __name__ == "__main__":
    sys.exit(main())
