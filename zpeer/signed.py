"""What a signature covers: one body, for one slot, in one place of the chain.

A `Signed` is what travels: a header that always decodes (so that even garbage in the payload has a
slot and an author), the payload bytes, and a signature over all of it. A *slot* is (head, stage,
sender): a peer signs one body for it, ever. Only WITNESS is no slot: it is a signature under what
another peer said, and one may stand under any number of such.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cached_property

import msgspec

from zpeer.ids import Digest, PeerId, digest_bytes, digest_of_set

PROTOCOL_VERSION = 1


class Stage(IntEnum):
    """What a signed body is for: the broadcast stages of an attempt in order, then the slow path's.

    PART and RESULT travel between the stages, direct and unsigned.
    """

    COMMIT = 1
    AGGREGATED = 2
    REVEAL = 3
    PROJECTIONS = 4
    CHECK = 5
    VERDICT = 6
    VIEW = 7
    """What a peer saw of an attempt that got stuck."""
    CLOSED = 8
    """Which views it holds after the first round."""
    DECIDED = 9
    """The record that the slow path led to."""
    WITNESS = 10
    """A signature under another's view: no slot."""


STEP_STAGES = (
    Stage.COMMIT,
    Stage.AGGREGATED,
    Stage.REVEAL,
    Stage.PROJECTIONS,
    Stage.CHECK,
    Stage.VERDICT,
)
"""The stages of an attempt, in order."""


class Statement(msgspec.Struct, frozen=True, array_like=True, dict=True):
    """That a peer signed a body, without the body: two of one slot convict, however long it was."""

    stage: Stage
    head: Digest
    sender: PeerId
    content: Digest
    """Hash of the payload."""
    signature: bytes

    @cached_property
    def body(self) -> Digest:
        """What the signature is over."""
        return digest_statement(self.stage, self.head, self.sender, self.content)


class Signed(msgspec.Struct, frozen=True, array_like=True, dict=True):
    """One signed body, exactly as sent."""

    stage: Stage
    head: Digest
    """The head the sender builds on: one field separates runs, steps and attempts."""
    sender: PeerId
    payload: bytes
    signature: bytes
    """64 bytes r || s, low s. Not part of the message's identity: ECDSA signatures are
    malleable."""

    @cached_property
    def body(self) -> Digest:
        """Identity of the message, and what the signature is over."""
        return body_digest(self.stage, self.head, self.sender, self.payload)

    @property
    def statement(self) -> Statement:
        """The same, without the payload."""
        content = digest_bytes(self.payload)
        return Statement(self.stage, self.head, self.sender, content, self.signature)


def body_digest(stage: Stage, head: Digest, sender: PeerId, payload: bytes) -> Digest:
    """Digest that is signed: a domain a stage and protocol version, so no signature serves
    twice."""
    return digest_statement(stage, head, sender, digest_bytes(payload))


def digest_statement(stage: Stage, head: Digest, sender: PeerId, content: Digest) -> Digest:
    """The same from the payload's hash: a body can be named in a proof without its bytes."""
    return digest_of_set(_DOMAINS[stage], (head, sender, content))


_DOMAINS = {stage: f"zpeer/{PROTOCOL_VERSION}/{stage.name}" for stage in Stage}
