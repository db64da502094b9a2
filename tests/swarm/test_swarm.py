"""What passes between a swarm's processes, and that none is left. Whole runs: tests/loopback/."""

from __future__ import annotations

import os
import signal
from math import isnan
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.loopback.processes import find_peer, find_processes, make_run
from tests.recorded.logs import GENESIS
from zpeer.core.schedule import SPACIOUS
from zpeer.errors import ConfigError, StartError
from zpeer.observations import Ended, Evaluated, Left, Observation, StepDecided
from zpeer.runs.config import load_run
from zpeer.swarm.driver import (
    SLACK_SECONDS,
    Swarm,
    compute_attempt_seconds,
    compute_patience,
    has_ended,
    make_board,
    peer_files,
)
from zpeer.swarm.pipes import Exit, ExitInbox, Inbox, make_observer, write_exit
from zpeer.swarm.scoreboard import Condition, Member, Scoreboard

if TYPE_CHECKING:
    from pathlib import Path

ENDED = Ended("ann", 0, "finished", 3, "aa", "bb", ["ann"])


def written(*observations: Observation) -> bytes:
    read, write = os.pipe()
    observe = make_observer(write)
    for observation in observations:
        observe(observation)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        return pipe.read()


@pytest.mark.parametrize("size", [1, 3, 4, 5, 1000])
def test_observations_come_out_whole_however_the_pipe_cuts_them(size: int) -> None:
    data = written(ENDED, Evaluated("ann", 3, {"loss": 0.5}), ENDED)
    inbox = Inbox("ann")
    cuts = [data[start : start + size] for start in range(0, len(data), size)]
    found = [observation for cut in cuts for observation in inbox.take(cut)]
    assert found == [ENDED, Evaluated("ann", 3, {"loss": 0.5}), ENDED]


def test_figures_that_are_not_numbers_pass_as_they_are() -> None:
    (found,) = Inbox("ann").take(written(Evaluated("ann", 3, {"loss": float("nan")})))
    assert isinstance(found, Evaluated)
    assert isnan(found.figures["loss"])


def test_a_peer_goes_on_where_nobody_reads_its_observations() -> None:
    read, write = os.pipe()
    os.close(read)
    make_observer(write)(ENDED)
    write_exit(write, Exit("ann", 0))
    os.close(write)


def test_exits_come_out_whole_however_the_pipe_cuts_them() -> None:
    read, write = os.pipe()
    exits = [Exit("ann", 0), Exit("eve", -9)]
    for each in exits:
        write_exit(write, each)
    data = os.read(read, 1000)
    inbox = ExitInbox()
    assert [each for byte in data for each in inbox.take(bytes([byte]))] == exits
    os.close(read)
    os.close(write)


def make_small_board() -> Scoreboard:
    members = [Member("ann"), Member("bob"), Member("eve")]
    return Scoreboard(members, run="test", steps=10)


def test_an_attempt_lasts_no_longer_than_its_stages_and_the_slow_path() -> None:
    run = msgspec.structs.replace(GENESIS, patience=6.0, work=0.0)
    delta, stages = 1.0, 6 + 12 + 6 + 12 + 6 + 6
    slow = 2 * 4 * delta  # four peers: F + 1 = 2 rounds
    assert compute_attempt_seconds(run) >= stages + slow
    heavy = msgspec.structs.replace(run, work=5.0)
    assert compute_attempt_seconds(heavy) == compute_attempt_seconds(run) + 2 * 5.0
    slower = msgspec.structs.replace(run, patience=12.0)
    assert compute_attempt_seconds(slower) == 2 * compute_attempt_seconds(run)


def test_after_an_end_the_others_have_an_attempt_and_who_left_only_a_moment() -> None:
    board = make_small_board()
    assert not has_ended(board)
    board.exited("ann", -9)
    assert has_ended(board)
    assert compute_patience(board, 100.0) == SLACK_SECONDS + 100.0
    gone = Left("eve", "SILENT", "was not heard", banned=False)
    decided = StepDecided(
        "bob", "00", 1, 0, "counted", ["bob"], [], [gone], "11", None, 8.0, {}, *[0] * 5
    )
    board.hear("bob", decided)
    assert compute_patience(board, 100.0) == SLACK_SECONDS + 100.0 + SPACIOUS * 8.0
    board.hear("bob", msgspec.structs.replace(ENDED, peer="bob"))
    board.exited("bob", 0)
    assert compute_patience(board, 100.0) == SLACK_SECONDS


THREADED = """
import threading
import time
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
"""


@pytest.mark.loopback
def test_a_plugin_that_starts_a_thread_when_imported_is_refused_before_the_fork(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site" / "threaded-1.0.dist-info"
    site.mkdir(parents=True)
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: threaded\nVersion: 1.0\n")
    (site / "entry_points.txt").write_text("[zpeer.plugins]\nthreaded = threaded\n")
    (site.parent / "threaded.py").write_text(THREADED)
    run = make_run(tmp_path / "run")
    monkeypatch.setenv("PYTHONPATH", str(site.parent))
    board = make_board(run)
    with Swarm(run, peer_files(run, load_run(run)), board) as swarm:
        while not swarm.is_over:
            swarm.listen()
        with pytest.raises(StartError, match="started 1 threads"):
            swarm.require_started()


@pytest.mark.loopback
def test_a_peer_that_hangs_does_not_outlive_its_swarm(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    files = peer_files(run, load_run(run))
    one = dict(list(files.items())[:1])  # it waits for the others
    board = make_board(run)
    with Swarm(run, one, board) as swarm:
        while board.members["peer-0"].condition is not Condition.ASSEMBLING:
            swarm.listen()
        os.kill(find_peer(run, "peer-0"), signal.SIGSTOP)
    assert not find_processes(run)
    assert board.members["peer-0"].code is not None


def test_a_swarm_without_all_its_peer_files_says_which_are_missing(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "peers" / "peer-1.toml").unlink()
    with pytest.raises(ConfigError, match=r"peer-1\.toml"):
        make_board(run)
