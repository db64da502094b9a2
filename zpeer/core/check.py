"""CHECK: the second secret is opened, and everybody says what it has seen.

Accusations by owners of parts (V1), reports and accusations by validators, accusations of reports
by their targets, and findings on the matters of the record this attempt builds on; how long each
stage took; and what calls left to settle: views and proofs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.aggregate import find_unusable_parts, get_committed, is_committed
from zpeer.core.bodies import judged_matters
from zpeer.core.call import read_view
from zpeer.core.faulty import get_reports, get_valid, judge_bodies, note
from zpeer.core.judge import (
    compute_pull,
    find,
    follows,
    is_quiet,
    measure_distance,
    note_expected_reports,
    plan_recomputations,
    request_judgements,
)
from zpeer.core.mprng import compute_secret_beacon
from zpeer.core.published import request_blobs
from zpeer.core.reveal import get_share, opens_share
from zpeer.core.thresholds import distance, is_accused, is_blamed
from zpeer.core.timing import note_duration
from zpeer.core.verify import get_stated_on
from zpeer.effects import SendBlob
from zpeer.faults import FaultKind
from zpeer.messages import Accusation, Check, Report
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.ids import Digest, PeerId
    from zpeer.messages import Message
    from zpeer.proofs import Proof
    from zpeer.record import Draw
    from zpeer.signed import Signed

BYTES_WAIT = 1 / 3
"""Share of the stage's time after which missing bytes are named as lacking."""


class CheckStage:
    """Everything seen goes in; what all judge by comes out."""

    stage = Stage.CHECK

    @staticmethod
    def prepare(context: Context) -> None:
        """Ask for bytes that matters rest on, and for the numerics on those that are here."""
        request_blobs(context)
        request_judgements(context)

    @staticmethod
    def compose(context: Context) -> Message | None:
        """The message, once all recomputations are done and all findings made."""
        attempt = context.attempt
        if not are_recomputed(context):
            return None
        note_duration(context, context.now - attempt.entered)
        late = context.now >= find_bytes_end(context)
        findings = [find(context, m, late=late) for m in judged_matters(attempt.base.matters)]
        found = tuple(finding for finding in findings if finding is not None)
        if len(found) < len(findings):
            return None
        reports, accusations = validate(context)
        accused_reports = accuse_reports(context)
        note_expected_reports(context)
        return Check(
            echo=attempt.sets[Stage.PROJECTIONS],
            secret=attempt.secret,
            accusations=(*accuse_workers(context), *accusations, *accused_reports),
            findings=found,
            reports=reports,
            durations=tuple(context.state.durations),
            views=collect_late_views(context),
            proofs=collect_proofs(context),
        )

    @staticmethod
    def on_sent(context: Context) -> None:
        """Publish the bytes that my accusations rest on, to all."""
        attempt = context.attempt
        for accusation in accuse_workers(context):
            context.state.blobs[accusation.evidence] = attempt.parts[accusation.accused]
            context.emit(SendBlob(digest=accusation.evidence, to=context.others))

    @staticmethod
    def on_set(context: Context) -> None:
        """Wrong secrets and invalid bodies cost their owners the place, but do not void the
        step."""
        attempt = context.attempt
        attempt.departures_before_check = len(attempt.departures)
        judge_bodies(context, Stage.CHECK, voids=False)
        secrets = []
        for peer in attempt.base.roster:
            check = get_valid(context, attempt, Stage.CHECK, peer)
            share = get_share(context, attempt, peer)
            if not isinstance(check, Check) or share is None:
                continue
            if opens_share(attempt, peer, check.secret, share):
                secrets.append(check.secret)
            else:
                note(context, peer, FaultKind.WRONG_SECRET, voids=False)
        attempt.secret_beacon = compute_secret_beacon(secrets)

    @staticmethod
    def awaited(context: Context) -> list[str]:
        """What of my own is missing."""
        return [] if are_recomputed(context) else ["my recomputations"]


def find_bytes_end(context: Context) -> float:
    """Until when bytes that matters rest on are waited for: early enough to say what is lacking."""
    attempt = context.attempt
    return attempt.entered + BYTES_WAIT * attempt.base.allowances[Stage.CHECK - 1]


def collect_late_views(context: Context) -> tuple[Signed, ...]:
    """Views of the last attempt that was committed all the same, with a claim or a proof."""
    past = context.find_attempt(context.attempt.base.checked)
    if past is None:
        return ()
    held = [signed for peer in past.base.roster for signed in past.views.get(peer, ())]
    telling = [signed for signed in held if is_telling(context, past, signed)]
    return tuple(telling[: context.limits.peers])


def is_telling(context: Context, past: Attempt, signed: Signed) -> bool:
    """Whether there is anything to settle in a view, or its signer has another."""
    view = read_view(context, past, signed)
    several = len(past.views.get(signed.sender, ())) > 1
    return view is not None and bool(view.claims or view.proofs or several)


def collect_proofs(context: Context) -> tuple[Proof, ...]:
    """What convicts peers that are still here."""
    proofs = context.state.proofs
    return tuple(proofs[peer] for peer in context.attempt.base.roster if peer in proofs)


def are_recomputed(context: Context) -> bool:
    """Whether every gradient asked for is here."""
    return all(
        plan.attempt + plan.target in context.attempt.recomputed
        for plan in plan_recomputations(context)
    )


def accuse_workers(context: Context) -> tuple[Accusation, ...]:
    """V1, as the owner of a part: rows that are not usable, statements that do not follow from
    their bytes."""
    attempt = context.attempt
    base = attempt.base
    part = base.part_of(context.me)
    if part < 0:
        return ()
    unusable = [
        worker
        for worker in find_unusable_parts(context)
        if worker != context.me and is_committed(context, worker, attempt.parts[worker], part)
    ]
    wrong = [
        worker
        for place, worker in enumerate(base.workers)
        if worker not in (context.me, *unusable) and is_misstated(context, worker, place, part)
    ]
    faults = [(worker, FaultKind.PART_NOT_FINITE) for worker in unusable]
    faults += [(worker, FaultKind.WRONG_PROJECTION) for worker in wrong]
    return tuple(
        Accusation(fault, worker, base.head, part, evidence=get_committed(context, worker, part))
        for worker, fault in faults
    )


def is_misstated(context: Context, worker: PeerId, place: int, part: int) -> bool:
    """Whether the worker's scalars on my part are further from its bytes than two machines
    can be."""
    attempt = context.attempt
    stated = get_stated_on(context, attempt, worker, part)
    if stated is None or attempt.projected is None:
        return False
    computed = attempt.projected.column[place]
    pull = compute_pull(context, computed.norm, attempt.base.radii[part])
    return is_accused(distance(stated, computed, pull))


def validate(context: Context) -> tuple[tuple[Report, ...], tuple[Accusation, ...]]:
    """My reports on my draws, and the accusations that follow from them."""
    reports, accusations = [], []
    for draw in context.attempt.base.duty_of(context.me):
        found = accuse_target(context, draw)
        plans = plan_recomputations(context)
        plan = next(p for p in plans if (p.attempt, p.target) == (draw.attempt, draw.target))
        result = context.attempt.recomputed[draw.attempt + draw.target]
        gradient = result.reports[plan.validators.index(context.me)]
        reports.append(Report(draw.target, draw.attempt, not found, gradient))
        accusations += found
    return tuple(reports), tuple(accusations)


def accuse_target(context: Context, draw: Draw) -> list[Accusation]:
    """Compare a target's commitment and statements with its minibatch."""
    past = context.state.past[draw.attempt]
    result = context.attempt.recomputed[draw.attempt + draw.target]
    commit = get_valid(context, past, Stage.COMMIT, draw.target)
    if not follows(commit, result):
        return [Accusation(FaultKind.WRONG_GRADIENT, draw.target, draw.attempt)]
    return accuse_statements(context, draw) if draw.counted else []


def accuse_statements(context: Context, draw: Draw) -> list[Accusation]:
    """The target's own scalars against its gradient, and owners that kept quiet about them."""
    past = context.state.past[draw.attempt]
    far = [
        measure_distance(context, past, draw.target, part) for part in range(len(past.base.workers))
    ]
    wrong = [part for part, gap in enumerate(far) if is_accused(gap)][:1]
    blamed = [
        (part, owner)
        for part, owner in enumerate(past.base.workers)
        if is_blamed(far[part]) and may_blame(context, owner, draw, part)
    ]
    return [
        *(
            Accusation(FaultKind.WRONG_PROJECTION, draw.target, draw.attempt, part)
            for part in wrong  # one is enough: each costs everybody a gradient
        ),
        *(
            Accusation(FaultKind.CONCEALED_PROJECTION, owner, draw.attempt, part, about=draw.target)
            for part, owner in blamed
        ),
    ]


def may_blame(context: Context, owner: PeerId, draw: Draw, part: int) -> bool:
    """Whether the owner of the part is still here and kept quiet."""
    past = context.state.past[draw.attempt]
    here = owner in context.attempt.base.roster and owner != context.me
    return here and is_quiet(context, past, owner, draw.target, part)


def accuse_reports(context: Context) -> tuple[Accusation, ...]:
    """As a target: validators whose report on me does not follow from my gradient."""
    accusations: list[Accusation] = []
    before = context.find_attempt(context.attempt.base.checked)
    if before is None:
        return ()
    for validator, target, attempt, gradient in sorted(get_reports(context)):
        expected = before.expected_reports.get(attempt + validator)
        here = validator in context.attempt.base.roster
        if target == context.me and here and is_report_wrong(expected, gradient):
            accusations.append(
                Accusation(
                    FaultKind.WRONG_REPORT,
                    validator,
                    attempt,
                    about=context.me,
                    evidence=gradient,
                )
            )
    return tuple(accusations)


def is_report_wrong(expected: Digest | None, gradient: Digest) -> bool:
    """Whether H(v || g) is not that of my gradient, if I know what it must be."""
    return expected not in (None, gradient)
