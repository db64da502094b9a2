"""Names of things: peers, digests, heads. What the protocol points at, it points at by digest.

BLAKE3 is the one hash of the project. Fields are hashed with their lengths and under a domain, so
that no two different lists of fields, and no two purposes, ever hash the same bytes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NewType

from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Iterable

DIGEST_SIZE = 32

Digest = NewType("Digest", bytes)
"""32 bytes of BLAKE3."""

PeerId = NewType("PeerId", bytes)
"""Digest of a peer's public ECDSA key: the `i` of every hash, seed and draw, never a position."""

NOTHING = Digest(bytes(DIGEST_SIZE))
"""Stands where a digest does not exist (no optimizer digest this step, say)."""


def digest(domain: str, *fields: bytes) -> Digest:
    """Hash of a list of byte strings under a domain; injective in (domain, fields)."""
    pieces = [_begin(domain)]
    for field in fields:
        size = len(field)
        pieces += (_DIGEST_LENGTH if size == DIGEST_SIZE else number(size), field)
    return Digest(blake3(b"".join(pieces)).digest())


def digest_of_set(domain: str, members: Iterable[Digest | PeerId]) -> Digest:
    """`digest` of fields that are digests; the order is the caller's, usually that of the
    roster."""
    framed = _DIGEST_LENGTH.join([_begin(domain), *members])
    return Digest(blake3(framed).digest())


def digest_bytes(data: bytes | memoryview) -> Digest:
    """Hash of the plain bytes of a tensor or a file: what `H(g_i[j])` means in the paper."""
    return Digest(blake3(data).digest())


def number(value: int) -> bytes:
    """Eight bytes for a non-negative integer, as a field of `digest`."""
    return value.to_bytes(8, "little")


_DIGEST_LENGTH = number(DIGEST_SIZE)
"""What stands before most fields, which are digests themselves."""


@lru_cache(maxsize=256)
def _begin(domain: str) -> bytes:
    """A domain as the first field; there are some dozens of them."""
    name = domain.encode()
    return number(len(name)) + name


def xor(left: Digest, right: Digest) -> Digest:
    """Exclusive or of two 32-byte strings."""
    mixed = int.from_bytes(left, "little") ^ int.from_bytes(right, "little")
    return Digest(mixed.to_bytes(DIGEST_SIZE, "little"))


def short(name: bytes) -> str:
    """First eight hex digits: how an id or a digest is shown to people."""
    return name[:4].hex()
