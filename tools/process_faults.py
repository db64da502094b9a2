"""Processes that die or freeze and networks that fail, during real runs of 8 peers, one a run.

The rest must go on and end with equal head, parameters and roster; nobody may be banned, and nobody
removed whom nothing befell. Who was left behind must say so, and end with the exit code for it: 4
removed, 5 cut off. Exits with 1 where anything is otherwise. The runs lie under
runs/process_faults/.

Connections are reset by a relay that all of them lead through; delay, loss and partitions are those
of packets where network namespaces can be made, else the relay imitates them.
"""

from __future__ import annotations

import argparse
import sys
from math import ceil
from typing import TYPE_CHECKING

from rich.console import Console

from tools.experiment import QUADRATIC, RUNS, Plan, markdown, report
from tools.faults import (
    CUT_OFF,
    FINISHED,
    KILLED,
    NAMES,
    PEERS,
    REMOVED,
    WARM_UP,
    Fault,
    make_faults,
    nothing,
)
from tools.namespaces import Switch, isolate
from tools.relay import Relay
from tools.scene import Outcome, play, typical_seconds
from zpeer.swarm.view import PlainView

if TYPE_CHECKING:
    from collections.abc import Sequence

HOME = RUNS / "process_faults"
DIMENSION = 20_000
CALM_STEPS = 40
SPARE = 1.5
"""Times the steps that would do at the pace of the calm run: loads change."""
AFTERWARDS = 20
"""Steps after the fault is over."""
WORDS = {FINISHED: "finished", REMOVED: "removed", CUT_OFF: "cut off", KILLED: "killed"}
MEDIA = {None: "loopback", Relay: "relay", Switch: "packets"}


def make_plan(fault: Fault, steps: int) -> Plan:
    """A run for a fault."""
    changes = {
        "run.steps": steps,
        "run.patience": fault.patience,
        "task.dimension": DIMENSION,
    }
    return Plan(fault.label, PEERS, changes=changes, template=QUADRATIC)


def count_steps(seconds: float, pace: float) -> int:
    """Steps of a run in which something lasts so long."""
    return WARM_UP + ceil(SPARE * seconds / pace) + AFTERWARDS


# --- what must be so ------------------------------------------------------------------------------


def find_problems(fault: Fault, outcome: Outcome) -> list[str]:
    """What is not as it must be."""
    found = [f"{name} had to be ended: it hangs" for name in outcome.hanging]
    if not outcome.is_played and outcome.board.finished:
        found.append("the run was over before the fault was; it needs more steps")
    found += find_wrong_ends(fault, outcome)
    found += find_wrong_departures(fault, outcome)
    different = outcome.board.disagreement()
    return [f"{fault.label}: {each}" for each in [*found, different] if each]


def find_wrong_ends(fault: Fault, outcome: Outcome) -> list[str]:
    """Peers that ended with another exit code than they may, or without a last word."""
    found = []
    for member in outcome.board.members.values():
        allowed = fault.fates.get(member.name, (FINISHED,))
        if member.code not in allowed:
            why = member.ended.reason if member.ended else member.cause
            expected = " or ".join(map(str, allowed))
            found.append(f"{member.name} ended with {member.code}, expected {expected}: {why}")
        elif member.code != KILLED and (member.ended is None or member.ended.code != member.code):
            found.append(f"{member.name} ended with {member.code} without saying so")
    return found


def find_wrong_departures(fault: Fault, outcome: Outcome) -> list[str]:
    """Peers that were banned, that nothing had befallen, or that were kept though they are gone."""
    board = outcome.board
    found = [
        f"{ban.left.peer} was banned: {ban.left.sentence}" for ban in board.bans if ban.left.banned
    ]
    removed = {ban.left.peer for ban in board.bans}
    found += [f"{name} was removed" for name in sorted(removed - set(fault.fates))]
    left = [name for name in board.members if name not in removed]
    for member in board.finished:
        if member.ended and member.ended.roster != left:
            found.append(
                f"{member.name} ends with the roster {member.ended.roster}, expected {left}"
            )
    if board.finished and removed != set(fault.fates):
        found.append(f"removed were {sorted(removed)}, expected {sorted(fault.fates)}")
    return found


# --- what is shown --------------------------------------------------------------------------------


def show_row(fault: Fault, outcome: Outcome) -> list[str]:
    """A line of the table."""
    finished = [each.name for each in outcome.board.finished]
    lost = max((outcome.lost_seconds(name) for name in finished), default=None)
    void = max((outcome.void_attempts(name) for name in finished), default=None)
    return [
        fault.label,
        MEDIA[fault.kind],
        say_fates(fault, outcome),
        f"{len(finished)}",
        "-" if void is None else str(void),
        "-" if lost is None else f"{lost:.1f}",
        f"{outcome.seconds:.0f}",
    ]


def say_fates(fault: Fault, outcome: Outcome) -> str:
    """How those ended whom it struck."""
    codes = [outcome.board.members[name].code for name in fault.fates]
    words = [
        WORDS.get(code, f"exit code {code}") if code is not None else "hangs" for code in codes
    ]
    return ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words)) or "-"


HEADER = [
    *("fault", "over", "became of those struck", "finished", "void attempts"),
    *("seconds the others lost", "seconds"),
]


def main() -> int:
    """A calm run, then a run for each fault."""
    parser = argparse.ArgumentParser(prog="tools/process_faults", description=__doc__)
    parser.add_argument("--only", default="", help="only faults whose label contains this")
    parser.add_argument("--relay", action="store_true", help="imitate the network of packets")
    options = parser.parse_args()
    packets = not options.relay and isolate("tools.process_faults", sys.argv[1:])
    console = Console(stderr=True)
    faults = [each for each in make_faults(packets) if options.only in each.label]
    calm = Fault("none", nothing, 0)
    outcomes = run_all([calm, *faults], console)
    print(markdown(HEADER, [show_row(*each) for each in outcomes]))
    return report([problem for each in outcomes for problem in find_problems(*each)])


def run_all(faults: Sequence[Fault], console: Console) -> list[tuple[Fault, Outcome]]:
    """One after the other; the first one tells how long a step takes on this machine."""
    done: list[tuple[Fault, Outcome]] = []
    pace = 0.0
    for place, fault in enumerate(faults):
        steps = count_steps(fault.seconds, pace) if done else CALM_STEPS
        console.rule(f"{fault.label} ({steps} steps)")
        plan = make_plan(fault, steps)
        outcome = play(plan, HOME / str(place), fault.script, PlainView(console), kind=fault.kind)
        done.append((fault, outcome))
        for problem in find_problems(fault, outcome):
            console.print(problem, style="bold red", soft_wrap=True)
        pace = pace or typical_seconds(outcome.records(NAMES[0]))
    return done


if __name__ == "__main__":
    sys.exit(main())
