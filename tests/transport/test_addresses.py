"""What may be told to others as an address, and what a peer may claim about its own."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zpeer.addresses import is_numeric, is_reachable, read_address
from zpeer.identity import Identity
from zpeer.ids import digest_bytes
from zpeer.transport.announcement import (
    ANNOUNCEMENT_BYTES_MAX,
    decode_announcement,
    encode_announcement,
)
from zpeer.transport.control import BEAT
from zpeer.transport.handshake import HEARING_S, MOVES_MAX, Link
from zpeer.transport.hello import Hello, HelloError
from zpeer.transport.sockets import HANDSHAKE_BYTES, Address

ALICE, BOB, CAROL = (
    Identity.generate(name, name.encode() * 8) for name in ("anna", "bert", "cora")
)
RUN = digest_bytes(b"run")
PLACE = "example.org:5000"
DATA = encode_announcement(RUN, PLACE, ALICE.signing, BOB.peer)
NAME_LONGEST = ".".join(["a" * 63] * 3 + ["b" * 61])


def decode(data: bytes) -> Address:
    return decode_announcement(data, ALICE.signing.public, RUN, BOB.peer)


@pytest.mark.parametrize(
    "text",
    [
        "example.org:1",
        "a.b-c.d_e:65535",
        "example.org.:80",
        "127.0.0.1:80",
        "192.0.2.7:80",
        "[::1]:80",
        "[2001:db8::7]:80",
        "[::ffff:192.0.2.7]:80",
        "x1:80",
        f"{NAME_LONGEST}:80",
    ],
)
def test_an_address_that_others_can_dial_is_read(text: str) -> None:
    host, port = read_address(text)
    assert str(Address(host, port)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", ":80", "h", "h:", "h:0", "h:65536", "h:-1", "h:1e3", "h:٣", "h: 80", " h:80"),
        *("*:80", "eth0;h:80", "h;i:80", "h/i:80", "h\n:80", "h\x1b[2J:80", "ünï:80", "a..b:80"),
        *("-a:80", "a-:80", ".:80", f"{'a' * 64}:80", f"x{NAME_LONGEST}:80", "tcp://h:80"),
        *("0.0.0.0:80", "0:80", "127.1:80", "0x7f.1:80", "1.2.3.04:80", "1.2.3.256:80", "1.2:80"),
        *("255.255.255.255:80", "224.0.0.1:80", "[::]:80", "[ff02::1]:80", "[::ffff:0.0.0.0]:80"),
        *("::1:80", "[::1:80", "[h]:80", "[127.0.0.1:80", "[fe80::1%eth0]:80", "[1::2::3]:80"),
    ],
)
def test_an_address_that_nobody_can_dial_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        read_address(text)


@given(st.text(max_size=300))
def test_no_text_does_worse_than_a_value_error(text: str) -> None:
    try:
        host, port = read_address(text)
    except ValueError:
        return
    assert 0 < port < 65536
    assert is_reachable(host) == is_numeric(host)


def test_an_announcement_is_believed_for_its_owner_its_run_and_its_receiver_alone() -> None:
    assert decode(DATA) == ("example.org", 5000)
    with pytest.raises(HelloError, match="not signed"):
        decode_announcement(DATA, CAROL.signing.public, RUN, BOB.peer)
    with pytest.raises(HelloError, match="not signed"):
        decode_announcement(DATA, ALICE.signing.public, RUN, CAROL.peer)
    with pytest.raises(HelloError, match="for run"):
        decode_announcement(DATA, ALICE.signing.public, digest_bytes(b"other"), BOB.peer)
    run, _, signature = msgspec.msgpack.decode(DATA)
    with pytest.raises(HelloError, match="not signed"):
        decode(msgspec.msgpack.encode([run, "example.org:5001", signature]))


@pytest.mark.parametrize("address", ["rubbish", "example.org:0", "*:80", "a" * 300 + ":80"])
def test_rubbish_is_refused_though_its_owner_signed_it(address: str) -> None:
    with pytest.raises(HelloError, match="the address it announces: found"):
        decode(encode_announcement(RUN, address, ALICE.signing, BOB.peer))


def test_the_longest_announcement_is_within_the_limits_and_never_as_short_as_a_beat() -> None:
    longest = encode_announcement(RUN, f"{NAME_LONGEST}:65535", ALICE.signing, BOB.peer)
    assert decode(longest) == (NAME_LONGEST, 65535)
    assert len(longest) <= ANNOUNCEMENT_BYTES_MAX < HANDSHAKE_BYTES
    assert BEAT.size < len(encode_announcement(RUN, "h:1", ALICE.signing, BOB.peer))
    with pytest.raises(HelloError, match="may be"):
        decode(bytes(ANNOUNCEMENT_BYTES_MAX + 1))


@given(st.binary(max_size=600))
def test_no_bytes_raise_anything_but_a_hello_error(data: bytes) -> None:
    with pytest.raises(HelloError):
        decode(data)


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_changed_byte_moves_nobody(index: int, change: int) -> None:
    changed = bytearray(DATA)
    changed[index] ^= change
    try:
        assert decode(bytes(changed)) == ("example.org", 5000)  # another encoding of the same
    except HelloError:
        return


# --- how often a peer is listened to --------------------------------------------------------------


def listening() -> Link:
    """Bob, who has greeted Alice and knows where the run file says she is."""
    link = Link(BOB, ALICE.public)
    link.greeting(Hello(1, RUN, (), bytes(8), 1, b""))
    link.address = Address("127.0.0.1", 9)
    return link


def announce(port: int) -> bytes:
    return encode_announcement(RUN, f"192.0.2.1:{port}", ALICE.signing, BOB.peer)


def test_what_is_known_or_comes_too_soon_is_not_looked_at() -> None:
    link = listening()
    for port in range(1, 5):
        assert link.hear(announce(port), 100.0) == ("192.0.2.1", port)
    assert link.hear(b"rubbish, not even read", 100.0) is None
    assert link.hear(announce(9), 100.0 + HEARING_S / 2) is None
    assert link.hear(announce(4), 100.0 + HEARING_S) is None
    assert link.hear(announce(9), 100.0 + HEARING_S) == ("192.0.2.1", 9)
    assert link.hear(announce(4), 100.0 + HEARING_S) is None


def test_rubbish_too_uses_up_its_time() -> None:
    link = listening()
    for rubbish in (b"1", b"2", b"3", b"4"):
        with pytest.raises(HelloError):
            link.hear(rubbish, 100.0)
    assert link.hear(announce(1), 100.0) is None
    assert link.hear(announce(1), 100.0 + HEARING_S) == ("192.0.2.1", 1)


def test_a_peer_moves_so_often_and_no_oftener() -> None:
    link = listening()
    for move in range(MOVES_MAX):
        assert link.hear(announce(1 + move), move * HEARING_S) == ("192.0.2.1", 1 + move)
    with pytest.raises(HelloError, match="moved 64 times"):
        link.hear(announce(99), MOVES_MAX * HEARING_S)
