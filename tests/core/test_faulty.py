"""Faults that all see: noted once a peer, and what is not valid is nobody's message."""

from __future__ import annotations

from msgspec.structs import replace

from tests.core.lies import all_of, attempt_of, check_caught, saying
from tests.core.pieces import make_context, run_to
from tests.core.plain import peer
from tests.core.toy import Ring
from zpeer.core.faulty import get_reports, get_valid
from zpeer.faults import FaultKind, is_ban, sentence
from zpeer.ids import digest
from zpeer.signed import Stage


def test_the_first_of_several_faults_is_what_a_ban_says() -> None:
    lies = all_of(
        saying(Stage.REVEAL, lambda _, m: replace(m, share=digest("s"))),
        saying(Stage.PROJECTIONS, lambda _, m: replace(m, beacon=digest("b"))),
        saying(Stage.CHECK, lambda _, __: b"x"),
    )
    records = check_caught(Ring(5, tampers={1: lies}).run(), {1: FaultKind.WRONG_SHARE})
    assert len(records[0].departures) == 1


def test_several_peers_leave_in_one_record_each_for_its_own_fault() -> None:
    ring = Ring(
        8,
        tampers={
            1: saying(Stage.COMMIT, lambda _, __: b"x"),
            2: saying(Stage.REVEAL, lambda _, m: replace(m, share=digest("s"))),
            3: saying(Stage.CHECK, lambda _, m: replace(m, secret=digest("s"))),
        },
    )
    records = check_caught(
        ring.run(),
        {1: FaultKind.INVALID_BODY, 2: FaultKind.WRONG_SHARE, 3: FaultKind.WRONG_SECRET},
    )
    assert [d.peer for d in records[0].departures] == [peer(1), peer(2), peer(3)]


def test_an_invalid_message_is_nobodys() -> None:
    ring = Ring(4, tampers={1: saying(Stage.COMMIT, lambda _, m: replace(m, parts=()))})
    toy = run_to(ring, Stage.AGGREGATED)
    context, attempt = toy.core._context, attempt_of(toy)
    assert get_valid(context, attempt, Stage.COMMIT, peer(1)) is None
    assert get_valid(context, attempt, Stage.COMMIT, peer(2)) is not None
    assert get_valid(context, attempt, Stage.COMMIT, peer(77)) is None
    assert get_valid(context, attempt, Stage.VERDICT, peer(2)) is None


def test_what_does_not_decode_is_nobodys_even_before_it_is_judged() -> None:
    ring = Ring(4, tampers={1: saying(Stage.REVEAL, lambda _, __: b"x")})
    toy = run_to(ring, Stage.REVEAL)
    attempt = attempt_of(toy)
    while peer(1) not in attempt.messages.get(Stage.REVEAL, {}):
        assert ring.step()
    assert Stage.REVEAL not in attempt.sets
    assert get_valid(toy.core._context, attempt, Stage.REVEAL, peer(1)) is None


def test_the_reports_a_target_may_accuse_are_those_of_the_last_check_set_recorded() -> None:
    ring = Ring(5)
    toy = run_to(ring, Stage.COMMIT, records=2)
    base = attempt_of(toy).base
    past = toy.core._context.state.past[toy.core._context.state.order[-1]]
    expected = {
        (validator, draw.target, draw.attempt)
        for validator in past.base.validators
        for draw in past.base.duty_of(validator)
    }
    assert {each[:3] for each in get_reports(toy.core._context)} == expected
    assert base.head == toy.records[-1].head
    assert base.checked == past.base.head
    assert get_reports(make_context()) == frozenset()


def test_every_fault_says_what_was_done_and_whether_it_is_proven() -> None:
    removals = {
        FaultKind.ACCUSATION_FELL,
        FaultKind.PARTS_NOT_PUBLISHED,
        FaultKind.SILENT,
        FaultKind.CLAIMED_BY_MOST,
        FaultKind.CLAIMS_MOST,
        FaultKind.PAIR_ELIMINATED,
        FaultKind.CHARGED_WITH_MOST,
        FaultKind.SECRET_WITHHELD,
    }
    for fault in FaultKind:
        assert sentence(fault)
        assert is_ban(fault) == (fault not in removals)
