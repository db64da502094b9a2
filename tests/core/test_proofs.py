"""Evidence: enough for a stranger, and nothing that the accused did not sign for."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.lies import (
    BadParts,
    BadResult,
    Covering,
    CoveringFar,
    Flipping,
    Shifting,
    accuse_draw,
    accuse_part,
    accusing,
    all_of,
    dropping,
    hearing_own_result,
    keep_quiet,
    misstate,
    read,
    saying,
)
from tests.core.plain import peer
from tests.core.test_adjudicate import ShiftingOnce
from tests.core.test_check import denounce_report, lazy
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer.core.broadcast import compute_set_digest
from zpeer.core.verdict import decode_record
from zpeer.errors import WireError
from zpeer.faults import FaultKind, is_ban
from zpeer.ids import NOTHING, digest, digest_bytes
from zpeer.messages import Commit
from zpeer.signed import Stage

PART = accuse_part(FaultKind.PART_NOT_FINITE, 3)
SHIELD = accuse_part(FaultKind.WRONG_PROJECTION, 2)
"""An accomplice: it hands out the bytes to nobody, so the accusation falls."""


def change(stage: Stage, **fields: Any) -> Any:
    """Say something else once."""
    return saying(stage, lambda _, message: replace(message, **fields))


PLOTS: dict[str, dict[str, Any]] = {
    "invalid check": {"tampers": {1: change(Stage.CHECK, durations=(-1.0,))}},
    "invalid projections": {"tampers": {1: change(Stage.PROJECTIONS, norms=())}},
    "part": {"toys": {1: BadParts}},
    "result": {"toys": {1: BadResult}, "tampers": {1: hearing_own_result}},
    "share": {"tampers": {1: change(Stage.REVEAL, share=digest("s"))}},
    "secret": {"tampers": {1: change(Stage.CHECK, secret=digest("s"))}},
    "beacon": {"tampers": {1: change(Stage.PROJECTIONS, beacon=digest("b"))}},
    "statement": {"tampers": {1: misstate(0, 100)}},
    "sum": {"toys": {1: Shifting}},
    "cover": {"toys": {1: Covering}},
    "average": {"toys": {1: CoveringFar}},
    "gradient": {"toys": {1: Flipping}},
    "report": {"tampers": {1: saying(Stage.CHECK, lazy)}},
    "concealed": {
        "tampers": {1: misstate(2, 200, times=99), 2: saying(Stage.CHECK, keep_quiet, times=99)},
        "steps": 12,
        "run": digest("toy run", b"drawn by a third"),
    },
    "false part": {"tampers": {1: accusing(PART)}},
    "false beside a true one": {
        "tampers": {1: misstate(0, 100), 2: accusing(PART), 4: accusing(PART)}
    },
    "false gradient": {"tampers": {1: accusing(accuse_draw(FaultKind.WRONG_GRADIENT))}},
    "false report": {"tampers": {1: accusing(denounce_report)}},
    "false shield": {
        "toys": {1: ShiftingOnce},
        "tampers": {1: accusing(SHIELD, publish=False), 2: dropping(fx.SendBlob)},
    },
    "false shield of who is banned": {
        "toys": {1: ShiftingOnce},
        "tampers": {
            1: all_of(
                accusing(SHIELD, publish=False),
                change(Stage.CHECK, secret=digest("s")),
            ),
            2: dropping(fx.SendBlob),
        },
    },
}  # fmt: skip


@lru_cache
def played(name: str) -> Ring:
    """The run of a plot. Liars are among 1, 2 and 4."""
    return Ring(6, **{"steps": 16, "run": digest("proofs", b"drawn"), **PLOTS[name]}).run()


def evidence_of(name: str) -> list[tuple[Toy, fx.WriteEvidence]]:
    """What an honest peer wrote in it."""
    ring = played(name)
    toy = ring.toys[peer(0)]
    assert toy.evidence, "the plot was not seen"
    return [(toy, each) for each in toy.evidence]


@pytest.mark.parametrize("name", PLOTS)
def test_every_ban_is_written_down_alike_by_all_before_it_is_adopted(name: str) -> None:
    ring = played(name)
    honest = ring.honest(1, 2, 4)
    for record in ring.check_agreement(1, 2, 4):
        bans = [d for d in record.departures if is_ban(d.fault)]
        for toy in honest:
            for _, me, _, done in ring.trace:
                if me == toy.me and any(
                    isinstance(e, fx.Decide) and e.record == record for e in done
                ):
                    at = done.index(next(e for e in done if isinstance(e, fx.Decide)))
                    written = [e.departure for e in done[:at] if isinstance(e, fx.WriteEvidence)]
                    assert written == bans
    assert len({tuple(toy.evidence) for toy in honest}) == 1


@pytest.mark.parametrize("name", PLOTS)
def test_evidence_holds_only_sets_that_the_accused_signed_for(name: str) -> None:
    """So that nobody can sign a second story afterwards and frame an honest peer with it."""
    for toy, evidence in evidence_of(name):
        accused = evidence.departure.peer
        everything = [*evidence.messages, *(s for each in evidence.sets for s in each)]
        mine = [signed for signed in everything if signed.sender == accused]
        assert all(signed.sender == accused for signed in evidence.messages)
        vouched = set()
        for signed in mine:
            try:
                message = read(toy, signed)
            except WireError:
                continue
            if not isinstance(message, Commit):
                vouched.add(message.echo)
        heads = {signed.head for signed in mine}
        for data in evidence.records:
            record = decode_record(data)
            if record.head in heads:
                vouched |= set(record.sets)
        for members in evidence.sets:
            alone = all(signed.sender == accused for signed in members)
            is_last = members[0].stage is Stage.VERDICT  # its owner's own word in it counts alone
            assert alone or is_last or compute_set_digest(members) in vouched


@pytest.mark.parametrize("name", PLOTS)
def test_the_bytes_that_evidence_names_are_held_when_it_is_written(name: str) -> None:
    for toy, evidence in evidence_of(name):
        for blob in evidence.blobs:
            published = evidence.departure.fault is not FaultKind.FALSE_ACCUSATION
            if published or name != "false shield":
                assert toy.find_blob(blob)
        results = {digest_bytes(data) for data in toy.results.values()}
        assert set(evidence.results) <= results


@pytest.mark.parametrize("name", PLOTS)
def test_evidence_names_the_records_that_its_attempts_build_on(name: str) -> None:
    for toy, evidence in evidence_of(name):
        heads = {s.head for each in (*evidence.sets, evidence.messages) for s in each}
        known = {decode_record(data).head for data in evidence.records} | {toy.genesis.run}
        assert evidence.departure.attempt in heads
        reports = name == "invalid check" and len(heads) > 1
        assert reports or heads <= known


@pytest.mark.parametrize(
    ("name", "fault", "needs"),
    [
        ("gradient", FaultKind.WRONG_GRADIENT, "parameters"),
        ("report", FaultKind.WRONG_REPORT, "parameters messages"),
        ("cover", FaultKind.WRONG_PROJECTION, "parameters results"),
        ("concealed", FaultKind.CONCEALED_PROJECTION, "parameters results"),
        ("statement", FaultKind.WRONG_PROJECTION, "blobs results"),
        ("part", FaultKind.PART_NOT_FINITE, "blobs results"),
        ("average", FaultKind.WRONG_AVERAGE, "blobs results"),
        ("sum", FaultKind.WRONG_SUM, "results"),
        ("result", FaultKind.RESULT_NOT_FINITE, "results"),
        ("share", FaultKind.WRONG_SHARE, ""),
        ("secret", FaultKind.WRONG_SECRET, ""),
        ("beacon", FaultKind.WRONG_BEACON, ""),
        ("false part", FaultKind.FALSE_ACCUSATION, "blobs results messages"),
        ("false gradient", FaultKind.FALSE_ACCUSATION, "parameters messages"),
        ("false report", FaultKind.FALSE_ACCUSATION, "parameters messages"),
        ("false shield", FaultKind.WRONG_SUM, "results messages"),
    ],
)
def test_evidence_holds_what_its_fault_is_judged_by(
    name: str, fault: FaultKind, needs: str
) -> None:
    found = [e for _, e in evidence_of(name) if e.departure.fault is fault]
    assert found
    for evidence in found:
        holds = {
            "parameters": evidence.parameters != NOTHING,
            "blobs": bool(evidence.blobs),
            "results": bool(evidence.results),
            "messages": bool(evidence.messages),
        }
        assert {part for part, there in holds.items() if there} == set(needs.split())
