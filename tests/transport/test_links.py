"""Transports that follow the rules: what is sent arrives, once, in order, from whom it says."""

from __future__ import annotations

import os
import resource
import socket
import threading
from pathlib import Path
from time import monotonic

import pytest

from tests.transport.harness import (
    ANY,
    DEADLINE_S,
    IDENTITIES,
    P0,
    P1,
    P2,
    P3,
    SIZES,
    Group,
    Relay,
    make,
)
from zpeer.errors import StartError
from zpeer.transport import BadFrame, BulkFrame, Connected, Listen, Sealed, Sizes, Stranger
from zpeer.transport.bulk import HEADER_BYTES_MAX
from zpeer.transport.sockets import FILES_BASE, FILES_PER_LINK, make_context

pytestmark = pytest.mark.loopback


def test_all_peers_connect_and_say_so_once() -> None:
    with Group(make(0), make(1), make(2)).start().connect() as group:
        assert group.transports[0].connected() == {P1, P2}
        assert {event.peer for event in group.seen(0, Connected)} == {P1, P2}
        assert len(group.seen(0, Connected)) == 2
        assert group.transports[0].describe(P1) == "connected"


def test_a_peer_that_is_missing_is_described_with_its_address() -> None:
    with Group(make(0), make(1)).start() as group:
        group.until(lambda: group.transports[0].connected() == {P1})
        assert "no answer from 127.0.0.1:9" in group.transports[0].describe(P2)


def test_control_messages_arrive_in_order_each_once_and_from_their_sender() -> None:
    with Group(make(0), make(1), make(2)).start().connect() as group:
        messages = [index.to_bytes(2, "big") for index in range(500)]
        for message in messages:
            assert group.transports[0].send_control(P2, b"from 0:" + message)
            assert group.transports[1].send_control(P2, b"from 1:" + message)
        group.until(lambda: len(group.events[2]) >= 1002)
        assert group.control(2, P0) == [b"from 0:" + message for message in messages]
        assert group.control(2, P1) == [b"from 1:" + message for message in messages]


def test_a_message_of_the_largest_size_arrives_and_an_empty_one_too() -> None:
    with Group(make(0), make(1)).start() as group:
        for data in (bytes(SIZES.control), b""):
            group.transports[0].send_control(P1, data)
        group.until(lambda: group.control(1, P0) == [bytes(SIZES.control), b""])


def test_what_is_sent_before_a_peer_is_there_arrives_when_it_is() -> None:
    with Group(make(0), make(1)) as group:
        group.transports[0].start(group.addresses)
        assert group.transports[0].send_control(P1, b"early")
        group.transports[0].poll(0.05)
        group.transports[1].start(group.addresses)
        group.until(lambda: group.control(1, P0) == [b"early"])


def test_tensors_arrive_sealed_and_open_with_their_headers() -> None:
    data = {b"": b"", b"h": os.urandom(1000), bytes(HEADER_BYTES_MAX): os.urandom(SIZES.tensor)}
    with Group(make(0), make(1)).start() as group:
        group.until(lambda: group.transports[0].connected() == {P1})
        for header, tensor in data.items():
            assert group.transports[0].send_bulk(P1, header, memoryview(tensor))
        group.until(lambda: len(group.seen(1, BulkFrame)) == 3)
        frames = group.seen(1, BulkFrame)
        assert {frame.header: group.transports[1].open(frame) for frame in frames} == data
        assert all(frame.peer == P0 for frame in frames)


def test_tensors_sealed_and_opened_in_many_threads_all_arrive() -> None:
    with Group(make(0), make(1)).start() as group:
        group.until(lambda: group.transports[0].connected() == {P1})
        sealed: list[Sealed | None] = []

        def seal(start: int) -> None:
            sealed.extend(
                group.transports[0].seal(P1, bytes([index]), bytes([index]) * 99)
                for index in range(start, start + 25)
            )

        threads = [threading.Thread(target=seal, args=(start,)) for start in (0, 25, 50, 75)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for item in sealed:
            assert item is not None
            assert group.transports[0].send_sealed(item)
        group.until(lambda: len(group.seen(1, BulkFrame)) == 100)
        opened = [group.transports[1].open(frame) for frame in group.seen(1, BulkFrame)]
        assert sorted(opened, key=str) == sorted((bytes([i]) * 99 for i in range(100)), key=str)


def test_a_hundred_megabytes_pass_while_the_outbox_stays_bounded() -> None:
    tensor = bytes(SIZES.tensor)
    with Group(make(0), make(1)).start() as group:
        group.until(lambda: group.transports[0].connected() == {P1})
        for sent in range(1, 101):
            group.until(lambda: group.transports[0].send_bulk(P1, b"part", tensor))
            group.until(lambda wanted=sent: len(group.seen(1, BulkFrame)) >= wanted - 8)  # type: ignore[misc]
        group.until(lambda: len(group.seen(1, BulkFrame)) == 100)
        assert group.transports[0].counters.tensor_sent == 100 * SIZES.tensor


def test_a_peer_that_does_not_read_fills_its_own_outbox_and_nobody_elses() -> None:
    with Group(make(0), make(1), make(2)).start().connect() as group:
        tensor = bytes(SIZES.tensor)
        sent = [group.transports[0].send_bulk(P1, b"part", tensor) for _ in range(40)]
        assert sent.count(True) == 16
        assert group.transports[0].counters.undelivered == 24
        assert group.transports[0].send_bulk(P2, b"part", tensor)


def test_a_tensor_opens_once() -> None:
    with Group(make(0), make(1)).start() as group:
        group.until(lambda: group.transports[0].connected() == {P1})
        group.transports[0].send_bulk(P1, b"part", b"tensor")
        group.until(lambda: group.seen(1, BulkFrame))
        (frame,) = group.seen(1, BulkFrame)
        assert group.transports[1].open(frame) == b"tensor"
        assert group.transports[1].open(frame) is None
        group.until(lambda: group.seen(1, BadFrame))
        assert group.transports[1].counters.bad_frames == 1


def test_nothing_is_sealed_for_a_peer_without_keys() -> None:
    with Group(make(0)).start() as group:
        assert group.transports[0].seal(P1, b"", b"") is None
        assert not group.transports[0].send_bulk(P1, b"", b"")
        assert not group.transports[0].send_control(P3, b"not in the roster")
        assert group.transports[0].counters.undelivered == 2


def test_a_header_that_is_too_long_is_our_own_mistake() -> None:
    with Group(make(0), make(1)).start() as group:
        group.until(lambda: group.transports[0].connected() == {P1})
        with pytest.raises(ValueError, match="header"):
            group.transports[0].seal(P1, bytes(HEADER_BYTES_MAX + 1), b"")


def test_poll_waits_no_longer_than_told_and_returns_at_once_when_woken() -> None:
    with Group(make(0)).start() as group:
        assert group.transports[0].poll(0) == []
        group.transports[0].wake()
        began = monotonic()
        assert group.transports[0].poll(DEADLINE_S) == []
        waker = threading.Timer(0.05, group.transports[0].wake)
        waker.start()
        assert group.transports[0].poll(DEADLINE_S) == []
        waker.join()
        assert monotonic() - began < DEADLINE_S / 2
        for _ in range(100_000):  # more than the pipe holds
            group.transports[0].wake()
        assert group.transports[0].poll(0) == []


def test_a_forgotten_peer_is_cut_off_and_turned_away() -> None:
    with Group(make(0), make(1), make(2)).start().connect() as group:
        group.transports[0].forget(P1)
        assert group.transports[0].connected() == {P2}
        assert not group.transports[0].send_control(P1, b"to the banned")
        assert not group.transports[0].send_bulk(P1, b"", b"")
        group.transports[1].send_control(P0, b"from the banned")
        group.transports[1].send_bulk(P0, b"", b"from the banned")
        group.transports[2].send_control(P0, b"from another")
        group.until(lambda: group.control(0, P2) == [b"from another"])
        assert group.control(0, P1) == []
        assert group.transports[0].describe(P1) == "turned away"
        group.until(lambda: group.seen(0, Stranger), "the banned one at the gate")
        assert group.seen(0, Stranger)[0].key == IDENTITIES[1].public.curve
        group.transports[0].forget(P1)  # twice is once


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_close_gives_every_socket_and_port_back() -> None:
    make(0).close()  # whatever stays open once for all is open now
    before = open_files()
    group = Group(make(0), make(1), make(2)).start().connect()
    ports = group.ports
    group.close()
    assert open_files() == before
    for port in (port for pair in ports for port in pair):
        socket.create_server(("127.0.0.1", port)).close()


def test_what_was_sent_last_still_arrives_after_close() -> None:
    with Group(make(0), make(1)).start() as group:
        group.until(lambda: all(transport.connected() for transport in group.transports))
        group.transports[0].send_control(P1, b"goodbye")
        group.transports.pop(0).close(linger_s=5)
        group.events.pop(0)
        group.until(lambda: group.control(0, P0) == [b"goodbye"])


@pytest.mark.parametrize("plane", ["control", "bulk"])
def test_a_port_in_use_is_named_with_host_and_what_to_do(plane: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        address = f"127.0.0.1:{port}"
        listen = Listen(address, ANY) if plane == "control" else Listen(ANY, address)
        transport = make(0, listen=listen)
        with pytest.raises(StartError, match=rf"{plane} plane .*127\.0\.0\.1.*{port}.*another"):
            transport.bind()
        transport.close()


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1", "127.0.0.1:", ":80", "h:x", "h:65536", "::1:80", "[h]:80", "h:-1"]
)
def test_an_address_that_is_none_is_named(address: str) -> None:
    transport = make(0, listen=Listen(address, ANY))
    with pytest.raises(StartError, match="expected HOST:PORT"):
        transport.bind()
    transport.close()


def test_an_address_of_another_machine_is_named() -> None:
    transport = make(0, listen=Listen("192.0.2.1:0", ANY))
    with pytest.raises(StartError, match=r"192\.0\.2\.1.*address of this machine"):
        transport.bind()
    transport.close()


def test_a_limit_of_open_files_that_is_too_low_is_raised_or_named() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_BASE, hard))
    make_context(5).term()
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == FILES_BASE + 5 * FILES_PER_LINK
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this system has no limit of open files")
    with pytest.raises(StartError, match="ulimit -n"):
        make_context(hard // FILES_PER_LINK + 1)


def test_tensors_too_large_to_seal_are_refused_at_the_start() -> None:
    with pytest.raises(StartError, match="cannot be sealed"):
        make(0, sizes=Sizes(1000, 1 << 31))


def test_counters_are_the_bytes_of_the_tcp_streams() -> None:
    """Frames short and long, at the border of ZMTP's two headers; beats go the other way."""
    sizes = [0, 1, 221, 222, 223, 246, 255, 256, 5000]
    with Relay() as control, Relay() as bulk:
        first = make(0, listen=Listen(ANY, ANY, advertised_bulk_port=bulk.port))
        with Group(first, make(1)) as group:
            control.target, bulk.target = group.ports[0]
            group.addresses[P0] = f"127.0.0.1:{control.port}"
            group.start().until(lambda: all(t.connected() for t in group.transports))
            counters = first.counters
            before = control.downstream_bytes, bulk.downstream_bytes
            for size in sizes:
                first.send_control(P1, bytes(size))
                first.send_bulk(P1, b"header", bytes(size))
            group.until(lambda: len(group.seen(1, BulkFrame)) == len(sizes))
            group.until(lambda: len(group.control(1, P0)) == len(sizes))
            assert control.downstream_bytes - before[0] == counters.control_sent
            assert bulk.downstream_bytes - before[1] == counters.bulk_sent
            assert counters.tensor_sent == sum(sizes)
            assert group.transports[1].counters.control_received == counters.control_sent
            assert group.transports[1].counters.bulk_received == counters.bulk_sent
