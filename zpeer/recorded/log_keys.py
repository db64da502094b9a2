"""Whether signatures inside recorded messages are good, by the keys in a log's header.

Views and CHECKs carry others' signatures, about which the core asks while it is replayed; those of
the messages themselves were checked before they were recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.crypto import PublicKey, Remembered, Verifier
from zpeer.errors import IdentityError, LogError
from zpeer.ids import digest, short

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.recorded.zlog import Header
    from zpeer.signed import Signed, Statement

IDEAL = "zpeer/ideal"
"""Domain of the signatures of a simulation: anybody could make them, but nobody there does."""


def make_verify(header: Header) -> Callable[[Signed | Statement], bool]:
    """A pure function of the header's keys; LogError where one is not the key of its peer."""
    if not header.keys:
        return verify_ideal
    try:
        keys = [PublicKey(key) for key in header.keys]
    except IdentityError as problem:
        raise LogError(f"the log's header holds a key that is none: {problem}") from problem
    found = tuple(key.peer for key in keys)
    if found != header.genesis.peers:
        raise LogError(
            f"the log's header holds the keys of {', '.join(map(short, found))}, expected those of"
            f" its run's peers {', '.join(map(short, header.genesis.peers))}; it was altered"
        )
    return Remembered(Verifier(keys).verify)


def verify_ideal(signed: Signed | Statement) -> bool:
    """Whether a signature is that of a simulation, in which nobody signs for another."""
    return signed.signature == digest(IDEAL, signed.sender, signed.body) * 2
