"""AGGREGATED: parts that are no parts, and who waits for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.core.lies import (
    BadParts,
    accuse_part,
    accusing,
    attempt_of,
    check_caught,
    check_honest,
    read,
    saying,
)
from tests.core.plain import peer, sign, to_bytes
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, digest
from zpeer.messages import Aggregated, Commit
from zpeer.record import Outcome
from zpeer.signed import Stage
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from zpeer.ids import Digest


class ShortPart(BadParts):
    bytes_instead = to_bytes([1.0])


class LongPart(BadParts):
    bytes_instead = to_bytes([1.0] * 60)


class TornPart(BadParts):
    bytes_instead = b"\x00\x00\x80"


class NoPart(BadParts):
    bytes_instead = b""


class InfinitePart(BadParts):
    bytes_instead = to_bytes([float("inf")] + [1.0] * 5)


@pytest.mark.parametrize("kind", [BadParts, ShortPart, LongPart, TornPart, NoPart, InfinitePart])
def test_a_part_that_is_not_finite_or_has_a_wrong_length_is_banned(kind: type[Any]) -> None:
    ring = Ring(5, toys={1: kind}).run()
    records = check_caught(ring, {1: FaultKind.PART_NOT_FINITE})
    assert records[0].outcome is Outcome.COUNTED  # zeros are a row like any other
    (matter,) = records[0].matters
    assert (matter.accuser, matter.accusation.part) == (peer(0), 0)
    for toy in ring.honest(1):
        (evidence,) = toy.evidence
        assert evidence.blobs == (matter.accusation.evidence,)
        assert toy.find_blob(evidence.blobs[0]) == kind.bytes_instead


def test_the_owner_counts_such_a_part_as_zeros() -> None:
    ring = Ring(5, toys={1: BadParts}).run()
    rows = [
        e.rows
        for _, me, _, done in ring.trace
        for e in done
        if isinstance(e, fx.AggregatePart) and me == peer(0) and e.head == ring.genesis.run
    ]
    assert rows == [(peer(0), None, peer(2), peer(3), peer(4))]


def test_a_huge_finite_part_is_a_part() -> None:
    """Only a draw may say that its gradient is wrong."""

    class Huge(Toy):
        def gradient(self, parameters: Digest, seed: Digest) -> list[float]:
            return [3e37] * self.genesis.dimension

    ring = Ring(5, toys={1: Huge}, steps=2).run()
    assert set(ring.departures(1).values()) <= {"WRONG_GRADIENT"}


def test_a_part_that_is_finite_cannot_be_accused_of_not_being_so() -> None:
    ring = Ring(5, tampers={1: accusing(accuse_part(FaultKind.PART_NOT_FINITE, 3))}).run()
    records = check_caught(ring, {1: FaultKind.FALSE_ACCUSATION})
    assert records[0].matters[0].accusation.accused == peer(3)


def test_a_worker_without_a_result_is_banned_and_the_attempt_is_void() -> None:
    lie = saying(Stage.AGGREGATED, lambda _, m: Aggregated(m.echo, None))
    records = check_caught(Ring(5, tampers={2: lie}).run(), {2: FaultKind.INVALID_BODY})
    assert records[0].outcome is Outcome.VOID


def test_in_an_attempt_that_its_commits_made_void_all_stages_go_on_empty() -> None:
    ring = Ring(5, tampers={1: saying(Stage.COMMIT, lambda _, __: b"x")})
    for toy in ring.toys.values():
        ring.deliver(toy, ev.Started())
    toy = ring.toys[peer(0)]
    while attempt_of(toy).stage is not Stage.VERDICT:
        ring.step()
    attempt = attempt_of(toy)
    assert attempt.void
    assert not attempt.has_projections
    said = [read(toy, s) for s in attempt.members(Stage.AGGREGATED)]
    assert [m.result for m in said] == [None] * 5
    said = [read(toy, s) for s in attempt.members(Stage.PROJECTIONS)]
    assert [(m.projections, m.norms) for m in said] == [((), ())] * 5
    while ring.step():
        pass
    check_honest(ring, 1)


def test_more_workers_than_blocks_leave_some_parts_empty() -> None:
    """dimension 24 in blocks of 2: the 13th worker and those after it own nothing."""
    ring = Ring(14, steps=1).run()
    check_honest(ring)
    assert ring.toys[peer(0)].parts[ring.genesis.run][13] == b""


def test_bytes_that_come_before_a_commit_of_too_few_parts_is_judged_do_no_harm() -> None:
    ring = Ring(4)
    toy = ring.toys[peer(3)]
    toy.tell(ev.Started(), 0.0)
    short = encode_payload(Commit((digest("a part"),), NOTHING))
    said = sign(Stage.COMMIT, ring.genesis.run, peer(1), short)
    toy.tell(ev.MessageReceived(said), 0.0)
    wanted = toy.tell(ev.BlobArrived(digest("other bytes"), 24, True), 0.0)
    assert fx.Release(heads=(), parameters=(), blobs=(digest("other bytes"),)) in wanted
