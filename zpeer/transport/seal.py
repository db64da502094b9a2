"""Sealing of bulk tensors: AES-256-GCM under keys of one pair of peers, one direction, one session.

Keys come from X25519 ephemerals that both signed (`hello.py`), through HKDF bound to the run, both
ids, both ephemerals and the purpose. The nonce is a counter that never starts again while an
ephemeral lives. A receiver opens a counter once, whatever order frames come in: sealing and opening
happen in worker threads.
"""

from __future__ import annotations

from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zpeer.ids import Digest, PeerId

TAG_SIZE = 16
COUNTER_SIZE = 8
WINDOW = 4096
"""Counters below the highest by this much are refused; never so many are under way."""

DATA, BEAT = b"data", b"beat"


class Exchange(NamedTuple):
    """One side of an agreement: whose it is and its ephemeral public key."""

    peer: PeerId
    public: bytes


class Sealer:
    """Seals what one peer sends to another. Thread-safe."""

    def __init__(self, key: bytes, counters: Iterator[int]) -> None:
        """Take the key, and the counters of the ephemeral it was made with."""
        self._cipher = AESGCM(key)
        self._counters = counters
        self._lock = Lock()

    def seal(self, header: bytes, data: bytes | memoryview) -> tuple[int, bytes]:
        """Counter, and sealed bytes, 16 more than the data. The header is authenticated with it."""
        with self._lock:
            counter = next(self._counters)
        return counter, self._cipher.encrypt(_nonce(counter), data, _bound(counter, header))


class Opener:
    """Opens what one peer sealed for another, each counter once. Thread-safe."""

    def __init__(self, key: bytes) -> None:
        """Take the key; no counter has been seen."""
        self._cipher = AESGCM(key)
        self._highest = -1
        self._seen = 0  # bit i: counter highest - i has been opened
        self._lock = Lock()

    def is_fresh(self, counter: int) -> bool:
        """Whether the counter may still be opened."""
        with self._lock:
            return self._is_fresh(counter)

    def open(self, counter: int, header: bytes, sealed: bytes | memoryview) -> bytes | None:
        """The data; None where the tag does not fit or the counter was opened before."""
        if not self.is_fresh(counter):
            return None
        try:
            data = self._cipher.decrypt(_nonce(counter), sealed, _bound(counter, header))
        except (InvalidTag, ValueError):
            return None
        with self._lock:
            return data if self._take(counter) else None

    def _is_fresh(self, counter: int) -> bool:
        behind = self._highest - counter
        return behind < 0 or (behind < WINDOW and not self._seen >> behind & 1)

    def _take(self, counter: int) -> bool:
        """Only a counter with a good tag moves the window, so a forger cannot use counters up."""
        if not self._is_fresh(counter):
            return False
        ahead = max(counter - self._highest, 0)
        # Beyond the window nothing is remembered: a shift by a counter of 2^64 would not end.
        self._seen = 0 if ahead >= WINDOW else self._seen << ahead
        self._highest = max(self._highest, counter)
        self._seen = (self._seen | 1 << (self._highest - counter)) & ((1 << WINDOW) - 1)
        return True


class Ephemeral:
    """My X25519 key towards one peer, for as long as this process runs."""

    def __init__(self) -> None:
        """Draw a key."""
        self._private = X25519PrivateKey.generate()
        self.public = self._private.public_key().public_bytes_raw()
        self._counters = {DATA: count(), BEAT: count()}

    def agree(self, run: Digest, me: PeerId, other: Exchange) -> Agreement | None:
        """The four keys of a pair; None where the other's ephemeral is a point of low order."""
        try:
            shared = self._private.exchange(X25519PublicKey.from_public_bytes(other.public))
        except ValueError:
            return None
        mine = Exchange(me, self.public)

        def key(purpose: bytes, sender: Exchange, receiver: Exchange) -> bytes:
            info = b"|".join([b"zpeer/bulk", purpose, *sender, *receiver])
            return HKDF(SHA256(), 32, salt=run, info=info).derive(shared)

        return Agreement(
            Sealer(key(DATA, mine, other), self._counters[DATA]),
            Opener(key(DATA, other, mine)),
            Sealer(key(BEAT, mine, other), self._counters[BEAT]),
            Opener(key(BEAT, other, mine)),
        )


class Agreement(NamedTuple):
    """Keys of a pair of peers: for tensors, and for the beats that acknowledge them."""

    sealer: Sealer
    opener: Opener
    beat_sealer: Sealer
    beat_opener: Opener


def _nonce(counter: int) -> bytes:
    return counter.to_bytes(12, "big")


def _bound(counter: int, header: bytes) -> bytes:
    return counter.to_bytes(COUNTER_SIZE, "big") + header
