"""The messages of a step (protocol, section 2) and what accompanies them. Values only; bytes are
`wire.py`'s.

A `Signed` is what travels: a header that always decodes (so that even garbage in the payload has a
slot and an author), the payload bytes, and a signature over all of it. A *slot* is (head, stage,
sender): a peer signs one body for it, ever.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cached_property

import msgspec

from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, Digest, PeerId, digest

PROTOCOL_VERSION = 1


class Stage(IntEnum):
    """Broadcast stages of an attempt, in order. PART and RESULT travel between them, direct."""

    COMMIT = 1
    AGGREGATED = 2
    REVEAL = 3
    PROJECTIONS = 4
    CHECK = 5
    VERDICT = 6


class Signed(msgspec.Struct, frozen=True, array_like=True, dict=True):
    """One signed broadcast, exactly as sent."""

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


def body_digest(stage: Stage, head: Digest, sender: PeerId, payload: bytes) -> Digest:
    """Digest that is signed: a domain a stage and protocol version, so no signature serves
    twice."""
    return digest(f"zpeer/{PROTOCOL_VERSION}/{stage.name}", head, sender, payload)


class Commit(msgspec.Struct, frozen=True, array_like=True):
    """Fixes the sender's gradient and secrets before anything of this attempt is known."""

    parts: tuple[Digest, ...]
    """H(g_i[j]) for every part j; empty from a validator."""
    commitment: Digest
    """c_i, which hides b_i, which hides a_i."""


class Aggregated(msgspec.Struct, frozen=True, array_like=True):
    """Fixes the aggregate of the sender's part before any randomness is opened."""

    echo: Digest
    result: Digest | None
    """H(v_j); None from a validator and in a void attempt."""


class Reveal(msgspec.Struct, frozen=True, array_like=True):
    """Opens the share b_i of the beacon r (Blum's coin toss for n players)."""

    echo: Digest
    share: Digest


class Projections(msgspec.Struct, frozen=True, array_like=True):
    """The sender's projected residuals s_i^j and norms, one row for each part."""

    echo: Digest
    beacon: Digest
    """r_t as the sender computed it."""
    projections: tuple[tuple[float, ...], ...]
    """Shape (parts, directions); empty from a validator and in a void attempt."""
    norms: tuple[float, ...]
    """Shape (parts,)."""


class Accusation(msgspec.Struct, frozen=True, array_like=True):
    """Says that a peer did something only its accuser could see. The accuser answers for it with
    its place."""

    fault: FaultKind
    accused: PeerId
    attempt: Digest
    """Head of the attempt in which it was done."""
    part: int = -1
    """The part it is about; -1 where it is about no one part."""
    about: PeerId = PeerId(NOTHING)
    """WRONG_REPORT: the target reported on. CONCEALED_PROJECTION: whose projection was
    concealed."""
    evidence: Digest = NOTHING
    """Digest of the part's bytes where the accusation rests on them."""


class Guilt(IntEnum):
    """A peer's finding on a matter."""

    LACKING = 0
    INNOCENT = 1
    GUILTY = 2


class Finding(msgspec.Struct, frozen=True, array_like=True):
    """What the sender found on one open matter of the record it builds on."""

    matter: Digest
    guilt: Guilt
    lacking: tuple[PeerId, ...] = ()
    """Whose published bytes the sender still lacks."""


class Report(msgspec.Struct, frozen=True, array_like=True):
    """A validator's report on one of its draws: a mandatory part of its CHECK."""

    target: PeerId
    attempt: Digest
    follows: bool
    """Whether the target's commitment and statements follow from its minibatch."""
    gradient: Digest
    """H(v || g) of the gradient the validator computed: "fine" cannot be said without the work."""


class Check(msgspec.Struct, frozen=True, array_like=True):
    """Opens the second secret and says what the sender has seen."""

    echo: Digest
    secret: Digest
    """a_i; q_t = H(xor of all a_i) makes the draws."""
    accusations: tuple[Accusation, ...] = ()
    findings: tuple[Finding, ...] = ()
    reports: tuple[Report, ...] = ()
    durations: tuple[float, ...] = ()
    """Seconds until the (n-f)-th message of each stage so far: COMMIT, AGGREGATED, REVEAL,
    PROJECTIONS."""


class Verdict(msgspec.Struct, frozen=True, array_like=True):
    """The digest of the record the sender arrived at: n equal ones make it final."""

    echo: Digest
    record: Digest


Message = Commit | Aggregated | Reveal | Projections | Check | Verdict

MESSAGE_TYPES: dict[Stage, type[Message]] = {
    Stage.COMMIT: Commit,
    Stage.AGGREGATED: Aggregated,
    Stage.REVEAL: Reveal,
    Stage.PROJECTIONS: Projections,
    Stage.CHECK: Check,
    Stage.VERDICT: Verdict,
}


def stage_of(message: Message) -> Stage:
    """The stage a message belongs to."""
    return Stage(next(stage for stage, kind in MESSAGE_TYPES.items() if type(message) is kind))


class SetRequest(msgspec.Struct, frozen=True, array_like=True, tag="set?"):
    """Asks a peer for the stage set behind the echo it sent."""

    head: Digest
    stage: Stage


class SetReply(msgspec.Struct, frozen=True, array_like=True, tag="set!"):
    """The signed messages of a stage set; the receiver checks every signature and the digest."""

    head: Digest
    stage: Stage
    messages: tuple[Signed, ...]


class Proof(msgspec.Struct, frozen=True, array_like=True, tag="proof"):
    """Two signed bodies for one slot: equivocation, proven to anybody."""

    first: Signed
    second: Signed


class BlobRequest(msgspec.Struct, frozen=True, array_like=True, tag="blob?"):
    """Asks for published bytes (a part that an accusation rests on) by digest."""

    blob: Digest


Relay = SetRequest | SetReply | Proof | BlobRequest
"""Control messages that are not slots: unsigned themselves, what they carry is signed."""
