"""Every ban of a real run is proven to a stranger by its file."""

from __future__ import annotations

import msgspec
import pytest

from tests.cheats import (
    CHEATS,
    InventedReport,
    UnpublishedShield,
    first_of,
    run_attacks,
    run_cheat,
)
from zpeer.errors import EvidenceError
from zpeer.faults import FaultKind, is_ban
from zpeer.genesis import Agreement, Protection
from zpeer.ids import NOTHING, PeerId, digest
from zpeer.judging.evidence import decode_record
from zpeer.judging.judge import JUDGES, judge
from zpeer.plugins import load_plugins

replace = msgspec.structs.replace
pytestmark = pytest.mark.simulation


MORE: list[tuple[str, dict[str, object], FaultKind]] = [
    ("false_accusation", {"of": "part"}, FaultKind.FALSE_ACCUSATION),
    ("false_accusation", {"of": "report"}, FaultKind.FALSE_ACCUSATION),
    ("false_report", {"of": "projection"}, FaultKind.FALSE_ACCUSATION),
    ("false_report", {"of": "concealed"}, FaultKind.FALSE_ACCUSATION),
    ("invalid_body", {"stage": "COMMIT"}, FaultKind.INVALID_BODY),
    ("invalid_body", {"stage": "AGGREGATED", "mode": "wrong_counts"}, FaultKind.INVALID_BODY),
    ("invalid_body", {"stage": "PROJECTIONS", "mode": "wrong_counts"}, FaultKind.INVALID_BODY),
    ("invalid_body", {"mode": "impossible_projection"}, FaultKind.INVALID_BODY),
    ("invalid_body", {"stage": "CHECK", "mode": "wrong_counts"}, FaultKind.INVALID_BODY),
    ("part_not_finite", {"mode": "short"}, FaultKind.PART_NOT_FINITE),
    ("result_not_finite", {"mode": "short"}, FaultKind.RESULT_NOT_FINITE),
    ("wrong_norm", {}, FaultKind.WRONG_PROJECTION),
    ("equivocation", {"stage": "CHECK"}, FaultKind.EQUIVOCATION),
]


def test_an_accusation_of_a_report_that_nobody_made_is_proven_by_the_reports() -> None:
    verified = run_attacks({1: InventedReport()})
    evidence = verified.evidence[0]
    assert evidence.departure.fault is FaultKind.INVALID_BODY
    ruling = judge(evidence, verified.court)
    assert ruling.proven, ruling.reason
    assert "makes an accusation (WRONG_REPORT) that is not its to make" in ruling.reason
    assert evidence.sets[0][0].head != evidence.departure.attempt
    assert not judge(replace(evidence, sets=evidence.sets[1:]), verified.court).proven


# --- what is so is proven -------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHEATS)
def test_every_ban_of_a_run_is_proven_by_its_file(name: str) -> None:
    verified = run_cheat(name)
    for evidence in verified.evidence:
        ruling = judge(evidence, verified.court)
        assert ruling.proven, (evidence.departure, ruling.reason)
        assert evidence.departure.peer not in verified.honest


def test_every_fault_that_is_a_ban_was_proven() -> None:
    proven = {each.departure.fault for name in CHEATS for each in run_cheat(name).evidence}
    assert proven == {fault for fault in FaultKind if is_ban(fault)} == set(JUDGES)


@pytest.mark.parametrize(("name", "parameters", "fault"), MORE)
def test_every_variant_is_proven_too(
    name: str, parameters: dict[str, object], fault: FaultKind
) -> None:
    attack = load_plugins().build("attack", name, parameters)
    places = (1, 2, 3) if name == "false_report" else (1,)
    verified = run_attacks(dict.fromkeys(places, attack))  # type: ignore[arg-type]
    assert verified.evidence[0].departure.fault is fault
    for evidence in verified.evidence:
        ruling = judge(evidence, verified.court)
        assert ruling.proven, ruling.reason


def test_a_sum_whose_excuse_fell_is_proven_by_the_record_that_its_owner_signed() -> None:
    verified = run_attacks({1: UnpublishedShield(), 2: UnpublishedShield()})
    evidence = verified.evidence[0]
    assert evidence.departure.fault is FaultKind.WRONG_SUM
    ruling = judge(evidence, verified.court)
    assert ruling.proven, ruling.reason
    assert "fell, as a record says that it signed itself" in ruling.reason
    last = decode_record(evidence.records[-1])
    assert evidence.departure in last.departures
    unsigned = tuple(messages for messages in evidence.sets if messages[0].head != last.previous)
    for lacking in (
        replace(evidence, messages=(), sets=unsigned),
        replace(evidence, records=evidence.records[:-1]),
    ):
        without = judge(lacking, verified.court)
        assert not without.proven
        assert "nothing shows that it fell" in without.reason


def test_a_projection_whose_bytes_are_gone_is_judged_by_the_gradient() -> None:
    evidence, verified = first_of("wrong_projection", FaultKind.WRONG_PROJECTION)
    ruling = judge(replace(evidence, blobs=()), verified.court)
    assert ruling.proven, ruling.reason


# --- what cannot be judged ------------------------------------------------------------------------


def test_evidence_of_another_run_version_or_stranger_is_refused() -> None:
    evidence, verified = first_of("sign_flip", FaultKind.WRONG_GRADIENT)
    stranger = replace(evidence.departure, peer=PeerId(digest("nobody")))
    genesis = verified.court.genesis
    unprotected = replace(genesis, protection=Protection.CLIP)
    for wrong, court, why in (
        (replace(evidence, run=NOTHING), verified.court, "the evidence is of run 0000"),
        (replace(evidence, protocol=99), verified.court, "protocol version 99"),
        (replace(evidence, departure=stranger), verified.court, "who is not of this run"),
        (evidence, verified.court._replace(genesis=unprotected), "the run has protection 'clip'"),
    ):
        with pytest.raises(EvidenceError, match=why):
            judge(wrong, court)


def test_two_bodies_are_proven_without_protection_too() -> None:
    evidence, verified = first_of("equivocation", FaultKind.EQUIVOCATION)
    genesis = replace(verified.court.genesis, protection=Protection.NONE)
    assert judge(evidence, verified.court._replace(genesis=genesis)).proven


@pytest.mark.parametrize("stage", ["COMMIT", "CHECK"])
def test_two_bodies_are_proven_where_the_run_stops_at_them(stage: str) -> None:
    attack = load_plugins().build("attack", "equivocation", {"stage": stage})
    verified = run_attacks({1: attack}, agreement=Agreement.STOP)  # type: ignore[dict-item]
    for written in verified.written:
        (evidence,) = written
        assert evidence.departure.fault is FaultKind.EQUIVOCATION
        ruling = judge(evidence, verified.court)
        assert ruling.proven, ruling.reason
        assert f"as its {stage} on head {evidence.departure.attempt[:4].hex()}" in ruling.reason


@pytest.mark.parametrize("stage", ["COMMIT", "AGGREGATED"])
def test_what_cannot_be_read_is_proven_without_protection_too(stage: str) -> None:
    attack = load_plugins().build("attack", "invalid_body", {"stage": stage})
    verified = run_attacks({1: attack}, protection=Protection.CLIP)  # type: ignore[dict-item]
    assert [each.departure.fault for each in verified.evidence] == [FaultKind.INVALID_BODY]
    ruling = judge(verified.evidence[0], verified.court)
    assert ruling.proven
    assert ruling.reason == f"its {stage} does not decode"


def test_a_record_that_does_not_decode_is_an_error() -> None:
    evidence, verified = first_of("sign_flip", FaultKind.WRONG_GRADIENT)
    with pytest.raises(EvidenceError, match="a record in it does not decode"):
        judge(replace(evidence, records=(b"\xc1",)), verified.court)
