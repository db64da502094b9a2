"""Judging: what I find on each open matter, and what has to be computed for it (section 3,
*Judging*).

A matter rests either on published bytes (a part, matched by its owner's commitment) or on a
gradient that every peer computes again. Bytes that have not come in time are named as lacking; they
are never waited for without end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zpeer.core.aggregate import is_sound
from zpeer.core.bodies import judged_matters
from zpeer.core.faulty import get_valid
from zpeer.core.mprng import compute_batch_seed
from zpeer.core.published import get_commits, is_evidence, is_recomputed
from zpeer.core.thresholds import compute_sum_tolerance, distance, is_blame_upheld, is_upheld
from zpeer.core.verify import get_stated
from zpeer.effects import ProjectBlob, Recompute, TestAverage
from zpeer.faults import FaultKind
from zpeer.ids import Digest, PeerId, number
from zpeer.messages import Check, Commit, Finding, Guilt
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.events import Recomputed
    from zpeer.messages import Accusation, Message
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


# --- numerics on published bytes ------------------------------------------------------------------


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
    rows = tuple(blob if is_sound(arrivals[blob], size) else None for blob in blobs)
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
        return not is_sound(arrival, size)
    projected = context.attempt.blobs_projected.get(accusation.evidence)
    if projected is None:
        return None
    if projected.scalars is None:
        return True
    stated = get_stated(context, past, accusation.accused)
    pull = compute_pull(context, projected.scalars.norm, past.base.radii[accusation.part])
    return is_upheld(distance(stated[accusation.part], projected.scalars, pull))


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
    is_true = follows(commit, result)
    if accusation.fault is FaultKind.WRONG_GRADIENT:
        return make_finding(matter, guilty=not is_true)
    far = measure_distance(context, past, target, accusation.part)
    if accusation.fault is FaultKind.WRONG_PROJECTION:
        return make_finding(matter, guilty=not is_true or is_upheld(far))
    quiet = is_quiet(context, past, accusation.accused, target, accusation.part)
    return make_finding(matter, guilty=is_true and quiet and is_blame_upheld(far))


def follows(commit: Message | None, result: Recomputed) -> bool:
    """Whether a worker committed to the gradient that its minibatch gives."""
    return isinstance(commit, Commit) and commit.parts == result.digests


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
