"""Accusations that their makers may make, true or not: most cost somebody the place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from zpeer.errors import WireError
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, Digest, digest
from zpeer.messages import Accusation, Check, Report
from zpeer.signed import Stage
from zpeer.wire import decode_payload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.fuzzing.world import World
    from zpeer.ids import PeerId
    from zpeer.record import Draw, Record
    from zpeer.simulate.streams import Stream

JUNK = digest("fuzz", b"a digest of nothing")
DOUBTED = (FaultKind.WRONG_GRADIENT, FaultKind.WRONG_PROJECTION)
EVIDENCE_TRUE = 6
"""Of so many accusations one names bytes that nobody committed to."""


def accuse(world: World, me: PeerId, head: Digest, payload: bytes, stream: Stream) -> bytes:
    """A CHECK with one to three accusations more, and findings that are at times turned round."""
    tree: list[Any] = msgspec.msgpack.decode(payload)
    record = next((each for each in world.known.records if each.head == head), None)
    if record is None:
        return payload
    for finding in tree[3]:
        if stream.below(3) == 0:
            finding[1] = stream.below(3)
            finding[2] = finding[2] if finding[1] == 0 else []
    possible = list(find_possible(world, me, record, stream))
    for accusation in stream.some(possible, 1 + stream.below(3)):
        tree[2].append(accusation)
        for report in tree[4]:
            is_on = (report[0], report[1]) == (accusation.accused, accusation.attempt)
            report[2] = report[2] and not (is_on and accusation.fault in DOUBTED)
    return msgspec.msgpack.encode(tree)


def find_possible(world: World, me: PeerId, record: Record, stream: Stream) -> Iterator[Accusation]:
    """What a peer may say: as owner, as validator, as target."""
    workers = [peer for peer in record.roster if peer not in record.validators]
    if me in workers:
        yield from accuse_workers(world, me, record.head, workers, stream)
    if me in record.validators:
        for draw in record.duties[record.validators.index(me)]:
            yield from accuse_target(world, me, draw, stream)
    for validator, report in find_reports(world, record):
        if report.target == me and validator in record.roster:
            yield Accusation(
                FaultKind.WRONG_REPORT,
                validator,
                report.attempt,
                about=me,
                evidence=report.gradient,
            )


def accuse_workers(
    world: World, me: PeerId, head: Digest, workers: Sequence[PeerId], stream: Stream
) -> Iterator[Accusation]:
    """Over what they committed to for my part."""
    part = workers.index(me)
    for accused in workers:
        parts = world.hosts[accused].parts.get(head, ())
        if accused != me and part < len(parts):
            evidence = parts[part] if stream.below(EVIDENCE_TRUE) else JUNK
            fault = stream.pick((FaultKind.PART_NOT_FINITE, FaultKind.WRONG_PROJECTION))
            yield Accusation(fault, accused, head, part, evidence=evidence)


def accuse_target(world: World, me: PeerId, draw: Draw, stream: Stream) -> Iterator[Accusation]:
    """Over its gradient, a statement, or who kept quiet about that."""
    parts = world.hosts[draw.target].parts.get(draw.attempt, (NOTHING,))
    part = stream.below(len(parts))
    yield Accusation(FaultKind.WRONG_GRADIENT, draw.target, draw.attempt)
    if draw.counted:
        yield Accusation(FaultKind.WRONG_PROJECTION, draw.target, draw.attempt, part)
        owner = stream.pick([peer for peer in world.genesis.peers if peer != me])
        fault = FaultKind.CONCEALED_PROJECTION
        yield Accusation(fault, owner, draw.attempt, part, about=draw.target)


def find_reports(world: World, record: Record) -> Iterator[tuple[PeerId, Report]]:
    """Of the CHECK set that may be accused now."""
    for signed in world.known.said:
        if (signed.stage, signed.head) == (Stage.CHECK, record.checked):
            try:
                check = decode_payload(signed.stage, signed.payload, world.limits)
            except WireError:
                continue
            for report in check.reports if isinstance(check, Check) else ():
                yield signed.sender, report
