"""Peers that are not where the run file says, or that lie about where they are."""

from __future__ import annotations

from time import monotonic

import pytest

from tests.transport.harness import (
    ANY,
    IDENTITIES,
    P0,
    P1,
    P2,
    RUN,
    Caller,
    Group,
    Relay,
    make,
)
from zpeer.errors import StartError
from zpeer.ids import PeerId, digest_bytes
from zpeer.transport import BadFrame, BulkFrame, Listen
from zpeer.transport.announcement import ANNOUNCEMENT_BYTES_MAX, encode_announcement
from zpeer.transport.handshake import HEARING_S, HEARINGS_MAX, MOVES_MAX

pytestmark = pytest.mark.loopback

STALE = "127.0.0.1:9"


def local(port: int) -> str:
    return f"127.0.0.1:{port}"


def assert_all_talk(group: Group) -> None:
    """Everybody reaches everybody, on both planes."""
    peers = [P0, P1, P2][: len(group.transports)]
    for sender, transport in zip(peers, group.transports, strict=True):
        for receiver in peers:
            if receiver != sender:
                assert transport.send_control(receiver, b"to all")
                assert transport.send_bulk(receiver, b"", b"tensor")
    wanted = len(peers) - 1
    for index in range(len(peers)):
        group.until(lambda index=index: len(group.seen(index, BulkFrame)) == wanted)  # type: ignore[misc]
        for peer in peers[:index] + peers[index + 1 :]:
            group.until(lambda i=index, p=peer: group.control(i, p) == [b"to all"])  # type: ignore[misc]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_peer_behind_forwarded_ports_that_the_run_file_does_not_know_is_found_by_all(
    host: str,
) -> None:
    """As behind a NAT: it listens at one address, and others dial two forwarded ports."""
    with Relay() as control, Relay() as bulk:
        listen = Listen(ANY, ANY, bulk.port, f"{host}:{control.port}")
        with Group(make(0, listen=listen), make(1), make(2)) as group:
            control.target, bulk.target = group.ports[0]
            group.addresses[P0] = STALE
            group.start().connect()
            assert_all_talk(group)
            assert control.downstream_bytes
            assert bulk.downstream_bytes
            assert group.transports[1].address(P0) == f"{host}:{control.port}"


def test_a_peer_with_the_right_run_file_is_found_by_those_with_a_stale_one() -> None:
    with Group(make(0), make(1), make(2)) as group:
        group.transports[0].start(group.addresses)
        group.addresses[P0] = STALE
        for transport in group.transports[1:]:
            transport.start(group.addresses)
        group.connect()
        assert_all_talk(group)


def test_a_peer_that_comes_back_elsewhere_is_found_there() -> None:
    with Relay() as control, Group(make(0), make(1), make(2)).start().connect() as group:
        group.transports[1].close()
        again = make(1, listen=Listen(ANY, ANY, None, local(control.port)))
        control.target = again.bind()[0]
        again.start(group.addresses)
        group.transports[1], group.events[1] = again, []
        group.until(lambda: group.transports[0].address(P1) == local(control.port))
        group.connect()
        assert_all_talk(group)


def test_nothing_is_lost_when_a_peer_moves_in_the_middle() -> None:
    with Relay() as control, Relay() as bulk:
        listen = Listen(ANY, ANY, bulk.port)
        with Group(make(0, listen=listen), make(1)).start() as group:
            control.target, bulk.target = group.ports[0]
            group.connect()
            said = encode_announcement(RUN, local(control.port), IDENTITIES[0].signing, P1)
            with Caller(0, 1, group.ports[1][0]) as caller:
                for index in range(40):
                    assert group.transports[0].send_control(P1, bytes([index]) * 500)
                    assert group.transports[0].send_bulk(P1, b"", bytes([index]) * 500)
                    if index == 20:
                        caller.send(said)
                        group.turn()
                group.until(lambda: group.transports[1].address(P0) == local(control.port))
                group.until(lambda: len(group.control(1, P0)) == 40)
                opened: set[bytes] = set()

                def open_all() -> bool:
                    frames = group.seen(1, BulkFrame)
                    group.events[1] = [e for e in group.events[1] if not isinstance(e, BulkFrame)]
                    opened.update(d for frame in frames if (d := group.transports[1].open(frame)))
                    return len(opened) == 40

                group.until(open_all)
            assert group.control(1, P0) == [bytes([index]) * 500 for index in range(40)]
            group.transports[0].send_control(P1, b"by the new way")
            group.until(lambda: group.control(1, P0)[-1] == b"by the new way")
            assert control.downstream_bytes


def test_an_advertised_address_that_nobody_can_dial_is_our_own_mistake() -> None:
    transport = make(0, listen=Listen(ANY, ANY, None, "0.0.0.0:4000"))
    with pytest.raises(StartError, match=r"told to others: found '0\.0\.0\.0:4000'"):
        transport.start({P1: STALE, P2: STALE})
    transport.close()


# --- attackers ------------------------------------------------------------------------------------


def announce(signer: int, address: str, receiver: PeerId = P0) -> bytes:
    return encode_announcement(RUN, address, IDENTITIES[signer].signing, receiver)


WRONG = {
    "of another member": (announce(2, STALE), "not signed"),
    "to another member": (announce(1, STALE, P2), "not signed"),
    "of another run": (
        encode_announcement(digest_bytes(b"other"), STALE, IDENTITIES[1].signing, P0),
        "for run",
    ),
    "not readable": (bytes(100), "not readable"),
    "no address": (announce(1, "rubbish"), "'rubbish', expected host:port"),
    "no port": (announce(1, "example.org:0"), "with a port from 1"),
    "everywhere": (announce(1, "0.0.0.0:80"), "a machine that others can reach"),
    "an endpoint with a source": (announce(1, "eth0;example.org:80"), "expected host:port"),
}


@pytest.mark.parametrize(("said", "reason"), WRONG.values(), ids=WRONG)
def test_an_announcement_that_is_not_to_be_believed_is_reported_and_moves_nobody(
    said: bytes, reason: str
) -> None:
    with Group(make(0), make(1), make(2)).start().connect() as group:
        with Caller(1, 0, group.ports[0][0]) as liar:
            liar.send(said)
            group.until(lambda: group.seen(0, BadFrame))
        (bad,) = group.seen(0, BadFrame)
        assert bad.peer == P1
        assert reason in bad.reason
        assert_all_talk(group)
        for peer in (P1, P2):
            assert group.transports[0].address(peer) == group.addresses[peer]


def test_one_that_announces_ever_new_addresses_is_followed_seldom_and_harms_nobody_else() -> None:
    with Group(make(0), make(1), make(2)).start().connect() as group:
        sought = group.transports[0].address(P1)
        seen, began = {sought}, monotonic()
        with Caller(1, 0, group.ports[0][0]) as liar:
            for port in range(1, 10 * MOVES_MAX):
                liar.send(announce(1, local(port)))
            liar.send(bytes(ANNOUNCEMENT_BYTES_MAX + 1))
            liar.send(announce(1, STALE), b"two frames")
            group.transports[2].send_control(P0, b"from another")
            group.until(lambda: group.transports[0].address(P1) != sought)
            group.until(lambda: group.control(0, P2))
            for _ in range(100):
                group.turn()
                seen.add(group.transports[0].address(P1))
        assert len(seen) <= HEARINGS_MAX + (monotonic() - began) / HEARING_S + 1
        assert P2 in group.transports[0].connected()
        assert group.transports[0].address(P2) == group.addresses[P2]
