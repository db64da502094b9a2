"""Asking for what is missing, and answering (protocol, section 5, *Asking*).

Broadcasts are signed, so anyone may pass them on; bulk bytes are covered by hashes, so anyone may
pass those on, too. Who is ahead of me holds what I still wait for: it is asked soon. Everybody is
asked 2 Delta before a deadline. And who echoes another set than mine is asked for it at once: in
it, or in mine, somebody has signed two bodies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from zpeer.core.aggregate import find_missing_parts, get_committed
from zpeer.core.broadcast import echoes_mine, read, stage_before
from zpeer.core.verify import find_missing_results, get_result
from zpeer.effects import SendBlobRequest, SendCertificate, SendSet, SendSetRequest
from zpeer.messages import Decided
from zpeer.record import Record
from zpeer.signed import STEP_STAGES, Signed, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.events import SetRequested
    from zpeer.ids import Digest, PeerId

ANSWERS_MAX = 4
"""How often a stage is shown to one who asks: a set is many times larger than the question, and it
may grow between two questions, or an answer be lost."""
NEXT_HEAD = len(STEP_STAGES) + 1
AHEAD = 0xF0
EVERYBODY = 0xF1
DEPARTED = 0xF2


def ask_for_stage(context: Context, peers: Iterable[PeerId], head: Digest, stage: Stage) -> None:
    """Ask these peers for what they hold of a stage."""
    for peer in peers:
        if peer != context.me:
            context.emit(SendSetRequest(to=peer, head=head, stage=stage))


def is_first(attempt: Attempt, mark: bytes) -> bool:
    """Whether this is asked for the first time in the attempt."""
    if mark in attempt.asked:
        return False
    attempt.asked.add(mark)
    return True


# --- who knows more -------------------------------------------------------------------------------


def ask_about_echo(context: Context, signed: Signed) -> None:
    """Ask the signer for the set behind an echo that is not mine, once."""
    before = stage_before(context, signed.stage)
    if before is None or echoes_mine(context, signed):
        return
    if is_first(context.attempt, bytes([signed.stage]) + signed.sender):
        ask_for_stage(context, (signed.sender,), signed.head, before)


def ask_about_echoes(context: Context, stage: Stage) -> None:
    """Look again at what came for a stage before I had the set that its messages echo."""
    for signed in context.attempt.members(stage):
        ask_about_echo(context, signed)


def note_ahead(context: Context, peer: PeerId, stage: int) -> None:
    """Remember who is past my stage; if it still is some time later, I ask it."""
    attempt = context.attempt
    if stage <= attempt.stage or peer == context.me:
        return
    known = attempt.ahead.get(peer, 0)
    if stage <= known:
        return
    attempt.ahead[peer] = stage
    if known <= attempt.stage:
        attempt.ahead_since[peer] = context.now
        if attempt.timer > context.now:
            attempt.timer = 0.0


def list_ahead(context: Context) -> dict[PeerId, float]:
    """Who is past my stage and not yet asked for it, and when it will be: each by itself, or one
    that only pretends would keep me from asking the others."""
    attempt = context.attempt
    wait = context.genesis.delta / 2
    return {
        peer: max(since, attempt.entered) + wait
        for peer, since in attempt.ahead_since.items()
        if attempt.ahead[peer] > attempt.stage
        and bytes([AHEAD, attempt.stage]) + peer not in attempt.asked
    }


def ask_ahead(context: Context) -> None:
    """Ask those who are ahead for my stage, once a stage; for VERDICTs who builds on the next
    head."""
    attempt = context.attempt
    due = list_ahead(context)
    for peer in attempt.base.roster:
        if peer in due and due[peer] <= context.now:
            attempt.asked.add(bytes([AHEAD, attempt.stage]) + peer)
            ask_for_stage(context, (peer,), attempt.base.head, attempt.stage)
            if attempt.ahead[peer] == NEXT_HEAD and attempt.stage is not context.stages[-1]:
                ask_for_stage(context, (peer,), attempt.base.head, context.stages[-1])


# --- what is missing before a deadline ------------------------------------------------------------


def ask_everybody(context: Context) -> None:
    """Ask all for the messages of my stage that are missing, once a stage."""
    attempt = context.attempt
    if is_first(attempt, bytes([EVERYBODY, attempt.stage])):
        ask_for_stage(context, context.others, attempt.base.head, attempt.stage)


def ask_for_bytes(context: Context) -> None:
    """Ask for PARTs their workers, for RESULTs all; once a stage."""
    attempt = context.attempt
    if not is_first(attempt, bytes([EVERYBODY, attempt.stage, 1])):
        return
    if attempt.stage is Stage.AGGREGATED:
        part = attempt.base.part_of(context.me)
        for worker in find_missing_parts(context):
            blob = get_committed(context, worker, part)
            context.emit(SendBlobRequest(digest=blob, to=(worker,)))
    owners = find_missing_results(context) if attempt.stage is Stage.PROJECTIONS else []
    for fixed in filter(None, (get_result(context, attempt, owner) for owner in owners)):
        context.emit(SendBlobRequest(digest=fixed, to=context.others))


# --- answers --------------------------------------------------------------------------------------


def on_set_requested(context: Context, event: SetRequested) -> None:
    """Show what I hold of a stage; of a decided attempt also how it was decided."""
    attempt = context.find_attempt(event.head)
    if attempt is None or event.peer not in attempt.base.roster or not may_answer(attempt, event):
        return
    messages = attempt.members(event.stage)
    if messages:
        context.emit(SendSet(to=event.peer, head=event.head, stage=event.stage, messages=messages))
    if event.head in context.state.past:
        show_outcome(context, attempt, event.peer)


def may_answer(attempt: Attempt, event: SetRequested) -> bool:
    """Whether this peer was not answered too often already."""
    mark = bytes([event.stage]) + event.peer
    attempt.answered[mark] = attempt.answered.get(mark, 0) + 1
    return attempt.answered[mark] <= ANSWERS_MAX


def show_outcome(context: Context, past: Attempt, peer: PeerId) -> None:
    """Tell one who is behind how an attempt was decided: the n VERDICTs, or the record with the
    DECIDED of those who hold it."""
    head = past.base.head
    if past.is_settled:
        decided = past.members(Stage.DECIDED)
        context.emit(SendCertificate(to=(peer,), record=past.verdict, messages=decided))
    else:
        verdicts = past.members(context.stages[-1])
        context.emit(SendSet(to=peer, head=head, stage=context.stages[-1], messages=verdicts))


def show_departed(context: Context, past: Attempt) -> None:
    """Show a record of the slow path, once it is proven, to whom it removes, and the COMMIT set
    that it rests on: nothing that others say later would tell such a peer, and when it hears again
    nobody may be left who answers it."""
    record = msgspec.msgpack.decode(past.verdict, type=Record)
    decided = [read(context, signed) for signed in past.members(Stage.DECIDED)]
    is_proven = 2 * decided.count(Decided(record.head)) > len(past.base.roster)
    if not is_proven or not record.views or not is_first(past, bytes([DEPARTED])):
        return
    for departure in record.departures:
        if departure.peer != context.me:
            head, commits = past.base.head, past.members(Stage.COMMIT)
            if Stage.COMMIT in past.sets:
                context.emit(SendSet(departure.peer, head, Stage.COMMIT, commits))
            show_outcome(context, past, departure.peer)
