"""Processes that die or freeze and connections that break: the others go on, and end equal."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from tests.loopback.processes import TEMPLATE, find_processes, last_words, said, zpeer
from tools.experiment import Plan
from tools.faults import KILLED, REMOVED, Fault
from tools.process_faults import find_problems
from tools.relay import Relay
from tools.scene import Outcome, Scene, play
from tools.spoken import find_stuck
from zpeer.faults import FaultKind
from zpeer.observations import StepDecided, Waited
from zpeer.swarm.view import PlainView

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.scene import Wait

pytestmark = pytest.mark.loopback

PEERS = 5
VICTIM = "peer-3"
SLEEPER = "peer-2"
GOING_ON = ("peer-0", "peer-1", "peer-4")
OTHERS = (*GOING_ON, SLEEPER)
WARM_UP = 4
STEPS = 30
PATIENCE = 3.0
RESETS = 6


def run(home: Path, fault: Fault) -> Outcome:
    """A run in which that happens; it must come out as the fault says."""
    template = home / "template.toml"
    template.write_text(TEMPLATE)
    changes = {"run.steps": STEPS, "run.patience": PATIENCE}
    plan = Plan(fault.label, PEERS, changes=changes, template=template)
    view = PlainView(Console(file=StringIO()))
    outcome = play(plan, home / "run", fault.script, view, kind=fault.kind)
    assert find_problems(fault, outcome) == []
    assert not find_processes(home / "run")
    return outcome


def stuck(outcome: Outcome, name: str) -> list[Waited]:
    """What a peer says of attempts that got stuck."""
    return [each for each in said(outcome.directory, name) if isinstance(each, Waited)]


def kill_and_freeze(scene: Scene) -> Iterator[Wait]:
    """One dies, and one sleeps until the others have gone on without both."""
    yield scene.at_step(WARM_UP)
    scene.begin()
    scene.kill(VICTIM)
    scene.freeze(SLEEPER)
    yield lambda: scene.has_left(VICTIM)() and scene.has_left(SLEEPER)()
    scene.thaw(SLEEPER)
    scene.end()


def freeze(scene: Scene) -> Iterator[Wait]:
    yield scene.at_step(WARM_UP)
    scene.begin()
    scene.freeze(VICTIM)
    yield PATIENCE / 3
    scene.thaw(VICTIM)
    scene.end()


def reset(scene: Scene) -> Iterator[Wait]:
    for place in range(RESETS):
        yield scene.at_step(WARM_UP * (place + 1))
        scene.relay.reset()


def test_a_peer_that_is_killed_and_one_that_sleeps_for_long_are_removed_and_the_others_end_equal(
    tmp_path: Path,
) -> None:
    fates = {VICTIM: (KILLED,), SLEEPER: (REMOVED,)}
    outcome = run(tmp_path, Fault("kill and freeze", kill_and_freeze, 0, fates))
    left = {(ban.left.peer, ban.left.fault, ban.left.banned) for ban in outcome.board.bans}
    assert left == {(name, FaultKind.SILENT.name, False) for name in fates}
    for name in GOING_ON:
        waits = stuck(outcome, name)
        assert any(VICTIM in each.waited_for or VICTIM in each.reason for each in waits)
    costs = find_stuck(outcome.directory / "state" / GOING_ON[0] / "log")
    assert len(costs) in (1, 2), "two where one had said all but its VERDICT"
    assert all(cost.lost <= cost.bound + PATIENCE / 6 for cost in costs), costs
    replayed = zpeer("replay", last_words(outcome.directory, GOING_ON[0]).log, "--quiet")
    assert replayed.code == 0, replayed.output
    learns_that_it_is_out(outcome)


def learns_that_it_is_out(outcome: Outcome) -> None:
    """Who slept: from what lay in its sockets; and its log replays, by its own clock."""
    last = last_words(outcome.directory, SLEEPER)
    assert last.reason == "removed: it was not heard when an attempt got stuck (SILENT)"
    assert SLEEPER not in last.roster
    assert last.head in {
        each.head for each in said(outcome.directory, GOING_ON[0]) if isinstance(each, StepDecided)
    }
    replayed = zpeer("replay", last.log, "--quiet")
    assert replayed.code == 0, replayed.output


def test_a_peer_that_freezes_for_less_than_a_deadline_is_waited_for(tmp_path: Path) -> None:
    outcome = run(tmp_path, Fault("freeze", freeze, 0))
    slowest = max(
        each.seconds for each in said(outcome.directory, OTHERS[0]) if isinstance(each, StepDecided)
    )
    assert slowest >= 0.9 * PATIENCE / 3, "the others must have felt it"
    assert not any(stuck(outcome, name) for name in (*OTHERS, VICTIM))


def test_connections_that_are_reset_cost_nobody_the_place(tmp_path: Path) -> None:
    outcome = run(tmp_path, Fault("reset", reset, 0, kind=Relay))
    assert outcome.is_played
    assert all(outcome.void_attempts(name) == 0 for name in (*OTHERS, VICTIM))
