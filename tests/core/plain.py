"""Plain ingredients of a toy run: peers with readable ids, short vectors, draws by hash."""

from __future__ import annotations

import struct
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Literal

from zpeer.genesis import Genesis, Protection
from zpeer.ids import Digest, PeerId, digest, digest_bytes, number
from zpeer.signed import Signed, Stage, Statement, body_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DIMENSION = 24
BLOCK = 2
DIRECTIONS = 2
STAGE_SECONDS = 10.0


def peer(place: int) -> PeerId:
    """A peer's id that sorts and prints in order, and is never NOTHING."""
    return PeerId(bytes([place]) * 31 + b"\x01")


def sign(stage: Stage, head: Digest, sender: PeerId, payload: bytes) -> Signed:
    """A signed body, under an ideal signature."""
    body = body_digest(stage, head, sender, payload)
    return Signed(stage, head, sender, payload, make_signature(sender, body))


def make_signature(sender: PeerId, body: Digest) -> bytes:
    """64 bytes that only a test that takes another's name makes for it."""
    return digest("toy signature", sender, body) * 2


def verify(signed: Signed | Statement) -> bool:
    """Whether the signature is the sender's, under just this body."""
    return signed.signature == make_signature(signed.sender, signed.body)


def to_bytes(values: Iterable[float]) -> bytes:
    """Little-endian float32."""
    listed = list(values)
    return struct.pack(f"<{len(listed)}f", *listed)


def to_floats(data: bytes) -> list[float]:
    """And back."""
    return list(struct.unpack(f"<{len(data) // 4}f", data))


class Clip:
    """CenteredClip by plain iteration on short vectors; a radius of infinity is the mean."""

    verification: Literal["residual", "audit"] = "residual"

    def __init__(self, radius: float = inf) -> None:
        self._radius = radius

    def aggregate(self, rows_ND: Any, radius: float) -> Any:
        raise NotImplementedError  # a toy aggregates lists itself

    def radius(self, typical: float) -> float:
        return self._radius

    def weight(self, norm: float, radius: float) -> float:
        return min(1.0, radius / norm) if norm > 0 else 1.0


class ByHash:
    """Validators and targets by hash, as the protocol says."""

    def validators(
        self, beacon: Digest, roster: Sequence[PeerId], count: int
    ) -> tuple[PeerId, ...]:
        return tuple(sorted(roster, key=lambda p: digest("validator", beacon, p))[:count])

    def targets(self, beacon: Digest, workers: Sequence[PeerId], count: int) -> tuple[PeerId, ...]:
        return tuple(sorted(workers, key=lambda p: digest("target", beacon, p))[:count])


def make_genesis(n: int, steps: int = 4, validators: int = 1, **changes: Any) -> Genesis:
    """A run of n peers."""
    fields = {
        "run": digest("toy run", number(n)),
        "peers": tuple(peer(i) for i in range(n)),
        "names": tuple(f"peer-{i}" for i in range(n)),
        "dimension": DIMENSION,
        "block": BLOCK,
        "steps": steps,
        "validators": validators,
        "parameters": digest_bytes(to_bytes([0.0] * DIMENSION)),
        "typical_norm": 1.0,
        "delta_multiple": 8.0,
        "directions": DIRECTIONS,
        "protection": Protection.FULL,
        "patience": STAGE_SECONDS,
    }
    return Genesis(**{**fields, **changes})


def is_finite(data: bytes) -> bool:
    """Whether bytes are finite float32 numbers."""
    return len(data) % 4 == 0 and all(isfinite(x) for x in to_floats(data))
