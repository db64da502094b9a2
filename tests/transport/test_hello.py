"""Greetings and addresses, without sockets."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zpeer.errors import StartError
from zpeer.identity import Identity
from zpeer.ids import digest_bytes
from zpeer.signed import PROTOCOL_VERSION
from zpeer.transport.hello import (
    Hello,
    HelloError,
    decode_hello,
    differing_sections,
    encode_hello,
)
from zpeer.transport.sockets import Address

ALICE, BOB = (Identity.generate(name, name.encode() * 8) for name in ("alice", "bobby"))
RUN = digest_bytes(b"run")
SECTIONS = (("task", digest_bytes(b"task")), ("peers", digest_bytes(b"peers")))
MINE = Hello(PROTOCOL_VERSION, RUN, SECTIONS, bytes(8), 1, bytes(32))
DATA = encode_hello(MINE, ALICE.signing, BOB.peer)


def decode(data: bytes) -> Hello:
    return decode_hello(data, ALICE.signing.public, MINE, BOB.peer)


def test_a_greeting_survives_and_every_field_of_it_is_signed() -> None:
    hello = decode(DATA)
    assert msgspec.structs.replace(hello, signature=b"") == MINE
    changes = {
        "run": digest_bytes(b"other"),
        "sections": SECTIONS[:1],
        "session": b"\x01" * 8,
        "bulk_port": 2,
        "exchange": b"\x01" * 32,
        "signature": bytes(64),
    }
    for field, value in changes.items():
        forged = msgspec.structs.replace(hello, **{field: value})
        with pytest.raises(HelloError, match="not signed"):
            decode(msgspec.msgpack.encode(forged))


def test_sections_that_differ_are_named_mine_first_then_theirs() -> None:
    other = digest_bytes(b"other")
    theirs = (("extra", other), ("peers", SECTIONS[1][1]), ("task", other))
    assert differing_sections(SECTIONS, theirs) == ("task", "extra")
    assert differing_sections(SECTIONS, SECTIONS) == ()
    assert differing_sections(SECTIONS, ()) == ("task", "peers")


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_hello_error(data: bytes) -> None:
    with pytest.raises(HelloError):
        decode(data)


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_changed_byte_raises_nothing_but_a_hello_error(index: int, change: int) -> None:
    changed = bytearray(DATA)
    changed[index] ^= change
    try:
        hello = decode(bytes(changed))
    except HelloError:
        return
    assert hello == decode(DATA)  # another encoding of the same greeting


def test_addresses_are_read_with_names_and_with_both_kinds_of_numbers() -> None:
    assert Address.parse("example.org:80", what="x") == ("example.org", 80)
    assert Address.parse("127.0.0.1:0", what="x").endpoint == "tcp://127.0.0.1:0"
    assert Address.parse("[::1]:80", what="x") == ("::1", 80)
    assert Address.parse("[::1]:80", what="x").endpoint == "tcp://[::1]:80"
    with pytest.raises(StartError, match=r"bind: 'nonsense'.*HOST:PORT"):
        Address.parse("nonsense", what="bind")
