"""What evidence is made of where it matters what an attempt came to."""

from __future__ import annotations

from tests.core.lies import read
from tests.core.test_proofs import evidence_of
from zpeer.core.broadcast import compute_set_digest
from zpeer.core.verdict import decode_record
from zpeer.faults import FaultKind
from zpeer.signed import STEP_STAGES, Stage

CHECKS = STEP_STAGES.index(Stage.CHECK)


def test_a_sum_whose_excuse_fell_is_proven_by_the_record_that_says_so() -> None:
    ((toy, evidence),) = evidence_of("false shield")
    record = decode_record(evidence.records[-1])
    assert evidence.departure.fault is FaultKind.WRONG_SUM
    assert evidence.departure in record.departures
    commit, verdict = evidence.messages
    assert (commit.stage, commit.head) == (Stage.COMMIT, record.previous)
    assert read(toy, verdict).record == record.head


def test_who_was_banned_before_its_excuse_fell_is_shown_what_came_after() -> None:
    """It signed none of it, so every record since stands there, with what proves each."""
    found = [(toy, e) for toy, e in evidence_of("false shield of who is banned")]
    faults = [e.departure.fault for _, e in found]
    assert faults == [FaultKind.WRONG_SECRET, FaultKind.WRONG_SUM]
    toy, late = found[1]
    own = {(each.sender, each.head) for each in late.messages}
    assert own == {(late.departure.peer, late.departure.attempt)}
    records = [decode_record(data) for data in late.records]
    after = {record.previous: record for record in records}
    rosters = {record.head: record.roster for record in records}
    head = late.departure.attempt
    chain = []
    while head in after:
        record = after[head]
        verdicts = [
            read(toy, signed).record
            for messages in late.sets
            for signed in messages
            if (signed.stage, signed.head) == (Stage.VERDICT, head)
        ]
        assert verdicts == [record.head] * len(rosters.get(head, toy.genesis.peers))
        chain.append(record)
        head = record.head
    assert late.departure in chain[-1].departures
    assert found[0][1].departure in chain[0].departures
    assert len(chain) > 1


def test_a_false_accusation_is_held_against_what_was_agreed() -> None:
    """An echo of its author is not enough: after the slow path another set may be agreed."""
    toy, evidence = evidence_of("false gradient")[0]
    (check,) = evidence.messages
    about = read(toy, check).accusations[0].attempt
    (record,) = (
        found for data in evidence.records if (found := decode_record(data)).previous == about
    )
    commits = next(each for each in evidence.sets if each[0].stage is Stage.COMMIT)
    assert record.sets[0] == compute_set_digest(commits)
    verdicts = next(each for each in evidence.sets if each[0].stage is Stage.VERDICT)
    assert {read(toy, signed).record for signed in verdicts} == {record.head}


def test_an_invalid_check_is_held_against_the_last_reports_that_stand_in_a_record() -> None:
    for toy, evidence in evidence_of("invalid check"):
        base = [decode_record(data) for data in evidence.records]
        if not base:
            continue  # in step 0 there are none
        own = next(each for each in base if each.head == evidence.departure.attempt)
        (decision,) = (each for each in base if each.previous == own.checked)
        checks = evidence.sets[0]
        assert (checks[0].stage, checks[0].head) == (Stage.CHECK, own.checked)
        assert decision.sets[CHECKS] == compute_set_digest(checks)
        assert toy.records
