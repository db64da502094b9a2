"""The bodies of a step's messages (protocol, section 2) and of the slow path's (section 5). Values
only; bytes are `wire.py`'s, signatures `signed.py`'s.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, Digest, PeerId
from zpeer.proofs import Proof
from zpeer.signed import Signed, Stage


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
    """Seconds that each stage took, when the sender last saw it (`core/timing.py`): all stages of
    an attempt, in order; 0 for one it has not seen yet."""
    views: tuple[Signed, ...] = ()
    """VIEWs of the last attempt whose CHECK set stands in a record, by the signer: so no call is
    free."""
    proofs: tuple[Proof, ...] = ()
    """What convicts others by their own signatures, and stands in no record yet."""


class Verdict(msgspec.Struct, frozen=True, array_like=True):
    """The digest of the record the sender arrived at: n equal ones make it final."""

    echo: Digest
    record: Digest


class View(msgspec.Struct, frozen=True, array_like=True):
    """What the sender saw of an attempt that got stuck (section 5, *Call*): signing it ends its
    part in the attempt."""

    record: Digest = NOTHING
    """What its VERDICT names, if it has signed one."""
    commits: Digest = NOTHING
    """Digest of its COMMIT set, if complete."""
    secret: Digest = NOTHING
    """Its a_i, if it has one: calling before CHECK must not change the draw."""
    claims: tuple[PeerId, ...] = ()
    """Whom it waits for, past a deadline."""
    proofs: tuple[Proof, ...] = ()
    """At most one: it is all that a call needs."""


class Closed(msgspec.Struct, frozen=True, array_like=True):
    """The views the sender holds after the first round; once all signers say the same, no further
    round can change them."""

    views: Digest


class Decided(msgspec.Struct, frozen=True, array_like=True):
    """The digest of the record that the slow path led to; more than half of the roster prove it."""

    record: Digest


Message = Commit | Aggregated | Reveal | Projections | Check | Verdict | View | Closed | Decided

MESSAGE_TYPES: dict[Stage, type[Message]] = {
    Stage.COMMIT: Commit,
    Stage.AGGREGATED: Aggregated,
    Stage.REVEAL: Reveal,
    Stage.PROJECTIONS: Projections,
    Stage.CHECK: Check,
    Stage.VERDICT: Verdict,
    Stage.VIEW: View,
    Stage.CLOSED: Closed,
    Stage.DECIDED: Decided,
}
"""WITNESS has none: its payload is the digest of the view's body."""


def stage_of(message: Message) -> Stage:
    """The stage a message belongs to."""
    return Stage(next(stage for stage, kind in MESSAGE_TYPES.items() if type(message) is kind))
