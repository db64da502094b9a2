"""Faults that are derived from signed messages and the bytes they name alone (protocol, section 3).

Each function says in one sentence what it found, or raises `Unproven`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zpeer.core.adjudicate import SHIELDS
from zpeer.core.published import get_commits
from zpeer.core.thresholds import compute_sum_tolerance, sum_fails
from zpeer.core.verify import get_stated
from zpeer.judging.case import Unproven, require
from zpeer.judging.retrial import get_own, read_vector, run_until
from zpeer.messages import Aggregated, Check, Commit
from zpeer.numerics.fixed import norm
from zpeer.numerics.projections import residual
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.core.state import Base
    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import Float32
    from zpeer.judging.case import Case


def require_part(base: Base, peer: PeerId, part: int) -> None:
    """The peer owns the part."""
    require(base.part_of(peer) == part != -1, f"it does not own part {part}")


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
    context = run_until(case, head, Stage.CHECK)
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
    """An accusation over the part excuses a failed sum, unless a record says that it fell, at which
    the accused itself arrived, or most of those who were there."""
    head = case.departure.attempt
    check = get_own(case, head, Check)
    if not any(
        (each.attempt, each.part) == (head, part) and each.fault in SHIELDS
        for each in check.accusations
    ):
        return ", and it accused nobody over it"
    for record in case.records:
        if case.departure in record.departures and case.is_attested(record):
            who = "it signed itself" if case.has_signed(record) else "most signed"
            return f", and its accusation over it fell, as a record says that {who}"
    raise Unproven("the accused gave a reason in its CHECK, and nothing shows that it fell")


def judge_average(case: Case) -> str:
    """The full residual of the rows it was given is not zero at the aggregate that it fixed."""
    head, part = case.departure.attempt, case.departure.part
    context = run_until(case, head, Stage.AGGREGATED)
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
