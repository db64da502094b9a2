"""AGGREGATED: every owner fixes the aggregate of its part, before any randomness is opened.

PART i -> j arrives directly and is used only if it matches i's commitment. What matches but is not
finite, or has a wrong length, counts as zeros and is accused in CHECK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.faulty import get_valid, judge_bodies
from zpeer.core.timing import note_missing, note_word
from zpeer.effects import AggregatePart, SendResult
from zpeer.ids import NOTHING, Digest
from zpeer.messages import Aggregated, Commit
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.core.state import Arrival
    from zpeer.ids import PeerId
    from zpeer.messages import Message


def get_committed(context: Context, worker: PeerId, part: int) -> Digest:
    """H(g_i[j]) as worker i committed to it; NOTHING where its COMMIT is not valid. Bytes may come
    before it is judged, so it may be too short."""
    commit = get_valid(context, context.attempt, Stage.COMMIT, worker)
    has_part = isinstance(commit, Commit) and 0 <= part < len(commit.parts)
    return commit.parts[part] if isinstance(commit, Commit) and has_part else NOTHING


def find_missing_parts(context: Context) -> list[PeerId]:
    """Workers whose PART has not come, or does not match its commitment."""
    attempt = context.attempt
    part = attempt.base.part_of(context.me)
    return [
        worker
        for worker in attempt.base.workers
        if worker != context.me
        and (
            worker not in attempt.parts
            or not is_committed(context, worker, attempt.parts[worker], part)
        )
    ]


def is_committed(context: Context, worker: PeerId, arrival: Arrival, part: int) -> bool:
    """Whether a PART is what its worker committed to: only that is used, and held against it."""
    return arrival.digest == get_committed(context, worker, part)


def find_unusable_parts(context: Context) -> list[PeerId]:
    """Workers whose PART matches its commitment but is not finite or has a wrong length."""
    attempt = context.attempt
    size = context.layout(attempt).size_bytes(attempt.base.part_of(context.me))
    return [
        worker
        for worker in attempt.base.workers
        if worker in attempt.parts and not is_sound(attempt.parts[worker], size)
    ]


def is_sound(arrival: Arrival, size: int) -> bool:
    """Whether bytes are finite numbers, as many as belong there."""
    return arrival.finite and arrival.size_bytes == size


def get_rows(context: Context) -> tuple[PeerId | None, ...]:
    """The rows of my part in worker order; None counts as zeros."""
    unusable = find_unusable_parts(context)
    return tuple(None if worker in unusable else worker for worker in context.attempt.base.workers)


class AggregatedStage:
    """Rows in, digest of the aggregate out; RESULTs go out right behind it."""

    stage = Stage.AGGREGATED

    @staticmethod
    def prepare(context: Context) -> None:
        """Aggregate my part once every PART is in."""
        attempt = context.attempt
        base = attempt.base
        part = base.part_of(context.me)
        if part < 0 or attempt.void:
            return
        missing = find_missing_parts(context)
        note_missing(context, len(missing))
        if missing:
            return
        rows = get_rows(context)
        radius = base.radii[part]
        effect = AggregatePart(base.head, part, len(base.workers), rows, radius)
        context.request("aggregate", effect)

    @staticmethod
    def compose(context: Context) -> Message | None:
        """Empty from a validator and in a void attempt."""
        attempt = context.attempt
        echo = attempt.sets[Stage.COMMIT]
        if attempt.void or context.me not in attempt.base.workers:
            return Aggregated(echo, None)
        return None if attempt.own_result is None else Aggregated(echo, attempt.own_result)

    @staticmethod
    def on_sent(context: Context) -> None:
        """RESULTs may travel while REVEAL runs."""
        note_word(context)
        if context.attempt.own_result is not None:
            context.emit(SendResult(head=context.attempt.base.head, to=context.others))

    @staticmethod
    def on_set(context: Context) -> None:
        """Without a result the step cannot count."""
        judge_bodies(context, Stage.AGGREGATED, voids=True)

    @staticmethod
    def awaited(context: Context) -> list[str]:
        """Whose PART is missing, and whether it came but did not match."""
        missing = find_missing_parts(context)
        names = context.names(missing)
        wrong = [peer for peer in missing if peer in context.attempt.parts]
        lines = [f"PART from {names}"] if missing else []
        return lines + ([f"(not matching its hash: {context.names(wrong)})"] if wrong else [])
