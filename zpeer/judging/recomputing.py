"""Faults that are derived by projecting bytes or by computing a gradient again (section 3).

False accusations stand here, too: what was claimed is derived, and found not so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zpeer.compute.worker import digest_report
from zpeer.core.bodies import find_problem
from zpeer.core.faulty import make_shape
from zpeer.core.mprng import compute_batch_seed
from zpeer.core.published import get_commits
from zpeer.core.thresholds import BLAME_UPHELD, UPHELD, distance
from zpeer.core.verify import get_result, get_stated
from zpeer.events import Scalars
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, digest_bytes, short
from zpeer.judging.case import Unproven, require
from zpeer.judging.retrial import get_own, run_commits, run_until
from zpeer.judging.rulings import find_usable
from zpeer.messages import Check, Commit, Projections
from zpeer.numerics.dealing import deal, to_bytes
from zpeer.numerics.directions import directions
from zpeer.numerics.projections import scalars
from zpeer.signed import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.core.context import Context
    from zpeer.core.state import Base
    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import Float32
    from zpeer.judging.case import Case
    from zpeer.messages import Accusation


class Gradient(NamedTuple):
    """A gradient computed again, whole and dealt."""

    whole: Float32
    parts: list[Float32]
    digests: tuple[Digest, ...]


def recompute(case: Case, base: Base, target: PeerId) -> Gradient:
    """The gradient that follows from parameters, beacon, step and peer."""
    require(target in base.workers, "the peer whose gradient it is about was no worker")
    seed = compute_batch_seed(base.seed_beacon, base.step, target)
    whole = case.court.gradient(base.parameters, seed)
    parts = deal(whole, case.layout(base))
    return Gradient(whole, parts, tuple(digest_bytes(to_bytes(part)) for part in parts))


def measure(case: Case, context: Context, worker: PeerId, part: int, row: Float32) -> float:
    """How far the worker's statement on a part is from what the row gives, in units of rounding."""
    attempt = context.attempt
    base = attempt.base
    fixed = get_result(context, attempt, base.workers[part])
    if fixed is None or attempt.projected is None:
        raise Unproven("the attempt had no projections")
    result = find_usable(case, base, part, case.find_bytes(fixed, f"the aggregate of part {part}"))
    if result is None:
        raise Unproven("the aggregate is not finite: the attempt was void")
    stated = find_stated(case, context, worker)
    require(part < len(stated), "it stated nothing on that part")
    axes = directions(attempt.beacon, part, len(result), case.genesis.directions)
    weight = case.court.aggregator.weight
    computed = scalars(row, result, base.radii[part], weight, axes)
    pull = weight(computed.norm, base.radii[part]) * computed.norm
    return distance(stated[part], computed, pull)


def find_stated(case: Case, context: Context, worker: PeerId) -> tuple[Scalars, ...]:
    """What a worker stated: the accused by its own message, another by the set that it echoed."""
    if worker != case.accused:
        return get_stated(context, context.attempt, worker)
    attempt = context.attempt
    message = get_own(case, attempt.base.head, Projections)
    if find_problem(message, worker, make_shape(context, attempt)):
        return ()
    rows = zip(message.projections, message.norms, strict=True)
    return tuple(Scalars(projections, size) for projections, size in rows)


# --- what is claimed of a worker ------------------------------------------------------------------


def judge_gradient(case: Case) -> str:
    """The committed parts are not those of the gradient."""
    head = case.departure.attempt
    gradient = recompute(case, case.find_base(head), case.accused)
    parts = get_own(case, head, Commit).parts
    require(parts != gradient.digests, "the commitment is that of the gradient")
    wrong = sum(a != b for a, b in zip(parts, gradient.digests, strict=False))
    return f"{wrong} of the {len(parts)} parts it committed to are not those of its gradient"


def judge_projection(case: Case) -> str:
    """A statement does not follow from the committed part, or the part not from the gradient."""
    head, part = case.departure.attempt, case.departure.part
    context = run_until(case, head, Stage.PROJECTIONS)
    base = context.attempt.base
    require(case.accused in base.workers, "the accused was no worker")
    parts = get_own(case, head, Commit).parts
    require(0 <= part < len(parts) == len(base.workers), f"it committed to no part {part}")
    try:
        data = case.find_bytes(parts[part], f"part {part}")
    except Unproven:
        gradient = recompute(case, base, case.accused)
        if parts != gradient.digests:
            return "the commitment is not that of its gradient"
        row: Float32 | None = gradient.parts[part]
    else:
        row = find_usable(case, base, part, data)
    if row is None:
        return f"part {part}, which it committed to, is not finite or has a wrong length"
    far = measure(case, context, case.accused, part, row)
    require(far > UPHELD, f"the statement is {far:.0f} units off, {UPHELD:.0f} are allowed")
    return f"its statement on part {part} is {far:.0f} units off, {UPHELD:.0f} are allowed"


def judge_report(case: Case) -> str:
    """A report does not hold the digest of the target's gradient."""
    claim = case.departure
    checks = [case.decode(signed) for signed in case.own]
    reports = [
        report.gradient
        for check in checks
        if isinstance(check, Check)
        for report in check.reports
        if (report.attempt, report.target) == (claim.attempt, claim.accuser)
    ]
    require(reports, "holds no such report that the accused signed")
    gradient = recompute(case, case.find_base(claim.attempt), claim.accuser)
    expected = digest_report(case.accused, gradient.whole)
    wrong = [report for report in reports if report != expected]
    require(wrong, "the report is that of the gradient")
    return f"its report is {short(wrong[0])}, the target's gradient gives {short(expected)}"


def judge_concealed_projection(case: Case) -> str:
    """The owner of a part held the bytes of a wrong statement and accused nobody."""
    head, part = case.departure.attempt, case.departure.part
    context = run_until(case, head, Stage.CHECK)
    base = context.attempt.base
    require(base.part_of(case.accused) == part != -1, f"it does not own part {part}")
    check = get_own(case, head, Check)
    for worker in base.workers:
        if worker == case.accused or has_accused(check, worker, part, head):
            continue
        try:
            far = measure_recomputed(case, context, worker, part)
        except Unproven:
            continue  # it stated nothing there
        if far > BLAME_UPHELD:
            return f"it kept quiet about a statement {far:.0f} units off, {BLAME_UPHELD:.0f} count"
    raise Unproven("it kept quiet about no statement that was far enough off")


def measure_recomputed(case: Case, context: Context, worker: PeerId, part: int) -> float:
    """Distance of a statement from the recomputed gradient; 0 where the commitment is another."""
    place = context.attempt.base.workers.index(worker)
    gradient = recompute(case, context.attempt.base, worker)
    if get_commits(context, context.attempt, part)[place] != gradient.digests[part]:
        return 0.0
    return measure(case, context, worker, part, gradient.parts[part])


def has_accused(check: Check, worker: PeerId, part: int, head: Digest) -> bool:
    """Whether a CHECK accuses a worker over a part of its attempt."""
    mine = [(each.accused, each.part, each.attempt) for each in check.accusations]
    return (worker, part, head) in mine


# --- what is claimed of an accuser ----------------------------------------------------------------


def judge_false_accusation(case: Case) -> str:
    """What the accused said of another is derived, and is not so."""
    claim = case.departure
    check = get_own(case, claim.attempt, Check)
    reasons = []
    for each in check.accusations:
        if (each.accused, each.part) == (claim.accuser, claim.part):
            try:
                found = CLAIMS[each.fault](case, each)
            except Unproven as reason:
                reasons.append(f"{each.fault.name}: {reason}")
            else:
                return f"it claimed {each.fault.name}, but {found}"
    raise Unproven("; ".join(reasons) or "the accused made no such accusation in that CHECK")


def clear_of_part_bytes(case: Case, claim: Accusation) -> str:
    """The part is not what was committed to, or it is as it should be."""
    context = run_until(case, claim.attempt, Stage.AGGREGATED)
    if get_committed(context, claim) != claim.evidence:
        return "it named bytes that nobody committed to"
    data = case.find_bytes(claim.evidence, "the part")
    row = find_usable(case, context.attempt.base, claim.part, data)
    require(row is not None, "the part is as the accusation says")
    return "the part is finite and of the right length"


def clear_of_projection(case: Case, claim: Accusation) -> str:
    """The statement follows from the part."""
    context = run_until(case, claim.attempt, Stage.CHECK)
    base = context.attempt.base
    require(claim.part >= 0, "the accusation is about no part")
    if claim.evidence == NOTHING:
        gradient = recompute(case, base, claim.accused)
        require(follows(context, claim, gradient), "the gradient is another than committed to")
        if claim.part >= len(base.workers):
            return "there was no such part"
        row: Float32 | None = gradient.parts[claim.part]
    elif get_committed(context, claim) != claim.evidence:
        return "it named bytes that nobody committed to"
    else:
        data = case.find_bytes(claim.evidence, "the part")
        row = find_usable(case, base, claim.part, data)
    if row is None:
        raise Unproven("the part is not usable: the accusation is right in that")
    far = measure(case, context, claim.accused, claim.part, row)
    require(far <= UPHELD, f"the statement is {far:.0f} units off: the accusation is right")
    return f"the statement is {far:.0f} units off, {UPHELD:.0f} are allowed"


def clear_of_gradient(case: Case, claim: Accusation) -> str:
    """The commitment is that of the gradient."""
    context = run_commits(case, claim.attempt)
    gradient = recompute(case, context.attempt.base, claim.accused)
    require(follows(context, claim, gradient), "the gradient is another than committed to")
    return "the commitment is that of the gradient"


def clear_of_report(case: Case, claim: Accusation) -> str:
    """The report that the accusation names is that of the accuser's own gradient."""
    require(claim.about == case.accused, "the report is not on the accuser")
    gradient = recompute(case, case.find_base(claim.attempt), claim.about)
    expected = digest_report(claim.accused, gradient.whole)
    require(claim.evidence == expected, "the report is another than the gradient gives")
    return "the report is that of its gradient"


def clear_of_concealing(case: Case, claim: Accusation) -> str:
    """The owner spoke up, or there was not enough to speak of."""
    context = run_until(case, claim.attempt, Stage.CHECK)
    base = context.attempt.base
    if base.part_of(claim.accused) != claim.part or claim.accused == claim.about:
        return "the accused did not own that part"
    said = case.find_checks(claim.attempt)
    checks = [case.decode(each) for each in said if each.sender == claim.accused]
    if any(
        isinstance(check, Check) and has_accused(check, claim.about, claim.part, claim.attempt)
        for check in checks
    ):
        return "the accused had spoken up"
    far = measure_recomputed(case, context, claim.about, claim.part)
    require(far <= BLAME_UPHELD, f"the statement is {far:.0f} units off: the accusation is right")
    return f"the statement was {far:.0f} units off, {BLAME_UPHELD:.0f} count"


CLAIMS: dict[FaultKind, Callable[[Case, Accusation], str]] = {
    FaultKind.PART_NOT_FINITE: clear_of_part_bytes,
    FaultKind.WRONG_PROJECTION: clear_of_projection,
    FaultKind.WRONG_GRADIENT: clear_of_gradient,
    FaultKind.WRONG_REPORT: clear_of_report,
    FaultKind.CONCEALED_PROJECTION: clear_of_concealing,
}


def get_committed(context: Context, claim: Accusation) -> Digest:
    """What the accused committed to for a part; NOTHING where that is nothing valid."""
    workers = context.attempt.base.workers
    if claim.accused not in workers:
        return NOTHING
    return get_commits(context, context.attempt, claim.part)[workers.index(claim.accused)]


def follows(context: Context, claim: Accusation, gradient: Gradient) -> bool:
    """Whether every part that the accused committed to is that of its gradient."""
    attempt = context.attempt
    place = attempt.base.workers.index(claim.accused)
    return all(
        get_commits(context, attempt, part)[place] == expected
        for part, expected in enumerate(gradient.digests)
    )
