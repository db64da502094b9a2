"""Accusations that an honest peer would not make, in a form that is the accuser's to make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from zpeer.effects import Broadcast, SendBlob
from zpeer.faults import FaultKind
from zpeer.messages import Accusation, Check
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.conduct import Outgoing
    from zpeer.ids import PeerId
    from zpeer.interfaces import AttackContext
    from zpeer.messages import Report

VALIDATION = (
    FaultKind.WRONG_GRADIENT,
    FaultKind.WRONG_PROJECTION,
    FaultKind.CONCEALED_PROJECTION,
)


def accuse(check: Check, *accusations: Accusation) -> Check:
    """The CHECK with accusations added that it does not make yet."""
    new = tuple(each for each in accusations if each not in check.accusations)
    return replace(check, accusations=(*check.accusations, *new)) if new else check


def accuse_over_my_part(context: AttackContext, fault: FaultKind, victim: PeerId) -> Accusation:
    """As the owner of a part, of a worker's row of it."""
    evidence = context.committed(victim, context.my_part)
    return Accusation(fault, victim, context.head, context.my_part, evidence=evidence)


def publish(context: AttackContext, outgoing: list[Outgoing]) -> list[Outgoing]:
    """The first honest worker's row of my part to all, behind my CHECK."""
    published: list[Outgoing] = []
    for effect in outgoing:
        published.append(effect)
        is_check = isinstance(effect, Broadcast) and effect.stage is Stage.CHECK
        if is_check and context.my_part >= 0:
            row = context.committed(context.honest_workers[0], context.my_part)
            others = tuple(peer for peer in context.roster if peer != context.me)
            published.append(SendBlob(row, others))
    return published


def accuse_targets(context: AttackContext, check: Check, of: str) -> Check:
    """As a validator, of my honest targets' gradients or projections, or of who `concealed` one."""
    innocent = [report for report in check.reports if report.target not in context.colluders]
    if of == "concealed":
        return accuse(check, *(accuse_of_concealing(context, report) for report in innocent))
    fault, part = FaultKind.WRONG_GRADIENT, -1
    if of == "projection":
        fault, part = FaultKind.WRONG_PROJECTION, 0
    reports = tuple(
        replace(report, follows=False) if report in innocent else report for report in check.reports
    )
    accusations = [Accusation(fault, each.target, each.attempt, part) for each in innocent]
    return accuse(replace(check, reports=reports), *accusations)


def accuse_of_concealing(context: AttackContext, report: Report) -> Accusation:
    """Some honest peer, of having seen and hidden what the target stated on part 0."""
    owner = next(peer for peer in context.roster if peer not in (*context.colluders, report.target))
    fault = FaultKind.CONCEALED_PROJECTION
    return Accusation(fault, owner, report.attempt, 0, about=report.target)


def without_duties(check: Check) -> Check:
    """The CHECK without what a validator found."""
    kept = [a for a in check.accusations if a.fault not in VALIDATION or any(a.evidence)]
    return replace(check, accusations=tuple(kept))
