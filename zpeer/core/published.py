"""Published bytes: which ones matters rest on, who shows them to whom, and which are kept (section
3, *Judging*).

Bytes go by their digest, so anybody may show them. What came so is also put where a PART or RESULT
that I asked for is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.aggregate import find_missing_parts, get_committed
from zpeer.core.bodies import judged_matters
from zpeer.core.faulty import get_valid
from zpeer.core.state import Arrival
from zpeer.core.verify import find_missing_results, get_result
from zpeer.effects import Place, Release, SendBlob, SendBlobRequest
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, Digest
from zpeer.messages import Commit
from zpeer.parts import Bulk
from zpeer.signed import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.events import BlobRequested
    from zpeer.messages import Accusation
    from zpeer.record import Matter


def is_recomputed(accusation: Accusation) -> bool:
    """Whether the matter rests on a gradient and not on published bytes."""
    if accusation.fault is FaultKind.WRONG_AVERAGE:
        return False
    return accusation.evidence == NOTHING or accusation.fault is FaultKind.WRONG_REPORT


def get_commits(context: Context, past: Attempt, part: int) -> tuple[Digest, ...]:
    """H(g_i[part]) of every worker of a past attempt; NOTHING where a COMMIT was not valid."""
    digests = []
    for worker in past.base.workers:
        commit = get_valid(context, past, Stage.COMMIT, worker)
        has_part = isinstance(commit, Commit) and 0 <= part < len(commit.parts)
        digests.append(commit.parts[part] if isinstance(commit, Commit) and has_part else NOTHING)
    return tuple(digests)


def find_needed_blobs(context: Context, matters: Sequence[Matter]) -> tuple[Digest, ...]:
    """Published bytes that these matters rest on."""
    needed: list[Digest] = []
    for matter in matters:
        accusation = matter.accusation
        past = context.state.past[accusation.attempt]
        if accusation.fault is FaultKind.WRONG_AVERAGE:
            needed += get_commits(context, past, accusation.part)
        elif not is_recomputed(accusation) and is_evidence(context, past, accusation):
            needed.append(accusation.evidence)
    return tuple(dict.fromkeys(blob for blob in needed if blob != NOTHING))


def is_evidence(context: Context, past: Attempt, accusation: Accusation) -> bool:
    """Whether the bytes that an accusation names are what the accused committed to. If not, it is
    false as it stands, and nobody waits for them."""
    place = past.base.workers.index(accusation.accused)
    return get_commits(context, past, accusation.part)[place] == accusation.evidence


def is_wanted(context: Context, blob: Digest) -> bool:
    """Whether published bytes are of use: matters rest on them, or accusations to come may.

    Only parts committed to in this attempt can be published in its CHECK, so memory stays bounded.
    """
    attempt = context.attempt
    if blob in find_needed_blobs(context, attempt.base.matters):
        return True
    parts = range(len(attempt.base.workers))
    return any(blob in get_commits(context, attempt, part) for part in parts)


def publish_averages(context: Context) -> None:
    """CheckAveraging: part j is published by all its owners, and by j for those that do not."""
    for matter in judged_matters(context.attempt.base.matters):
        accusation = matter.accusation
        if accusation.fault is not FaultKind.WRONG_AVERAGE:
            continue
        past = context.state.past[accusation.attempt]
        size = context.layout(past).size_bytes(accusation.part)
        commits = get_commits(context, past, accusation.part)
        for worker, blob in zip(past.base.workers, commits, strict=True):
            if context.me in (worker, accusation.accused):
                mine = Arrival(blob, size, finite=True)
                context.state.blobs[blob] = mine if worker == context.me else past.parts[worker]
                context.request(f"publish {blob.hex()}", SendBlob(digest=blob, to=context.others))


def request_blobs(context: Context) -> None:
    """Ask everybody for what is needed and not here; whoever has it answers."""
    for blob in find_needed_blobs(context, judged_matters(context.attempt.base.matters)):
        if blob not in context.state.blobs:
            context.request(f"blob {blob.hex()}", SendBlobRequest(blob, context.others))


def on_blob(context: Context, blob: Digest, arrival: Arrival) -> None:
    """Keep bytes if they are of use; else let the shell drop them."""
    place_bytes(context, blob, arrival)
    if is_wanted(context, blob):
        context.state.blobs[blob] = arrival
    else:
        context.emit(Release(heads=(), parameters=(), blobs=(blob,)))


def place_bytes(context: Context, blob: Digest, arrival: Arrival) -> None:
    """Put bytes that I asked for where a PART or RESULT is missing."""
    attempt = context.attempt
    head, part = attempt.base.head, attempt.base.part_of(context.me)
    for worker in find_missing_parts(context) if part >= 0 else ():
        if get_committed(context, worker, part) == blob:
            attempt.parts[worker] = arrival
            context.emit(Place(head=head, kind=Bulk.PART, sender=worker, blob=blob))
    for owner in find_missing_results(context):
        if get_result(context, attempt, owner) == blob:
            attempt.results[owner] = arrival
            context.emit(Place(head=head, kind=Bulk.RESULT, sender=owner, blob=blob))


def on_blob_requested(context: Context, event: BlobRequested) -> None:
    """Pass on bytes, once to each who asks."""
    mark = event.digest + event.peer
    state = context.state
    if mark not in state.blob_answers and holds(context, event.digest):
        state.blob_answers.add(mark)
        context.emit(SendBlob(digest=event.digest, to=(event.peer,)))


def holds(context: Context, blob: Digest) -> bool:
    """Whether these bytes are here: published, a part of my own, or a RESULT."""
    attempt = context.attempt
    results = [arrival.digest for arrival in attempt.results.values()]
    mine = (*(attempt.own_parts or ()), attempt.own_result)
    return blob in context.state.blobs or blob in mine or blob in results
