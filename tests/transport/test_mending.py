"""Frames over the limit: their sender loses the connection, is named, and gets it back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import zmq

from tests.transport.harness import (
    P0,
    P1,
    P2,
    SIZES,
    Group,
    Puppet,
    Relay,
    make,
    relayed,
)
from zpeer.shell.logs import make_logger
from zpeer.shell.muster import note
from zpeer.transport import BadFrame, BulkFrame, Dropped, Sizes
from zpeer.transport.control import DATA, PREFIX
from zpeer.transport.guard import HAS_TCP_INFO
from zpeer.transport.mending import CALM_S, QUIET_CHECKS, WAIT_MAX_S, WAIT_MIN_S, Mending
from zpeer.transport.traffic import CURVE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.transport.mending import Drop

LARGER = Sizes(2 * SIZES.control, 2 * SIZES.tensor)
LINUX = pytest.mark.skipif(not HAS_TCP_INFO, reason="only on Linux connections are watched")


# --- over sockets ---------------------------------------------------------------------------------


@LINUX
@pytest.mark.loopback
@pytest.mark.parametrize("surplus", [1, SIZES.control])
def test_a_control_message_over_the_limit_is_named_and_what_is_sent_later_arrives(
    surplus: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with Group(make(0), make(1, sizes=LARGER), make(2)).start().connect() as group:
        first, sender, other = group.transports
        for data in (b"before", bytes(SIZES.control + surplus), b"after"):
            assert sender.send_control(P0, data)
        group.until(lambda: group.seen(0, Dropped), "word of the drop")
        other.send_control(P0, b"from another")
        group.until(lambda: group.control(0, P2) == [b"from another"])
        group.until(lambda: len(group.control(0, P1)) == 2, "what was sent after it")
        assert group.control(0, P1) == [b"before", b"after"]
        assert sender.send_control(P0, b"much later")
        group.until(lambda: group.control(0, P1)[-1] == b"much later")
        reason = f"a control message of more than {SIZES.control} bytes, or altered under way"
        dropped = Dropped(P1, reason, SIZES.control, WAIT_MIN_S, 1)
        assert group.seen(0, Dropped) == [dropped]
        assert first.dropped == {P1: 1}
        assert not group.seen(0, BadFrame)
        assert not sender.dropped
        assert not other.dropped
        note(make_logger("peer0", "info"), {P1: "peer1"}, dropped)
        line = json.loads(capsys.readouterr().out)
        assert line.pop("timestamp")
        assert line == {
            "peer": "peer0",
            "event": "connection dropped",
            "level": "warning",
            "who": "peer1",
            "why": reason,
            "limit_bytes": SIZES.control,
            "connects_again_s": WAIT_MIN_S,
            "times": 1,
        }


@LINUX
@pytest.mark.loopback
def test_a_control_message_of_just_the_limit_arrives_and_nothing_is_said() -> None:
    """What comes next shows that the connection stood: it could not come before word of a drop."""
    with Group(make(0), make(1, sizes=LARGER)).start() as group:
        for data in (bytes(SIZES.control), b"next"):
            group.transports[1].send_control(P0, data)
        group.until(lambda: len(group.control(0, P1)) == 2)
        assert group.control(0, P1) == [bytes(SIZES.control), b"next"]
        assert not group.seen(0, Dropped)
        assert not group.seen(0, BadFrame)
        assert not group.transports[0].dropped


@LINUX
@pytest.mark.loopback
def test_a_tensor_over_the_limit_is_named_and_what_is_sent_later_arrives() -> None:
    with Group(make(0), make(1, sizes=LARGER)).start() as group:
        group.until(lambda: all(transport.connected() for transport in group.transports))
        for data in (bytes(SIZES.tensor + 1), b"after"):
            assert group.transports[1].send_bulk(P0, b"", data)
        group.until(lambda: group.seen(0, BulkFrame), "what was sent after it")
        assert group.transports[0].open(group.seen(0, BulkFrame)[0]) == b"after"
        (dropped,) = group.seen(0, Dropped)
        assert dropped.peer == P1
        assert dropped.limit_bytes == SIZES.tensor
        assert dropped.reason.startswith(f"a tensor of more than {SIZES.tensor} bytes")


@LINUX
@pytest.mark.loopback
def test_who_does_it_again_is_counted_but_said_ever_more_rarely() -> None:
    with Puppet(1) as puppet, Group(make(0)) as group:
        group.addresses[P1] = f"127.0.0.1:{puppet.port}"
        group.start()
        strike(group, puppet, times=1)
        strike(group, puppet, times=2)
        strike(group, puppet, times=3)
        told = [(dropped.times, dropped.retry_s) for dropped in group.seen(0, Dropped)]
        assert told == [(1, WAIT_MIN_S), (2, 2 * WAIT_MIN_S)]


def strike(group: Group, puppet: Puppet, times: int) -> None:
    """Over the next connection, until the first has noticed."""
    last = puppet.route
    group.until(lambda: puppet.listen() and puppet.route != last, "a connection")
    puppet.send(PREFIX.pack(DATA, 1), bytes(2 * SIZES.control))
    group.until(lambda: group.transports[0].dropped[P1] == times, "the drop")


SIZE = 5000
FRAME = (SIZE + CURVE_BYTES).to_bytes(8, "big")
MEDDLING: dict[str, Callable[[bytes], bytes]] = {
    "a bit": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "a size": lambda data: data.replace(FRAME, bytes([1, *FRAME[1:]])),
}


@LINUX
@pytest.mark.loopback
@pytest.mark.parametrize("edit", MEDDLING.values(), ids=MEDDLING)
def test_who_meddles_under_way_makes_an_honest_peer_lose_nothing(
    edit: Callable[[bytes], bytes],
) -> None:
    """A size stands in clear even under CURVE, so a frame may be too large by another's doing."""
    messages = [bytes([index]) * SIZE for index in range(3)]
    with Relay() as control, Relay() as bulk, relayed(control, bulk) as group:
        control.edit = edit
        for message in messages:
            group.transports[0].send_control(P1, message)
        group.until(lambda: group.seen(1, Dropped), "word of the drop")
        control.edit = lambda data: data
        group.until(lambda: len(group.control(1, P0)) == 3)
        assert group.control(1, P0) == messages


# --- when to try again ----------------------------------------------------------------------------


class Line:
    """A connection under a clock of its own."""

    def __init__(self) -> None:
        self.mending = Mending(P1, "frame", 1000)
        self.now = 0.0
        self.made: list[float] = []
        self.drops: list[Drop] = []

    def hear(self, *events: int) -> None:
        for event in events:
            self.mending.hear(event)

    def turn(self, seconds: float, each: float = 0.1) -> None:
        for _ in range(round(seconds / each)):
            self.now += each
            drop = self.mending.turn(self.now, lambda: self.made.append(self.now))
            self.drops += [] if drop is None else [drop]

    def lose(self, *said: int) -> float:
        """It is made, says this, and is given up; how long it took until it was made again."""
        self.hear(zmq.EVENT_CONNECT_DELAYED, zmq.EVENT_CONNECTED, *said, zmq.EVENT_DISCONNECTED)
        began, made = self.now, len(self.made)
        while len(self.made) == made:
            self.turn(0.1)
        return round(self.now - began, 3)


GREETED = zmq.EVENT_HANDSHAKE_SUCCEEDED
SILENCE_S = QUIET_CHECKS * 0.1


@pytest.mark.parametrize(
    "sign", [zmq.EVENT_CONNECT_RETRIED, zmq.EVENT_CONNECT_DELAYED, zmq.EVENT_CONNECTED]
)
def test_a_connection_that_zeromq_makes_again_itself_is_left_to_it(sign: zmq.Event) -> None:
    line = Line()
    line.hear(zmq.EVENT_CONNECTED, GREETED, zmq.EVENT_DISCONNECTED)
    line.turn(SILENCE_S - 0.1)
    line.hear(sign)
    line.turn(2 * WAIT_MAX_S)
    assert not line.made
    assert not line.drops
    assert not line.mending.is_held_back


def test_a_process_that_was_held_up_takes_no_broken_connection_for_a_lost_one() -> None:
    line = Line()
    line.hear(zmq.EVENT_CONNECTED, GREETED, zmq.EVENT_DISCONNECTED)
    line.turn(100.0, each=100.0)
    line.hear(zmq.EVENT_CONNECT_RETRIED)
    line.turn(SILENCE_S)
    assert not line.drops


def test_the_waits_double_up_to_the_longest_and_begin_anew_after_a_calm_time() -> None:
    line = Line()
    waits = [line.lose(GREETED) - SILENCE_S for _ in range(10)]
    expected = [min(WAIT_MIN_S * 2**index, WAIT_MAX_S) for index in range(10)]
    assert waits == pytest.approx(expected, abs=0.15)
    assert [drop.retry_s for drop in line.drops] == expected
    line.turn(CALM_S - WAIT_MAX_S - 2 * SILENCE_S)
    line.lose(GREETED)
    assert line.drops[-1].retry_s == WAIT_MAX_S
    line.turn(CALM_S)
    line.lose(GREETED)
    assert line.drops[-1].retry_s == WAIT_MIN_S


def test_who_is_held_back_is_held_back_until_it_is_made_again() -> None:
    line = Line()
    line.hear(zmq.EVENT_CONNECTED, GREETED, zmq.EVENT_DISCONNECTED)
    line.turn(SILENCE_S)
    assert line.mending.is_held_back
    line.turn(WAIT_MIN_S + 0.1)
    assert line.made
    assert not line.mending.is_held_back


@pytest.mark.parametrize("stops_at", [None, 4.0, 32.0, 60.0])
def test_neither_zeal_nor_patience_gets_more_than_one_connection_in_the_longest_wait(
    stops_at: float | None,
) -> None:
    """Who is patient waits until the waits begin anew as soon as they are this long."""
    line = Line()
    while line.now < 4 * 3600:
        line.lose(GREETED)
        if line.drops[-1].retry_s == stops_at:
            line.turn(CALM_S + 1, each=1.0)
    assert len(line.drops) <= line.now / WAIT_MAX_S + 8


def test_who_was_never_reached_is_tried_again_but_not_blamed() -> None:
    line = Line()
    assert line.lose() == pytest.approx(WAIT_MAX_S + SILENCE_S, abs=0.15)
    line.hear(zmq.EVENT_CONNECTED, zmq.EVENT_DISCONNECTED)
    line.turn(2 * SILENCE_S)
    assert not line.mending.is_held_back, "it may be sought elsewhere"
    assert not line.drops
