"""What convicts a peer by its own signatures alone, and so may stand in a view or a CHECK
(protocol, section 5, rule 2).

Two bodies of one slot; or, of an attempt that all know, a body that no honest peer signs whatever
it saw, or a share that does not open its commitment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.bodies import Shape, find_problem
from zpeer.core.broadcast import read
from zpeer.core.mprng import compute_commitment
from zpeer.faults import FaultKind
from zpeer.messages import Commit, Reveal
from zpeer.proofs import QUOTED_STAGES, Equivocation, Misdeed, Proof
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.ids import Digest, PeerId
    from zpeer.signed import Signed

PAIR = 2


def get_culprit(proof: Proof) -> PeerId:
    """Whom a proof is against; of a Misdeed without messages nobody."""
    if isinstance(proof, Equivocation):
        return proof.first.sender
    return proof.messages[0].sender


def get_head(proof: Proof) -> Digest:
    """The attempt in which it was done."""
    return proof.first.head if isinstance(proof, Equivocation) else proof.messages[0].head


def get_stage(proof: Proof) -> Stage:
    """The stage it is about."""
    return proof.first.stage if isinstance(proof, Equivocation) else proof.messages[0].stage


def find_fault(context: Context, proof: Proof) -> FaultKind | None:
    """What a proof proves; None where it proves nothing. Total, and the same at all honest
    peers."""
    if isinstance(proof, Equivocation):
        return FaultKind.EQUIVOCATION if is_equivocation(context, proof) else None
    return find_misdeed(context, proof.messages)


def is_equivocation(context: Context, proof: Equivocation) -> bool:
    """Two signatures of one peer under different bodies of one slot. In whatever run or attempt:
    nobody honest ever signs these."""
    first, second = proof.first, proof.second
    slots = [(each.stage, each.head, each.sender) for each in (first, second)]
    return (
        slots[0] == slots[1]
        and first.stage is not Stage.WITNESS
        and first.content != second.content
        and context.verify(first)
        and context.verify(second)
    )


def find_misdeed(context: Context, messages: tuple[Signed, ...]) -> FaultKind | None:
    """What quoted bodies of one peer prove."""
    if not 1 <= len(messages) <= PAIR or not all(map(context.verify, messages)):
        return None
    first = messages[0]
    attempt = context.find_attempt(first.head)
    if attempt is None or first.sender not in attempt.base.roster:
        return None
    if len(messages) == 1:
        invalid = is_never_valid(context, attempt, first)
        return FaultKind.INVALID_BODY if invalid else None
    second = messages[1]
    if (first.head, first.sender) != (second.head, second.sender):
        return None
    return FaultKind.WRONG_SHARE if is_wrong_share(context, attempt, first, second) else None


def is_never_valid(context: Context, attempt: Attempt, signed: Signed) -> bool:
    """Whether no honest peer signs this in the attempt, void or not."""
    if signed.stage not in QUOTED_STAGES:
        return False
    message = read(context, signed)
    if message is None:
        return True
    layout = context.layout(attempt)
    lengths = tuple(layout.length(part) for part in range(layout.parts))
    return all(
        find_problem(
            message,
            signed.sender,
            Shape(
                attempt.base,
                void=void,
                directions=context.genesis.directions,
                lengths=lengths,
                weight=context.aggregator.weight,
            ),
        )
        for void in (False, True)
    )


def is_wrong_share(context: Context, attempt: Attempt, first: Signed, second: Signed) -> bool:
    """Whether a REVEAL does not open the commitment of a COMMIT."""
    commit, reveal = read(context, first), read(context, second)
    if not isinstance(commit, Commit) or not isinstance(reveal, Reveal):
        return False
    place = attempt.base.place
    return compute_commitment(place, first.sender, reveal.share) != commit.commitment


def note_proof(context: Context, proof: Proof) -> None:
    """Keep the first proof against a peer of the roster until a record acts on it."""
    culprit = get_culprit(proof)
    if culprit in context.attempt.base.roster:
        context.state.proofs.setdefault(culprit, proof)


def collect_misdeeds(context: Context, attempt: Attempt) -> list[Proof]:
    """What convicts peers by their own words in an attempt that a call voids: it is brought in the
    next CHECK, so that a call hides nothing. Also where the set it belongs to was never whole and
    nothing was judged: else one could do as it likes while another keeps silent."""
    proofs: list[Proof] = []
    for peer in attempt.base.roster:
        commit, reveal = attempt.signed(Stage.COMMIT, peer), attempt.signed(Stage.REVEAL, peer)
        if commit and reveal and is_wrong_share(context, attempt, commit, reveal):
            proofs.append(Misdeed((commit, reveal)))
        proofs += [
            Misdeed((signed,))
            for stage in QUOTED_STAGES
            if (signed := attempt.signed(stage, peer)) and is_never_valid(context, attempt, signed)
        ]
    return proofs
