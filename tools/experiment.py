"""What demo and measurements share: make a run, run it as a swarm, keep what was seen."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from zpeer.observations import StepDecided
from zpeer.runs.initialise import Attackers, init_local
from zpeer.swarm.driver import make_board, watch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zpeer.swarm.scoreboard import Scoreboard
    from zpeer.swarm.view import View

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "runs"
DIGITS = ROOT / "config" / "digits.toml"
QUADRATIC = ROOT / "tools" / "quadratic.toml"


class Plan(NamedTuple):
    """A run to be made and run."""

    label: str
    peers: int
    attackers: Attackers = Attackers()
    changes: Mapping[str, Any] = {}
    """Values for keys of the template."""
    settings: Mapping[str, Any] = {}
    """Values for keys of every peer file."""
    seed: int = 0
    template: Path = DIGITS


class Result(NamedTuple):
    """A run that is over."""

    plan: Plan
    directory: Path
    board: Scoreboard
    seconds: float
    """From the start of the first process to the end of the last."""

    @property
    def banned_attackers(self) -> list[str]:
        """Attackers that were banned."""
        banned = {ban.left.peer for ban in self.board.bans if ban.left.banned}
        return [
            each.name for each in self.board.members.values() if each.attack and each.name in banned
        ]

    @property
    def lost_honest(self) -> list[str]:
        """Honest peers that were banned or removed; there must be none."""
        gone = {ban.left.peer for ban in self.board.bans}
        return [
            each.name
            for each in self.board.members.values()
            if each.is_honest and each.name in gone
        ]

    def steps(self, name: str) -> list[StepDecided]:
        """The counted steps of a peer, as it told of them."""
        lines = (self.directory / "state" / name / "observations.jsonl").read_bytes().splitlines()
        said = [msgspec.json.decode(line) for line in lines]
        found = [msgspec.convert(each, StepDecided) for each in said if each["type"] == "step"]
        return [each for each in found if each.outcome == "counted"]

    @property
    def names(self) -> list[str]:
        """All peers."""
        return list(self.board.members)


def run_plan(plan: Plan, directory: Path, view: View) -> Result:
    """Make the run in a directory of its own, anew, and watch it to its end."""
    shutil.rmtree(directory, ignore_errors=True)
    init_local(
        plan.template,
        directory,
        plan.peers,
        attackers=plan.attackers,
        changes=plan.changes,
        settings=plan.settings,
        seed=plan.seed,
    )
    board = make_board(directory)
    begin = time.monotonic()
    watch(directory, board, view)
    return Result(plan, directory, board, time.monotonic() - begin)


def percent(share: float | None) -> str:
    """A share for people."""
    return "-" if share is None else f"{share:.1%}"


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A table that reads well as text, too."""
    widths = [max(len(row[place]) for row in [header, *rows]) for place in range(len(header))]

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line(header), rule, *(line(row) for row in rows)])


def report(problems: list[str]) -> int:
    """Print what is wrong; gives the exit code."""
    for problem in problems:
        print(f"problem: {problem}")
    return 1 if problems else 0
