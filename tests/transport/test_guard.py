"""Who uses up what a peer has: open files, or memory."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from tests.transport.harness import P0, P1, P2, SIZES, Caller, Group, make
from zpeer.transport import BulkFrame
from zpeer.transport.allowance import Allowance
from zpeer.transport.control import BEAT, HELLO, PREFIX
from zpeer.transport.guard import HAS_TCP_INFO, UNKNOWN_MAX
from zpeer.transport.hello import SESSION_SIZE

pytestmark = [
    pytest.mark.loopback,
    pytest.mark.skipif(not HAS_TCP_INFO, reason="only Linux tells what came over a connection"),
]


@pytest.mark.parametrize("plane", [0, 1], ids=["control", "bulk"])
def test_strangers_that_connect_and_stay_cannot_use_up_the_open_files(plane: int) -> None:
    with Group(make(0), make(1), make(2)) as group, ExitStack() as stack:
        strangers = [
            stack.enter_context(socket.create_connection(("127.0.0.1", group.ports[0][plane])))
            for _ in range(UNKNOWN_MAX + 40)
        ]
        group.until(lambda: group.transports[0].counters.cut >= 40)
        group.start().connect()
        for stranger in strangers:
            stranger.setblocking(False)
        assert sum(is_open(stranger) for stranger in strangers) <= UNKNOWN_MAX
        group.transports[1].send_bulk(P0, b"", b"tensor")
        group.transports[0].send_bulk(P2, b"", b"tensor")
        group.until(lambda: group.seen(0, BulkFrame) and group.seen(2, BulkFrame))


def is_open(stream: socket.socket) -> bool:
    try:
        while stream.recv(4096):
            continue
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    return False


def test_a_member_that_acknowledges_what_it_does_not_read_is_cut_off() -> None:
    """Else all that is sent to it would wait in ZeroMQ, which has no limit of its own there."""
    with Group(make(0), make(2)) as group, Caller(1, 0, group.ports[0][0]) as liar:
        group.addresses[P2] = f"127.0.0.1:{group.ports[1][0]}"
        group.start()
        said: list[bytes] = []

        def has_heard_the_session() -> bool:
            if not said:
                liar.send(BEAT.pack(bytes(SESSION_SIZE), 0, SIZES.control))
                said.extend(liar.receive())
            return bool(said)

        group.until(has_heard_the_session)
        assert said[0] == PREFIX.pack(HELLO, 0)
        session = next(
            said[1][place : place + SESSION_SIZE]
            for place in range(len(said[1]))
            if said[1][place - 2 : place] == bytes([0xC4, SESSION_SIZE])
        )
        message, first = bytes(SIZES.control), group.transports[0]

        def is_cut_off() -> bool:
            for _ in range(50):
                first.send_control(P1, message)
            liar.send(BEAT.pack(session, 2**63, SIZES.control))
            return bool(first.counters.cut)

        group.until(is_cut_off)
        group.until(lambda: P2 in first.connected())
        first.send_control(P2, b"to another")
        group.until(lambda: group.control(1, P0) == [b"to another"])
        assert first.counters.cut == 1


def test_an_allowance_is_spent_at_once_and_comes_back_slowly() -> None:
    allowance = Allowance(burst=2, every_s=10.0)
    assert [allowance.take(100.0) for _ in range(3)] == [True, True, False]
    assert not allowance.take(109.0)
    assert allowance.take(110.0)
    assert not allowance.take(100.0), "a clock that goes back gives nothing"
    assert [allowance.take(1000.0) for _ in range(3)] == [True, True, False]
