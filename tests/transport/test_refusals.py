"""Transports among those that break the rules: each is named, bounded, and harms nobody else."""

from __future__ import annotations

import select
import socket
from time import monotonic

import msgspec
import pytest
import zmq

from tests.transport.harness import (
    ANY,
    DEADLINE_S,
    IDENTITIES,
    P0,
    P1,
    P2,
    RUN,
    SECTIONS,
    Group,
    Puppet,
    Relay,
    make,
    relayed,
)
from zpeer.ids import digest_bytes
from zpeer.signed import PROTOCOL_VERSION
from zpeer.transport import BadFrame, BulkFrame, ControlFrame, Listen, Refused, Stranger
from zpeer.transport.control import DATA, HELLO, PREFIX
from zpeer.transport.handshake import REPORTS_MAX, SESSIONS_MAX
from zpeer.transport.hello import HELLO_BYTES_MAX, Hello, encode_hello
from zpeer.transport.links import GUARD_S
from zpeer.transport.seal import Ephemeral

pytestmark = pytest.mark.loopback

OTHER_RUN = digest_bytes(b"other run")


def test_a_peer_of_another_run_is_refused_by_both_naming_the_section() -> None:
    theirs = SECTIONS | {"optimizer": digest_bytes(b"other"), "extra": digest_bytes(b"")}
    with Group(make(0), make(1, OTHER_RUN, theirs)).start() as group:
        group.until(lambda: group.seen(0, Refused) and group.seen(1, Refused))
        (refused,) = group.seen(0, Refused)
        assert refused.peer == P1
        assert refused.run == OTHER_RUN
        assert refused.sections == ("optimizer", "extra")
        assert "optimizer, extra" in refused.reason
        assert group.seen(1, Refused)[0].run == RUN
        assert group.transports[0].connected() == set()
        assert "refused: it is in run" in group.transports[0].describe(P1)
        group.transports[1].send_control(P0, b"all the same")
        for _ in range(20):
            group.turn()
        assert group.control(0, P1) == []


def knock(port: int, curve: bool) -> zmq.Socket[bytes]:
    """A socket of somebody who is not of the run."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    if curve:
        dealer.setsockopt(zmq.CURVE_SECRETKEY, IDENTITIES[3].curve_secret)
        dealer.setsockopt(zmq.CURVE_PUBLICKEY, IDENTITIES[3].public.curve.encode())
        dealer.setsockopt(zmq.CURVE_SERVERKEY, IDENTITIES[0].public.curve.encode())
    dealer.connect(f"tcp://127.0.0.1:{port}")
    for _ in range(20):
        dealer.send(b"let me in")
    return dealer


def test_strangers_are_turned_away_before_a_message_is_read() -> None:
    with Group(make(0), make(1)).start() as group:
        sockets = [knock(group.ports[0][0], curve=curve) for curve in (True, False)]
        group.until(lambda: group.seen(0, Stranger))
        group.until(lambda: group.transports[0].connected() == {P1})
        assert group.seen(0, Stranger)[0].key == IDENTITIES[3].public.curve
        assert group.transports[0].counters.bad_frames == 0
        assert not group.seen(0, ControlFrame)
        for dealer in sockets:
            dealer.context.destroy(linger=0)


def test_a_stranger_at_the_bulk_port_gets_nothing_and_harms_nobody() -> None:
    with Group(make(0), make(1)).start() as group:
        dealer = knock(group.ports[0][1], curve=False)
        for beat in (b"", P1 + bytes(24), P1 + bytes(500), bytes(200)):
            dealer.send(beat)
            dealer.send_multipart([beat, beat])
        group.until(lambda: group.transports[0].connected() == {P1})
        group.transports[0].send_bulk(P1, b"", b"tensor")
        group.until(lambda: group.seen(1, BulkFrame))
        assert dealer.poll(50) == 0
        dealer.context.destroy(linger=0)


def hello_of(index: int, **changes: object) -> Hello:
    hello = Hello(PROTOCOL_VERSION, RUN, tuple(SECTIONS.items()), bytes(8), 9, Ephemeral().public)
    return msgspec.structs.replace(hello, **changes)


def signed_hello(signer: int = 1, receiver: bytes = P0, **changes: object) -> bytes:
    return encode_hello(hello_of(signer, **changes), IDENTITIES[signer].signing, receiver)  # type: ignore[arg-type]


BAD_GREETINGS = {
    "another protocol version": (signed_hello(version=2), "protocol version 2"),
    "garbage": (b"\xff\xfe", "not readable"),
    "nothing": (b"", "not readable"),
    "too long": (bytes(HELLO_BYTES_MAX + 1), "8193 bytes"),
    "nested deep": (b"\x98" + b"\x91" * 4000, "not readable"),
    "signed by another": (signed_hello(signer=2), "not signed"),
    "said to another": (signed_hello(receiver=P2), "not signed"),
    "a key of low order": (signed_hello(exchange=bytes(32)), "not a usable point"),
    "a key too short": (signed_hello(exchange=bytes(31)), "out of range"),
    "no port": (signed_hello(bulk_port=0), "out of range"),
    "a session too long": (signed_hello(session=bytes(9)), "out of range"),
    "a section with an escape": (signed_hello(sections=(("\x1b[2J", RUN),)), "out of range"),
    "too many sections": (signed_hello(sections=(("a", RUN),) * 65), "out of range"),
}


@pytest.mark.parametrize(("greeting", "reason"), BAD_GREETINGS.values(), ids=BAD_GREETINGS)
def test_a_bad_greeting_is_refused_with_its_reason_and_a_good_one_mends_it(
    greeting: bytes, reason: str
) -> None:
    with Puppet(1) as puppet, Group(make(0)) as group:
        group.addresses[P1] = f"127.0.0.1:{puppet.port}"
        group.start().until(puppet.listen)
        puppet.send(PREFIX.pack(HELLO, 0), greeting)
        puppet.send(PREFIX.pack(DATA, 1), b"after a bad greeting")
        group.until(lambda: group.seen(0, Refused))
        assert reason in group.seen(0, Refused)[0].reason
        puppet.send(PREFIX.pack(HELLO, 0), signed_hello())
        puppet.send(PREFIX.pack(DATA, 2), b"after a good one")
        group.until(lambda: group.control(0, P1))
        assert group.control(0, P1) == [b"after a good one"]


def test_frames_without_form_are_reported_and_counted_but_not_without_end() -> None:
    with Puppet(1) as puppet, Group(make(0)) as group:
        group.addresses[P1] = f"127.0.0.1:{puppet.port}"
        group.start().until(puppet.listen)
        puppet.send(PREFIX.pack(DATA, 1), b"before the greeting")
        puppet.send(PREFIX.pack(HELLO, 0), signed_hello())
        for frames in ([b""], [b"\x01"], [PREFIX.pack(DATA, 1)], [b"x" * 9, b"y", b"z"]):
            puppet.send(*frames)
        puppet.send(PREFIX.pack(7, 1), b"no such kind")
        for _ in range(REPORTS_MAX):
            puppet.send(b"again")
        puppet.send(PREFIX.pack(DATA, 5), b"five")
        puppet.send(PREFIX.pack(DATA, 5), b"five again")
        puppet.send(PREFIX.pack(DATA, 4), b"four, too late")
        puppet.send(PREFIX.pack(DATA, 2**64 - 1), b"last")
        group.until(lambda: len(group.control(0, P1)) == 2)
        assert group.control(0, P1) == [b"five", b"last"]
        assert group.transports[0].counters.bad_frames == 5 + REPORTS_MAX
        assert len(group.seen(0, BadFrame)) == REPORTS_MAX


def test_who_greets_with_ever_new_keys_is_refused_in_the_end() -> None:
    with Puppet(1) as puppet, Group(make(0)) as group:
        group.addresses[P1] = f"127.0.0.1:{puppet.port}"
        group.start().until(puppet.listen)
        for _ in range(SESSIONS_MAX + 1):
            puppet.send(PREFIX.pack(HELLO, 0), signed_hello())
        group.until(lambda: group.seen(0, Refused))
        assert "different keys" in group.seen(0, Refused)[0].reason


def open_flood(group: Group) -> socket.socket:
    """A connection to the bulk plane of the first, past the handshake, ready to say anything."""
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
    ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
    flood = socket.create_connection(("127.0.0.1", group.ports[0][1]))
    flood.sendall(greeting)
    group.until(lambda: select.select([flood], [], [], 0)[0])
    flood.sendall(b"\x04" + bytes([len(ready)]) + ready)
    flood.setblocking(False)
    return flood


def test_a_message_that_never_ends_is_cut_off() -> None:
    """ZeroMQ would keep it in memory without limit: frames marked "more" do not count there.

    Now and then it ends such a connection by itself before there is enough to see: then again.
    """
    endless = (b"\x01\xfe" + bytes(254)) * 4096
    with Group(make(0), make(1)).start() as group:
        group.until(lambda: group.transports[0].connected() == {P1})
        flood, sent, deadline = open_flood(group), 0, monotonic() + DEADLINE_S
        while not group.transports[0].counters.cut:
            assert monotonic() < deadline, f"{sent} bytes were taken"
            group.transports[0].poll(0)
            try:
                sent += flood.send(endless[sent % 256 :])
            except BlockingIOError:
                continue
            except ConnectionError:
                flood.close()
                group.transports[0].poll(2 * GUARD_S)  # it may have been the guard
                if not group.transports[0].counters.cut:
                    flood, sent = open_flood(group), 0
        flood.close()
        group.transports[1].send_bulk(P0, b"", b"tensor")
        group.until(lambda: group.seen(0, BulkFrame))
        assert group.transports[0].counters.cut == 1


def test_a_tensor_altered_under_way_does_not_open_and_is_reported() -> None:
    with Relay() as control, Relay() as bulk, relayed(control, bulk) as group:
        bulk.edit = lambda data: data.replace(b"HEAD", b"DEAD")
        group.transports[0].send_bulk(P1, b"HEAD", b"tensor")
        group.until(lambda: group.seen(1, BulkFrame))
        bulk.edit = lambda data: data[:-1] + bytes([data[-1] ^ 1])
        group.transports[0].send_bulk(P1, b"a header", b"tensor")
        group.until(lambda: len(group.seen(1, BulkFrame)) == 2)
        bulk.edit = lambda data: data
        group.transports[0].send_bulk(P1, b"a header", b"tensor")
        group.until(lambda: len(group.seen(1, BulkFrame)) == 3)
        opened = [group.transports[1].open(frame) for frame in group.seen(1, BulkFrame)]
        assert opened == [None, None, b"tensor"]
        group.until(lambda: len(group.seen(1, BadFrame)) == 2)
        assert group.transports[1].counters.tensor_received == len(b"tensor")


def test_a_tensor_replayed_by_somebody_under_way_is_not_delivered_again() -> None:
    with Relay() as control, Relay() as bulk, relayed(control, bulk) as group:
        group.transports[0].send_bulk(P1, b"first", b"tensor")
        group.until(lambda: group.seen(1, BulkFrame))
        (frame,) = group.seen(1, BulkFrame)
        assert group.transports[1].open(frame) == b"tensor"
        bulk.inject(bulk.last)
        group.until(lambda: group.transports[1].counters.repeated)
        assert len(group.seen(1, BulkFrame)) == 1


def test_broken_connections_lose_and_repeat_nothing() -> None:
    with Relay() as control, Relay() as bulk, relayed(control, bulk) as group:
        opened: list[bytes | None] = []
        for index in range(60):
            data = bytes([index]) * 500
            assert group.transports[0].send_control(P1, data)
            assert group.transports[0].send_bulk(P1, b"", data)
            if index % 20 == 10:
                group.turn()
                control.cut()
                bulk.cut()
        group.until(lambda: len(group.control(1, P0)) == 60)

        def open_all() -> bool:
            frames = group.seen(1, BulkFrame)
            group.events[1] = [e for e in group.events[1] if not isinstance(e, BulkFrame)]
            opened.extend(data for frame in frames if (data := group.transports[1].open(frame)))
            return len(opened) == 60

        group.until(open_all)
        assert group.control(1, P0) == [bytes([index]) * 500 for index in range(60)]
        assert sorted(opened, key=str) == sorted((bytes([i]) * 500 for i in range(60)), key=str)
        group.until(lambda: all(t.connected() for t in group.transports))


def test_a_peer_that_starts_again_is_connected_again_under_new_keys() -> None:
    with Group(make(0), make(1)).start() as group:
        group.until(lambda: all(t.connected() for t in group.transports))
        group.transports[0].send_control(P1, b"before")
        stale = group.transports[0].seal(P1, b"", b"under old keys")
        group.until(lambda: group.control(1, P0))
        group.transports[1].close()
        port = group.ports[1][0]
        again = make(1, listen=Listen(f"127.0.0.1:{port}", ANY))
        again.start(group.addresses)
        group.transports[1], group.events[1] = again, []
        assert stale is not None

        def is_renewed() -> bool:
            sealed = group.transports[0].seal(P1, b"", b"")
            return sealed is not None and sealed.sealer is not stale.sealer

        group.until(lambda: is_renewed() and all(t.connected() for t in group.transports))
        assert not group.transports[0].send_sealed(stale)
        group.transports[0].send_control(P1, b"after")
        group.transports[1].send_control(P0, b"back")
        group.transports[0].send_bulk(P1, b"", b"tensor")
        group.until(lambda: group.seen(1, BulkFrame) and b"after" in group.control(1, P0))
        group.until(lambda: group.control(0, P1) == [b"back"])
        assert again.open(group.seen(1, BulkFrame)[0]) == b"tensor"
