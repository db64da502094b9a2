"""Faults that a peer's own signed words show: two bodies, invalid bodies, secrets (section 3).

Each function says in one sentence what it found, or raises `Unproven`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.bodies import Shape, find_problem
from zpeer.core.faulty import make_shape
from zpeer.core.mprng import compute_commitment, compute_share
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, short
from zpeer.judging.case import Unproven, require
from zpeer.judging.retrial import get_own, lacks_results, make_context, run_until
from zpeer.messages import Check, Commit, Projections, Reveal, View
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.core.state import Base
    from zpeer.ids import Digest, PeerId
    from zpeer.judging.case import Case
    from zpeer.messages import Message
    from zpeer.record import Record
    from zpeer.signed import Signed

ReportKey = tuple["PeerId", "PeerId", "Digest", "Digest"]
PAIR = 2


# --- two bodies, invalid bodies -------------------------------------------------------------------


def judge_equivocation(case: Case) -> str:
    """Two signatures of the accused under different bodies of one slot. A WITNESS is no slot."""
    require(len(case.statements) == PAIR, "does not hold the two signatures that it is about")
    first, second = case.statements
    for each in case.statements:
        require(each.sender == case.accused, "one of the two signatures is another peer's")
        require(each.stage is not Stage.WITNESS, "a WITNESS is no slot: any number may be signed")
    require(
        (first.stage, first.head) == (second.stage, second.head),
        "the two bodies are of different slots",
    )
    require(first.content != second.content, "it is the same body twice")
    require(all(map(case.court.verify, case.statements)), "one of the two signatures is not valid")
    bodies = f"{short(first.content)} and {short(second.content)}"
    slot = f"as its {first.stage.name} on head {short(first.head)}"
    return f"its key signed two different bodies {slot}: their contents have the digests {bodies}"


def judge_body(case: Case) -> str:
    """Some body of the attempt does not decode, or says what nobody honest would say there."""
    head = case.departure.attempt
    base = case.find_base(head)
    require(case.accused in base.roster, "the accused was not in the roster")
    stages = make_context(case, base).stages
    for signed in sorted(case.own, key=lambda each: each.stage):
        if signed.head == head and signed.stage in stages:
            problem = find_body_problem(case, base, signed)
            if problem:
                return f"its {signed.stage.name} {problem}"
    raise Unproven("every body of the accused is valid, as far as the evidence shows")


def find_body_problem(case: Case, base: Base, signed: Signed) -> str:
    """A problem that there is whatever the evidence leaves open."""
    message = case.decode(signed)
    if message is None:
        return "does not decode"
    problem = find_lasting_problem(case, base, signed, message)
    return problem or find_problem_there(case, signed, message)


def find_lasting_problem(case: Case, base: Base, signed: Signed, message: Message) -> str:
    """A problem that there is whatever the attempt came to, void or not."""
    if isinstance(message, Check):
        return ""
    layout = case.layout(base)
    shapes = [
        Shape(
            base,
            void=void,
            directions=case.genesis.directions,
            lengths=tuple(layout.length(part) for part in range(layout.parts)),
            weight=case.court.aggregator.weight,
        )
        for void in (False, True)
    ]
    problems = [find_problem(message, signed.sender, shape) for shape in shapes]
    return problems[0] if all(problems) else ""


def find_problem_there(case: Case, signed: Signed, message: Message) -> str:
    """A problem in the attempt as the accused saw it."""
    try:
        context = run_until(case, signed.head, signed.stage)
        shapes = [make_shape(context, context.attempt)]
        if signed.stage > Stage.REVEAL and lacks_results(case, context):
            other = run_until(case, signed.head, signed.stage, whole=False)
            shapes.append(make_shape(other, other.attempt))
    except Unproven:
        return ""
    for shape in shapes:
        allow_reports(case, shape, message)
    problems = [find_problem(message, signed.sender, shape) for shape in shapes]
    return problems[0] if all(problems) else ""


def allow_reports(case: Case, shape: Shape, message: Message) -> None:
    """What reports the accused could speak of: those of the last CHECK set that stands in a record.

    Where that set is not in the evidence, it may have held any.
    """
    if not isinstance(message, Check) or not shape.base.record:
        return
    known = find_reports(case, case.find_record(shape.base.head))
    if known is None:
        known = frozenset(
            (each.accused, case.accused, each.attempt, each.evidence)
            for each in message.accusations
            if each.fault is FaultKind.WRONG_REPORT
        )
    shape.reports = lambda: known


def find_reports(case: Case, record: Record) -> frozenset[ReportKey] | None:
    """The reports that an honest peer may accuse in the attempt after a record: those of who is
    still there. None where it is not shown which there were.

    They may lie some attempts back: one that the slow path made void has no CHECK set.
    """
    if record.checked == NOTHING:
        return frozenset()
    try:
        messages = case.find_checks(record.checked)
    except Unproven:
        return None
    checks = [(each.sender, case.decode(each)) for each in messages]
    return frozenset(
        (sender, report.target, report.attempt, report.gradient)
        for sender, check in checks
        if isinstance(check, Check) and sender in record.roster
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
    """a_i, opened in a CHECK or in a view, does not lead to b_i or c_i.

    A view without a secret proves nothing: its signer may have had none yet.
    """
    head = case.departure.attempt
    base = case.find_base(head)
    words = [case.decode(signed) for signed in case.own if signed.head == head]
    opened = [
        word.secret
        for word in words
        if isinstance(word, Check) or (isinstance(word, View) and word.secret != NOTHING)
    ]
    require(opened, "holds no secret that the accused opened")
    shares = [word.share for word in words if isinstance(word, Reveal)]
    commitments = [word.commitment for word in words if isinstance(word, Commit)]
    require(shares or commitments, "holds nothing that the accused's secret could be held against")
    for secret in opened:
        share = compute_share(base.place, case.accused, secret)
        for found in shares:
            if found != share:
                return f"the secret it opened gives the share {short(share)}, not {short(found)}"
        commitment = compute_commitment(base.place, case.accused, share)
        for found in commitments:
            if found != commitment:
                gives = f"gives the commitment {short(commitment)}, not {short(found)}"
                return f"the secret it opened {gives}"
    raise Unproven("the secret fits what hides it")


def judge_beacon(case: Case) -> str:
    """r is not that of the shares it echoed."""
    head = case.departure.attempt
    expected = run_until(case, head, Stage.PROJECTIONS).attempt.beacon
    found = get_own(case, head, Projections).beacon
    require(found != expected, "the beacon is that of the shares")
    return f"the shares it echoed give the beacon {short(expected)}, it stated {short(found)}"
