"""However a swarm is ended, no process of it is left, and what was written is whole."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from safetensors.numpy import load_file

from tests.loopback.processes import (
    end,
    find_processes,
    last_words,
    make_run,
    peer_file,
    read_until,
    start,
    wait_until,
    zpeer,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.loopback

ENDLESS = 100_000
PEERS = ("peer-0", "peer-1", "peer-2")
CODE_INTERRUPTED = 130
CODE_STOPPED = 5


@pytest.mark.parametrize(
    ("send", "number", "code"),
    [
        pytest.param(os.kill, signal.SIGINT, CODE_INTERRUPTED, id="interrupt the driver"),
        pytest.param(os.killpg, signal.SIGINT, CODE_INTERRUPTED, id="Ctrl-C in a terminal"),
        pytest.param(os.kill, signal.SIGKILL, -signal.SIGKILL, id="kill the driver"),
    ],
)
def test_no_process_is_left_and_nothing_is_lost(
    tmp_path: Path, send: Callable[[int, int], None], number: signal.Signals, code: int
) -> None:
    run = make_run(tmp_path / "run", changes={"run.steps": ENDLESS})
    driver = start("swarm", run, "--plain")
    read_until(driver, f"/{ENDLESS} ")
    assert len(find_processes(run)) == len(PEERS) + 2  # the driver and the nursery
    send(driver.pid, number)
    done = end(driver)
    assert done.code == code, done.output
    assert "Traceback" not in done.output
    assert wait_until(lambda: not find_processes(run)), find_processes(run)
    for name in PEERS:
        last = last_words(run, name)
        assert last.code == CODE_STOPPED
        assert last.step >= 5
        assert len(load_file(last.model)) == 2
        replayed = zpeer("replay", last.log, "--quiet")
        assert replayed.code == 0, replayed.output


def test_a_peer_that_is_ended_while_it_waits_says_for_whom_and_can_be_started_again(
    tmp_path: Path,
) -> None:
    run = make_run(tmp_path / "run")
    peer = start("run", peer_file(run, PEERS[0]))
    read_until(peer, '"connected": 1')
    peer.send_signal(signal.SIGINT)
    done = end(peer)
    assert done.code == CODE_INTERRUPTED
    *_, last = done.output.splitlines()
    assert last == (
        "ended by SIGINT while waiting for peer-1, peer-2. No message of the run was signed, so"
        " it can be started again"
    )
    assert "Traceback" not in done.output
    assert not list((run / "keys").glob("*.used/*"))
