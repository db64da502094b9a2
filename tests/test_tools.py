"""The commands of tools/ judge what they promise, measure what they say, and set themselves up."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.swarm.test_scoreboard import decided, ended
from tools import accuracy_table, demo, simulator_speed
from tools.comparison import ATTACKERS, PEERS, Comparison, make_plans
from tools.experiment import Plan, Result, markdown
from tools.kernel import Effort, read_effort, read_memory, tcp_bytes_sent
from tools.traffic import Sample, judge_kernel
from zpeer.observations import Evaluated, Left
from zpeer.swarm.scoreboard import Member, Scoreboard

ROOT = Path(__file__).resolve().parents[1]
NAMES = [f"peer-{place}" for place in range(PEERS)]
ATTACKING = NAMES[PEERS - ATTACKERS :]


def make_result(plan: Plan, *, banned: list[str], accuracy: float) -> Result:
    """A run that ended in order."""
    count = plan.attackers.count
    attacks = dict.fromkeys(NAMES[PEERS - count :], "sign_flip") if count else {}
    members = [Member(name, attacks.get(name, "")) for name in NAMES]
    board = Scoreboard(members, run="digits", steps=10)
    left = [Left(name, "WRONG_SUM", "did wrong", banned=True) for name in banned]
    board.hear("peer-0", decided("peer-0", 3, departures=left))
    board.hear("peer-0", Evaluated("peer-0", 10, {"accuracy": accuracy}))
    for name in NAMES:
        code = 3 if name in banned else 0
        board.hear(name, ended(name, code=code))
        board.exited(name, code)
    return Result(plan, Path("nowhere"), board, 10.0)


def make_comparison(*, banned: list[str], protected: float, calm: float) -> Comparison:
    plans = make_plans("sign_flip")
    return Comparison(
        make_result(plans["protected"], banned=banned, accuracy=protected),
        make_result(plans["averaging"], banned=[], accuracy=0.1),
        make_result(plans["calm"], banned=[], accuracy=calm),
    )


def compare(
    *, banned: list[str] = ATTACKING, protected: float = 0.97, calm: float = 0.98
) -> list[str]:
    return make_comparison(banned=banned, protected=protected, calm=calm).problems()


def test_a_demo_in_which_all_attackers_are_banned_and_the_model_is_as_good_is_well() -> None:
    assert compare() == []
    assert compare(protected=0.9601) == []


def test_a_demo_in_which_an_attacker_stays_is_a_problem() -> None:
    (problem,) = compare(banned=ATTACKING[1:])
    assert "expected all 3 attackers" in problem


def test_a_demo_in_which_an_honest_peer_is_banned_is_a_problem() -> None:
    (problem,) = compare(banned=[*ATTACKING, "peer-1"])
    assert "peer-1" in problem


@pytest.mark.parametrize("accuracy", [0.9599, 0.1, float("nan")])
def test_a_demo_that_loses_more_than_two_points_is_a_problem(accuracy: float) -> None:
    (problem,) = compare(protected=accuracy)
    assert "at most 2 points" in problem


def test_traffic_that_the_kernel_counts_otherwise_is_a_problem() -> None:
    start = Sample(kernel=500, told=0)
    assert judge_kernel([start, Sample(kernel=1_010_500, told=1_000_000)])[1] == []
    for kernel in (1_060_500, 980_500):
        assert len(judge_kernel([start, Sample(kernel, 1_000_000)])[1]) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells")
def test_the_kernel_counts_a_connection_once_however_many_descriptors_it_has() -> None:
    before = tcp_bytes_sent(os.getpid())
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        client.dup(),
        server.accept()[0] as other,
    ):
        client.sendall(bytes(12_345))
        received = 0
        while received < 12_345:
            received += len(other.recv(65_536))
        assert tcp_bytes_sent(os.getpid()) - before == 12_345


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells")
def test_memory_that_is_held_is_seen_as_a_process_s_own() -> None:
    before = read_memory(os.getpid())
    held = bytearray(os.urandom(1 << 24))
    after = read_memory(os.getpid())
    assert after.own - before.own > 0.9 * len(held)
    assert after.peak >= after.own


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells")
def test_a_process_that_is_gone_has_spent_nothing() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert read_effort(gone.pid) == Effort()


def test_processor_time_is_told_by_the_thread_that_spent_it() -> None:
    spent, seen = threading.Event(), threading.Event()

    def work() -> None:
        while time.thread_time() < 0.05:
            hashlib.sha256(bytes(10_000)).digest()
        spent.set()
        seen.wait()

    before = read_effort(os.getpid())
    thread = threading.Thread(target=work)
    thread.start()
    spent.wait()
    after = read_effort(os.getpid())
    seen.set()
    thread.join()
    assert after.worker - before.worker >= 0.05
    assert 0 <= after.loop - before.loop < 0.05
    assert after.sockets == before.sockets


def test_the_tables_of_demo_and_accuracy_say_what_was_measured() -> None:
    results = make_comparison(banned=ATTACKING, protected=0.97, calm=0.98)
    accuracy = markdown(accuracy_table.HEADER, [accuracy_table.row(7, results)])
    assert accuracy.splitlines()[-1].replace(" ", "") == "|7|98.0%|97.0%|10.0%|+1.00|3of3|0|"
    lines = demo.show_table(results).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "97.0%    | 3 of 3" in lines[2]


def test_tables_are_aligned() -> None:
    text = markdown(["a", "bcd"], [["long", "x"]])
    assert text.splitlines() == ["| a    | bcd |", "|------|-----|", "| long | x   |"]


def test_the_set_up_says_what_it_needs_where_no_python_is_new_enough(tmp_path: Path) -> None:
    for name in ("bash", "cat", "cksum", "dirname", "head", "rm", "tr"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(
        [str(tmp_path / "bash"), "-c", f". {ROOT}/tools/setup.sh run"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert "needs Python 3.11 or newer" in done.stderr


def test_the_simulators_speed_is_that_of_a_turn_and_a_night_is_ten_hours_of_it() -> None:
    problems: list[str] = []
    turn = simulator_speed.take_turn([simulator_speed.honest(seed, 1) for seed in (1, 2)], problems)
    assert (turn.plans, turn.steps, problems) == (2, 2 * simulator_speed.PEERS, [])
    assert turn.rate == turn.steps / turn.seconds > 0
    turns = [simulator_speed.Turn(2, steps, 2.0) for steps in (100, 800, 200)]
    assert simulator_speed.show_row("x", turns)[:4] == ["x", "100", "50", "400"]
    assert simulator_speed.show_row("x", turns)[5:] == ["3,600,000", "19,636"]
