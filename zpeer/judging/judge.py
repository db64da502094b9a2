"""Judges evidence offline: derives the fault anew, by the rules of protocol section 3.

Nothing depends on who wrote the file (`case.py`): if an honest peer cannot have done what it
holds, the ban is proven to anybody with the run file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zpeer.errors import EvidenceError
from zpeer.faults import FaultKind
from zpeer.judging.case import Case, Unproven, require_run
from zpeer.judging.misdeeds import (
    judge_beacon,
    judge_body,
    judge_equivocation,
    judge_secret,
    judge_share,
)
from zpeer.judging.recomputing import (
    judge_concealed_projection,
    judge_false_accusation,
    judge_gradient,
    judge_projection,
    judge_report,
)
from zpeer.judging.rulings import judge_average, judge_part_bytes, judge_result_bytes, judge_sum
from zpeer.signed import PROTOCOL_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.judging.case import Court
    from zpeer.judging.evidence import Evidence

JUDGES: dict[FaultKind, Callable[[Case], str]] = {
    FaultKind.EQUIVOCATION: judge_equivocation,
    FaultKind.INVALID_BODY: judge_body,
    FaultKind.PART_NOT_FINITE: judge_part_bytes,
    FaultKind.RESULT_NOT_FINITE: judge_result_bytes,
    FaultKind.WRONG_SHARE: judge_share,
    FaultKind.WRONG_SECRET: judge_secret,
    FaultKind.WRONG_BEACON: judge_beacon,
    FaultKind.WRONG_PROJECTION: judge_projection,
    FaultKind.WRONG_SUM: judge_sum,
    FaultKind.WRONG_AVERAGE: judge_average,
    FaultKind.WRONG_GRADIENT: judge_gradient,
    FaultKind.WRONG_REPORT: judge_report,
    FaultKind.CONCEALED_PROJECTION: judge_concealed_projection,
    FaultKind.FALSE_ACCUSATION: judge_false_accusation,
}


class Ruling(NamedTuple):
    """What a court found."""

    proven: bool
    reason: str
    """What was found, or what is missing or not so."""


def judge(evidence: Evidence, court: Court) -> Ruling:
    """Whether the evidence proves what it claims.

    Raises EvidenceError for evidence of another run or version, and where the parameters that a
    gradient is computed again from are not at hand.
    """
    if evidence.protocol != PROTOCOL_VERSION:
        raise EvidenceError(
            f"the evidence is of protocol version {evidence.protocol}, this is {PROTOCOL_VERSION};"
            " judge it with the version of zpeer that the run had"
        )
    require_run(evidence, court.genesis)
    fault = evidence.departure.fault
    if fault not in JUDGES:
        return Ruling(
            False,
            f"{fault.name} is a removal: it costs the place, not the name; no evidence is written"
            " of it, and nothing proves it but the records that all agreed on",
        )
    try:
        return Ruling(True, JUDGES[fault](Case(evidence, court)))
    except Unproven as reason:
        return Ruling(False, str(reason))
