"""Puts bytes that are no message of ours into words: what a peer sent instead.

`wire.py` refuses such bytes as a whole; whoever reads evidence against their sender wants to see
what they are. Read by a second, independent MessagePack library, with limits, and never raising.
"""

from __future__ import annotations

import msgpack

DEPTH_MAX = 3
ITEMS_SHOWN = 6
PAYLOAD_BYTES_MAX = 1 << 20


def say_foreign(payload: bytes) -> str:
    """One line, of bounded length."""
    size = f"{len(payload)} bytes"
    if len(payload) > PAYLOAD_BYTES_MAX:
        return f"{size}, too many to look into"
    limit = len(payload)
    unpacker = msgpack.Unpacker(
        max_buffer_size=max(1, limit),
        max_array_len=limit,
        max_map_len=limit,
        strict_map_key=False,
        raw=True,
    )
    unpacker.feed(payload)
    try:
        value = unpacker.unpack()
    except (msgpack.UnpackException, ValueError, TypeError, RecursionError):
        return f"{size}, no MessagePack"
    rest = len(payload) - unpacker.tell()
    return f"{size}, MessagePack {say_value(value)}" + (f" and {rest} bytes more" if rest else "")


def say_value(value: object, depth: int = 0) -> str:
    """A value by its type and size; scalars as they are."""
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, list):
        if depth == DEPTH_MAX:
            return f"[{len(value)} items]"
        shown = [say_value(item, depth + 1) for item in value[:ITEMS_SHOWN]]
        return f"[{', '.join(shown)}{', ...' if len(value) > ITEMS_SHOWN else ''}]"
    if isinstance(value, dict):
        return f"{{{len(value)} entries}}"
    return repr(value)[:40]
