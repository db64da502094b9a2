"""Asking for what is missing, and answering: soon enough, and never without end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.core.lies import all_of, attempt_of, check_honest, dropping, saying
from tests.core.pieces import (
    commit_of,
    decided_of,
    finish,
    make_context,
    run_to,
    say,
    started,
    two_stories,
    view_of,
    wanted_by,
)
from tests.core.plain import peer
from tests.core.toy import Ring
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.asking import (
    ANSWERS_MAX,
    NEXT_HEAD,
    ask_ahead,
    ask_everybody,
    ask_for_bytes,
    list_ahead,
    note_ahead,
)
from zpeer.core.broadcast import compute_set_digest
from zpeer.genesis import Agreement
from zpeer.ids import Digest, PeerId, digest
from zpeer.messages import Aggregated, Reveal
from zpeer.parts import Bulk
from zpeer.signed import STEP_STAGES, Stage

if TYPE_CHECKING:
    from zpeer.signed import Signed

DELTA = 10 / 6
NEXT = digest("the next head")


def asked(effects: list[fx.Effect]) -> list[tuple[int, Stage]]:
    """Whom a peer asks for which stage."""
    return [(e.to[0], e.stage) for e in effects if isinstance(e, fx.SendSetRequest)]


# --- who is ahead ---------------------------------------------------------------------------------


def test_who_is_past_my_stage_is_asked_for_it_half_a_delta_later() -> None:
    ring = started(4)
    toy, head = ring.toys[peer(0)], ring.genesis.run
    reveal = say(1, head, Reveal(digest("e"), digest("s")))
    effects = toy.tell(ev.MessageReceived(reveal), 1.0)
    assert effects == [fx.SetTimer(1.0 + DELTA / 2)]
    assert toy.tell(ev.TimerFired(), 1.0 + DELTA / 3)[:1] == [fx.SetTimer(1.0 + DELTA / 2)]
    effects = toy.tell(ev.TimerFired(), 1.0 + DELTA / 2)
    assert asked(effects) == [(1, Stage.COMMIT)]
    assert asked(toy.tell(ev.TimerFired(), 1.1 + DELTA / 2)) == []


def test_who_builds_on_the_next_head_is_asked_for_the_verdicts_of_mine_too() -> None:
    ring = started(4)
    toy = ring.toys[peer(0)]
    toy.tell(ev.MessageReceived(commit_of(2, NEXT)), 1.0)
    assert attempt_of(toy).ahead == {peer(2): NEXT_HEAD}
    effects = toy.tell(ev.TimerFired(), 1.0 + DELTA)
    assert asked(effects) == [(2, Stage.COMMIT), (2, Stage.VERDICT)]


def test_in_the_last_stage_the_verdicts_are_asked_for_once() -> None:
    context = make_context()
    context.attempt.stage = Stage.VERDICT
    note_ahead(context, peer(1), NEXT_HEAD)
    context.now = DELTA
    ask_ahead(context)
    ask_ahead(context)
    assert asked(context.effects) == [(1, Stage.VERDICT)]


def test_only_who_is_ahead_is_asked_and_each_in_its_own_time() -> None:
    """One that only pretends to be ahead must not keep me from asking another that is."""
    context = make_context()
    assert not list_ahead(context)
    note_ahead(context, peer(0), Stage.REVEAL)  # myself
    note_ahead(context, peer(1), Stage.COMMIT)  # no further than I
    assert not list_ahead(context)
    context.now = 2.0
    note_ahead(context, peer(2), Stage.REVEAL)
    context.now = 2.0 + DELTA / 2
    note_ahead(context, peer(3), Stage.CHECK)
    note_ahead(context, peer(3), Stage.REVEAL)  # old news
    assert context.attempt.ahead == {peer(2): Stage.REVEAL, peer(3): Stage.CHECK}
    assert list_ahead(context) == {peer(2): 2.0 + DELTA / 2, peer(3): 2.0 + DELTA}
    ask_ahead(context)
    assert asked(context.effects) == [(2, Stage.COMMIT)]
    context.now = 2.0 + DELTA
    ask_ahead(context)
    assert asked(context.effects) == [(2, Stage.COMMIT), (3, Stage.COMMIT)]
    assert not list_ahead(context)


def test_in_the_next_stage_the_time_is_counted_anew_and_who_fell_behind_is_not_asked() -> None:
    ring = Ring(4)
    toy = run_to(ring, Stage.AGGREGATED)
    head = ring.genesis.run
    toy.tell(ev.MessageReceived(say(1, head, Reveal(digest("e"), digest("s")))), ring.now)
    run_to(ring, Stage.REVEAL)
    assert not list_ahead(toy.core._context)


def test_a_message_that_was_lost_comes_from_who_is_ahead_before_any_deadline() -> None:
    class Lossy(Ring):
        def push(self, to: PeerId, event: ev.Event, delay: float = 0.001) -> None:
            lost = (
                isinstance(event, ev.MessageReceived)
                and to == peer(3)
                and event.signed.sender == peer(1)
                and event.signed.stage is Stage.AGGREGATED
            )
            if not lost:
                super().push(to, event, delay)

    ring = Lossy(4, steps=2).run()
    records = check_honest(ring)
    assert not any(toy.warnings for toy in ring.toys.values())
    assert not any(r.departures for r in records)
    assert ring.now < 5 * len(records)


# --- before a deadline ----------------------------------------------------------------------------


def test_everybody_is_asked_two_delta_before_a_deadline_once_a_stage() -> None:
    ring = started(4)
    toy = ring.toys[peer(0)]
    assert asked(toy.tell(ev.TimerFired(), 10 - 2 * DELTA - 0.01)) == []
    effects = toy.tell(ev.TimerFired(), 10 - 2 * DELTA)
    assert asked(effects) == [(i, Stage.COMMIT) for i in (1, 2, 3)]
    assert asked(toy.tell(ev.TimerFired(), 10 - DELTA)) == []


def test_each_stage_is_asked_for_by_itself() -> None:
    context = make_context()
    for stage in (Stage.COMMIT, Stage.AGGREGATED, Stage.COMMIT):
        context.attempt.stage = stage
        ask_everybody(context)
    assert asked(context.effects) == [
        (i, s) for s in (Stage.COMMIT, Stage.AGGREGATED) for i in (1, 2, 3)
    ]


def test_missing_parts_are_asked_of_their_workers_and_missing_results_of_all() -> None:
    ring = Ring(4, tampers={1: dropping(fx.SendPart), 2: dropping(fx.SendResult)})
    check_honest(ring.run())
    first = wanted_by(ring, 0, fx.SendBlobRequest)[:2]
    toy = ring.toys[peer(0)]
    assert [e.to for e in first] == [(peer(1),), (peer(1), peer(2), peer(3))]
    placed = wanted_by(ring, 0, fx.Place)[:2]
    assert [(e.kind, e.sender, e.blob) for e in placed] == [
        (Bulk.PART, peer(1), first[0].digest),
        (Bulk.RESULT, peer(2), first[1].digest),
    ]
    assert toy.rows[ring.genesis.run, peer(1)] == toy.find_blob(first[0].digest)
    assert not any(t.warnings for t in ring.toys.values())


def test_bytes_are_asked_for_once_a_stage_and_only_where_they_are_needed() -> None:
    ring = Ring(4, tampers={1: dropping(fx.SendPart)})
    toy = run_to(ring, Stage.AGGREGATED)
    while set(attempt_of(toy).parts) != {peer(2), peer(3)}:
        ring.step()
    context = toy.core._context
    context.effects = []
    ask_for_bytes(context)
    ask_for_bytes(context)
    (effect,) = context.effects
    assert isinstance(effect, fx.SendBlobRequest)
    context.attempt.stage = Stage.REVEAL
    ask_for_bytes(context)
    assert context.effects == [effect]


def test_a_result_that_was_never_fixed_is_not_asked_for() -> None:
    lie = saying(Stage.AGGREGATED, lambda _, m: Aggregated(m.echo, None))
    ring = Ring(5, tampers={2: all_of(lie, dropping(fx.SendResult))}).run()
    check_honest(ring, 2)
    assert not wanted_by(ring, 0, fx.SendBlobRequest)


def test_a_validator_misses_no_parts() -> None:
    ring = Ring(4, steps=3, tampers={i: dropping(fx.SendPart) for i in range(4)}).run()
    records = check_honest(ring)
    for record in records[:2]:
        (validator,) = record.validators
        for _, me, _, done in ring.trace:
            for effect in done:
                if me == validator and isinstance(effect, fx.Place):
                    is_mine = effect.head == record.head and effect.kind is Bulk.PART
                    assert not is_mine


# --- another echo ---------------------------------------------------------------------------------


def test_an_echo_that_came_before_my_own_set_is_asked_about_later() -> None:
    ring = started(3)
    toy, head = ring.toys[peer(0)], ring.genesis.run
    early = say(1, head, Aggregated(Digest(bytes([9]) * 32), digest("result")))
    assert asked(toy.tell(ev.MessageReceived(early), 0.0)) == []
    while not wanted_by(ring, 0, fx.SendSetRequest):
        assert ring.step()
    assert wanted_by(ring, 0, fx.SendSetRequest) == [fx.SendSetRequest(peer(1), head, Stage.COMMIT)]


@pytest.mark.parametrize("stage", STEP_STAGES[1:])
def test_a_signer_of_another_echo_is_asked_once_for_the_set_behind_it(stage: Stage) -> None:
    lie = saying(stage, lambda _, m: replace(m, echo=bytes([9]) * 32))
    ring = Ring(4, tampers={1: lie}, agreement=Agreement.STOP).run()
    before = STEP_STAGES[STEP_STAGES.index(stage) - 1]
    for i in (0, 2, 3):
        found = [e for e in wanted_by(ring, i, fx.SendSetRequest) if e.stage is before]
        assert found == [fx.SendSetRequest(peer(1), ring.genesis.run, before)]


def test_two_bodies_come_to_light_by_the_echoes_of_those_who_got_them() -> None:
    ring = Ring(5, tampers={1: two_stories(Stage.REVEAL, 3)}).run()
    assert ring.departures(1) == {1: "EQUIVOCATION"}
    asked_3 = [e for e in wanted_by(ring, 0, fx.SendSetRequest) if e.to == peer(3)]
    assert asked_3[0] == fx.SendSetRequest(peer(3), ring.genesis.run, Stage.REVEAL)
    assert ring.toys[peer(0)].warnings[0].stage is Stage.PROJECTIONS


# --- answers --------------------------------------------------------------------------------------


def ask(i: int, head: Digest, stage: Stage) -> ev.Event:
    """Peer i asks."""
    return ev.SetRequested(peer(i), head, stage)


def members(effect: object) -> list[Signed]:
    """What is shown."""
    assert isinstance(effect, fx.SendSet)
    return [*effect.messages]


def test_what_is_there_of_a_stage_is_shown_whole_or_not() -> None:
    ring = started(4)
    toy, head = ring.toys[peer(0)], ring.genesis.run
    assert toy.tell(ask(1, head, Stage.COMMIT), 0.0) == []  # nothing yet
    toy.tell(ev.MessageReceived(commit_of(2, head)), 0.0)
    (shown,) = toy.tell(ask(1, head, Stage.COMMIT), 0.0)
    assert [m.sender for m in members(shown)] == [peer(2)]
    ring = Ring(4)
    toy = run_to(ring, Stage.AGGREGATED)
    (shown,) = toy.tell(ask(1, head, Stage.COMMIT), 0.1)
    assert [m.sender for m in members(shown)] == list(ring.genesis.peers)
    assert compute_set_digest(shown.messages) == attempt_of(toy).sets[Stage.COMMIT]


def test_strangers_and_questions_about_heads_that_never_were_get_no_answer() -> None:
    ring = Ring(4)
    toy = run_to(ring, Stage.AGGREGATED)
    assert toy.tell(ask(66, ring.genesis.run, Stage.COMMIT), 0.1) == []
    assert toy.tell(ask(1, digest("other"), Stage.COMMIT), 0.1) == []


def test_each_is_answered_a_few_times_about_each_stage() -> None:
    """A set may grow between two questions, or an answer be lost; more would be a lever."""
    ring = Ring(4)
    toy = run_to(ring, Stage.REVEAL)
    head = ring.genesis.run
    for i in (1, 2):
        for stage in (Stage.COMMIT, Stage.AGGREGATED):
            answers = [toy.tell(ask(i, head, stage), ring.now) for _ in range(ANSWERS_MAX + 3)]
            assert [len(each) for each in answers] == [1] * ANSWERS_MAX + [0] * 3


def test_of_a_decided_attempt_the_verdicts_are_shown_besides() -> None:
    ring = Ring(4)
    toy = run_to(ring, Stage.COMMIT, records=1)
    effects = toy.tell(ask(1, ring.genesis.run, Stage.REVEAL), ring.now)
    shown = [e for e in effects if isinstance(e, fx.SendSet)]
    assert [e.stage for e in shown] == [Stage.REVEAL, Stage.VERDICT]
    assert [len(e.messages) for e in shown] == [4, 4]
    assert {e.to for e in shown} == {peer(1)}


def test_of_an_attempt_that_was_settled_the_record_is_shown_with_the_decided_that_are_in() -> None:
    ring = Ring(4, tampers={1: dropping(fx.Broadcast)})
    toy = run_to(ring, Stage.AGGREGATED, records=1)
    past = toy.core._context.state.past[ring.genesis.run]
    assert past.is_settled
    effects = toy.tell(ask(1, ring.genesis.run, Stage.REVEAL), ring.now)
    (shown,) = [e for e in effects if isinstance(e, fx.SendCertificate)]
    assert shown.to == (peer(1),)
    assert shown.record == past.verdict
    assert {m.sender for m in shown.messages} == {peer(0), peer(2), peer(3)}
    assert {m.stage for m in shown.messages} == {Stage.DECIDED}
    finish(ring)


def test_a_stopped_peer_still_shows_its_sets_and_does_nothing_else() -> None:
    ring = Ring(4).run()
    toy = ring.toys[peer(0)]
    last = attempt_of(toy)
    effects = toy.tell(ask(1, last.base.head, Stage.COMMIT), ring.now)
    assert [(e.stage, len(e.messages)) for e in effects] == [(Stage.COMMIT, 4), (Stage.VERDICT, 4)]
    assert toy.tell(ev.TimerFired(), ring.now + 99) == []
    arrival = ev.PartArrived(last.base.head, peer(1), digest("p"), 8, finite=True)
    assert toy.tell(arrival, ring.now) == []
    assert toy.core.is_stopped
    never = Ring(4).toys[peer(0)]
    never.core._context.state.stopped = True
    assert never.tell(ask(1, last.base.head, Stage.COMMIT), 0.0) == []


def test_a_stopped_peer_tells_who_calls_for_an_attempt_how_it_ended() -> None:
    ring = Ring(4).run()
    toy = ring.toys[peer(0)]
    head = toy.records[-1].previous
    call = ev.MessageReceived(view_of(1, head, claims=(peer(0),)))
    (shown,) = toy.tell(call, ring.now)
    assert (shown.to, shown.stage, len(shown.messages)) == (peer(1), Stage.VERDICT, 4)
    assert toy.tell(call, ring.now) == []
    for message in (
        view_of(66, head, claims=(peer(0),)),
        view_of(1, digest("never"), claims=(peer(0),)),
        decided_of(1, head, digest("r")),
    ):
        assert toy.tell(ev.MessageReceived(message), ring.now) == []
    ring = Ring(4, agreement=Agreement.STOP).run()
    toy = ring.toys[peer(0)]
    call = ev.MessageReceived(view_of(1, toy.records[-1].previous, claims=(peer(0),)))
    assert toy.tell(call, ring.now) == []
