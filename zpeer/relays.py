"""Control messages that are no slots: questions, answers, and signed words passed on.

Unsigned themselves; what they carry is signed.
"""

from __future__ import annotations

import msgspec

from zpeer.ids import Digest
from zpeer.proofs import Equivocation
from zpeer.signed import Signed, Stage


class SetRequest(msgspec.Struct, frozen=True, array_like=True, tag="set?"):
    """Asks a peer for what it holds of a stage: the set behind its echo, or what I still miss."""

    head: Digest
    stage: Stage


class SetReply(msgspec.Struct, frozen=True, array_like=True, tag="set!"):
    """Signed messages of a stage; the receiver checks every signature and the set's digest."""

    head: Digest
    stage: Stage
    messages: tuple[Signed, ...]


class ProofReply(msgspec.Struct, frozen=True, array_like=True, tag="proof"):
    """Shows two signed bodies for one slot (`agreement = "stop"`, where no view carries it)."""

    proof: Equivocation


class BlobRequest(msgspec.Struct, frozen=True, array_like=True, tag="blob?"):
    """Asks for bytes by digest: a published part, a PART for me, anybody's RESULT."""

    blob: Digest


class Chain(msgspec.Struct, frozen=True, array_like=True, tag="chain"):
    """A view passed on in a round of the slow path, with the signatures of all it came through."""

    view: Signed
    witnesses: tuple[Signed, ...]
    """WITNESS bodies: each one's payload is the digest of the view's body."""


class Certificate(msgspec.Struct, frozen=True, array_like=True, tag="cert"):
    """A record that the slow path led to, with the DECIDED of those who hold it."""

    record: bytes
    messages: tuple[Signed, ...]


Relay = SetRequest | SetReply | ProofReply | BlobRequest | Chain | Certificate
