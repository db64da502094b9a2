"""Whether a signed body is valid for its slot (protocol, section 3, row 2): provable from the
message alone.

`find_problem` is pure and total: it gets the message and what all share about the attempt, and says
in one sentence what an honest peer would never have signed. Everything that could overflow or be
NaN later is refused here, so that the sums and comparisons after it are safe.
"""

from __future__ import annotations

from math import inf, isfinite, sqrt
from typing import TYPE_CHECKING

from zpeer.faults import FaultKind
from zpeer.ids import NOTHING
from zpeer.messages import Aggregated, Check, Commit, Guilt, Message, Projections
from zpeer.signed import STEP_STAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zpeer.core.state import Base
    from zpeer.ids import Digest, PeerId
    from zpeer.messages import Accusation, Report
    from zpeer.record import Matter

FLOAT32_MAX = 3.4028234663852886e38
SLACK = 1 + 2**-10
"""How far a projection may exceed Cauchy-Schwarz before it is called impossible: far beyond any
rounding."""
SECONDS_MAX = 1e6


class Shape:
    """What a body is held against; all of it is shared by all honest peers."""

    def __init__(
        self,
        base: Base,
        *,
        void: bool,
        directions: int,
        lengths: tuple[int, ...],
        direction_norms: tuple[tuple[float, ...], ...] = (),
        weight: Callable[[float, float], float] | None = None,
        reports: Callable[[], frozenset[tuple[PeerId, PeerId, Digest, Digest]]] = frozenset,
        projected: bool = False,
    ) -> None:
        self.base = base
        self.void = void
        self.directions = directions
        self.lengths = lengths
        self.direction_norms = direction_norms
        self.weight = weight
        self.reports = reports
        """(validator, target, attempt, digest) of the reports in the set before: what a target may
        accuse. Listed when they are asked for, which is seldom."""
        self.projected = projected
        """Whether this attempt got as far as projections."""

    def parts_of(self, sender: PeerId) -> int:
        """Parts the sender speaks about: all as a worker, none as a validator."""
        return len(self.base.workers) if sender in self.base.workers else 0


def find_problem(message: Message, sender: PeerId, shape: Shape) -> str:
    """What is wrong with a body; the empty string if nothing is."""
    match message:
        case Commit():
            return problem_of_commit(message, sender, shape)
        case Aggregated():
            return problem_of_aggregated(message, sender, shape)
        case Projections():
            return problem_of_projections(message, sender, shape)
        case Check():
            return problem_of_check(message, sender, shape)
        case _:
            return ""


def problem_of_commit(message: Commit, sender: PeerId, shape: Shape) -> str:
    """A worker commits to every part, a validator to none."""
    parts = shape.parts_of(sender)
    if len(message.parts) != parts:
        return f"has {len(message.parts)} part digests, expected {parts}"
    return ""


def problem_of_aggregated(message: Aggregated, sender: PeerId, shape: Shape) -> str:
    """A worker fixes a result unless the attempt is void."""
    expected = sender in shape.base.workers and not shape.void
    if (message.result is not None) != expected:
        return "has a result where none belongs" if not expected else "has no result"
    return ""


def problem_of_projections(message: Projections, sender: PeerId, shape: Shape) -> str:
    """Counts, finite numbers, and nothing that Cauchy-Schwarz forbids."""
    parts = 0 if shape.void else shape.parts_of(sender)
    if (len(message.projections), len(message.norms)) != (parts, parts):
        found = f"{len(message.projections)} projections and {len(message.norms)} norms"
        return f"has {found}, expected {parts}"
    for part, (row, norm) in enumerate(zip(message.projections, message.norms, strict=True)):
        problem = problem_of_row(row, norm, part, shape)
        if problem:
            return f"part {part}: {problem}"
    return ""


def problem_of_row(row: tuple[float, ...], norm: float, part: int, shape: Shape) -> str:
    """One part's scalars."""
    if len(row) != shape.directions:
        return f"{len(row)} projections, expected {shape.directions}"
    norm_max = 2 * FLOAT32_MAX * sqrt(shape.lengths[part]) * SLACK
    if not 0 <= norm <= norm_max:
        return f"norm {norm} is not a norm"
    pull = shape.weight(norm, shape.base.radii[part]) * norm if shape.weight else norm
    known = shape.direction_norms[part] if shape.direction_norms else ()
    bounds = [SLACK * bound * pull for bound in known] if known else [inf] * len(row)
    for value, bound in zip(row, bounds, strict=True):
        if is_impossible(value, bound):
            return f"projection {value} is impossible for norm {norm}"
    return ""


def is_impossible(value: float, bound: float) -> bool:
    """Whether a projection is no number, or longer than what it is a projection of."""
    return not isfinite(value) or not abs(value) <= bound


def problem_of_check(message: Check, sender: PeerId, shape: Shape) -> str:
    """Findings on just the judged matters, reports on just the duties, and accusations the sender
    may make."""
    return (
        problem_of_findings(message, shape)
        or problem_of_reports(message, sender, shape)
        or problem_of_durations(message)
        or problem_of_accusations(message, sender, shape)
    )


def problem_of_findings(message: Check, shape: Shape) -> str:
    """One on each judged matter, in order, and none that contradicts itself."""
    judged = judged_matters(shape.base.matters)
    if tuple(finding.matter for finding in message.findings) != tuple(m.name for m in judged):
        return "its findings are not those on the open matters"
    if any(f.lacking and f.guilt is not Guilt.LACKING for f in message.findings):
        return "a finding lacks bytes and decides all the same"
    if any(len(set(f.lacking)) < len(f.lacking) for f in message.findings):
        return "a finding names a peer twice"
    return ""


def problem_of_reports(message: Check, sender: PeerId, shape: Shape) -> str:
    """One on each of the sender's draws, in order; "does not follow" comes with an accusation."""
    duty = shape.base.duty_of(sender)
    if [(r.target, r.attempt) for r in message.reports] != [(d.target, d.attempt) for d in duty]:
        return "its reports are not those on its draws"
    if any(contradicts(report, message.accusations) for report in message.reports):
        return "a report and its accusation disagree"
    return ""


def contradicts(report: Report, accusations: Iterable[Accusation]) -> bool:
    """Whether a report says the one and its accusation, or the lack of one, the other."""
    accused = any(
        a.fault in (FaultKind.WRONG_GRADIENT, FaultKind.WRONG_PROJECTION)
        and (a.accused, a.attempt) == (report.target, report.attempt)
        for a in accusations
    )
    return accused == report.follows


def problem_of_durations(message: Check) -> str:
    """A time for every stage."""
    seconds = message.durations
    if len(seconds) != len(STEP_STAGES) or not all(0 <= each <= SECONDS_MAX for each in seconds):
        return "its durations are not those of the stages"
    return ""


def problem_of_accusations(message: Check, sender: PeerId, shape: Shape) -> str:
    """Each once, each by who may make it."""
    if repeats_itself(message):
        return "makes an accusation twice"
    for accusation in message.accusations:
        if not may_accuse(accusation, sender, shape):
            return f"makes an accusation ({accusation.fault.name}) that is not its to make"
    return ""


def repeats_itself(message: Check) -> bool:
    """Whether there is more than one accusation of a deed: so one peer could queue up matters
    without end against an accomplice, and what stands behind them would wait."""
    deeds = {(a.fault, a.accused, a.attempt, a.about) for a in message.accusations}
    return len(deeds) < len(message.accusations)


def may_accuse(accusation: Accusation, sender: PeerId, shape: Shape) -> bool:
    """Section 3: a gradient only by its validator, a report only by its target, a part by its
    owner."""
    if accusation.accused == sender:
        return False
    match accusation.fault:
        case FaultKind.PART_NOT_FINITE:
            return is_owners(accusation, sender, shape)
        case FaultKind.WRONG_PROJECTION:
            return is_owners(accusation, sender, shape) or is_validators(accusation, sender, shape)
        case FaultKind.WRONG_GRADIENT | FaultKind.CONCEALED_PROJECTION:
            return is_validators(accusation, sender, shape)
        case FaultKind.WRONG_REPORT:
            return is_targets(accusation, sender, shape)
        case _:
            return False


def is_owners(accusation: Accusation, sender: PeerId, shape: Shape) -> bool:
    """About a part that the accuser owns in this very attempt, resting on bytes it publishes."""
    return (
        accusation.attempt == shape.base.head
        and not any(accusation.about)
        and accusation.accused in shape.base.workers
        and accusation.evidence != NOTHING
        and accusation.part == shape.base.part_of(sender) != -1
        and (shape.projected or accusation.fault is FaultKind.PART_NOT_FINITE)
    )


def is_validators(accusation: Accusation, sender: PeerId, shape: Shape) -> bool:
    """About one of the accuser's draws, to be judged by recomputing."""
    concealed = accusation.fault is FaultKind.CONCEALED_PROJECTION
    target = accusation.about if concealed else accusation.accused
    if accusation.accused not in shape.base.roster if concealed else any(accusation.about):
        return False
    about_a_part = accusation.fault is not FaultKind.WRONG_GRADIENT
    return accusation.evidence == NOTHING and any(
        (draw.target, draw.attempt) == (target, accusation.attempt)
        and (draw.counted and accusation.part >= 0 if about_a_part else accusation.part == -1)
        for draw in shape.base.duty_of(sender)
    )


def is_targets(accusation: Accusation, sender: PeerId, shape: Shape) -> bool:
    """About a report on the accuser that stands in the last CHECK set."""
    key = (accusation.accused, sender, accusation.attempt, accusation.evidence)
    names_me = (accusation.about, accusation.part) == (sender, -1)
    return names_me and key in shape.reports()


def judged_matters(matters: tuple[Matter, ...]) -> tuple[Matter, ...]:
    """Of several matters between the same two peers the first is judged; the clock of the others
    stands.

    Not the first against one peer: then colluders who accuse an accomplice of what it did not do
    would put off the accusation that is true, for as long as they like.
    """
    seen: set[bytes] = set()
    judged = []
    for matter in matters:
        pair = matter.accuser + matter.accusation.accused
        if pair not in seen:
            seen.add(pair)
            judged.append(matter)
    return tuple(judged)
