"""What comes in from others, each to its place; what follows from it is `step.advance`'s to see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.asking import (
    NEXT_HEAD,
    ask_about_echo,
    note_ahead,
    show_departed,
    show_outcome,
)
from zpeer.core.broadcast import SLOTS, put, read
from zpeer.core.convict import find_fault, get_culprit, get_head, get_stage, note_proof
from zpeer.core.early import keep_early, keep_early_chain, take_arrival
from zpeer.core.proofs import write_evidence
from zpeer.core.resolve import is_concluding, keep_shown, take_candidate
from zpeer.core.slow_path import call_with_proof, take_chain, take_view
from zpeer.core.timing import note_message
from zpeer.effects import SendProof
from zpeer.faults import FaultKind
from zpeer.proofs import Equivocation, Misdeed, Proof
from zpeer.record import Departure
from zpeer.signed import Signed, Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.events import CertificateReceived, ChainReceived, ProofReceived, SetReceived
    from zpeer.ids import PeerId


def on_message(context: Context, signed: Signed) -> None:
    """Put a signed body where it belongs."""
    attempt = context.state.attempt
    if attempt is None or not builds_on(attempt, signed):
        on_other_head(context, signed)
    elif signed.sender not in attempt.base.roster:
        return
    elif signed.stage is Stage.VIEW:
        if context.is_agreeing:
            note_view(context, attempt, signed)
            take_view(context, signed, ())
    elif signed.stage in context.stages or (context.is_agreeing and signed.stage in SLOTS):
        take_message(context, attempt, signed)


def builds_on(attempt: Attempt, signed: Signed) -> bool:
    """Whether a message is of this attempt: what builds on another head is not counted."""
    return signed.head == attempt.base.head


def note_view(context: Context, attempt: Attempt, signed: Signed) -> None:
    """Also a view that is not taken is a body for its slot."""
    proof = put(context, attempt, signed)
    if proof is not None:
        note_proof(context, proof)


def take_message(context: Context, attempt: Attempt, signed: Signed) -> None:
    """One body a slot; two are a proof. So is a VERDICT that does not decode, which no set ever
    holds."""
    proof: Proof | None = put(context, attempt, signed)
    if proof is None and is_garbled_verdict(context, signed):
        proof = Misdeed((signed,))
    if proof is not None:
        convict(context, proof)
    elif signed.stage in context.stages:
        note_message(context, signed.stage)
        note_ahead(context, signed.sender, signed.stage)
        ask_about_echo(context, signed)


def is_garbled_verdict(context: Context, signed: Signed) -> bool:
    """Whether this is a VERDICT that does not decode."""
    return signed.stage is Stage.VERDICT and read(context, signed) is None


def on_other_head(context: Context, signed: Signed) -> None:
    """Of a head to come it is kept, and its signer knows how mine ends; who still speaks of an
    attempt that is decided is told how."""
    is_news = keep_early(context, signed.head, signed.sender, signed.stage, signed=signed)
    if context.state.attempt is None or not context.is_agreeing:
        return
    past = context.find_attempt(signed.head)
    if past is not None and signed.sender in past.base.roster:
        on_past(context, past, signed)
    elif is_news and signed.sender in context.attempt.base.roster:
        note_ahead(context, signed.sender, NEXT_HEAD)


def on_past(context: Context, past: Attempt, signed: Signed) -> None:
    """A view of a decided attempt is kept, to be settled, and answered with how it ended; a DECIDED
    belongs to the certificate. Another body for a slot, signed afterwards, is a proof like any."""
    said = past.signed(signed.stage, signed.sender)
    if said is not None and said.body != signed.body and signed.stage in SLOTS:
        note_proof(context, Equivocation(said.statement, signed.statement))
    if signed.stage is Stage.DECIDED:
        past.messages.setdefault(Stage.DECIDED, {}).setdefault(signed.sender, signed)
        show_departed(context, past)
    held = past.views.get(signed.sender, ())
    if signed.stage is Stage.VIEW and len(held) < 2 and signed not in held:  # noqa: PLR2004
        past.views[signed.sender] = (*held, signed)
        answer_call(context, past, signed.sender)


def answer_call(context: Context, past: Attempt, caller: PeerId) -> None:
    """A call on an attempt that is over gets how that was decided."""
    show_outcome(context, past, caller)


def answer_after_the_end(context: Context, signed: Signed) -> None:
    """Tell who calls for an attempt that I have seen decided how it ended."""
    past = context.state.past.get(signed.head)
    if past is not None and signed.sender in past.base.roster and context.is_agreeing:
        on_past(context, past, signed)


def on_set_received(context: Context, event: SetReceived) -> None:
    """Look in another's set for a signer with two bodies; take what I lack."""
    if event.head != context.attempt.base.head:
        return
    keep_shown(context, event.peer, event.stage, event.messages)
    for signed in event.messages:
        if (signed.head, signed.stage) == (event.head, event.stage):
            on_message(context, signed)
            if context.state.stopped:
                return


def on_proof_received(context: Context, event: ProofReceived) -> None:
    """Two bodies for one slot, shown by another."""
    attempt = context.find_attempt(event.proof.first.head)
    is_ours = attempt is not None and event.proof.first.sender in attempt.base.roster
    if is_ours and find_fault(context, event.proof) is not None:
        convict(context, event.proof)


def on_chain(context: Context, event: ChainReceived) -> None:
    """A view or a closed set, passed on in the slow path."""
    attempt = context.state.attempt
    if not context.is_agreeing:
        return
    view = event.view
    if attempt is not None and view.head == attempt.base.head:
        if view.stage is Stage.CLOSED:
            on_message(context, view)
        elif view.stage is Stage.VIEW and view.sender in attempt.base.roster:
            note_view(context, attempt, view)
        take_chain(context, view, event.witnesses)
    elif attempt is not None and view.head in context.state.past:
        on_other_head(context, view)
    elif view.stage is Stage.VIEW:
        keep_early_chain(context, view, event.witnesses)


def on_certificate(context: Context, event: CertificateReceived) -> None:
    """A record that the slow path led to, by those who say so."""
    if not context.is_agreeing:
        return
    for signed in event.messages:
        if signed.stage in (Stage.DECIDED, Stage.VERDICT):
            on_message(context, signed)
    take_candidate(context, event.record)


def convict(context: Context, proof: Proof) -> None:
    """A proof is in hand: call with it, or, where the attempt goes on whatever was signed, bring it
    in the next CHECK. With `agreement = "stop"` write it down, show it to all, and stop."""
    if not context.is_agreeing:
        stop_convicting(context, proof)
        return
    attempt = context.attempt
    is_here = get_head(proof) == attempt.base.head and get_stage(proof) <= Stage.VERDICT
    note_proof(context, proof)
    if is_here and attempt.slow is None and not is_concluding(context):
        call_with_proof(context, get_culprit(proof))


def stop_convicting(context: Context, proof: Proof) -> None:
    """Evidence first, then the others, then the end."""
    liar = get_culprit(proof)
    fault = find_fault(context, proof) or FaultKind.INVALID_BODY
    stage, head = get_stage(proof), get_head(proof)
    write_evidence(context, Departure(peer=liar, fault=fault, attempt=head), proof=proof)
    witnesses = tuple(peer for peer in context.others if peer != liar)
    deed = f"signed a {stage.name} that does not decode"
    if isinstance(proof, Equivocation):
        context.emit(SendProof(to=witnesses, proof=proof))
        deed = f"signed two different {stage.name} bodies for one slot (equivocation)"
    reason = f'{context.names([liar])} {deed}; with agreement = "stop" the run ends here'
    context.stop(5, reason, (liar,), fault)


# --- what was kept for a head that has come -------------------------------------------------------


def take_early(context: Context) -> None:
    """Deliver what was kept for the head that has just been adopted."""
    kept, chains = context.state.early, context.state.early_chains
    context.state.early, context.state.early_chains = {}, {}
    for key in sorted(kept):
        early = kept[key]
        if early.signed is not None:
            on_message(context, early.signed)
        if early.arrival is not None:
            take_arrival(context, early.head, early.sender, early.kind, early.arrival)
    for relayer in sorted(chains):
        for chain in chains[relayer]:
            if chain.view.head == context.attempt.base.head:
                take_chain(context, chain.view, chain.witnesses)
