"""How long stages take: nobody but honest peers can make that long."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.lies import (
    all_of,
    attempt_of,
    check_caught,
    check_honest,
    decode,
    misstate,
    saying,
)
from tests.core.pieces import commit_of, make_context, say, wanted_by
from tests.core.plain import peer
from tests.core.toy import Ring
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.broadcast import put
from zpeer.core.timing import (
    byzantine_max,
    note_duration,
    note_message,
    note_missing,
    note_word,
)
from zpeer.faults import FaultKind
from zpeer.genesis import Protection
from zpeer.ids import PeerId, digest
from zpeer.messages import Reveal
from zpeer.signed import STEP_STAGES, Stage


@pytest.mark.parametrize(
    ("n", "m", "f"),
    [(16, 1, 7), (16, 2, 6), (3, 1, 0), (4, 1, 1), (8, 1, 3), (1, 0, 0), (64, 4, 29)],
)
def test_f_is_fewer_than_half_of_the_workers(n: int, m: int, f: int) -> None:
    assert byzantine_max(n, m) == f
    assert f == 0 or 2 * f < n - m


def at(context: Any, stage: Stage, now: float) -> Any:
    """In a stage since `now`."""
    context.attempt.stage, context.attempt.entered, context.now = stage, now, now
    return context


def seconds(context: Any) -> list[float]:
    """What was measured."""
    return [*context.state.durations]


# --- by messages ----------------------------------------------------------------------------------


def test_where_nobody_waits_for_bytes_the_message_counts_that_only_f_are_behind() -> None:
    context = at(make_context(5), Stage.REVEAL, 10.0)
    for i in range(5):  # f is 1
        context.now = 11.0 + i
        put(context, context.attempt, say(i, context.genesis.run, Reveal(digest("e"), digest("s"))))
        note_message(context, Stage.REVEAL)
        assert seconds(context)[2] == (4.0 if i >= 3 else 0.0)
    assert sum(seconds(context)) == 4.0


@pytest.mark.parametrize("stage", [Stage.AGGREGATED, Stage.PROJECTIONS, Stage.CHECK])
def test_where_bytes_are_waited_for_messages_measure_nothing(stage: Stage) -> None:
    context = at(make_context(4), stage, 10.0)
    context.attempt.messages[stage] = {peer(i): commit_of(i, digest("h")) for i in range(4)}
    context.now = 20.0
    note_message(context, stage)
    assert sum(seconds(context)) == 0


def test_messages_of_a_stage_that_is_not_mine_measure_nothing() -> None:
    context = at(make_context(4), Stage.COMMIT, 10.0)
    context.attempt.messages[Stage.REVEAL] = {peer(i): commit_of(i, digest("h")) for i in range(4)}
    note_message(context, Stage.REVEAL)
    assert sum(seconds(context)) == 0


# --- by bytes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [Stage.AGGREGATED, Stage.PROJECTIONS])
def test_where_bytes_are_waited_for_all_but_those_of_f_count_and_ones_own_work(
    stage: Stage,
) -> None:
    context = at(make_context(5), stage, 10.0)
    for now, missing in ((11.0, 2), (12.0, 1), (19.0, 1), (30.0, 0), (31.0, 0)):
        context.now = now
        note_missing(context, missing)
    context.now = 33.0
    note_word(context)
    assert sum(seconds(context)) == (12 - 10) + (33 - 30)
    note_word(context)
    assert sum(seconds(context)) == 5.0


def test_a_word_that_waited_for_no_bytes_or_of_a_void_attempt_measures_nothing() -> None:
    context = at(make_context(5), Stage.AGGREGATED, 10.0)
    note_missing(context, 1)
    note_word(context)
    note_missing(context, 0)
    context.attempt.void = True
    context.now = 20.0
    note_word(context)
    assert sum(seconds(context)) == 0


def test_a_stage_is_measured_once_and_in_first_attempts_alone() -> None:
    """A repeated one needs no new gradient."""
    context = at(make_context(), Stage.CHECK, 10.0)
    note_duration(context, 3.0)
    note_duration(context, 9.0)
    assert seconds(context) == [0, 0, 0, 0, 3.0, 0]
    context.attempt.base = replace(context.attempt.base, attempt=1)
    context.attempt.timed = set()
    note_duration(context, 9.0)
    assert seconds(context)[4] == 3.0
    again = at(make_context(), Stage.CHECK, 10.0)
    note_duration(again, -1.0)
    assert sum(seconds(again)) == 0


# --- whole runs -----------------------------------------------------------------------------------


class Slow(Ring):
    """What a peer sends in a stage takes three seconds to the others."""

    slow: tuple[int, Stage | type[ev.PartArrived | ev.ResultArrived]] = (1, Stage.REVEAL)

    def push(self, to: PeerId, event: ev.Event, delay: float = 0.001) -> None:
        who, what = self.slow
        if isinstance(event, ev.MessageReceived):
            is_slow = event.signed.sender == peer(who) and event.signed.stage is what
        else:
            is_slow = type(event) is what and event.sender == peer(who)
        super().push(to, event, 3.0 if is_slow and to != peer(who) else delay)


@pytest.mark.parametrize(
    "what", [*(s for s in STEP_STAGES if s is not Stage.VERDICT), ev.PartArrived, ev.ResultArrived]
)
def test_one_that_is_slow_makes_no_stage_long_by_what_most_say(what: Any) -> None:
    ring = type("Slow1", (Slow,), {"slow": (1, what)})(6, steps=4).run()
    records = check_honest(ring)
    assert not any(toy.warnings for toy in ring.toys.values())
    assert ring.now > 6  # it was waited for, every time
    assert all(each < 0.5 for r in records for each in r.durations)


def test_everybodys_check_tells_the_seconds_of_all_stages_as_last_seen() -> None:
    ring = Ring(5, steps=2).run()
    check_honest(ring)
    said = [
        (toy, decode(toy, e).durations, e.head)
        for toy in ring.toys.values()
        for e in wanted_by(ring, toy.me[0], fx.Broadcast)
        if e.stage is Stage.CHECK
    ]
    assert len(said) >= 15
    for toy, durations, head in said:
        assert len(durations) == len(STEP_STAGES)
        assert all(0 <= each < 0.5 for each in durations)
        assert (durations[5] > 0) == (head != ring.genesis.run), "no VERDICT before the first"
        assert toy.core._context.state.durations != [0.0] * 6


def test_ones_own_recomputations_count_in_check_and_evidence_kept_back_does_not() -> None:
    class SlowRecomputing(Ring):
        def push(self, to: PeerId, event: ev.Event, delay: float = 0.001) -> None:
            super().push(to, event, delay + 2.0 * isinstance(event, ev.Recomputed))

    ring = SlowRecomputing(5, steps=3).run()
    busy = [toy for toy in ring.toys.values() if toy.core._context.state.durations[4] > 1]
    assert busy

    def no_blobs(ring: Ring, toy: Any, effects: list[fx.Effect]) -> list[fx.Effect]:
        return [e for e in effects if not isinstance(e, fx.SendBlob)]

    ring = Ring(5, steps=6, tampers={0: no_blobs, 1: all_of(misstate(0, 100), no_blobs)}).run()
    assert ring.now > 3  # bytes were waited for
    for toy in ring.honest(0, 1):
        assert toy.core._context.state.durations[4] < 0.5


def test_in_repeated_attempts_nothing_is_measured() -> None:
    class SlowRepeat(Ring):
        def push(self, to: PeerId, event: ev.Event, delay: float = 0.001) -> None:
            toy = self.toys[to]
            again = bool(toy.core._context.state.attempt and attempt_of(toy).base.attempt)
            super().push(to, event, 1.0 if again else delay)

    lie = saying(Stage.REVEAL, lambda _, __: b"x")
    ring = SlowRepeat(5, steps=1, tampers={2: lie}).run()
    check_caught(ring, {2: FaultKind.INVALID_BODY})
    toy = ring.toys[peer(0)]
    assert [r.attempt for r in toy.records][:2] == [0, 1]
    assert max(toy.core._context.state.durations) < 0.5


def test_without_protection_stages_are_measured_and_nobody_says_so() -> None:
    ring = Ring(4, protection=Protection.NONE).run()
    records = check_honest(ring)
    assert not any(r.durations for r in records)
