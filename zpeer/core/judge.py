"""Judging: what I find on each open matter, and what has to be computed for it (section 3,
*Judging*).

A matter rests either on published bytes (a part, matched by its owner's commitment) or on a
gradient that every peer computes again. Bytes that have not come in time are named as lacking; they
are never waited for without end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zpeer.core.aggregate import find_missing_parts, get_committed
from zpeer.core.bodies import judged_matters
from zpeer.core.faulty import get_valid
from zpeer.core.mprng import compute_batch_seed
from zpeer.core.state import Arrival
from zpeer.core.thresholds import BLAME_UPHELD, UPHELD, compute_sum_tolerance, distance
from zpeer.core.verify import find_missing_results, get_result, get_stated
from zpeer.effects import (
    Place,
    ProjectBlob,
    Recompute,
    Release,
    SendBlob,
    SendBlobRequest,
    TestAverage,
)
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, Digest, PeerId, number
from zpeer.messages import Check, Commit, Finding, Guilt
from zpeer.parts import Bulk
from zpeer.signed import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.events import BlobRequested
    from zpeer.messages import Accusation
    from zpeer.record import Matter


class Recomputation(NamedTuple):
    """A gradient to compute again, and for which validators to hash it."""

    attempt: Digest
    target: PeerId
    validators: tuple[PeerId, ...]


def plan_recomputations(context: Context) -> tuple[Recomputation, ...]:
    """What this attempt needs: my draws, reports on me to come, and matters without published
    bytes."""
    base = context.attempt.base
    wanted: dict[tuple[Digest, PeerId], list[PeerId]] = {}
    for validator, duty in zip(base.validators, base.duties, strict=True):
        for draw in duty:
            if context.me in (validator, draw.target):
                wanted.setdefault((draw.attempt, draw.target), []).append(validator)
    for matter in judged_matters(base.matters):
        accusation = matter.accusation
        if is_recomputed(accusation):
            validators = wanted.setdefault((accusation.attempt, get_target(accusation)), [])
            if accusation.fault is FaultKind.WRONG_REPORT and accusation.accused not in validators:
                validators.append(accusation.accused)
    return tuple(
        Recomputation(attempt, target, tuple(validators))
        for (attempt, target), validators in wanted.items()
    )


def is_recomputed(accusation: Accusation) -> bool:
    """Whether the matter rests on a gradient and not on published bytes."""
    if accusation.fault is FaultKind.WRONG_AVERAGE:
        return False
    return accusation.evidence == NOTHING or accusation.fault is FaultKind.WRONG_REPORT


def get_target(accusation: Accusation) -> PeerId:
    """Whose gradient the matter is about."""
    is_about = accusation.fault in (FaultKind.WRONG_REPORT, FaultKind.CONCEALED_PROJECTION)
    return accusation.about if is_about else accusation.accused


def request_recomputations(context: Context) -> None:
    """Ask for all of them, each once: they run while the gradients of this attempt do."""
    for plan in plan_recomputations(context):
        past = context.state.past[plan.attempt]
        base = past.base
        seed = compute_batch_seed(base.seed_beacon, base.step, plan.target)
        radii = base.radii if past.has_projections else ()
        effect = Recompute(
            head=plan.attempt,
            target=plan.target,
            parameters=base.parameters,
            batch_seed=seed,
            workers=base.workers,
            beacon=past.beacon,
            radii=radii,
            validators=plan.validators,
        )
        context.request(f"recompute {plan.attempt.hex()} {plan.target.hex()}", effect)


def note_expected_reports(context: Context) -> None:
    """Remember what the validators that drew me must report."""
    recomputed = context.attempt.recomputed
    expected = context.attempt.expected_reports = {}
    for plan in plan_recomputations(context):
        result = recomputed.get(plan.attempt + plan.target)
        if plan.target == context.me and result is not None:
            for validator, report in zip(plan.validators, result.reports, strict=True):
                expected[plan.attempt + validator] = report


# --- published bytes ------------------------------------------------------------------------------


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


def request_judgements(context: Context) -> None:
    """Ask for the numerics on published bytes, as they come in."""
    for matter in judged_matters(context.attempt.base.matters):
        accusation = matter.accusation
        past = context.state.past[accusation.attempt]
        if accusation.fault is FaultKind.WRONG_AVERAGE:
            request_average(context, past, accusation)
        elif accusation.fault is FaultKind.WRONG_PROJECTION and (
            accusation.evidence in context.state.blobs
        ):
            effect = ProjectBlob(
                head=accusation.attempt,
                part=accusation.part,
                owner=past.base.workers[accusation.part],
                parts=len(past.base.workers),
                blob=accusation.evidence,
                beacon=past.beacon,
                radius=past.base.radii[accusation.part],
            )
            context.request(f"project {accusation.evidence.hex()}", effect)


def request_average(context: Context, past: Attempt, accusation: Accusation) -> None:
    """Test the full residual once every row is here. What is not finite counts as zeros, as it did
    for j."""
    blobs = get_commits(context, past, accusation.part)
    arrivals = context.state.blobs
    if any(blob not in arrivals for blob in blobs):
        return
    size = context.layout(past).size_bytes(accusation.part)
    rows = tuple(
        blob if arrivals[blob].finite and arrivals[blob].size_bytes == size else None
        for blob in blobs
    )
    effect = TestAverage(
        head=accusation.attempt,
        part=accusation.part,
        owner=accusation.accused,
        parts=len(past.base.workers),
        blobs=rows,
        radius=past.base.radii[accusation.part],
    )
    context.request(f"average {accusation.attempt.hex()} {accusation.part}", effect)


# --- findings -------------------------------------------------------------------------------------


def find(context: Context, matter: Matter, *, late: bool) -> Finding | None:
    """My finding; None while bytes or computations may still come (`late`: bytes are waited for no
    more)."""
    accusation = matter.accusation
    past = context.state.past[accusation.attempt]
    if is_recomputed(accusation):
        return find_by_recomputing(context, matter, past)
    is_average = accusation.fault is FaultKind.WRONG_AVERAGE
    if not is_average and not is_evidence(context, past, accusation):
        return make_finding(matter, guilty=False)
    lacking = find_lacking(context, past, accusation)
    if lacking:
        return Finding(matter.name, Guilt.LACKING, lacking) if late else None
    guilty = is_guilty_by_bytes(context, past, accusation)
    return None if guilty is None else make_finding(matter, guilty=guilty)


def make_finding(matter: Matter, *, guilty: bool) -> Finding:
    """A finding that decides."""
    return Finding(matter.name, Guilt.GUILTY if guilty else Guilt.INNOCENT)


def find_lacking(context: Context, past: Attempt, accusation: Accusation) -> tuple[PeerId, ...]:
    """Whose published bytes are not here."""
    if accusation.fault is not FaultKind.WRONG_AVERAGE:
        return () if accusation.evidence in context.state.blobs else (accusation.accused,)
    commits = get_commits(context, past, accusation.part)
    return tuple(
        worker
        for worker, blob in zip(past.base.workers, commits, strict=True)
        if blob not in context.state.blobs
    )


def is_guilty_by_bytes(context: Context, past: Attempt, accusation: Accusation) -> bool | None:
    """A part against its commitment, its shape, its statements; an average against its rows."""
    if accusation.fault is FaultKind.WRONG_AVERAGE:
        return is_average_wrong(context, past, accusation)
    arrival = context.state.blobs[accusation.evidence]
    size = context.layout(past).size_bytes(accusation.part)
    if accusation.fault is FaultKind.PART_NOT_FINITE:
        return not (arrival.finite and arrival.size_bytes == size)
    projected = context.attempt.blobs_projected.get(accusation.evidence)
    if projected is None:
        return None
    if projected.scalars is None:
        return True
    stated = get_stated(context, past, accusation.accused)
    pull = compute_pull(context, projected.scalars.norm, past.base.radii[accusation.part])
    return distance(stated[accusation.part], projected.scalars, pull) > UPHELD


def compute_pull(context: Context, norm: float, radius: float) -> float:
    """min(norm, tau): the length of a clipped residual."""
    return context.aggregator.weight(norm, radius) * norm


def is_average_wrong(context: Context, past: Attempt, accusation: Accusation) -> bool | None:
    """Whether || sum_i psi_i || of the published rows is beyond the sum's tolerance."""
    tested = context.attempt.averages_tested.get(accusation.attempt + number(accusation.part))
    if tested is None:
        return None
    projected = past.projected
    assert projected is not None, "an averaging is questioned only after my own projections"
    tolerance = compute_sum_tolerance(
        tested.norms,
        past.base.radii[accusation.part],
        projected.result_norms[accusation.part],
        context.aggregator.weight,
    )
    return not tested.residual <= tolerance


def find_by_recomputing(context: Context, matter: Matter, past: Attempt) -> Finding:
    """A gradient, a report, or a projection that only who computes the gradient can see."""
    accusation = matter.accusation
    target = get_target(accusation)
    result = context.attempt.recomputed[accusation.attempt + target]
    if accusation.fault is FaultKind.WRONG_REPORT:
        plans = plan_recomputations(context)
        plan = next(p for p in plans if (p.attempt, p.target) == (accusation.attempt, target))
        report = result.reports[plan.validators.index(accusation.accused)]
        return make_finding(matter, guilty=report != accusation.evidence)
    commit = get_valid(context, past, Stage.COMMIT, target)
    follows = isinstance(commit, Commit) and commit.parts == result.digests
    if accusation.fault is FaultKind.WRONG_GRADIENT:
        return make_finding(matter, guilty=not follows)
    far = measure_distance(context, past, target, accusation.part)
    if accusation.fault is FaultKind.WRONG_PROJECTION:
        return make_finding(matter, guilty=not follows or far > UPHELD)
    quiet = is_quiet(context, past, accusation.accused, target, accusation.part)
    return make_finding(matter, guilty=follows and quiet and far > BLAME_UPHELD)


def measure_distance(context: Context, past: Attempt, target: PeerId, part: int) -> float:
    """How far the target's statement on a part is from what its recomputed gradient gives."""
    result = context.attempt.recomputed[past.base.head + target]
    stated = get_stated(context, past, target)
    if not (0 <= part < len(stated) and part < len(result.row)):
        return 0.0
    pull = compute_pull(context, result.row[part].norm, past.base.radii[part])
    return distance(stated[part], result.row[part], pull)


def is_quiet(context: Context, past: Attempt, owner: PeerId, worker: PeerId, part: int) -> bool:
    """Whether the owner of a part, who held the worker's bytes, did not accuse it over that
    part."""
    if past.base.part_of(owner) != part or owner == worker:
        return False
    check = get_valid(context, past, Stage.CHECK, owner)
    return isinstance(check, Check) and not any(
        (a.accused, a.part, a.attempt) == (worker, part, past.base.head) for a in check.accusations
    )


# --- published bytes come and go ------------------------------------------------------------------


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
