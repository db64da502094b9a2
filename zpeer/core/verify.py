"""PROJECTIONS: what the aggregates are held to. Three checks, all from broadcast scalars.

V1: a worker's s_i^j and norm_i^j follow from its committed part: the owner, who holds the bytes,
compares and accuses in CHECK (`check.py`). V2: the projections of a part sum to zero. V3: no
majority reports norms beyond Delta_max. The directions are known only now, the aggregates were
fixed before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.aggregate import get_rows, is_sound
from zpeer.core.faulty import get_valid, judge_bodies, note
from zpeer.core.thresholds import compute_sum_tolerance, sum_fails
from zpeer.core.timing import note_missing, note_word
from zpeer.effects import Project
from zpeer.events import Scalars
from zpeer.faults import FaultKind
from zpeer.messages import Aggregated, Projections
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.core.state import Arrival, Attempt
    from zpeer.ids import Digest, PeerId
    from zpeer.messages import Message


def get_result(context: Context, attempt: Attempt, owner: PeerId) -> Digest | None:
    """H(v_j) as the owner fixed it."""
    message = get_valid(context, attempt, Stage.AGGREGATED, owner)
    return message.result if isinstance(message, Aggregated) else None


def find_missing_results(context: Context) -> list[PeerId]:
    """Owners whose RESULT has not come, or does not match what they fixed."""
    attempt = context.attempt
    return [
        owner
        for part, owner in enumerate(attempt.base.workers)
        if owner != context.me
        and (fixed := get_result(context, attempt, owner)) is not None
        and not is_usable(context, part, attempt.results.get(owner), fixed)
    ]


def is_usable(context: Context, part: int, arrival: Arrival | None, fixed: Digest) -> bool:
    """Whether these are the bytes that were fixed. A wrong length is a fault with proof; without
    protection, where nobody is banned, such bytes are no RESULT at all."""
    if arrival is None or not is_fixed(arrival, fixed):
        return False
    size = context.layout(context.attempt).size_bytes(part)
    return context.is_protected or arrival.size_bytes == size


def is_fixed(arrival: Arrival, fixed: Digest) -> bool:
    """Whether a RESULT is what its owner fixed in AGGREGATED."""
    return arrival.digest == fixed


def is_finite_result(arrival: Arrival, size: int) -> bool:
    """Whether a RESULT as it was fixed is a finite vector of its part's length."""
    return is_sound(arrival, size)


def judge_results(context: Context) -> None:
    """A RESULT that matches its hash but is not finite, or has a wrong length: ban, void."""
    attempt = context.attempt
    layout = context.layout(attempt)
    for part, owner in enumerate(attempt.base.workers):
        arrival = attempt.results.get(owner)
        fixed = get_result(context, attempt, owner)
        if arrival is None or fixed is None or not is_fixed(arrival, fixed):
            continue
        if not is_finite_result(arrival, layout.size_bytes(part)):
            note(context, owner, FaultKind.RESULT_NOT_FINITE, voids=True, part=part)
    attempt.results_judged = True
    attempt.has_projections = not attempt.void and bool(attempt.base.workers)


def get_stated(context: Context, attempt: Attempt, worker: PeerId) -> tuple[Scalars, ...]:
    """What a worker stated in PROJECTIONS, one for each part; empty if it was not valid."""
    message = get_valid(context, attempt, Stage.PROJECTIONS, worker)
    if not isinstance(message, Projections):
        return ()
    return tuple(map(Scalars, message.projections, message.norms))


def get_stated_on(context: Context, attempt: Attempt, worker: PeerId, part: int) -> Scalars | None:
    """What a worker stated on one part; None where it stated nothing."""
    message = get_valid(context, attempt, Stage.PROJECTIONS, worker)
    if not isinstance(message, Projections) or not message.norms:
        return None
    return Scalars(message.projections[part], message.norms[part])


class ProjectionsStage:
    """Results and beacon in, scalars out."""

    stage = Stage.PROJECTIONS

    @staticmethod
    def prepare(context: Context) -> None:
        """Project once every RESULT is in; validators need the norms of results and directions,
        too."""
        attempt = context.attempt
        base = attempt.base
        missing = find_missing_results(context)
        note_missing(context, len(missing))
        if missing:
            return
        if not attempt.results_judged:
            judge_results(context)
        if not attempt.has_projections:
            return
        part = base.part_of(context.me)
        rows = get_rows(context) if part >= 0 else ()
        effect = Project(base.head, attempt.beacon, base.workers, part, rows, base.radii)
        context.request("project", effect)

    @staticmethod
    def compose(context: Context) -> Message | None:
        """My row; empty from a validator and in a void attempt."""
        attempt = context.attempt
        if not attempt.results_judged or (attempt.has_projections and attempt.projected is None):
            return None
        row = attempt.projected.row if attempt.projected else ()
        return Projections(
            attempt.sets[Stage.REVEAL],
            attempt.beacon,
            tuple(scalars.projections for scalars in row),
            tuple(scalars.norm for scalars in row),
        )

    @staticmethod
    def on_sent(context: Context) -> None:
        """Nothing follows it."""
        note_word(context)

    @staticmethod
    def on_set(context: Context) -> None:
        """Bodies, beacons, sums, norms: whether the step counts is known after this."""
        attempt = context.attempt
        judge_bodies(context, Stage.PROJECTIONS, voids=True)
        for peer in attempt.base.roster:
            message = get_valid(context, attempt, Stage.PROJECTIONS, peer)
            if isinstance(message, Projections) and is_beacon_wrong(message, attempt):
                note(context, peer, FaultKind.WRONG_BEACON, voids=True)
        if attempt.has_projections and not attempt.void:
            verify_parts(context)

    @staticmethod
    def awaited(context: Context) -> list[str]:
        """Whose RESULT is missing, and whether it came but did not match."""
        missing = find_missing_results(context)
        wrong = [peer for peer in missing if peer in context.attempt.results]
        lines = [f"RESULT from {context.names(missing)}"] if missing else []
        return lines + ([f"(not matching its hash: {context.names(wrong)})"] if wrong else [])


def is_beacon_wrong(message: Projections, attempt: Attempt) -> bool:
    """Whether the r a peer states is not that of the shares."""
    return message.beacon != attempt.beacon


def verify_parts(context: Context) -> None:
    """V2 and V3 for every part. A failed one makes the attempt void; who pays is settled in
    CHECK."""
    attempt = context.attempt
    stated = [get_stated(context, attempt, worker) for worker in attempt.base.workers]
    for part in range(len(attempt.base.workers)):
        column = [row[part] for row in stated]
        if verify_sum_fails(context, part, column):
            attempt.failed_sums.append(part)
        elif verify_norms_fail(column, attempt.base.delta_max[part]):
            attempt.averages.append(part)
    attempt.void = attempt.void or bool(attempt.failed_sums or attempt.averages)


def verify_sum_fails(context: Context, part: int, column: list[Scalars]) -> bool:
    """V2: whether sum_i s_i^j is not 0 within tolerance."""
    attempt = context.attempt
    assert attempt.projected is not None, "projections are judged only after my own"
    tolerance = compute_sum_tolerance(
        [scalars.norm for scalars in column],
        attempt.base.radii[part],
        attempt.projected.result_norms[part],
        context.aggregator.weight,
    )
    return sum_fails([scalars.projections for scalars in column], tolerance)


def verify_norms_fail(column: list[Scalars], delta_max: float) -> bool:
    """V3: whether more than half of the workers report a norm beyond Delta_max."""
    beyond = sum(is_beyond(scalars.norm, delta_max) for scalars in column)
    return 2 * beyond > len(column)


def is_beyond(norm: float, delta_max: float) -> bool:
    """Whether a norm is beyond the limit; NaN is."""
    return not norm <= delta_max
