"""What a body says, and what it must look like by itself, whatever it is about: found out without
the core."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from zpeer.errors import WireError
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING
from zpeer.signed import STEP_STAGES
from zpeer.wire import decode_payload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.core.state import Base
    from zpeer.effects import Broadcast
    from zpeer.ids import Digest, PeerId
    from zpeer.messages import Accusation, Check, Message, Projections
    from zpeer.signed import Signed
    from zpeer.wire import WireLimits

SECONDS_MAX = 1e6
SLACK = 1 + 2.0**-10
OF_GRADIENTS = (FaultKind.WRONG_GRADIENT, FaultKind.CONCEALED_PROJECTION)
JUDGED = (
    FaultKind.PART_NOT_FINITE,
    FaultKind.WRONG_PROJECTION,
    FaultKind.WRONG_GRADIENT,
    FaultKind.CONCEALED_PROJECTION,
    FaultKind.WRONG_REPORT,
)
"""What a matter can be about that somebody brings."""
FROM_DRAWS = (FaultKind.WRONG_GRADIENT, FaultKind.WRONG_PROJECTION)


def read(said: Signed | Broadcast, limits: WireLimits) -> Message | None:
    """What somebody said or is about to say, if it decodes."""
    try:
        return decode_payload(said.stage, said.payload, limits)
    except WireError:
        return None


def is_sound_check(check: Check, sender: PeerId, base: Base) -> bool:
    """Findings on what is judged, reports on what is due, times, and accusations that may be."""
    duty = [(draw.target, draw.attempt) for draw in base.duty_of(sender)]
    return (
        tuple(finding.matter for finding in check.findings) == list_judged(base)
        and [(report.target, report.attempt) for report in check.reports] == duty
        and len(check.durations) == len(STEP_STAGES)
        and all(0 <= each <= SECONDS_MAX for each in check.durations)
        and may_accuse(check, sender, base)
        and not any(contradicts(check, each.target, each.attempt) for each in check.reports)
    )


def list_judged(base: Base) -> tuple[Digest, ...]:
    """The first matter between each two peers."""
    first: dict[tuple[PeerId, PeerId], Digest] = {}
    for matter in base.matters:
        first.setdefault((matter.accuser, matter.accusation.accused), matter.name)
    return tuple(first.values())


def may_accuse(check: Check, sender: PeerId, base: Base) -> bool:
    """Each deed once, nobody itself, of gradients what was drawn, of parts what is its own."""
    deeds = sorted((a.accused, a.fault, a.attempt, a.about) for a in check.accusations)
    if any(one == other for one, other in pairwise(deeds)):
        return False
    drawn = {(draw.target, draw.attempt) for draw in base.duty_of(sender)}
    part = base.part_of(sender)
    for each in check.accusations:
        about = each.about if each.fault is FaultKind.CONCEALED_PROJECTION else each.accused
        is_stranger = is_from_draw(each) and (about, each.attempt) not in drawn
        is_owners = each.fault is FaultKind.PART_NOT_FINITE or (
            each.fault is FaultKind.WRONG_PROJECTION and each.evidence != NOTHING
        )
        is_elsewhere = is_owners and not (0 <= each.part == part and each.attempt == base.head)
        is_unjudged = each.fault not in JUDGED or is_of_others(each, sender)
        if each.accused == sender or is_stranger or is_elsewhere or is_unjudged:
            return False
    return True


def is_from_draw(accusation: Accusation) -> bool:
    """Whether only who drew a gradient may say so."""
    by_recomputing = accusation.evidence == NOTHING
    lies = accusation.fault is FaultKind.WRONG_PROJECTION and by_recomputing
    return lies or accusation.fault in OF_GRADIENTS


def is_of_others(accusation: Accusation, sender: PeerId) -> bool:
    """Whether it is about a report on somebody else."""
    about_me = (accusation.about, accusation.part) == (sender, -1)
    return accusation.fault is FaultKind.WRONG_REPORT and not about_me


def contradicts(check: Check, target: PeerId, attempt: Digest) -> bool:
    """Whether a report says the one and the accusations the other."""
    says = next(r.follows for r in check.reports if (r.target, r.attempt) == (target, attempt))
    accused = any(
        each.fault in FROM_DRAWS and (each.accused, each.attempt) == (target, attempt)
        for each in check.accusations
    )
    return says == accused


def is_count_off(said: Projections, sender: PeerId, base: Base) -> bool:
    """Whether there are rows, but not for every part; a validator has none."""
    rows = (len(said.projections), len(said.norms))
    parts = len(base.workers) if sender in base.workers else 0
    return rows not in ((0, 0), (parts, parts))


def is_too_long(
    said: Projections, bounds: Sequence[Sequence[float]], pulls: Sequence[float]
) -> bool:
    """Whether a projection is longer than what it is one of. `bounds`: norms of directions, by
    part; `pulls`: min(norm, tau) as stated."""
    return any(
        not abs(value) <= SLACK * bound * pull
        for row, known, pull in zip(said.projections, bounds, pulls, strict=False)
        for value, bound in zip(row, known, strict=False)
    )
