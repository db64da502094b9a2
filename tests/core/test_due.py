"""Timers: set for what is due next, harmless when they come too early."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.lies import attempt_of, check_honest, dropping
from tests.core.pieces import (
    decided_of,
    make_context,
    run_to,
    say,
    started,
    view_of,
)
from tests.core.plain import peer
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.due import find_times, on_timer, set_timer
from zpeer.core.resolve import ASK_EVERY, TRIES_MAX
from zpeer.genesis import Agreement
from zpeer.ids import digest
from zpeer.messages import Reveal
from zpeer.signed import Stage

DELTA = 10 / 6
A = digest("a record")


def test_a_timer_of_an_earlier_stage_ends_nothing() -> None:
    ring = Ring(4)
    for to in ring.toys:
        ring.push(to, ev.Started())
        for k in range(1, 60):
            ring.push(to, ev.TimerFired(), delay=0.0007 * k)
    while ring.step():
        pass
    check_honest(ring)


def test_a_timer_is_set_for_what_is_due_next_and_again_only_when_it_has_passed() -> None:
    context = make_context()
    context.attempt.timer = 0.0
    set_timer(context)
    assert context.effects == [fx.SetTimer(10 - 2 * DELTA)]
    set_timer(context)
    assert len(context.effects) == 1
    context.now = 10 - 2 * DELTA
    set_timer(context)
    assert context.effects[1:] == [fx.SetTimer(10.0)]
    context.now = 11.0
    set_timer(context)
    assert len(context.effects) == 2  # nothing is due any more


@pytest.mark.parametrize(
    ("stage", "times"),
    [
        (Stage.COMMIT, {10 - 2 * DELTA, 10}),
        (Stage.AGGREGATED, {20 - 2 * DELTA, 20, 30 - 2 * DELTA, 30}),
        (Stage.REVEAL, {40 - 2 * DELTA, 40}),
        (Stage.PROJECTIONS, {50 - 2 * DELTA, 50, 60 - 2 * DELTA, 60}),
        (Stage.CHECK, {10 / 3, 70 - 2 * DELTA, 70}),
        (Stage.VERDICT, {80 - 2 * DELTA, 80}),
    ],
)
def test_questions_bytes_and_words_are_due_by_the_stage(stage: Stage, times: set[float]) -> None:
    context = make_context()
    context.attempt.stage = stage
    assert sorted(find_times(context)) == pytest.approx(sorted(times))


def test_who_is_ahead_is_due_to_be_asked() -> None:
    ring = started(4)
    toy, head = ring.toys[peer(0)], ring.genesis.run
    toy.tell(ev.MessageReceived(say(1, head, Reveal(A, A))), 1.0)
    assert min(find_times(toy.core._context)) == 1.0 + DELTA / 2


def test_in_the_slow_path_only_its_rounds_are_due_and_that_one_is_awake() -> None:
    ring = started(4)
    toy = ring.toys[peer(0)]
    toy.tell(ev.MessageReceived(view_of(1, ring.genesis.run, claims=(peer(2),))), 5.0)
    times = [*find_times(toy.core._context)]
    assert times[0] == 5.0 + DELTA / 2
    assert times[1] == 5.0 + 4 * DELTA
    assert times[2] == 5.0 + (7 + 3 * 2) * DELTA  # F + 1 = 2 signatures


# --- what an outcome rests on ---------------------------------------------------------------------


def decided_without_me(**changes: Any) -> tuple[Ring, Toy]:
    """All others signed what the slow path led to; peer 0 knows nothing of it."""
    ring = started(4, **changes)
    toy = ring.toys[peer(0)]
    for i in (1, 2, 3):
        toy.tell(ev.MessageReceived(decided_of(i, ring.genesis.run, A)), 1.0)
    return ring, toy


def asked(effects: list[fx.Effect]) -> list[fx.Effect]:
    """Questions among them."""
    return [e for e in effects if isinstance(e, fx.SendSetRequest)]


def test_what_an_outcome_rests_on_is_asked_for_again_and_again_but_not_for_ever() -> None:
    _, toy = decided_without_me()
    attempt = attempt_of(toy)
    assert attempt.tries == 1
    now = 1.0
    for k in range(2, TRIES_MAX + 1):
        assert not asked(toy.tell(ev.TimerFired(), now + ASK_EVERY * DELTA - 0.01))
        now += ASK_EVERY * DELTA
        effects = toy.tell(ev.TimerFired(), now)
        assert len(asked(effects)) == 9
        assert now < effects[-1].at <= now + ASK_EVERY * DELTA
        assert attempt.tries == k
    (stop,) = toy.tell(ev.TimerFired(), now + ASK_EVERY * DELTA)
    why = "what the others decided rests on messages that nobody shows me"
    assert (stop.code, stop.reason) == (5, f"cut off in step 0, attempt 0: {why}")


def test_who_waits_for_its_own_update_alone_asks_nobody() -> None:
    ring = Ring(4, tampers={0: dropping(fx.Update)})
    toy = run_to(ring, Stage.VERDICT)
    head = toy.core.head
    for i in (1, 2, 3):
        toy.tell(ev.MessageReceived(decided_of(i, head, A)), ring.now)
    for k in range(1, 3 * TRIES_MAX):
        assert not asked(toy.tell(ev.TimerFired(), ring.now + k * ASK_EVERY * DELTA))
    assert not toy.core.is_stopped


def test_in_the_rounds_a_timer_asks_nothing() -> None:
    ring = started(4)
    toy = ring.toys[peer(0)]
    toy.tell(ev.MessageReceived(view_of(1, ring.genesis.run, claims=(peer(2),))), 5.0)
    assert not asked(toy.tell(ev.TimerFired(), 9.0))


@pytest.mark.parametrize("agreement", Agreement)
def test_past_a_deadline_a_timer_calls_or_ends_the_run(agreement: Agreement) -> None:
    context = make_context(agreement=agreement)
    context.now = 9.99
    on_timer(context)
    assert {type(e) for e in context.effects} == {fx.SendSetRequest}
    context.effects, context.now = [], 10.0
    on_timer(context)
    kinds = [type(e) for e in context.effects]
    assert kinds == ([fx.Stop] if agreement is Agreement.STOP else [fx.Warn, fx.Broadcast])


def test_bytes_are_asked_for_before_they_are_due_unless_my_word_is_said() -> None:
    ring = Ring(4, tampers={1: dropping(fx.SendPart)})
    toy = run_to(ring, Stage.AGGREGATED)
    while set(attempt_of(toy).parts) != {peer(2), peer(3)}:
        ring.step()
    before = toy.tell(ev.TimerFired(), 20 - 2 * DELTA - 0.01)
    assert not [e for e in before if isinstance(e, fx.SendBlobRequest)]
    effects = toy.tell(ev.TimerFired(), 20 - 2 * DELTA)
    assert [e.to for e in effects if isinstance(e, fx.SendBlobRequest)] == [(peer(1),)]
    said = run_to(Ring(4, tampers={1: dropping(fx.Broadcast)}), Stage.COMMIT)
    attempt = attempt_of(said)
    attempt.stage, attempt.sent = Stage.AGGREGATED, {Stage.COMMIT, Stage.AGGREGATED}
    context = said.core._context
    context.effects, context.now = [], 19.0
    on_timer(context)
    assert not [e for e in context.effects if isinstance(e, fx.SendBlobRequest)]
