"""What honest peers saw others do, found out without the core: the deeds that must be punished.

A `Deed` is found in the events that an honest peer was given, by this module's own arithmetic. The
protocol promises that who did it leaves in the record of that attempt or in the next one that holds
a CHECK set (an accusation that only one peer can bring stands as a matter in the first of these,
and is judged in the second). What only one peer saw in an attempt that a call made void is dropped:
the call was charged.
"""

from __future__ import annotations

from math import fsum, isfinite
from typing import TYPE_CHECKING, NamedTuple

from zpeer import events as ev
from zpeer.core.mprng import compute_beacon, compute_commitment, compute_share
from zpeer.faults import FaultKind
from zpeer.messages import Aggregated, Check, Commit, Projections, Reveal
from zpeer.signed import STEP_STAGES, Signed, Stage
from zpeer.simulate.promises.forms import is_count_off, is_sound_check, is_too_long, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zpeer.core.state import Base
    from zpeer.events import Event, Scalars
    from zpeer.ids import Digest, PeerId
    from zpeer.messages import Message
    from zpeer.parts import Layout
    from zpeer.wire import WireLimits

UNIT = 2.0**-24
FAR = 100.0
"""Units of rounding: further off than this is a lie that its part's owner must report."""
FLOOR = 2.0**-120
SUM_PULL, SUM_ROUNDING = 96.0, 32.0
"""Numerics, *The sum check*; a sum that fails here is twice as far off."""
SLOTS = (*STEP_STAGES, Stage.VIEW)
"""Of which one signs one body."""
CHECKED_SETS = 5
"""Stage sets in a record that ended in CHECK."""


class Deed(NamedTuple):
    """Something that costs its doer the place."""

    fault: FaultKind
    culprit: PeerId
    head: Digest
    """Of the attempt in which it was seen."""
    survives: bool
    """Whether a call that makes the attempt void leaves it to be punished."""
    matter: bool
    """Whether only an accusation can bring it."""
    records: int = 2
    """Records with a CHECK set by which it is punished."""
    late: bool = False
    """Whether who saw it had signed its VIEW or CHECK of the attempt already; of what only a view
    brings, its VIEW."""
    voids: bool = False
    """Whether the attempt cannot count."""


class Attempt:
    """What one honest peer saw of one attempt."""

    def __init__(self, base: Base, me: PeerId, layout: Layout, limits: WireLimits) -> None:
        self.base = base
        self.me = me
        self._limits = limits
        self.layout = layout
        self.bodies: dict[tuple[Stage, PeerId], Signed] = {}
        self.parts: dict[PeerId, ev.PartArrived] = {}
        self.results: dict[PeerId, ev.ResultArrived] = {}
        self.column: tuple[Scalars, ...] = ()
        self.result_norms: tuple[float, ...] = ()
        self.direction_norms: tuple[tuple[float, ...], ...] = ()
        self.deeds: dict[tuple[PeerId, FaultKind], Deed] = {}
        self.is_late = False
        """Whether my VIEW or CHECK is signed."""
        self.has_view = False
        """Whether my VIEW is."""

    def is_doubtful(self, peer: PeerId) -> bool:
        """Whether it told more than one story."""
        return (peer, FaultKind.EQUIVOCATION) in self.deeds

    def said(self, stage: Stage, peer: PeerId) -> Message | None:
        """What a peer said first, if it decodes."""
        signed = self.bodies.get((stage, peer))
        return None if signed is None else read(signed, self._limits)


class Truth:
    """One honest peer's eyes. What the `suspects` say is looked at: others do nothing wrong."""

    hears: tuple[type[Event], ...] = (
        *(ev.MessageReceived, ev.SetReceived),
        *(ev.PartArrived, ev.ResultArrived, ev.Projected),
    )

    def __init__(
        self,
        suspects: frozenset[PeerId],
        weight: Callable[[float, float], float],
        me: PeerId,
    ) -> None:
        self._suspects = suspects
        self._weight = weight
        self._me = me

    def see(self, attempt: Attempt, event: Event) -> Iterator[Deed]:
        """The deeds that an event shows, each once an attempt."""
        for deed in self._find(attempt, event):
            key = (deed.culprit, deed.fault)
            if key not in attempt.deeds:
                attempt.deeds[key] = deed
                late = attempt.has_view if deed.late else attempt.is_late
                yield deed._replace(late=late)

    def _find(self, attempt: Attempt, event: Event) -> Iterator[Deed]:
        match event:
            case ev.MessageReceived(signed=signed):
                yield from self._hear(attempt, signed)
            case ev.SetReceived(messages=messages):
                for signed in messages:
                    yield from self._hear(attempt, signed)
            case ev.PartArrived(head=head, sender=sender) if self._minds(attempt, head, sender):
                attempt.parts.setdefault(sender, event)
                yield from judge_part(attempt, sender)
            case ev.ResultArrived(head=head, sender=sender) if self._minds(attempt, head, sender):
                attempt.results.setdefault(sender, event)
                yield from judge_result(attempt, sender)
            case ev.Projected(head=head, column=column) if head == attempt.base.head:
                attempt.column, attempt.result_norms = column, event.result_norms
                attempt.direction_norms = event.direction_norms
                for worker in attempt.base.workers:
                    if worker in self._suspects:
                        yield from judge_projection(attempt, worker)
                        yield from judge_lengths(attempt, worker, self._weight)
                        yield from judge_lack(attempt, worker)
                yield from self._judge_parts(attempt)
            case _:
                pass

    def _hear(self, attempt: Attempt, signed: Signed) -> Iterator[Deed]:
        """A signed body of this attempt: the first of its slot, or a second one."""
        peer, stage, head = signed.sender, signed.stage, attempt.base.head
        if peer == self._me and signed.head == head and stage in (Stage.VIEW, Stage.CHECK):
            attempt.is_late = True
            attempt.has_view = attempt.has_view or stage is Stage.VIEW
        if signed.head != head or stage not in SLOTS or peer not in attempt.base.roster:
            return
        first = attempt.bodies.setdefault((stage, peer), signed)
        if stage is Stage.PROJECTIONS:
            yield from self._judge_parts(attempt)
        if peer not in self._suspects:
            return
        if first is not signed:
            if first.body != signed.body:
                yield Deed(FaultKind.EQUIVOCATION, peer, head, survives=True, matter=False)
        elif stage is Stage.VIEW:
            return
        elif attempt.said(stage, peer) is None:
            survives, voids = stage is not Stage.CHECK, stage < Stage.CHECK
            last = stage is Stage.VERDICT
            fault = FaultKind.INVALID_BODY
            yield Deed(fault, peer, head, survives, matter=False, voids=voids, late=last)
        else:
            yield from JUDGES[stage](attempt, peer)
            if stage is Stage.PROJECTIONS:
                yield from judge_lengths(attempt, peer, self._weight)

    def _judge_parts(self, attempt: Attempt) -> Iterator[Deed]:
        """Once everybody's PROJECTIONS are here: the parts of suspects."""
        workers = attempt.base.workers
        said = sum((Stage.PROJECTIONS, worker) in attempt.bodies for worker in workers)
        if not attempt.result_norms or said < len(workers):
            return
        for part, owner in enumerate(workers):
            if owner in self._suspects:
                yield from judge_averaging(attempt, part, self._weight)

    def _minds(self, attempt: Attempt, head: Digest, sender: PeerId) -> bool:
        return head == attempt.base.head and sender in self._suspects


# --- stage by stage -------------------------------------------------------------------------------


def judge_commit(attempt: Attempt, peer: PeerId) -> Iterator[Deed]:
    """So many digests as there are parts, none from a validator; and what came before it."""
    commit, base = attempt.said(Stage.COMMIT, peer), attempt.base
    expected = len(base.workers) if peer in base.workers else 0
    if isinstance(commit, Commit) and len(commit.parts) != expected:
        fault = FaultKind.INVALID_BODY
        yield Deed(fault, peer, base.head, survives=True, matter=False, voids=True)
    yield from judge_part(attempt, peer)
    yield from judge_share(attempt, peer)


def judge_share(attempt: Attempt, peer: PeerId) -> Iterator[Deed]:
    """b_i opens c_i."""
    commit, reveal = attempt.said(Stage.COMMIT, peer), attempt.said(Stage.REVEAL, peer)
    if isinstance(commit, Commit) and isinstance(reveal, Reveal):
        opened = compute_commitment(attempt.base.place, peer, reveal.share)
        if opened != commit.commitment:
            fault, head = FaultKind.WRONG_SHARE, attempt.base.head
            yield Deed(fault, peer, head, survives=True, matter=False, voids=True)
    yield from judge_secret(attempt, peer)


def judge_secret(attempt: Attempt, peer: PeerId) -> Iterator[Deed]:
    """a_i opens b_i."""
    reveal, check = attempt.said(Stage.REVEAL, peer), attempt.said(Stage.CHECK, peer)
    if not isinstance(reveal, Reveal) or not isinstance(check, Check):
        return
    if compute_share(attempt.base.place, peer, check.secret) != reveal.share:
        yield Deed(FaultKind.WRONG_SECRET, peer, attempt.base.head, False, matter=False)


def judge_projections(attempt: Attempt, peer: PeerId) -> Iterator[Deed]:
    """Finite scalars, norms that are norms, the beacon of the shares."""
    said, base = attempt.said(Stage.PROJECTIONS, peer), attempt.base
    if not isinstance(said, Projections):
        return
    scalars = [value for row in said.projections for value in row]
    is_odd = not all(map(isfinite, scalars)) or not all(norm >= 0 for norm in said.norms)
    if is_odd or is_count_off(said, peer, base):
        fault = FaultKind.INVALID_BODY
        yield Deed(fault, peer, base.head, survives=True, matter=False, voids=True)
    shares = [attempt.said(Stage.REVEAL, each) for each in base.roster]
    opened = [each.share for each in shares if isinstance(each, Reveal)]
    whole = len(opened) == len(base.roster) and not attempt.deeds
    if whole and said.beacon != compute_beacon(opened):  # whose share counts is plain
        fault = FaultKind.WRONG_BEACON
        yield Deed(fault, peer, base.head, survives=False, matter=False, voids=True)
    yield from judge_projection(attempt, peer)


def judge_check(attempt: Attempt, peer: PeerId) -> Iterator[Deed]:
    """What it must hold, and what it may."""
    check, head = attempt.said(Stage.CHECK, peer), attempt.base.head
    if isinstance(check, Check) and not is_sound_check(check, peer, attempt.base):
        yield Deed(FaultKind.INVALID_BODY, peer, head, survives=False, matter=False)
    yield from judge_secret(attempt, peer)


def judge_nothing(attempt: Attempt, peer: PeerId) -> Iterator[Deed]:  # noqa: ARG001 - one of a table
    """Nothing in it convicts by itself."""
    yield from ()


def judge_fixed(attempt: Attempt, peer: PeerId) -> Iterator[Deed]:
    """What an owner fixed, against what it sent before; a validator fixes nothing."""
    fixed = attempt.said(Stage.AGGREGATED, peer)
    if isinstance(fixed, Aggregated) and fixed.result and peer not in attempt.base.workers:
        fault = FaultKind.INVALID_BODY
        yield Deed(fault, peer, attempt.base.head, survives=True, matter=False, voids=True)
    yield from judge_result(attempt, peer)


JUDGES: dict[Stage, Callable[[Attempt, PeerId], Iterator[Deed]]] = {
    Stage.COMMIT: judge_commit,
    Stage.AGGREGATED: judge_fixed,
    Stage.REVEAL: judge_share,
    Stage.PROJECTIONS: judge_projections,
    Stage.CHECK: judge_check,
    Stage.VERDICT: judge_nothing,
}


# --- bytes ----------------------------------------------------------------------------------------


def judge_part(attempt: Attempt, worker: PeerId) -> Iterator[Deed]:
    """A PART as committed to, that is no part."""
    arrival, commit = attempt.parts.get(worker), attempt.said(Stage.COMMIT, worker)
    part = attempt.base.part_of(attempt.me)
    if arrival is None or not isinstance(commit, Commit) or not 0 <= part < len(commit.parts):
        return
    sound = arrival.finite and arrival.size_bytes == attempt.layout.size_bytes(part)
    if arrival.digest == commit.parts[part] and not sound:
        fault = FaultKind.PART_NOT_FINITE
        yield Deed(fault, worker, attempt.base.head, survives=False, matter=True)


def judge_result(attempt: Attempt, owner: PeerId) -> Iterator[Deed]:
    """A RESULT as fixed, that is no aggregate."""
    arrival, fixed = attempt.results.get(owner), attempt.said(Stage.AGGREGATED, owner)
    part = attempt.base.part_of(owner)
    if arrival is None or not isinstance(fixed, Aggregated) or part < 0:
        return
    sound = arrival.finite and arrival.size_bytes == attempt.layout.size_bytes(part)
    if arrival.digest == fixed.result and not sound:
        fault = FaultKind.RESULT_NOT_FINITE
        yield Deed(fault, owner, attempt.base.head, survives=False, matter=False, voids=True)


def judge_projection(attempt: Attempt, worker: PeerId) -> Iterator[Deed]:
    """What a worker stated on my part, against what I computed from its bytes."""
    said, base = attempt.said(Stage.PROJECTIONS, worker), attempt.base
    part = base.part_of(attempt.me)
    if not attempt.column or not isinstance(said, Projections) or part >= len(said.norms):
        return
    found = attempt.column[base.workers.index(worker)] if worker in base.workers else None
    if found is not None and is_far(said, part, found, base.radii[part]):
        yield Deed(FaultKind.WRONG_PROJECTION, worker, base.head, survives=False, matter=True)


def is_far(said: Projections, part: int, found: Scalars, radius: float) -> bool:
    """Whether stated scalars are further from computed ones than any machine would be."""
    pull = min(found.norm, radius)
    gaps = [
        abs(stated - computed) / (UNIT * pull + FLOOR)
        for stated, computed in zip(said.projections[part], found.projections, strict=False)
    ]
    gaps.append(abs(said.norms[part] - found.norm) / (UNIT * found.norm + FLOOR))
    return any(not gap <= FAR for gap in gaps)


def judge_lack(attempt: Attempt, owner: PeerId) -> Iterator[Deed]:
    """Where the attempt came as far as projections every worker fixed a result."""
    fixed = attempt.said(Stage.AGGREGATED, owner)
    if isinstance(fixed, Aggregated) and fixed.result is None:
        fault = FaultKind.INVALID_BODY
        yield Deed(fault, owner, attempt.base.head, survives=True, matter=False, voids=True)


def judge_lengths(
    attempt: Attempt, worker: PeerId, weight: Callable[[float, float], float]
) -> Iterator[Deed]:
    """No projection is longer than what it is one of."""
    said, base = attempt.said(Stage.PROJECTIONS, worker), attempt.base
    if not isinstance(said, Projections) or not attempt.direction_norms:
        return
    pulls = [weight(norm, tau) * norm for norm, tau in zip(said.norms, base.radii, strict=False)]
    if is_too_long(said, attempt.direction_norms, pulls):
        fault = FaultKind.INVALID_BODY
        yield Deed(fault, worker, base.head, survives=False, matter=False, voids=True)


def judge_averaging(
    attempt: Attempt, part: int, weight: Callable[[float, float], float]
) -> Iterator[Deed]:
    """Whether the projections of a part fail to sum to zero, or most norms are beyond the limit."""
    base = attempt.base
    said = [attempt.said(Stage.PROJECTIONS, worker) for worker in base.workers]
    rows = [each for each in said if isinstance(each, Projections) and part < len(each.norms)]
    if len(rows) < len(base.workers):
        return
    owner, norms = base.workers[part], [row.norms[part] for row in rows]
    weights = [weight(norm, base.radii[part]) for norm in norms]
    pulls = fsum(each * norm for each, norm in zip(weights, norms, strict=True))
    slack = SUM_ROUNDING * fsum(weights) * attempt.result_norms[part]
    limit = 2 * UNIT * (SUM_PULL * pulls + slack) + 2 * SUM_PULL * FLOOR * len(rows)
    sums = [fsum(values) for values in zip(*(row.projections[part] for row in rows), strict=False)]
    if any(abs(each) > limit for each in sums):
        yield Deed(FaultKind.WRONG_SUM, owner, base.head, survives=False, matter=True)
    elif 2 * sum(norm > base.delta_max[part] for norm in norms) > len(rows):
        yield Deed(FaultKind.WRONG_AVERAGE, owner, base.head, survives=False, matter=True)
