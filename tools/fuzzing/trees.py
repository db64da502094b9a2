"""Changes to what bytes decode to: one node of a tree of lists, to a value like it or to none.

Most results of a change that keeps the type still decode, and say something almost true. With
`confusion` a share of the changes puts another type there instead.
"""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING, Any

import msgspec

from zpeer.ids import DIGEST_SIZE, NOTHING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.simulate.streams import Stream

Tree = Any
"""Lists, byte strings, texts, numbers, booleans and None."""

DEEPER = 6
"""One of so many changes is to a list itself, the others are to something in it."""
FLOATS = (
    *(nan, inf, -inf, 1e308, -1e308, 1.7976931348623157e308, 5e-324, 3.4028234663852886e38),
    *(0.0, -0.0, 1.0, -1.0, 2.0**-24, 1e6, 1e6 + 1, 1e-9),
)
NUMBERS = (
    *(0, 1, 2, 3, 5, 7, 9, 10, 20, 27, 31, 127, 128, 255, 256, -1, -2),
    *(2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1, -(2**31), -(2**63)),
)
TEXTS = ("set?", "set!", "proof", "blob?", "chain", "cert", "two", "own", "", "\0", "ü" * 9)


def nested(depth: int) -> Tree:
    """A list in lists."""
    tree: Tree = []
    for _ in range(depth):
        tree = [tree]
    return tree


CONFUSED: tuple[Tree, ...] = (
    *(None, True, False, 0, -1, 2**64 - 1, 1.5, nan, "", "set?", "x" * 300),
    *(b"", bytes(31), bytes(33), NOTHING, bytes(70_000), [], [[]], {}, {"a": 1}, {1: []}),
    *([0] * 300, [NOTHING] * 40, nested(60), msgspec.msgpack.Ext(1, b"x"), [None], [b"", 0.5]),
)


def alter(tree: Tree, stream: Stream, names: Sequence[bytes], confusion: float = 0.0) -> Tree:
    """The tree with another value at one place. `names`: digests and ids it may put there."""
    if isinstance(tree, list) and tree and stream.below(DEEPER):
        place = stream.below(len(tree))
        changed = list(tree)
        changed[place] = alter(tree[place], stream, names, confusion)
        return changed
    if confusion and stream.chance(confusion):
        return stream.pick(CONFUSED)
    return change(tree, stream, names)


def change(node: Tree, stream: Stream, names: Sequence[bytes]) -> Tree:  # noqa: PLR0911 - one a type
    """Another value of its kind."""
    match node:
        case bool():
            return not node
        case int():
            return change_number(node, stream)
        case float():
            return change_float(node, stream)
        case bytes():
            return change_bytes(node, stream, names)
        case str():
            return stream.pick(TEXTS)
        case list():
            return change_list(node, stream, names)
        case _:
            return stream.pick(names) if names else NOTHING


def change_number(value: int, stream: Stream) -> int:
    """One or two off, or another one that an encoding has room for."""
    near = value + stream.pick((1, -1, 2))
    return near if stream.below(3) and NUMBERS[-1] <= near < 2**64 else stream.pick(NUMBERS)


def change_float(value: float, stream: Stream) -> float:
    """A little off, the other way, or no number."""
    place = stream.below(len(FLOATS) + 6)
    if place < len(FLOATS):
        return FLOATS[place]
    return (-value, value * (1 + 2**-20), 2 * value, value / 2, value + 1, -2 * value)[
        place - len(FLOATS)
    ]


def change_bytes(data: bytes, stream: Stream, names: Sequence[bytes]) -> bytes:
    """Some other digest, one bit off, zeros, too short, too long; what is longer also cut."""
    if len(data) == DIGEST_SIZE and names and stream.below(3):
        return stream.pick(names)
    word = stream.word()
    if not data or word & 7 == 0:
        return (b"", bytes(len(data)), data + b"\0", data * 2)[word >> 3 & 3]
    place = (word >> 8) % len(data)
    if word & 7 == 1:
        return data[:place]
    return data[:place] + bytes([data[place] ^ 1 << (word >> 3 & 7)]) + data[place + 1 :]


def change_list(  # noqa: PLR0911 - one a way
    items: list[Tree], stream: Stream, names: Sequence[bytes]
) -> list[Tree]:
    """One less, one more, many, in another order, none."""
    way = stream.below(8)
    if not items or way == 0:
        return [*items, stream.pick(names) if names else NOTHING]
    place = stream.below(len(items))
    if way == 1:
        return items[:place] + items[place + 1 :]
    if way == 2:
        return [*items[:place], items[place], *items[place:]]
    if way == 3:
        return items[::-1]
    if way == 4:
        return items[place:] + items[:place]
    if way == 5:
        return [items[place]] * stream.pick((2, 3, 5, 8, 17, 40, 130))
    return items[:place] if way == 6 else []


def alter_encoded(
    data: bytes, stream: Stream, names: Sequence[bytes], confusion: float = 0.0
) -> bytes:
    """The same for encoded bytes; those that do not decode stay as they are."""
    try:
        tree = msgspec.msgpack.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return data
    return msgspec.msgpack.encode(alter(tree, stream, names, confusion))
