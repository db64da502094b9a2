"""What waits for a peer: bounded, kept until acknowledged, sent again over a new connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmq

from zpeer.transport.outbox import REROUTES_MAX, Limits, Outbox

if TYPE_CHECKING:
    from collections.abc import Sequence


class Wire:
    """Connections by route; a route not in `open` is gone."""

    def __init__(self, *routes: bytes) -> None:
        self.open = set(routes)
        self.sent: list[tuple[bytes, bytes]] = []

    def put(self, route: bytes, frames: Sequence[bytes]) -> None:
        if route not in self.open:
            raise zmq.ZMQError(zmq.EHOSTUNREACH)
        self.sent.append((route, frames[0]))


def make(wire: Wire, frames: int = 3, size_bytes: int = 100) -> Outbox:
    return Outbox(Limits(frames, size_bytes), wire.put)


def test_what_waits_goes_out_when_a_connection_comes_after_the_greeting() -> None:
    wire = Wire(b"A")
    outbox = make(wire)
    outbox.greet([b"hello"])
    assert outbox.push(1, [b"one"])
    assert wire.sent == []
    outbox.reroute(b"A")
    assert outbox.push(2, [b"two"])
    assert wire.sent == [(b"A", b"hello"), (b"A", b"one"), (b"A", b"two")]


def test_over_a_new_connection_only_what_was_not_acknowledged_goes_again() -> None:
    wire = Wire(b"A", b"B")
    outbox = make(wire)
    outbox.reroute(b"A")
    for number, data in ((1, b"one"), (2, b"two"), (3, b"three")):
        assert outbox.push(number, [data])
    outbox.acknowledge([2, 9])
    assert outbox.reroute(b"B") == b"A"
    assert outbox.reroute(b"B") is None
    assert wire.sent[3:] == [(b"B", b"one"), (b"B", b"three")]


def test_what_is_too_large_for_its_receiver_is_not_sent_again_and_takes_no_room() -> None:
    wire = Wire(b"A", b"B", b"C")
    outbox = make(wire)
    outbox.greet([b"a greeting counts for nothing"])
    outbox.reroute(b"A", 4)
    for number, data in ((1, b"four"), (2, b"fives"), (3, b"last")):
        assert outbox.push(number, [data])
    assert not outbox.push(4, [b"no room"])
    outbox.reroute(b"B", 4)
    assert wire.sent[-2:] == [(b"B", b"four"), (b"B", b"last")]
    assert len(outbox) == 2
    assert outbox.push(4, [b"room"])
    outbox.reroute(b"C", 0)
    assert wire.sent[-1] == (b"C", b"a greeting counts for nothing")
    assert len(outbox) == 0


def test_a_connection_that_was_replaced_is_never_used_again() -> None:
    """Beats that are still under way over it say nothing about where the peer is now."""
    wire = Wire(b"A", b"B")
    outbox = make(wire)
    outbox.reroute(b"A")
    outbox.reroute(b"B")
    assert outbox.reroute(b"A") is None
    assert outbox.push(1, [b"one"])
    assert wire.sent == [(b"B", b"one")]


def test_a_connection_that_is_gone_is_noticed_and_nothing_lost() -> None:
    wire = Wire(b"A")
    outbox = make(wire)
    outbox.reroute(b"A")
    wire.open = {b"B"}
    assert outbox.push(1, [b"one"])
    assert outbox.route is None
    outbox.reroute(b"B")
    assert wire.sent == [(b"B", b"one")]


def test_there_is_room_for_so_many_frames_and_bytes_and_acknowledging_makes_room() -> None:
    outbox = make(Wire(), frames=3, size_bytes=10)
    assert [outbox.push(number, [b"x"]) for number in range(1, 5)] == [True, True, True, False]
    outbox.acknowledge_up_to(2)
    assert len(outbox) == 1
    assert outbox.push(5, [b"123456", b"789"])
    assert not outbox.push(6, [b"x"])
    outbox.acknowledge_up_to(2**64)
    assert len(outbox) == 0
    assert not outbox.push(7, [b"x" * 11])
    assert outbox.push(8, [b"x" * 10])
    outbox.clear()
    assert outbox.push(9, [b"x" * 10])


def test_a_peer_that_opens_connections_without_end_is_not_sent_everything_without_end() -> None:
    routes = [bytes([index // 256, index % 256]) for index in range(REROUTES_MAX + 50)]
    wire = Wire(*routes)
    outbox = make(wire)
    outbox.push(1, [b"one"])
    for route in routes:
        outbox.reroute(route)
    assert len(wire.sent) == REROUTES_MAX
