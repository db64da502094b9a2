"""A peer that falls silent in the middle of a run that is told to stop (`agreement = "stop"`): the
others stop at their deadline, and say why.

A deadline is 10 s at least, so the runs of this file wait for theirs at the same time.
"""

from __future__ import annotations

import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import torch
from safetensors.torch import load_file

from tests.loopback.processes import (
    TEMPLATE,
    edit,
    find_peer,
    find_processes,
    last_words,
    make_run,
    peer_file,
    run_peers,
    said,
    zpeer,
)
from zpeer.observations import StepDecided

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.swarm.scoreboard import Scoreboard

pytestmark = pytest.mark.loopback

RULE = Path(__file__).with_name("rule.py")
GOOD = "return solve(rows_ND, radius).vector"
FAIRLY_LATE = 3
"""Calls of the rule that go well; a peer that checks in a step has none in it."""
BROKEN = {
    "raises": f"""self.calls = getattr(self, "calls", 0) + 1
        if self.calls > {FAIRLY_LATE}:
            raise ZeroDivisionError("the rule gave up")
        {GOOD}""",
    "wrong shape": f"""self.calls = getattr(self, "calls", 0) + 1
        if self.calls > {FAIRLY_LATE}:
            return solve(rows_ND, radius).vector[:-1]
        {GOOD}""",
}
SAYS = {"raises": "ZeroDivisionError: the rule gave up", "wrong shape": "of shape"}
KILLED = "killed"
ODD = "peer-2"
OTHERS = ("peer-0", "peer-1")
CODE_STOPPED, CODE_PLUGIN = 5, 2
STAGES = ("COMMIT", "AGGREGATED", "REVEAL", "PROJECTIONS", "CHECK", "VERDICT")


class Stopped(NamedTuple):
    """A run that has come to its end."""

    run: Path
    board: Scoreboard


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stopped]:
    """One run in which a peer is killed, two in which its plugin breaks."""
    home = tmp_path_factory.mktemp("stops")
    shutil.copy(RULE, home)
    template = f'plugins = ["{RULE.name}"]\n{TEMPLATE}'.replace("centered_clip", "rule")
    made = {}
    for what in (KILLED, *BROKEN):
        changes = {"run.steps": 1_000_000, "run.agreement": "stop"}
        run = make_run(home / what.replace(" ", "-"), template=template, changes=changes)
        made[what] = run
        if what in BROKEN:
            give_broken_rule(run, BROKEN[what])
    with ThreadPoolExecutor() as pool:
        boards = pool.map(
            lambda what: run_peers(made[what], each_turn=killer(made[what], what == KILLED)), made
        )
        return {what: Stopped(made[what], board) for what, board in zip(made, boards, strict=True)}


def give_broken_rule(run: Path, code: str) -> None:
    """Other code under the same name: a run file's digest covers names and parameters alone."""
    (run / "plugins" / "broken.py").write_text(RULE.read_text().replace(GOOD, code))
    edit(run / "run.toml", run / "broken.toml", plugins=["plugins/broken.py"])
    edit(peer_file(run, ODD), run="../broken.toml")


def killer(run: Path, is_wanted: bool) -> Callable[[Scoreboard], None]:
    """Kill a peer when some steps are done."""
    wanted = [is_wanted]

    def look(board: Scoreboard) -> None:
        if wanted[0] and board.counted >= FAIRLY_LATE:
            wanted[0] = False
            with suppress(ProcessLookupError):
                os.kill(find_peer(run, ODD), signal.SIGKILL)

    return look


def test_a_killed_peer_is_shown_as_that(runs: dict[str, Stopped]) -> None:
    run, board = runs[KILLED]
    assert board.members[ODD].code == -signal.SIGKILL
    assert any(f"{ODD} died: ended without a last word" in line for line in board.problems())
    assert not find_processes(run)


@pytest.mark.parametrize("what", BROKEN)
def test_a_peer_whose_plugin_breaks_stops_with_a_message_of_its_own(
    runs: dict[str, Stopped], what: str
) -> None:
    run, _ = runs[what]
    last = last_words(run, ODD)
    assert last.code == CODE_PLUGIN
    assert "aggregator Rule" in last.reason
    assert SAYS[what] in last.reason
    assert "Traceback" not in (run / "state" / f"{ODD}.out").read_text()
    assert last.step >= 1


@pytest.mark.parametrize("what", [KILLED, *BROKEN])
def test_the_others_stop_at_their_deadline_and_name_stage_peer_and_what_is_lacking(
    runs: dict[str, Stopped], what: str
) -> None:
    for name in OTHERS:
        last = last_words(runs[what].run, name)
        assert last.code == CODE_STOPPED
        assert ODD in last.reason
        assert any(stage in last.reason for stage in STAGES), last.reason
        assert "awaited: " in last.reason


@pytest.mark.parametrize(
    ("what", "names"), [(KILLED, OTHERS), *((w, (*OTHERS, ODD)) for w in BROKEN)]
)
def test_log_and_model_of_the_last_record_are_whole(
    runs: dict[str, Stopped], what: str, names: tuple[str, ...]
) -> None:
    run, _ = runs[what]
    for name in names:
        last = last_words(run, name)
        records = [each for each in said(run, name) if isinstance(each, StepDecided)]
        assert (last.head, last.parameters) == (records[-1].head, records[-1].parameters)
        plain = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        plain.load_state_dict(load_file(last.model))
        vector = torch.cat([p.detach().reshape(-1) for p in plain.parameters()])
        stored = run / "state" / name / "parameters" / f"{last.parameters}.f32"
        assert vector.numpy().tobytes() == stored.read_bytes()
        replayed = zpeer("replay", last.log, "--plugin", run / "plugins" / RULE.name, "--quiet")
        assert replayed.code == 0, replayed.output


def test_the_log_of_the_killed_peer_replays_as_far_as_it_goes(runs: dict[str, Stopped]) -> None:
    run, _ = runs[KILLED]
    log = run / "state" / ODD / "log"
    replayed = zpeer("replay", log, "--plugin", run / "plugins" / RULE.name, "--quiet")
    assert replayed.code == 0, replayed.output
    assert "all effects equal" in replayed.output
