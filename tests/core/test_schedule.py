"""Due times: fixed when an attempt starts, equal at all, long only where most say so."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.lies import attempt_of, check_honest, saying
from tests.core.pieces import make_context, wanted_by
from tests.core.plain import make_genesis, peer
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer.core.schedule import (
    DECAY,
    HEAVY,
    SECONDS_MAX,
    SPACIOUS,
    WITH_BYTES,
    compute_allowance,
    find_bytes_due,
    find_due,
    follow_durations,
)
from zpeer.genesis import Protection
from zpeer.signed import STEP_STAGES, Stage

STAGES = len(STEP_STAGES)
seconds = st.floats(0, 1e6)


def allow(stage: Stage, recent: float = 0.0, **changes: Any) -> float:
    """Seconds of a stage that took so long lately, with a patience of 10."""
    return compute_allowance(make_genesis(4, **changes), (recent,) * STAGES, stage)


def test_at_first_a_stage_has_the_runs_patience_and_one_that_needs_bytes_twice_that() -> None:
    genesis = make_genesis(4)
    for stage in STEP_STAGES:
        expected = 20.0 if stage in WITH_BYTES else 10.0
        assert compute_allowance(genesis, (), stage) == expected == allow(stage)


def test_stages_in_which_gradients_are_computed_have_the_runs_work_besides() -> None:
    for stage in STEP_STAGES:
        extra = 30.0 if stage in HEAVY else 0.0
        assert allow(stage, work=30.0) == allow(stage) + extra


def test_a_stage_that_took_long_is_given_several_times_as_much() -> None:
    assert allow(Stage.REVEAL, 1.0) == 10.0
    assert allow(Stage.REVEAL, 7.0) == SPACIOUS * 7
    assert allow(Stage.AGGREGATED, 7.0) == SPACIOUS * 7 + 10
    assert allow(Stage.COMMIT, 7.0) == SPACIOUS * 7 + 10
    assert allow(Stage.COMMIT, 7.0, work=50.0) == 60
    assert allow(Stage.CHECK, 7.0, work=20.0) == SPACIOUS * 7 + 10


@given(st.sampled_from(STEP_STAGES), seconds, seconds)
def test_no_stage_is_given_less_than_patience_and_more_time_never_shortens_it(
    stage: Stage, less: float, more: float
) -> None:
    less, more = sorted((less, more))
    assert 10.0 <= allow(stage, less) <= allow(stage, more)


# --- durations ------------------------------------------------------------------------------------


def test_durations_follow_the_median_up_at_once_and_down_slowly() -> None:
    before = (4.0,) * STAGES
    rows = [[9.0] * STAGES, [1.0] * STAGES, [8.0] * STAGES, [2.0] * STAGES]
    assert follow_durations((), rows) == (2.0,) * STAGES  # of an even count the lower one
    assert follow_durations(before, rows) == (4.0 * DECAY,) * STAGES
    assert follow_durations(before, [*rows, rows[0]]) == (8.0,) * STAGES
    assert follow_durations(before, []) == before
    assert follow_durations((), []) == (0.0,) * STAGES


@given(st.lists(seconds, min_size=3, max_size=3), st.lists(seconds, min_size=2, max_size=2))
def test_a_minority_cannot_make_a_stage_long_or_short(
    honest: list[float], liars: list[float]
) -> None:
    (found, *_) = follow_durations((), [[each] * STAGES for each in (*honest, *liars)])
    assert min(*honest, SECONDS_MAX) <= found <= max(honest)


def test_no_stage_is_agreed_to_take_more_than_an_hour() -> None:
    assert follow_durations((), [[1e6] * STAGES] * 3) == (SECONDS_MAX,) * STAGES


def test_every_stage_has_its_own_duration() -> None:
    row = [float(k) for k in range(STAGES)]
    assert follow_durations((), [row] * 3) == tuple(row)


# --- due times ------------------------------------------------------------------------------------


def test_due_times_are_counted_from_the_start_of_the_attempt_not_of_the_stage() -> None:
    context = make_context()
    attempt = context.attempt
    attempt.started = attempt.entered = 100.0
    for stage, due in zip(STEP_STAGES, (110, 130, 140, 160, 170, 180), strict=True):
        attempt.stage = stage
        assert find_due(context) == due
        attempt.entered = due - 10.0
        assert find_due(context) == due


def test_who_comes_late_into_a_stage_still_gives_it_patience() -> None:
    context = make_context()
    context.attempt.stage, context.attempt.entered = Stage.REVEAL, 1000.0
    assert find_due(context) == 1010.0


def test_bytes_are_due_a_patience_before_the_words_that_rest_on_them() -> None:
    context = make_context()
    for stage in WITH_BYTES:
        context.attempt.stage = stage
        assert find_bytes_due(context) == find_due(context) - 10.0
    context.attempt.entered = 1000.0
    assert find_bytes_due(context) == find_due(context) == 1010.0


def test_without_protection_only_its_stages_take_time() -> None:
    context = make_context(protection=Protection.NONE)
    context.attempt.stage = Stage.VERDICT
    assert find_due(context) == 10 + 20 + 10


def test_the_agreed_durations_of_counted_first_attempts_make_the_next_deadlines() -> None:
    def slow(_: Toy, message: Any) -> Any:
        return replace(message, durations=tuple(7.0 + k for k in range(STAGES)))

    lies = {i: saying(Stage.CHECK, slow) for i in range(5)}
    ring = Ring(5, steps=3, tampers=lies).run()
    records = check_honest(ring)
    said = tuple(7.0 + k for k in range(STAGES))
    assert records[0].durations == said
    assert records[1].durations == tuple(DECAY * each for each in said)
    base = attempt_of(ring.toys[peer(0)]).base
    assert base.durations == records[-2].durations
    assert base.allowances == tuple(
        compute_allowance(ring.genesis, base.durations, stage) for stage in STEP_STAGES
    )
    assert base.allowances[0] == SPACIOUS * base.durations[0] + 10


def test_a_duration_that_is_a_minoritys_alone_moves_no_deadline() -> None:
    def slow(_: Toy, message: Any) -> Any:
        return replace(message, durations=(1e6,) * STAGES)

    ring = Ring(5, steps=3, tampers={i: saying(Stage.CHECK, slow, times=9) for i in (1, 2)}).run()
    assert all(each < 1 for r in check_honest(ring) for each in r.durations)


def test_timers_are_set_for_what_is_due_next_alone() -> None:
    ring = Ring(4, steps=2).run()
    for i in range(4):
        times = [e.at for e in wanted_by(ring, i, fx.SetTimer)]
        assert times
        assert all(at > 0 for at in times)
    for now, _, _, done in ring.trace:
        assert all(e.at > now for e in done if isinstance(e, fx.SetTimer))
