"""Changes to an encoded message, field by field, without knowing what the fields mean.

A payload is a tree of lists with numbers and byte strings at its leaves. One place of it is
changed: by one, to another sign, to what is no number, to what another peer or an earlier attempt
had there, to another list. Most results still decode, and say something that is almost true.
"""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING, Any

import msgspec

from zpeer.ids import DIGEST_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zpeer.simulate.streams import Stream

Path = tuple[int, ...]
Tree = Any
"""Lists, byte strings, numbers, booleans and None."""

FLOATS_ODD = (nan, inf, -inf, 1e308, -1e308, 0.0, -0.0, 5e-324)
NUDGE = 1 + 2.0**-20
LEAVES_FIRST = 4
"""Of so many changes three are to a leaf, one is to a list."""


def alter(payload: bytes, stream: Stream, others: Sequence[bytes], names: Sequence[bytes]) -> bytes:
    """The payload with one change.

    `others`: payloads of the same stage, of other peers and attempts; `names`: ids of peers.
    """
    try:
        tree = msgspec.msgpack.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return flip(payload, stream)
    wants_list = stream.below(LEAVES_FIRST) == 0
    paths = [path for path, node in walk(tree) if isinstance(node, list) is wants_list]
    paths = paths or [path for path, _ in walk(tree)]
    path = stream.pick(paths)
    like = [node for other in others if (node := look_up(other, path)) is not None]
    return msgspec.msgpack.encode(put(tree, path, change(get(tree, path), stream, like, names)))


def walk(tree: Tree, path: Path = ()) -> Iterator[tuple[Path, Tree]]:
    """Every node with its path, the root first."""
    yield path, tree
    if isinstance(tree, list):
        for place, child in enumerate(tree):
            yield from walk(child, (*path, place))


def get(tree: Tree, path: Path) -> Tree:
    """The node at a path."""
    for place in path:
        tree = tree[place]
    return tree


def put(tree: Tree, path: Path, node: Tree) -> Tree:
    """The tree with another node at a path."""
    if not path:
        return node
    children = list(tree)
    children[path[0]] = put(children[path[0]], path[1:], node)
    return children


def look_up(payload: bytes, path: Path) -> Tree:
    """What another payload has at that path; None if it has nothing there."""
    try:
        return get(msgspec.msgpack.decode(payload), path)
    except (msgspec.MsgspecError, ValueError, RecursionError, IndexError, TypeError):
        return None


def change(node: Tree, stream: Stream, like: Sequence[Tree], names: Sequence[bytes]) -> Tree:
    """Another value for a node, often one of its kind."""
    if like and stream.chance(0.35):
        return stream.pick(like)
    return change_leaf(node, stream, names)


def change_leaf(node: Tree, stream: Stream, names: Sequence[bytes]) -> Tree:
    """Another value, by the kind of the node."""
    changed: Tree = bytes(DIGEST_SIZE)
    if isinstance(node, bool):
        changed = not node
    elif isinstance(node, int):
        changed = max(0, node + stream.pick((1, -1, 2, 1000)))
    elif isinstance(node, float):
        changed = change_float(node, stream)
    elif isinstance(node, bytes):
        changed = change_bytes(node, stream, names)
    elif isinstance(node, list):
        changed = change_list(node, stream, names)
    return changed


def change_float(value: float, stream: Stream) -> float:
    """A little off, the other way, or no number."""
    choice = stream.below(6)
    if choice < 2:  # noqa: PLR2004 - a third
        return stream.pick(FLOATS_ODD)
    return (-value, value * NUDGE, value * 2, value + 1.0)[choice - 2]


def change_bytes(data: bytes, stream: Stream, names: Sequence[bytes]) -> bytes | None:
    """One bit off, zeros, too short, nothing, or a peer."""
    choice = stream.below(6)
    if choice < 2 or not data:  # noqa: PLR2004 - a third
        return flip(data, stream)
    if choice == 2 and names:  # noqa: PLR2004 - one of six
        return stream.pick(names)
    return (bytes(len(data)), data[:-1], None, data[::-1])[(choice - 2) % 4]


def change_list(items: list[Tree], stream: Stream, names: Sequence[bytes]) -> list[Tree]:
    """One less, one more, in another order, none."""
    choice = stream.below(5)
    if choice == 0 and names:
        return [*items, stream.pick(names)]
    if not items:
        return [bytes(DIGEST_SIZE)]
    if choice == 1:
        return items[:-1]
    if choice == 2:  # noqa: PLR2004 - one of five
        return [*items, stream.pick(items)]
    return stream.shuffled(items) if choice == 3 else []  # noqa: PLR2004 - one of five


def flip(data: bytes, stream: Stream) -> bytes:
    """One bit off; of nothing one byte."""
    if not data:
        return b"\0"
    place = stream.below(len(data))
    changed = bytearray(data)
    changed[place] ^= 1 << stream.below(8)
    return bytes(changed)
