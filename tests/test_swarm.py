"""What passes between a swarm's processes. With real peers: tests/loopback/."""

from __future__ import annotations

import os
from math import isnan

import pytest

from zpeer.observations import Ended, Evaluated, Observation
from zpeer.pipes import Exit, ExitInbox, Inbox, make_observer, write_exit

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
