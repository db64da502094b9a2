"""A peer's clock: stops are not on it, work and waits are; and what came in is read before it goes
on."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.plain import peer
from zpeer.shell.listening import (
    DRAIN_SECONDS,
    SETTLE_SECONDS,
    STOP_SECONDS,
    WAIT_SECONDS,
    Ear,
)
from zpeer.transport import ControlFrame, Incoming

if TYPE_CHECKING:
    from collections.abc import Iterable

FRAME = ControlFrame(peer(0), b"word")
START = 1000.0
"""What the machine's clock shows first."""
FAR = 1e9


class Machine:
    """A machine's clock, which tests turn, and what its sockets hold."""

    def __init__(self) -> None:
        self.now = START
        self.used = 7.0
        self.stops: list[float] = []
        """Seconds that the process is stopped for in the next waits."""
        self.incoming: list[tuple[float, Incoming]] = []
        """What comes when."""
        self.waits: list[float] = []
        self.ear = Ear(self.poll, lambda: self.now, lambda: self.used)

    def poll(self, seconds: float) -> list[Incoming]:
        """Until something comes."""
        self.waits.append(seconds)
        coming = min([at for at, _ in self.incoming], default=FAR)
        self.now = max(self.now, min(self.now + seconds, coming))
        if self.stops:
            self.now += self.stops.pop(0)
        news = [item for at, item in self.incoming if at <= self.now]
        self.incoming = [each for each in self.incoming if each[0] > self.now]
        return news

    def work(self, seconds: float) -> None:
        """The processor is busy with this process."""
        self.now += seconds
        self.used += seconds

    def stop(self, seconds: float) -> None:
        """The process is stopped while it works."""
        self.now += seconds

    def hear(self, until: float = FAR) -> list[tuple[float, Incoming]]:
        """What comes in next, and when by the ear's clock."""
        return [(self.ear.time(), item) for item in self.ear.listen(until)]


def frames(*times: float) -> Iterable[tuple[float, Incoming]]:
    return [(START + at, FRAME) for at in times]


# --- what counts ----------------------------------------------------------------------------------


def test_waits_and_work_count() -> None:
    machine = Machine()
    assert machine.ear.time() == 0
    machine.work(3.0)
    assert machine.ear.time() == pytest.approx(3.0)
    assert machine.hear() == []
    assert machine.ear.time() == pytest.approx(3.0 + WAIT_SECONDS)


def test_work_of_several_threads_counts_as_the_time_it_took() -> None:
    machine = Machine()
    machine.now += 2.0
    machine.used += 7.0
    assert machine.ear.time() == pytest.approx(2.0)


def test_a_stop_in_a_wait_does_not_count() -> None:
    machine = Machine()
    machine.stops = [5.0]
    machine.hear()
    assert machine.ear.time() == pytest.approx(WAIT_SECONDS)


def test_a_stop_while_it_works_does_not_count_whenever_it_is_noticed() -> None:
    machine = Machine()
    machine.work(0.25)
    machine.stop(5.0)
    machine.work(0.5)
    assert machine.ear.time() == pytest.approx(0.75)


@pytest.mark.parametrize("seconds", [0.9 * STOP_SECONDS, 1.1 * STOP_SECONDS])
def test_a_short_gap_is_no_stop(seconds: float) -> None:
    machine = Machine()
    machine.stop(seconds)
    assert machine.ear.time() == pytest.approx(seconds if seconds < STOP_SECONDS else 0.0)


def test_many_stops_add_up() -> None:
    machine = Machine()
    for _ in range(3):
        machine.stops = [2.0]
        machine.hear()
    assert machine.now == pytest.approx(START + 6 + 3 * (WAIT_SECONDS + SETTLE_SECONDS))
    assert machine.ear.time() == pytest.approx(3 * WAIT_SECONDS)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["work", "stop", "wait", "wait long"]), st.floats(0.0, 20.0, width=32)
        )
    )
)
def test_the_clock_never_goes_back_nor_ahead_of_the_machine(deeds: list[tuple[str, float]]) -> None:
    machine = Machine()
    before, wall = machine.ear.time(), machine.now
    for deed, seconds in deeds:
        if deed in ("work", "stop"):
            (machine.work if deed == "work" else machine.stop)(seconds)
        else:
            machine.stops = [seconds]
            machine.hear(before if deed == "wait" else FAR)
        now = machine.ear.time()
        assert 0 <= now - before <= machine.now - wall + 1e-9
        before, wall = now, machine.now


# --- what is heard --------------------------------------------------------------------------------


def test_nobody_waits_longer_than_until_something_is_due() -> None:
    machine = Machine()
    machine.hear(0.03)
    machine.hear(0.03)
    assert machine.waits == pytest.approx([0.03, 0.0])


def test_what_comes_together_is_heard_together() -> None:
    machine = Machine()
    machine.incoming = [*frames(0.05, 0.05), (START + 0.06, FRAME)]
    assert [item for _, item in machine.hear()] == [FRAME, FRAME]
    assert [item for _, item in machine.hear()] == [FRAME]


def test_what_came_during_a_stop_is_heard_before_the_clock_goes_on() -> None:
    """Also what the system hands over a moment later."""
    machine = Machine()
    machine.stops = [5.0]
    machine.incoming = [*frames(1.0, 2.0, 5.2, 5.3)]
    heard = machine.hear(0.05)
    assert [at for at, _ in heard] == pytest.approx([0.05] * 4)
    assert machine.ear.time() == pytest.approx(0.05)


def test_who_works_on_what_came_during_a_stop_lets_the_clock_go_on_by_that() -> None:
    machine = Machine()
    machine.stops = [5.0]
    machine.incoming = [*frames(1.0)]
    for _ in machine.ear.listen(0.05):
        machine.work(2.0)
    assert machine.ear.time() == pytest.approx(0.05 + 2.0 - SETTLE_SECONDS)


def test_who_talks_without_end_does_not_keep_timers_from_firing() -> None:
    machine = Machine()
    for _ in range(2):
        machine.stops = [0.0] * 10_000
        machine.incoming = [*frames(*(machine.now - START + 0.001 * k for k in range(10_000)))]
        for _ in machine.ear.listen(FAR):
            machine.work(0.001)
        assert machine.ear.time() < 4 * DRAIN_SECONDS


# --- real processes -------------------------------------------------------------------------------

CHILD = """
import select, time
from zpeer.shell.listening import Ear
ear = Ear(lambda seconds: select.select([], [], [], seconds)[0])
began = time.monotonic()
print("ready", flush=True)
while ear.time() < 1.0:
    assert list(ear.listen(1.0)) == []
print(time.monotonic() - began, flush=True)
"""
STOPPED = 2.0


def test_a_process_that_is_stopped_knows_it_by_the_clocks_of_the_system() -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    os.kill(child.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)
    assert select.select([child.stdout], [], [], STOPPED)[0] == [], "it was not stopped"
    os.kill(child.pid, signal.SIGCONT)
    seconds = float(child.communicate()[0])
    assert child.returncode == 0
    assert seconds >= 1.0 + STOPPED - WAIT_SECONDS
