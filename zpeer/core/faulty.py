"""Faults that all see in a complete set: what each stage's bodies say against their senders."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from zpeer.core.bodies import Shape, find_problem
from zpeer.core.broadcast import read
from zpeer.faults import FaultKind
from zpeer.messages import Check
from zpeer.record import Departure
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.ids import Digest, PeerId
    from zpeer.messages import Message


def make_shape(context: Context, attempt: Attempt) -> Shape:
    """What bodies are held against at this point of the attempt."""
    projected = attempt.projected
    return Shape(
        attempt.base,
        void=attempt.void,
        directions=context.genesis.directions,
        lengths=context.layout(attempt).lengths,
        direction_norms=projected.direction_norms if projected else (),
        weight=context.aggregator.weight,
        reports=partial(get_reports, context),
        projected=attempt.has_projections,
    )


def get_reports(context: Context) -> frozenset[tuple[PeerId, PeerId, Digest, Digest]]:
    """The reports of the last CHECK set that stands in a record: what their targets may accuse."""
    before = context.find_attempt(context.attempt.base.checked)
    if before is None:
        return frozenset()
    return frozenset(
        (signed.sender, report.target, report.attempt, report.gradient)
        for signed in before.members(Stage.CHECK)
        if isinstance(check := get_valid(context, before, Stage.CHECK, signed.sender), Check)
        for report in check.reports
    )


def judge_bodies(context: Context, stage: Stage, *, voids: bool) -> None:
    """Note who signed a body that is not valid for its slot."""
    attempt = context.attempt
    shape = make_shape(context, attempt)  # as the attempt was before this stage
    for signed in attempt.members(stage):
        message = read(context, signed)
        if is_unreadable(message) or (message and find_problem(message, signed.sender, shape)):
            note(context, signed.sender, FaultKind.INVALID_BODY, voids=voids)
            attempt.invalid.add(bytes([stage]) + signed.sender)


def is_unreadable(message: Message | None) -> bool:
    """Whether a signed body does not decode."""
    return message is None


def note(context: Context, peer: PeerId, fault: FaultKind, *, voids: bool, part: int = -1) -> None:
    """Note a fault that all see."""
    attempt = context.attempt
    attempt.depart(Departure(peer=peer, fault=fault, attempt=attempt.base.head, part=part))
    attempt.void = attempt.void or voids


def get_valid(context: Context, attempt: Attempt, stage: Stage, peer: PeerId) -> Message | None:
    """The peer's message of a judged stage; None if it was not valid."""
    signed = attempt.signed(stage, peer)
    if signed is None or (attempt.invalid and bytes([stage]) + peer in attempt.invalid):
        return None
    return read(context, signed)
