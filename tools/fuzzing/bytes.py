"""Damage to encoded bytes, without a look at what they mean: bits, lengths, splices, nesting."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.simulate.streams import Stream

ODD = (
    *(b"\x00", b"\xff", b"\x7f", b"\x80", b"\x90", b"\x9f", b"\xa0", b"\xbf", b"\xe0"),
    *(b"\xc0", b"\xc1", b"\xc2", b"\xc3"),  # nothing, no type at all, false, true
    *(b"\xca\x3f\x80\x00\x00", b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"),  # a short float, NaN
    *(b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", b"\xcb\xff\xf0\x00\x00\x00\x00\x00\x00"),
    *(b"\xcc\x01", b"\xcd\x00\x01", b"\xce\x00\x00\x00\x01", b"\xcf" + b"\xff" * 8),
    *(b"\xd0\x80", b"\xd1\x80\x00", b"\xd2\x80\x00\x00\x00", b"\xd3\x80" + b"\x00" * 7),
    *(b"\xd4\x01\x00", b"\xd6\xff\x00\x00\x00\x00", b"\xc7\x0c\xff" + b"\xff" * 12),  # extensions
    *(b"\xc4\x20", b"\xc5\x00\x20", b"\xc6\x00\x00\x00\x20", b"\xd9\x04", b"\xda\x00\x04"),
    *(b"\xdc\x00\x02", b"\xdd\x00\x00\x00\x02", b"\xde\x00\x01", b"\xdf\x00\x00\x00\x01"),
)
"""Starts of values, some of them in another than their one encoding."""
HUGE = (b"\xc6", b"\xdb", b"\xdd", b"\xdf", b"\xc9")
"""What is followed by a length of four bytes."""
LENGTHS = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x10\x00\x00", b"\x00\x00\xff\xff")
NESTED_MAX = 3000
FLIPS_MAX = 6
BYTES_MAX = 1 << 19


def garble(data: bytes, stream: Stream, other: bytes) -> bytes:
    """The bytes with one to three kinds of damage; `other`: what they may be spliced with."""
    for _ in range(1 + (stream.below(4) == 0) + (stream.below(8) == 0)):
        data = stream.pick(WAYS)(data, stream, other)
    return data[:BYTES_MAX]


def flip(data: bytes, stream: Stream, other: bytes) -> bytes:
    """Some bits off; of nothing the other bytes."""
    if not data:
        return other
    changed = bytearray(data)
    for _ in range(1 + stream.below(FLIPS_MAX)):
        word = stream.word()
        changed[word % len(data)] ^= 1 << (word >> 60) % 8
    return bytes(changed)


def put_odd(data: bytes, stream: Stream, _other: bytes) -> bytes:
    """Another value in place of some bytes, or between them."""
    word = stream.word()
    place = word % (len(data) + 1)
    odd = ODD[(word >> 32) % len(ODD)]
    kept = place + len(odd) * (word >> 60 & 1)
    return data[:place] + odd + data[kept:]


def put_huge(data: bytes, stream: Stream, _other: bytes) -> bytes:
    """Something that claims to be longer than it can be."""
    place = stream.below(len(data) + 1)
    return data[:place] + stream.pick(HUGE) + stream.pick(LENGTHS) + data[place:]


def cut(data: bytes, stream: Stream, _other: bytes) -> bytes:
    """Without its end, its start, or something between."""
    left, right = place_two(data, stream)
    return (data[:left], data[right:], data[:left] + data[right:])[stream.below(3)]


def repeat(data: bytes, stream: Stream, _other: bytes) -> bytes:
    """A piece of it twice or more often."""
    left, right = place_two(data, stream)
    times = 2 + (stream.below(20) if right - left < len(ODD) else 0)
    return data[:left] + data[left:right] * times + data[right:]


def swap(data: bytes, stream: Stream, _other: bytes) -> bytes:
    """Two pieces in the other order."""
    left, right = place_two(data, stream)
    middle = (left + right) // 2
    return data[:left] + data[middle:right] + data[left:middle] + data[right:]


def splice(data: bytes, stream: Stream, other: bytes) -> bytes:
    """The start of one, the end of another."""
    return data[: stream.below(len(data) + 1)] + other[stream.below(len(other) + 1) :]


def insert(data: bytes, stream: Stream, other: bytes) -> bytes:
    """A piece of another inside."""
    place = stream.below(len(data) + 1)
    left, right = place_two(other, stream)
    return data[:place] + other[left:right] + data[place:]


def nest(data: bytes, stream: Stream, _other: bytes) -> bytes:
    """Lists in lists, maps in maps, deeper than anybody can follow."""
    place = stream.below(len(data) + 1)
    depth = stream.below(NESTED_MAX) if stream.below(8) == 0 else stream.below(40)
    return data[:place] + stream.pick((b"\x91", b"\x92\xc0", b"\x81\xa1x")) * depth + data[place:]


def place_two(data: bytes, stream: Stream) -> tuple[int, int]:
    """Two places in the bytes, in order."""
    word = stream.word()
    one, two = (word & 0xFFFFFFFF) % (len(data) + 1), (word >> 32) % (len(data) + 1)
    return (one, two) if one < two else (two, one)


WAYS: tuple[Callable[[bytes, Stream, bytes], bytes], ...] = (
    *(flip, flip, flip, put_odd, put_odd, put_odd, put_huge, cut, repeat, swap, splice, insert),
    nest,
)
