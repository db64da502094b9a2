"""16 peers over sockets, 7 of them attackers: all 7 are banned, and 9 end with equal parameters.

A run for each attack: gradients turned round and a thousand times too long, and two cheats against
the protocol. Exits with 1 where an attacker stays, an honest peer is lost or differs from the
others, or the last ban takes more than 200 steps. The secrets of all peers are fixed; keys and
nonce, and with them who is drawn when, are new in every run. The runs lie under runs/sixteen/.
"""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from tools.experiment import RUNS, Plan, Result, markdown, percent, report, run_plan
from zpeer.ids import digest
from zpeer.runs.initialise import Attackers
from zpeer.swarm.view import make_view

PEERS, ATTACKERS = 16, 7
ATTACKS = ("sign_flip", "wrong_sum", "wrong_projection")
START = 5
STEPS = 80
VALIDATORS = 4
STEPS_MAX = 200
"""The last ban comes within so many steps."""
HOME = RUNS / "sixteen"


def make_plan(attack: str, steps: int) -> Plan:
    """A run in which the last seven peers attack together."""
    return Plan(
        attack,
        PEERS,
        Attackers(ATTACKERS, attack, START),
        changes={"run.steps": steps, "run.validators": VALIDATORS, "run.evaluate_every": 20},
        settings={"entropy": digest("zpeer/sixteen-peers").hex()},
    )


def last_ban(result: Result) -> int:
    """Steps from the first in which they attacked to that of the last ban."""
    steps = [ban.step for ban in result.board.bans]
    return max(steps) - START + 1 if steps else 0


def find_problems(result: Result) -> list[str]:
    """What was claimed and is not so."""
    board, honest = result.board, PEERS - ATTACKERS
    found = list(board.problems())
    if len(result.banned_attackers) != ATTACKERS:
        found.append(f"{len(result.banned_attackers)} of {ATTACKERS} attackers were banned")
    if result.lost_honest:
        found.append(f"honest peers were lost: {', '.join(result.lost_honest)}")
    finished = [each.name for each in board.finished if each.is_honest]
    if len(finished) != honest:
        found.append(f"{len(finished)} honest peers finished, expected {honest}")
    rosters = {tuple(each.ended.roster) for each in board.finished if each.ended}
    if rosters != {tuple(finished)}:
        found.append(f"the finished peers end with the rosters {sorted(rosters)}")
    if last_ban(result) > STEPS_MAX:
        found.append(f"the last ban came after {last_ban(result)} steps, at most {STEPS_MAX}")
    if len(board.evidence) != ATTACKERS:
        found.append(f"evidence against {len(board.evidence)} of {ATTACKERS} attackers")
    return [f"{result.plan.label}: {each}" for each in found]


def show_row(result: Result) -> list[str]:
    """A line of the table."""
    finished = result.board.finished
    ended = finished[0].ended if finished else None
    return [
        result.plan.label,
        f"{len(result.banned_attackers)} of {ATTACKERS}",
        str(len(result.lost_honest)),
        str(len(finished)),
        str(last_ban(result)),
        ended.parameters[:16] if ended and not result.board.disagreement() else "-",
        percent(result.board.figure("accuracy")),
        f"{result.seconds:.0f}",
        f"{result.board.step_seconds:.2f}",
    ]


def main() -> int:
    """Run them one after the other, then sum up."""
    parser = argparse.ArgumentParser(prog="tools/sixteen_peers", description=__doc__)
    parser.add_argument("attacks", nargs="*", default=list(ATTACKS), help="default: all three")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"default: {STEPS}")
    parser.add_argument("--plain", action="store_true", help="plain lines instead of a live view")
    options = parser.parse_args()
    console = Console()
    results = []
    for attack in options.attacks:
        console.rule(f"{PEERS} peers, {ATTACKERS} of them: {attack} from step {START} on")
        plan = make_plan(attack, options.steps)
        results.append(run_plan(plan, HOME / attack, make_view(console, plain=options.plain)))
    header = ["attack", "banned", "honest lost", "finished", "steps to last ban"]
    header += ["parameters of all", "accuracy", "seconds", "s a step"]
    print(markdown(header, [show_row(each) for each in results]))
    return report([problem for each in results for problem in find_problems(each)])


if __name__ == "__main__":
    sys.exit(main())
