"""What an attempt came to is shown by who had to agree, never by what its victim saw of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.cheats import read, sign, sign_bytes
from tests.judging.test_framing_stuck import find_slot
from tests.judging.test_judge_stuck import last_of
from zpeer.core.broadcast import compute_set_digest
from zpeer.ids import NOTHING, digest
from zpeer.judging.evidence import Evidence, decode_record
from zpeer.judging.judge import judge
from zpeer.messages import Aggregated, Check, Commit, Decided, Reveal, Verdict, View
from zpeer.signed import Signed, Stage

if TYPE_CHECKING:
    from tests.cheats import Verified
    from zpeer.ids import Digest
    from zpeer.record import Record

replace = msgspec.structs.replace
pytestmark = pytest.mark.simulation


# --- what was agreed ------------------------------------------------------------------------------


def find_decision(evidence: Evidence, head: Digest) -> Record:
    records = map(decode_record, evidence.records)
    return next(record for record in records if record.previous == head)


def hide_decision(evidence: Evidence, head: Digest) -> Evidence:
    """The same, without what shows how the attempt on a head was decided."""
    records = tuple(d for d in evidence.records if decode_record(d).previous != head)
    proving = [(head, Stage.VERDICT), (head, Stage.DECIDED)]
    sets = tuple(each for each in evidence.sets if (each[0].head, each[0].stage) not in proving)
    return replace(evidence, records=records, sets=sets)


def test_an_echo_does_not_say_which_commits_were_agreed() -> None:
    """An honest validator may have echoed another COMMIT set than the one that the slow path agreed
    on, by which it accuses rightly: a colluder's second COMMIT is all that takes."""
    evidence, verified = last_of("false concealed")
    accuser = evidence.departure.peer
    check = next(each for each in evidence.messages if each.sender == accuser)
    said = read(verified, check)
    assert isinstance(said, Check)
    about = next(a.attempt for a in said.accusations)
    assert judge(evidence, verified.court).proven
    hidden = hide_decision(evidence, about)
    ruling = judge(hidden, verified.court)
    assert not ruling.proven
    assert "does not show which record decided" in ruling.reason
    verdict = find_slot(verified, Stage.VERDICT, sign(accuser, about, Decided(NOTHING)))
    echoed = replace(hidden, messages=(*hidden.messages, verdict))
    assert not judge(echoed, verified.court).proven


def test_an_echo_of_commits_that_were_not_agreed_frames_nobody() -> None:
    evidence, verified = last_of("false gradient")
    accuser, (check,) = evidence.departure.peer, evidence.messages
    said = read(verified, check)
    assert isinstance(said, Check)
    about = said.accusations[0].attempt
    commits = next(each for each in evidence.sets if each[0].stage is Stage.COMMIT)
    echo = sign(accuser, about, Aggregated(compute_set_digest(commits), None))
    other = [resecret(verified, each) for each in commits]
    agreed = compute_set_digest(tuple(other))
    decision = find_decision(evidence, about)
    elsewhere = replace(decision, sets=(agreed, *decision.sets[1:]))
    moved = sign_bytes(accuser, elsewhere.head, Stage.CHECK, check.payload)
    framed = replace(
        hide_decision(evidence, about),
        departure=replace(evidence.departure, attempt=elsewhere.head),
        records=(*evidence.records[:1], msgspec.msgpack.encode(elsewhere)),
        messages=(moved, echo),
    )
    assert decode_record(framed.records[0]).head == about
    ruling = judge(framed, verified.court)
    assert not ruling.proven
    assert "does not hold the COMMIT set" in ruling.reason
    shown = replace(framed, sets=(tuple(other),))
    assert judge(shown, verified.court).proven  # these commits are the same but for one secret


def resecret(verified: Verified, signed: Signed) -> Signed:
    """A COMMIT to the same gradient and another secret."""
    said = read(verified, signed)
    assert isinstance(said, Commit)
    return sign(signed.sender, signed.head, replace(said, commitment=digest("second")))


# --- what proves a record -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stage", "enough"),
    [("invented report", Stage.VERDICT, 7), ("invented report after a vote", Stage.DECIDED, 4)],
)
def test_a_record_is_proven_by_all_verdicts_or_by_most_decided(
    name: str, stage: Stage, enough: int
) -> None:
    evidence, verified = last_of(name)
    head = find_own_base(evidence).checked
    (proof,) = (each for each in evidence.sets if (each[0].head, each[0].stage) == (head, stage))
    others = tuple(each for each in proof if each.sender != evidence.departure.peer)
    told = others if stage is Stage.DECIDED else proof
    rest = tuple(each for each in evidence.sets if each is not proof)
    for count in range(len(told) + 1):
        fewer = replace(evidence, sets=(*rest, told[:count]))
        assert judge(fewer, verified.court).proven == (count >= enough)
    twice = (*told[: enough - 1], told[0])
    assert not judge(replace(evidence, sets=(*rest, twice)), verified.court).proven
    unsigned = tuple(replace(each, signature=bytes(64)) for each in told)
    assert not judge(replace(evidence, sets=(*rest, unsigned)), verified.court).proven


def find_own_base(evidence: Evidence) -> Record:
    records = map(decode_record, evidence.records)
    return next(each for each in records if each.head == evidence.departure.attempt)


def test_most_verdicts_prove_no_record() -> None:
    """A bare majority of VERDICTs: the slow path may have decided otherwise."""
    evidence, verified = last_of("invented report after a vote")
    head = find_own_base(evidence).checked
    rest = tuple(s for s in evidence.sets if (s[0].head, s[0].stage) != (head, Stage.DECIDED))
    words = verified.swarm.list_words()
    votes = tuple(w for w in words if (w.stage, w.head) == (Stage.VERDICT, head))
    assert 2 * len(votes) > len(verified.court.genesis.peers)
    assert not judge(replace(evidence, sets=(*rest, votes)), verified.court).proven


def test_a_roster_that_liars_made_up_proves_nothing() -> None:
    """They agree among themselves on a record that bans an honest peer for a sum, and all sign it.

    The record before it is theirs, too: that peer signed nothing there.
    """
    evidence, verified = last_of("fallen shield")
    assert judge(evidence, verified.court).proven
    last = decode_record(evidence.records[-1])
    liars = tuple(peer for peer in last.roster if peer != evidence.departure.peer)
    before = replace(find_base_of(evidence, last), roster=liars, validators=(), duties=())
    verdict = replace(last, previous=before.head)
    words = tuple(sign(liar, before.head, Decided(verdict.head)) for liar in liars)
    made_up = replace(
        evidence,
        records=(*evidence.records[:1], *map(msgspec.msgpack.encode, (before, verdict))),
        messages=(),
        sets=(*(s for s in evidence.sets if s[0].head == evidence.departure.attempt), words),
    )
    ruling = judge(made_up, verified.court)
    assert not ruling.proven
    assert "nothing shows that it fell" in ruling.reason
    own = sign(evidence.departure.peer, before.head, Reveal(NOTHING, NOTHING))
    assert judge(replace(made_up, messages=(own,)), verified.court).proven  # it was there, then


def find_base_of(evidence: Evidence, record: Record) -> Record:
    records = map(decode_record, evidence.records)
    return next(each for each in records if each.head == record.previous)


def test_a_vote_of_most_shows_that_an_excuse_fell_but_not_one_of_fewer() -> None:
    evidence, verified = last_of("fallen shield")
    last = decode_record(evidence.records[-1])
    roster = find_base_of(evidence, last).roster
    naming = tuple(
        each
        for messages in evidence.sets
        for each in messages
        if each.head == last.previous and names(verified, each, last)
    )
    peers = tuple(dict.fromkeys(each.sender for each in naming))
    rest = tuple(each for each in evidence.sets if each[0].head != last.previous)
    for count in range(1, len(peers) + 1):
        votes = tuple(each for each in naming if each.sender in peers[:count])
        proven = judge(replace(evidence, sets=(*rest, votes)), verified.court).proven
        assert proven == (2 * count > len(roster))
    assert evidence.departure.peer not in peers


def names(verified: Verified, signed: Signed, record: Record) -> bool:
    message = read(verified, signed)
    return isinstance(message, Verdict | View | Decided) and message.record == record.head
