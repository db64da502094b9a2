"""Slots, echoes, sets, and how long a stage took."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.core.lies import check_caught, check_honest, check_stopped, saying
from tests.core.pieces import (
    closed_of,
    commit_of,
    make_context,
    say,
    signed_by,
    two_stories,
    wanted_by,
)
from tests.core.plain import peer
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.broadcast import (
    echoes_mine,
    faulty_max,
    get_echo,
    is_agreed,
    is_complete,
    put,
    read,
    stage_before,
)
from zpeer.faults import FaultKind
from zpeer.genesis import Agreement, Protection
from zpeer.ids import NOTHING, PeerId, digest
from zpeer.messages import Aggregated, Reveal, Verdict
from zpeer.proofs import Equivocation
from zpeer.record import Outcome
from zpeer.signed import STEP_STAGES, Stage

A, B = digest("a"), digest("b")

# --- two bodies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STEP_STAGES)
@pytest.mark.parametrize("second", [0, 3])
def test_who_signs_two_bodies_for_one_slot_is_banned_and_nobody_else_leaves(
    stage: Stage, second: int
) -> None:
    ring = Ring(5, tampers={1: two_stories(stage, second)}).run()
    records = check_honest(ring, 1)
    assert ring.departures(1) == {1: "EQUIVOCATION"}
    is_voted = stage >= Stage.CHECK  # most have voted: the record stands, the next one bans
    assert records[0].outcome is (Outcome.COUNTED if is_voted else Outcome.VOID)
    assert [d.peer for d in records[is_voted].departures] == [peer(1)]
    written = [evidence for toy in ring.honest(1) for evidence in toy.evidence]
    assert len(written) >= 3
    for evidence in written:
        first, other = evidence.statements
        assert evidence.departure.fault is FaultKind.EQUIVOCATION
        assert (first.sender, other.sender) == (peer(1), peer(1))
        assert first.content != other.content
        assert (first.stage, first.head) == (other.stage, other.head) == (stage, ring.genesis.run)


@pytest.mark.parametrize("stage", STEP_STAGES)
def test_who_does_so_again_and_again_cannot_turn_the_others_against_an_honest_peer(
    stage: Stage,
) -> None:
    """The proof of the attempt before is in hand, and another attempt is split all the same."""
    ring = Ring(5, tampers={1: two_stories(stage, 0, times=99)}).run()
    check_honest(ring, 1)
    assert ring.departures(1) == {1: "EQUIVOCATION"}


@pytest.mark.parametrize("stage", STEP_STAGES)
@pytest.mark.parametrize("second", [0, 3])
def test_where_nobody_agrees_two_bodies_are_shown_to_all_and_stop_the_run(
    stage: Stage, second: int
) -> None:
    tampers = {1: two_stories(stage, second)}
    ring = Ring(5, tampers=tampers, agreement=Agreement.STOP).run()
    reasons = check_stopped(ring, 1)
    if stage is Stage.VERDICT:
        assert any("VERDICT differs from mine at peer-1" in reason for reason in reasons)
        return
    (reason,) = reasons
    assert reason.startswith(f"peer-1 signed two different {stage.name} bodies for one slot")
    for toy in ring.honest(1):
        assert toy.ended.fault is FaultKind.EQUIVOCATION
        assert toy.ended.peers == (peer(1),)
        (evidence,) = toy.evidence
        assert {each.sender for each in evidence.statements} == {peer(1)}


def test_one_body_with_two_signatures_is_no_equivocation() -> None:
    """ECDSA signatures are malleable: bodies are compared."""

    def again(ring: Ring, toy: Toy, effects: list[fx.Effect]) -> list[fx.Effect]:
        for effect in effects:
            if isinstance(effect, fx.Broadcast):
                other = replace(ring.sign(toy, effect), signature=bytes([1]) * 64)
                for to in effect.to:
                    ring.push(to, ev.MessageReceived(other), delay=0.0005)
        return effects

    ring = Ring(4, tampers={1: again}).run()
    records = check_honest(ring)
    assert not any(r.departures for r in records)


def test_duplicates_change_nothing() -> None:
    class Twice(Ring):
        def push(self, to: PeerId, event: ev.Event, delay: float = 0.001) -> None:
            super().push(to, event, delay)
            if isinstance(event, ev.MessageReceived | ev.PartArrived | ev.ResultArrived):
                super().push(to, event, delay + 0.0004)

    check_honest(Twice(4).run())


def test_the_first_body_takes_the_slot_and_a_second_one_is_a_proof() -> None:
    context = make_context()
    attempt, head = context.attempt, context.attempt.base.head
    first, second = commit_of(1, head), commit_of(1, head, 1)
    assert put(context, attempt, first) is None
    assert put(context, attempt, replace(first, signature=bytes(64))) is None
    assert put(context, attempt, second) == Equivocation(first.statement, second.statement)
    assert attempt.signed(Stage.COMMIT, peer(1)) is first


def test_a_verdict_or_closed_set_that_says_what_mine_says_takes_the_slot() -> None:
    """Else who signs two keeps others from seeing that they agree."""
    context = make_context()
    attempt, head = context.attempt, context.attempt.base.head
    for mine, other, same in (
        (
            say(0, head, Verdict(A, A)),
            say(1, head, Verdict(A, B)),
            say(1, head, Verdict(B, A)),
        ),
        (closed_of(0, head, A), closed_of(1, head, B), closed_of(1, head, A)),
    ):
        for signed in (mine, other):
            assert put(context, attempt, signed) is None
        assert put(context, attempt, same) is not None
        assert attempt.signed(mine.stage, peer(1)) is same
        assert put(context, attempt, other) is not None
        assert attempt.signed(mine.stage, peer(1)) is same


def test_a_word_of_which_there_is_none_of_mine_takes_no_slot_from_the_first() -> None:
    context = make_context()
    attempt, head = context.attempt, context.attempt.base.head
    for first, second in (
        (say(1, head, Verdict(A, A)), say(1, head, Verdict(A, B))),
        (signed_by(1, head, Stage.CLOSED, b"x"), closed_of(1, head, A)),
    ):
        put(context, attempt, first)
        assert put(context, attempt, second) is not None
        assert attempt.signed(first.stage, peer(1)) is first


# --- echoes and sets ------------------------------------------------------------------------------


def test_an_echo_that_nobody_explains_is_not_agreed_and_its_signer_is_removed() -> None:
    lie = saying(Stage.REVEAL, lambda _, m: replace(m, echo=bytes([9]) * 32))
    ring = Ring(4, tampers={1: lie}).run()
    check_caught(ring, {1: FaultKind.CLAIMED_BY_MOST})
    reason = ring.toys[peer(0)].warnings[0].reason
    assert reason == "I call; awaited: REVEAL that agrees with mine from peer-1"
    for i in (0, 2, 3):
        asked = [e for e in wanted_by(ring, i, fx.SendSetRequest) if e.head == ring.genesis.run]
        assert [(e.to, e.stage) for e in asked[:1]] == [(peer(1), Stage.AGGREGATED)]


def test_an_echo_of_zeros_binds_to_nothing_and_is_not_agreed() -> None:
    lie = saying(Stage.REVEAL, lambda _, m: replace(m, echo=NOTHING))
    ring = Ring(4, tampers={1: lie}, agreement=Agreement.STOP).run()
    (reason,) = check_stopped(ring, 1)
    assert reason.endswith("awaited: REVEAL that agrees with mine from peer-1")


@pytest.mark.parametrize("stage", [s for s in STEP_STAGES if s is not Stage.COMMIT])
def test_no_stage_takes_a_message_with_another_echo(stage: Stage) -> None:
    lie = saying(stage, lambda _, m: replace(m, echo=bytes([9]) * 32))
    ring = Ring(4, tampers={1: lie}).run()
    if stage is Stage.VERDICT:  # the record that it names says it all
        assert not check_honest(ring, 1)[0].departures
    else:
        check_caught(ring, {1: FaultKind.CLAIMED_BY_MOST})


def test_every_stage_but_the_first_echoes_the_one_before_it() -> None:
    context = make_context()
    assert [stage_before(context, s) for s in STEP_STAGES] == [None, *STEP_STAGES[:-1]]
    unprotected = make_context(protection=Protection.NONE)
    assert stage_before(unprotected, Stage.VERDICT) is Stage.AGGREGATED


def test_what_does_not_decode_has_no_echo_and_is_judged_as_it_is() -> None:
    context = make_context()
    context.attempt.sets[Stage.AGGREGATED] = A
    head = context.attempt.base.head
    garbage = signed_by(1, head, Stage.REVEAL, b"\xc1")
    assert read(context, garbage) is None
    assert get_echo(context, garbage) is None
    assert is_agreed(context, garbage)
    assert is_agreed(context, say(1, head, Reveal(A, A)))
    assert not is_agreed(context, say(1, head, Reveal(B, A)))


def test_an_echo_agrees_with_a_set_that_is_not_complete_yet() -> None:
    context = make_context()
    head = context.attempt.base.head
    assert get_echo(context, commit_of(1, head)) is None
    assert echoes_mine(context, say(1, head, Aggregated(B, None)))
    context.attempt.sets[Stage.COMMIT] = A
    assert not echoes_mine(context, say(1, head, Aggregated(B, None)))


def test_a_verdict_agrees_by_its_record_whatever_it_echoes() -> None:
    context = make_context()
    attempt, head = context.attempt, context.attempt.base.head
    attempt.sets[Stage.CHECK] = A
    same, other = say(1, head, Verdict(B, A)), say(1, head, Verdict(A, B))
    assert is_agreed(context, other)  # there is none of mine yet that it could differ from
    put(context, attempt, say(0, head, Verdict(A, A)))
    assert is_agreed(context, same)
    assert not echoes_mine(context, same)
    assert not is_agreed(context, other)
    assert echoes_mine(context, other)


def test_a_set_is_complete_with_an_agreeing_message_of_everybody() -> None:
    context = make_context(3)
    attempt, head = context.attempt, context.attempt.base.head
    attempt.sets[Stage.AGGREGATED] = A
    assert not is_complete(context, Stage.REVEAL)
    for i in range(3):
        assert not is_complete(context, Stage.REVEAL)
        put(context, attempt, say(i, head, Reveal(B if i == 2 else A, A)))
    assert not is_complete(context, Stage.REVEAL)
    attempt.messages[Stage.REVEAL][peer(2)] = say(2, head, Reveal(A, A))
    assert is_complete(context, Stage.REVEAL)


@pytest.mark.parametrize(("n", "f"), [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (16, 7), (17, 8)])
def test_any_minority_may_be_faulty(n: int, f: int) -> None:
    assert faulty_max(n) == f
    assert 2 * f < n <= 2 * (f + 1)
