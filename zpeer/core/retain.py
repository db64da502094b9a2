"""What is kept after a record, and what is let go (section 8).

Messages of the last few attempts, and of every attempt that an open draw or a matter rests on,
until it is closed and one more CHECK set is recorded. Tensors likewise, but for fewer of the last
attempts: they are what is large.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.convict import find_fault
from zpeer.core.early import HEADS_REMEMBERED
from zpeer.core.published import find_needed_blobs
from zpeer.effects import Release

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zpeer.core.context import Context
    from zpeer.core.state import Base
    from zpeer.ids import Digest
    from zpeer.record import Matter, Record

ATTEMPTS_REMEMBERED = 5
"""Whose messages are kept: a matter lives three records, and what it rests on is said one
before."""
ATTEMPTS_WITH_TENSORS = 2


def retain(context: Context, record: Record) -> None:
    """Move the decided attempt into the past, and drop what nothing rests on any longer; and proofs
    about what is dropped, which would make any view that shows them invalid."""
    state = context.state
    attempt = context.attempt
    head = attempt.base.head
    state.past[head] = attempt
    state.order.append(head)
    state.known_heads = [*state.known_heads, head][-HEADS_REMEMBERED:]
    rests = get_rests(record) | get_rests(attempt.base)
    if record.checked in state.past:  # void attempts without a CHECK set may have followed it
        rests |= get_rests(state.past[record.checked].base)
    said = find_where_said(context, (*attempt.base.matters, *record.matters))
    said |= {record.checked, attempt.base.checked}
    kept = [h for h in state.order if h in rests | said or h in state.order[-ATTEMPTS_REMEMBERED:]]
    state.past = {h: state.past[h] for h in kept}
    state.order = kept
    state.proofs = {
        peer: proof
        for peer, proof in state.proofs.items()
        if peer in record.roster and find_fault(context, proof) is not None
    }
    release(context, record, rests)


def get_rests(after: Record | Base) -> set[Digest]:
    """Attempts that something open rests on."""
    return {draw.attempt for draw in after.draws} | {
        matter.accusation.attempt for matter in after.matters
    }


def find_where_said(context: Context, matters: Iterable[Matter]) -> set[Digest]:
    """Attempts whose messages accuse, and the CHECK sets before them, which hold the report
    accused: a matter that waits behind others may be old when it is decided, and evidence quotes
    both."""
    made = {matter.made for matter in matters}
    return made | {context.state.past[head].base.checked for head in made}


def release(context: Context, record: Record, rests: set[Digest]) -> None:
    """Let go of tensors, parameter files and published bytes that are done with."""
    state = context.state
    held = [*state.bulk, context.attempt.base.head]
    state.bulk = [h for h in held if h in rests or h in held[-ATTEMPTS_WITH_TENSORS:]]
    needed = {state.past[h].base.parameters for h in state.bulk} | {record.parameters}
    files = list(dict.fromkeys([*state.files, context.attempt.base.parameters]))
    state.files = [name for name in files if name in needed]
    blobs = find_needed_blobs(context, record.matters)
    gone = sorted(blob for blob in state.blobs if blob not in blobs)
    state.blobs = {blob: arrival for blob, arrival in state.blobs.items() if blob in blobs}
    state.blob_answers = set()
    effect = Release(
        heads=tuple(h for h in held if h not in state.bulk),
        parameters=tuple(name for name in files if name not in needed),
        blobs=tuple(gone),
    )
    if effect.heads or effect.parameters or effect.blobs:
        context.emit(effect)
