"""Reliable broadcast for the fast path: one slot a (head, stage, sender), echoes, and what a
difference means.

A message is in a peer's stage set only when its echo is that peer's own (protocol, section 2).
Where echoes differ the signer is asked for the set behind its echo; two bodies of one signer are
equivocation, proven to anybody. With `agreement = "stop"` the proof is written and shown to all,
and the run stops naming the liar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.draw import validators_in_force
from zpeer.core.proofs import write_evidence
from zpeer.core.state import Early
from zpeer.effects import SendProof, SendSet, SendSetRequest
from zpeer.errors import WireError
from zpeer.faults import FaultKind
from zpeer.ids import Digest, PeerId, digest_of_set
from zpeer.messages import Commit
from zpeer.record import Departure
from zpeer.signed import Signed, Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.core.state import Arrival
    from zpeer.events import ProofReceived, SetReceived, SetRequested

KIND_PART = 10
KIND_RESULT = 11
HEADS_REMEMBERED = 64


def compute_set_digest(messages: tuple[Signed, ...]) -> Digest:
    """What an echo is: the digest of the bodies of a stage set, in roster order."""
    return digest_of_set("zpeer/set", [signed.body for signed in messages])


def on_message(context: Context, signed: Signed) -> None:
    """Put a message into its slot, keep it for the next head, or drop it."""
    attempt = context.state.attempt
    if attempt is None or signed.head != attempt.base.head:
        keep_early(context, signed.head, signed.sender, signed.stage, signed=signed)
        return
    if signed.sender not in attempt.base.roster or signed.stage not in context.stages:
        return
    slots = attempt.messages.setdefault(signed.stage, {})
    held = slots.setdefault(signed.sender, signed)
    if held.body != signed.body:
        convict(context, held, signed)
        return
    note_duration(context, signed.stage)
    ask_about_echo(context, signed)


def note_duration(context: Context, stage: Stage) -> None:
    """Time until the (n-f)-th message of the stage: only honest peers can make it long
    (section 3)."""
    attempt = context.attempt
    n = len(attempt.base.roster)
    needed = n - byzantine_max(n, validators_in_force(context.genesis.validators, n))
    is_due = stage is attempt.stage and len(attempt.durations) < stage <= Stage.PROJECTIONS
    if is_due and len(attempt.messages[stage]) >= needed:
        attempt.durations.append(max(0.0, context.now - attempt.entered))


def byzantine_max(peers: int, validators: int) -> int:
    """f: fewer than half of the workers even when every validator drawn is honest (section 1)."""
    return max(0, -(-(peers - validators) // 2) - 1)


def stage_before(context: Context, stage: Stage) -> Stage | None:
    """The broadcast stage whose set a message of `stage` echoes; None for COMMIT, whose head says
    it all."""
    place = context.stages.index(stage)
    return context.stages[place - 1] if place else None


def get_echo(context: Context, signed: Signed) -> Digest | None:
    """The echo a message carries; None where there is none or the body does not decode."""
    try:
        message = context.decode(signed)
    except WireError:
        return None
    return None if isinstance(message, Commit) else message.echo


def is_agreed(context: Context, signed: Signed) -> bool:
    """Whether the message belongs to my set: its echo is mine. A body that does not decode is
    judged as it is."""
    before = stage_before(context, signed.stage)
    echo = get_echo(context, signed)
    return before is None or echo is None or echo == context.attempt.sets.get(before, echo)


def ask_about_echo(context: Context, signed: Signed) -> None:
    """Ask the signer for the set behind an echo that is not mine, once."""
    attempt = context.attempt
    before = stage_before(context, signed.stage)
    mark = bytes([signed.stage]) + signed.sender
    if before is None or mark in attempt.asked or is_agreed(context, signed):
        return
    attempt.asked.add(mark)
    context.emit(SendSetRequest(to=signed.sender, head=signed.head, stage=before))


def ask_about_echoes(context: Context, stage: Stage) -> None:
    """Look again at what came for a stage before I had the set that its messages echo."""
    for signed in context.attempt.members(stage):
        ask_about_echo(context, signed)


def is_complete(context: Context, stage: Stage) -> bool:
    """Whether a message of every peer is in, each with my echo."""
    members = context.attempt.members(stage)
    if len(members) < len(context.attempt.base.roster):
        return False
    return all(is_agreed(context, signed) for signed in members)


def on_set_requested(context: Context, event: SetRequested) -> None:
    """Show a set that I have echoed: messages are signed, so anyone may relay them.

    Once to each who asks: a set is many times larger than the question.
    """
    attempt = context.find_attempt(event.head)
    mark = bytes([event.stage]) + event.peer
    if attempt is None or event.stage not in attempt.sets or mark in attempt.answered:
        return
    if event.peer in attempt.base.roster:
        attempt.answered.add(mark)
        messages = attempt.members(event.stage)
        context.emit(SendSet(to=event.peer, head=event.head, stage=event.stage, messages=messages))


def on_set_received(context: Context, event: SetReceived) -> None:
    """Look in another's set for a signer with two bodies; take what I lack."""
    attempt = context.attempt
    if event.head != attempt.base.head:
        return
    for signed in event.messages:
        if (signed.head, signed.stage) == (event.head, event.stage):
            on_message(context, signed)
            if context.state.stopped:
                return


def on_proof_received(context: Context, event: ProofReceived) -> None:
    """Two bodies for one slot, shown by another."""
    first, second = event.first, event.second
    same_slot = (first.head, first.stage, first.sender) == (
        second.head,
        second.stage,
        second.sender,
    )
    attempt = context.find_attempt(first.head)
    if attempt is None or not same_slot or first.body == second.body:
        return
    if first.sender in attempt.base.roster:
        convict(context, first, second)


def convict(context: Context, first: Signed, second: Signed) -> None:
    """Equivocation: write it down, show it to all, stop naming the liar (the ban comes with the
    slow path)."""
    liar = first.sender
    departure = Departure(peer=liar, fault=FaultKind.EQUIVOCATION, attempt=first.head)
    write_evidence(context, departure, messages=(first, second))
    witnesses = tuple(peer for peer in context.others if peer != liar)
    context.emit(SendProof(to=witnesses, first=first, second=second))
    context.stop(
        5,
        f"{context.names([liar])} signed two different {first.stage.name} bodies for one slot"
        ' (equivocation); with agreement = "stop" the run ends here',
        (liar,),
        FaultKind.EQUIVOCATION,
    )


# --- what comes before its head is known ----------------------------------------------------------


def keep_early(
    context: Context,
    head: Digest,
    sender: PeerId,
    kind: int,
    *,
    signed: Signed | None = None,
    arrival: Arrival | None = None,
) -> None:
    """Keep what builds on the next head: one slot a (sender, kind), so memory stays bounded.

    An honest peer is at most one head ahead, since every head needs my VERDICT. What comes for a
    head of the past is late and dropped; what comes for a head that never will be is overwritten or
    dropped with the next. Before the start the next head is the run's own.
    """
    attempt = context.state.attempt
    roster = attempt.base.roster if attempt else context.genesis.peers
    if head in context.state.known_heads or sender not in roster:
        return
    key = bytes([kind]) + sender
    context.state.early[key] = Early(head, sender, kind, signed, arrival)


def take_early(context: Context) -> None:
    """Deliver what was kept for the head that has just been adopted."""
    kept = context.state.early
    context.state.early = {}
    for key in sorted(kept):
        early = kept[key]
        if early.signed is not None:
            on_message(context, early.signed)
        if early.arrival is not None:
            take_arrival(context, early.head, early.sender, early.kind, early.arrival)


def take_arrival(
    context: Context, head: Digest, sender: PeerId, kind: int, arrival: Arrival
) -> None:
    """Put bulk bytes into their slot: the first delivery counts."""
    attempt = context.state.attempt
    if attempt is None or head != attempt.base.head:
        keep_early(context, head, sender, kind, arrival=arrival)
    elif sender in attempt.base.workers:
        slots = attempt.parts if kind == KIND_PART else attempt.results
        slots.setdefault(sender, arrival)
