"""Faults that are derived from signed messages and published bytes alone (protocol, section 3).

Each function says in one sentence what it found, or raises `Unproven`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from zpeer.case import Unproven, read_vector, require
from zpeer.core.adjudicate import SHIELDS
from zpeer.core.bodies import find_problem
from zpeer.core.faulty import make_shape
from zpeer.core.judge import get_commits
from zpeer.core.mprng import compute_commitment, compute_share
from zpeer.core.thresholds import compute_sum_tolerance, sum_fails
from zpeer.core.verify import get_stated
from zpeer.faults import FaultKind
from zpeer.ids import short
from zpeer.messages import MESSAGE_TYPES, Aggregated, Check, Commit, Projections, Reveal, Verdict
from zpeer.numerics.fixed import norm
from zpeer.numerics.projections import residual
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.case import Case
    from zpeer.core.bodies import Shape
    from zpeer.core.state import Base
    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import Float32
    from zpeer.messages import Message
    from zpeer.signed import Signed

M = TypeVar("M", Commit, Aggregated, Reveal, Projections, Check, Verdict)
STAGE_OF = {kind: stage for stage, kind in MESSAGE_TYPES.items()}

ReportKey = tuple["PeerId", "PeerId", "Digest", "Digest"]


def get_own(case: Case, head: Digest, kind: type[M]) -> M:
    """What the accused said in a stage."""
    message = case.decode(case.find_own(head, STAGE_OF[kind]))
    if not isinstance(message, kind):
        raise Unproven(f"its {kind.__name__} does not decode")
    return message


def require_part(base: Base, peer: PeerId, part: int) -> None:
    """The peer owns the part."""
    require(base.part_of(peer) == part != -1, f"it does not own part {part}")


# --- two bodies, invalid bodies -------------------------------------------------------------------


def judge_equivocation(case: Case) -> str:
    """Two different bodies for one slot; each is the accused's by its signature."""
    for first in case.own:
        for second in case.own:
            slots = [(each.head, each.stage) for each in (first, second)]
            if slots[0] == slots[1] and first.body != second.body:
                bodies = f"{short(first.body)} and {short(second.body)}"
                return f"its key signed two {first.stage.name} bodies, {bodies}, for one head"
    raise Unproven("holds no two bodies that the accused signed for one slot")


def judge_body(case: Case) -> str:
    """Some body of the attempt does not decode, or says what nobody honest would say there."""
    head = case.departure.attempt
    require(case.accused in case.find_base(head).roster, "the accused was not in the roster")
    for signed in sorted(case.own, key=lambda each: each.stage):
        if signed.head != head:
            continue
        message = case.decode(signed)
        problem = "does not decode" if message is None else find_body_problem(case, signed, message)
        if problem:
            return f"its {signed.stage.name} {problem}"
    raise Unproven("every body of the accused is valid, as far as the evidence shows")


def find_body_problem(case: Case, signed: Signed, message: Message) -> str:
    """A problem that there is whatever the evidence leaves open."""
    try:
        context = case.run_until(signed.head, signed.stage)
        shapes = [make_shape(context, context.attempt)]
        if signed.stage > Stage.REVEAL and case.lacks_results(context):
            other = case.run_until(signed.head, signed.stage, whole=False)
            shapes.append(make_shape(other, other.attempt))
    except Unproven:
        return ""
    for shape in shapes:
        allow_reports(case, shape, message)
    problems = [find_problem(message, signed.sender, shape) for shape in shapes]
    return problems[0] if all(problems) else ""


def allow_reports(case: Case, shape: Shape, message: Message) -> None:
    """What reports the accused could speak of: those of the CHECK set that the record names.

    Where that set is not in the evidence, it may have held any.
    """
    if not isinstance(message, Check) or not shape.base.record:
        return
    known = find_reports(case, shape.base.head)
    if known is None:
        known = frozenset(
            (each.accused, case.accused, each.attempt, each.evidence)
            for each in message.accusations
            if each.fault is FaultKind.WRONG_REPORT
        )
    shape.reports = known


def find_reports(case: Case, head: Digest) -> frozenset[ReportKey] | None:
    """The reports in the CHECK set of the record behind a head; None where it is not held."""
    record = case.find_record(head)
    try:
        messages = case.find_set(record.previous, Stage.CHECK, record.sets[-1])
    except (Unproven, IndexError):
        return None
    checks = [(each.sender, case.decode(each)) for each in messages]
    return frozenset(
        (sender, report.target, report.attempt, report.gradient)
        for sender, check in checks
        if isinstance(check, Check)
        for report in check.reports
    )


# --- secrets --------------------------------------------------------------------------------------


def judge_share(case: Case) -> str:
    """b_i does not open c_i."""
    head = case.departure.attempt
    base = case.find_base(head)
    share = get_own(case, head, Reveal).share
    expected = compute_commitment(base.place, case.accused, share)
    found = get_own(case, head, Commit).commitment
    require(found != expected, "the share fits the commitment")
    return f"the share it opened gives the commitment {short(expected)}, it made {short(found)}"


def judge_secret(case: Case) -> str:
    """a_i does not open b_i."""
    head = case.departure.attempt
    base = case.find_base(head)
    secret = get_own(case, head, Check).secret
    expected = compute_share(base.place, case.accused, secret)
    found = get_own(case, head, Reveal).share
    require(found != expected, "the secret fits the share")
    return f"the secret it opened gives the share {short(expected)}, it opened {short(found)}"


def judge_beacon(case: Case) -> str:
    """r is not that of the shares it echoed."""
    head = case.departure.attempt
    expected = case.run_until(head, Stage.PROJECTIONS).attempt.beacon
    found = get_own(case, head, Projections).beacon
    require(found != expected, "the beacon is that of the shares")
    return f"the shares it echoed give the beacon {short(expected)}, it stated {short(found)}"


# --- bytes that are no numbers --------------------------------------------------------------------


def judge_part_bytes(case: Case) -> str:
    """A committed part is not finite, or has a wrong length."""
    head, part = case.departure.attempt, case.departure.part
    base = case.find_base(head)
    parts = get_own(case, head, Commit).parts
    require(case.accused in base.workers, "the accused was no worker")
    require(0 <= part < len(parts) == len(base.workers), f"it committed to no part {part}")
    data = case.find_bytes(parts[part], f"part {part}")
    return describe_unusable(case, base, part, data, "the part that it committed to")


def judge_result_bytes(case: Case) -> str:
    """A fixed aggregate is not finite, or has a wrong length."""
    head, part = case.departure.attempt, case.departure.part
    base = case.find_base(head)
    require_part(base, case.accused, part)
    data = find_own_result(case, head)
    return describe_unusable(case, base, part, data, "the aggregate that it fixed")


def find_own_result(case: Case, head: Digest) -> bytes:
    """The aggregate that the accused fixed."""
    fixed = get_own(case, head, Aggregated).result
    if fixed is None:
        raise Unproven("the accused fixed no aggregate")
    return case.find_bytes(fixed, "the aggregate")


def describe_unusable(case: Case, base: Base, part: int, data: bytes, what: str) -> str:
    """What is wrong with bytes; Unproven if nothing is."""
    size = case.layout(base).size_bytes(part)
    if len(data) != size:
        return f"{what} has {len(data)} bytes, part {part} has {size}"
    require(read_vector(data) is None, f"{what} is finite and of the right length")
    return f"{what} has numbers that are not finite"


def find_usable(case: Case, base: Base, part: int, data: bytes) -> Float32 | None:
    """A row as its owner takes it; None where it counts as zeros."""
    vector = read_vector(data) if len(data) == case.layout(base).size_bytes(part) else None
    return None if vector is None else vector


# --- sums and averages ----------------------------------------------------------------------------


def judge_sum(case: Case) -> str:
    """The projections of its part do not sum to zero, and its CHECK does not say why."""
    head, part = case.departure.attempt, case.departure.part
    context = case.run_until(head, Stage.CHECK)
    attempt = context.attempt
    require_part(attempt.base, case.accused, part)
    require(attempt.projected and not attempt.void, "the attempt was void before its sums")
    stated = [get_stated(context, attempt, worker) for worker in attempt.base.workers]
    require(all(part < len(row) for row in stated), "a worker stated nothing on that part")
    result = read_vector(find_own_result(case, head))
    if result is None:
        raise Unproven("the aggregate is not finite: that is another fault")
    column = [row[part] for row in stated]
    tolerance = compute_sum_tolerance(
        [scalars.norm for scalars in column],
        attempt.base.radii[part],
        norm(result),
        case.court.aggregator.weight,
    )
    require(
        sum_fails([scalars.projections for scalars in column], tolerance),
        f"the projections of part {part} sum to zero within {tolerance:.3g}",
    )
    return f"the projections of part {part} do not sum to zero within {tolerance:.3g}" + (
        judge_excuse(case, part)
    )


def judge_excuse(case: Case, part: int) -> str:
    """An accusation over the part excuses a failed sum, unless a record that the accused signed
    itself says that it fell."""
    head = case.departure.attempt
    check = get_own(case, head, Check)
    if not any(
        (each.attempt, each.part) == (head, part) and each.fault in SHIELDS
        for each in check.accusations
    ):
        return ", and it accused nobody over it"
    for signed in case.own:
        verdict = case.decode(signed)
        if isinstance(verdict, Verdict) and says_fallen(case, verdict.record, signed.head):
            return ", and its accusation over it fell, as a record says that it signed itself"
    raise Unproven("the accused gave a reason in its CHECK, and nothing shows that it fell")


def says_fallen(case: Case, name: Digest, previous: Digest) -> bool:
    """Whether a record bans the accused for just this sum."""
    try:
        record = case.find_record(name)
    except Unproven:
        return False
    claim = case.departure
    return record.previous == previous and any(
        (each.peer, each.fault, each.attempt, each.part)
        == (claim.peer, claim.fault, claim.attempt, claim.part)
        for each in record.departures
    )


def judge_average(case: Case) -> str:
    """The full residual of the rows it was given is not zero at the aggregate that it fixed."""
    head, part = case.departure.attempt, case.departure.part
    context = case.run_until(head, Stage.AGGREGATED)
    base = context.attempt.base
    require_part(base, case.accused, part)
    result = find_usable(case, base, part, find_own_result(case, head))
    if result is None:
        raise Unproven("the aggregate is not finite: that is another fault")
    commits = get_commits(context, context.attempt, part)
    found = [case.find_bytes(blob, f"a row of part {part}") for blob in commits]
    usable = [find_usable(case, base, part, data) for data in found]
    rows = [np.zeros_like(result) if row is None else row for row in usable]
    weight = case.court.aggregator.weight
    size, norms = residual(rows, result, base.radii[part], weight)
    tolerance = compute_sum_tolerance(norms, base.radii[part], norm(result), weight)
    require(not size <= tolerance, f"the rows balance: {size:.3g}, {tolerance:.3g} are allowed")
    return f"the rows of part {part} leave a residual of {size:.3g}, {tolerance:.3g} are allowed"
