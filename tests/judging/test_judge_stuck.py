"""Every ban that lies behind the slow path is proven to a stranger by its file, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.stuck import FAULTS, PLOTS, run_plot
from zpeer.faults import FaultKind, is_ban
from zpeer.judging.evidence import decode_record
from zpeer.judging.judge import judge
from zpeer.signed import Stage

if TYPE_CHECKING:
    from tests.cheats import Verified
    from zpeer.judging.evidence import Evidence
    from zpeer.record import Record

replace = msgspec.structs.replace
pytestmark = pytest.mark.simulation

FOUND: dict[str, str] = {
    "share": "the share it opened gives the commitment",
    "view secret": "the secret it opened gives the commitment",
    "commit": "its COMMIT has 7 part digests, expected 6",
    "commit garbage": "its COMMIT does not decode",
    "aggregated": "its AGGREGATED does not decode",
    "projections": "its PROJECTIONS part 0: norm nan is not a norm",
    "verdict": "its VERDICT does not decode",
    "two commits": "two different bodies as its COMMIT on head",
    "two checks": "two different bodies as its CHECK on head",
    "two verdicts": "two different bodies as its VERDICT on head",
    "two verdicts and a secret": "the secret it opened gives the share",
    "two views": "two different bodies as its VIEW on head",
    "two closed": "two different bodies as its CLOSED on head",
    "invented report": "that is not its to make",
    "invented report after a vote": "that is not its to make",
    "lazy": "the target's gradient gives",
    "false gradient": "the commitment is that of the gradient",
    "false concealed": "it claimed CONCEALED_PROJECTION, but",
    "fallen shield": "fell, as a record says that most signed",
    "shield of who has left": "fell, as a record says that most signed",
    "shield of who has crashed": "fell, as a record says that most signed",
}


@pytest.mark.parametrize("name", PLOTS)
def test_every_ban_behind_the_slow_path_is_proven_by_each_file(name: str) -> None:
    verified = run_plot(name)
    bans = [d for r in verified.records for d in r.departures if is_ban(d.fault)]
    assert {ban.peer for ban in bans}.isdisjoint(verified.honest)
    for written in verified.written:
        assert [each.departure for each in written] == bans
        for evidence in written:
            ruling = judge(evidence, verified.court)
            assert ruling.proven, (evidence.departure, ruling.reason)


@pytest.mark.parametrize("name", PLOTS)
def test_the_ruling_says_what_was_done(name: str) -> None:
    evidence, verified = last_of(name)
    assert judge(evidence, verified.court).reason.count(FOUND[name]) == 1


def last_of(name: str) -> tuple[Evidence, Verified]:
    """The last ban of the fault that the plot is about."""
    verified = run_plot(name)
    found = [each for each in verified.evidence if each.departure.fault is FAULTS[name]]
    return found[-1], verified


def test_every_plot_gets_an_attempt_stuck() -> None:
    """But for two VERDICTs, of which everybody takes the one that says what it says itself."""
    for name in PLOTS.keys() - {"two verdicts", "two verdicts and a secret"}:
        words = run_plot(name).swarm.list_words()
        assert any(word.stage is Stage.DECIDED for word in words), name


# --- what a file holds ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [name for name, fault in FAULTS.items() if fault is FaultKind.EQUIVOCATION]
)
def test_two_bodies_are_proven_by_two_signatures_and_nothing_else(name: str) -> None:
    evidence, verified = last_of(name)
    bare = (evidence.records, evidence.sets, evidence.messages, evidence.blobs, evidence.results)
    assert bare == ((), (), (), (), ())
    assert [each.sender for each in evidence.statements] == [evidence.departure.peer] * 2
    content = "their contents have the digests "
    told = judge(evidence, verified.court).reason.partition(content)[2]
    assert told == " and ".join(each.content[:4].hex() for each in evidence.statements)


@pytest.mark.parametrize("name", ["share", "aggregated", "projections", "verdict"])
def test_a_misdeed_is_proven_by_the_words_of_one_peer(name: str) -> None:
    evidence, _ = last_of(name)
    assert evidence.sets == ()
    assert {each.sender for each in evidence.messages} == {evidence.departure.peer}
    assert [decode_record(data).head for data in evidence.records] == [evidence.departure.attempt]


def test_a_proof_of_another_deed_is_not_written_for_a_ban() -> None:
    """Both are known, and one is what the record says."""
    evidence, _ = last_of("two verdicts and a secret")
    assert evidence.statements == ()
    assert Stage.CHECK in {messages[0].stage for messages in evidence.sets}


def test_a_wrong_secret_in_a_view_is_held_against_the_commitment() -> None:
    evidence, verified = last_of("view secret")
    assert [each.stage for each in evidence.messages] == [Stage.VIEW]
    for lacking in (replace(evidence, messages=()), replace(evidence, sets=())):
        assert not judge(lacking, verified.court).proven


def find_base(evidence: Evidence) -> Record:
    """The record that the attempt of the deed builds on."""
    records = map(decode_record, evidence.records)
    return next(each for each in records if each.head == evidence.departure.attempt)


@pytest.mark.parametrize(
    ("name", "voids", "proves"),
    [("invented report", 2, Stage.VERDICT), ("invented report after a vote", 1, Stage.DECIDED)],
)
def test_reports_are_those_of_the_last_set_that_stands_in_a_record(
    name: str, voids: int, proves: Stage
) -> None:
    """Attempts that the slow path made void lie between, and it does not matter how many."""
    evidence, verified = last_of(name)
    base = find_base(evidence)
    between = [r for r in verified.records if r.step == base.step and r.attempt <= base.attempt]
    assert [bool(record.views) for record in between] == [True] * voids
    assert base.previous != base.checked
    (certificate,) = (m for m in evidence.sets if (m[0].head, m[0].stage) == (base.checked, proves))
    without = tuple(each for each in evidence.sets if each is not certificate)
    checks = evidence.sets[0]
    assert (checks[0].head, checks[0].stage) == (base.checked, Stage.CHECK)
    assert judge(evidence, verified.court).proven
    assert not judge(replace(evidence, sets=without), verified.court).proven
    assert not judge(replace(evidence, sets=evidence.sets[1:]), verified.court).proven
    fewer = tuple(d for d in evidence.records if decode_record(d).previous != base.checked)
    assert len(fewer) == len(evidence.records) - 1
    assert not judge(replace(evidence, records=fewer), verified.court).proven


def test_a_report_that_was_made_may_be_accused_behind_a_void_attempt() -> None:
    """The true accusation of a lazy validator is no invalid body, and its file says no other."""
    evidence, verified = last_of("lazy")
    made = [
        (record.previous, matter)
        for record in verified.records
        for matter in record.matters
        if matter.accusation.fault is FaultKind.WRONG_REPORT
    ]
    bases = {record.head: record for record in verified.records}
    late = [matter for head, matter in made if bases[head].checked != bases[head].previous]
    assert late, "no report was accused behind a void attempt"
    assert {matter.accuser for matter in late} <= set(verified.honest)
    assert judge(evidence, verified.court).proven


def test_a_false_accusation_of_a_void_gradient_is_held_against_the_agreed_set() -> None:
    evidence, verified = last_of("false gradient")
    (check,) = evidence.messages
    decision = next(
        record
        for record in map(decode_record, evidence.records)
        if record.views and record.sets and record.head == check.head
    )
    assert [each[0].stage for each in evidence.sets] == [Stage.COMMIT, Stage.DECIDED]
    without = tuple(r for r in evidence.records if decode_record(r) != decision)
    assert not judge(replace(evidence, records=without), verified.court).proven
