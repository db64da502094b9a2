"""What passes between a swarm's processes, and that none is left. Whole runs: tests/loopback/."""

from __future__ import annotations

import os
import signal
from math import isnan
from typing import TYPE_CHECKING

import pytest

from tests.loopback.processes import find_peer, find_processes, make_run
from zpeer.config import load_run
from zpeer.errors import ConfigError, StartError
from zpeer.observations import Ended, Evaluated, Observation
from zpeer.pipes import Exit, ExitInbox, Inbox, make_observer, write_exit
from zpeer.scoreboard import Condition
from zpeer.swarm import Swarm, make_board, peer_files

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
