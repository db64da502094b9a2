"""What a reader of evidence sees of bytes that are no message."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_wire import MESSAGES
from zpeer.foreign import say_foreign
from zpeer.wire import encode_payload


@given(st.binary(max_size=400))
def test_any_bytes_are_put_into_one_short_line(data: bytes) -> None:
    said = say_foreign(data)
    assert "\n" not in said
    assert len(said) < 40_000


def test_what_is_messagepack_is_shown_by_type_and_size() -> None:
    said = say_foreign(msgpack.packb([bytes(32), None, [1.5, 2], {"a": 1}]) + b"xy")
    assert said.endswith("MessagePack [<32 bytes>, None, [1.5, 2], {1 entries}] and 2 bytes more")


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\x91" * 5000])
def test_what_is_none_or_would_allocate_without_bound_is_said_to_be_none(data: bytes) -> None:
    assert say_foreign(data).endswith("no MessagePack")


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_a_second_library_reads_our_encoding_to_the_last_byte(name: str) -> None:
    assert "more" not in say_foreign(encode_payload(MESSAGES[name]))
    assert "MessagePack [" in say_foreign(encode_payload(MESSAGES[name]))
