"""What makes a signed body invalid for its slot, and what just does not."""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from tests.core.lies import check_caught, saying
from tests.core.plain import Clip, make_genesis, peer
from tests.core.toy import Ring
from zpeer.core.base import make_first_base
from zpeer.core.bodies import FLOAT32_MAX, SECONDS_MAX, Shape, find_problem, judged_matters
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, Digest, digest
from zpeer.messages import (
    Accusation,
    Aggregated,
    Check,
    Closed,
    Commit,
    Decided,
    Finding,
    Guilt,
    Projections,
    Report,
    Reveal,
    Verdict,
    View,
)
from zpeer.record import Draw, Matter, Outcome
from zpeer.signed import STEP_STAGES, Stage

if TYPE_CHECKING:
    from zpeer.core.state import Base

D = digest("any")
PAST = digest("a past attempt")
DRAW = Draw(peer(0), PAST, 0, counted=True, opened=1)
VOID_DRAW = Draw(peer(1), PAST, 0, counted=False, opened=1)


def make_base(**changes: Any) -> Base:
    """Peers 0 to 2 work and own parts 0 to 2, peer 3 validates."""
    base = make_first_base(make_genesis(4), Clip(2.0))
    fields = {
        "workers": (peer(0), peer(1), peer(2)),
        "validators": (peer(3),),
        "duties": ((),),
        "radii": (2.0, 2.0, 2.0),
    }
    return replace(base, **{**fields, **changes})


def make_shape(base: Base | None = None, **changes: Any) -> Shape:
    """Parts of 8 numbers, directions of norm 1 and 2."""
    fields = {
        "void": False,
        "directions": 2,
        "lengths": (8, 8, 8),
        "direction_norms": ((1.0, 2.0),) * 3,
        "weight": Clip(2.0).weight,
        "projected": True,
    }
    return Shape(base or make_base(), **{**fields, **changes})


WORKER, VALIDATOR = peer(0), peer(3)
SECONDS = (0.0, 1.5, SECONDS_MAX, 2.0, 0.25, 3.0)


@pytest.mark.parametrize("stage", STEP_STAGES[:5])
@pytest.mark.parametrize("junk", [b"", b"\xc1", b"\x90" * 3])
def test_a_body_that_does_not_decode_is_banned_and_voids_unless_it_is_check(
    stage: Stage, junk: bytes
) -> None:
    ring = Ring(5, tampers={1: saying(stage, lambda _, __: junk)}).run()
    records = check_caught(ring, {1: FaultKind.INVALID_BODY})
    counted = stage is Stage.CHECK
    assert records[0].outcome is (Outcome.COUNTED if counted else Outcome.VOID)
    assert not any(records[0].departures[0].accuser)


# --- COMMIT, AGGREGATED, REVEAL, VERDICT ----------------------------------------------------------


def test_a_worker_commits_to_every_part_and_a_validator_to_none() -> None:
    shape = make_shape()
    for sender, count in ((WORKER, 3), (VALIDATOR, 0)):
        for parts in range(5):
            problem = find_problem(Commit((D,) * parts, D), sender, shape)
            assert (not problem) == (parts == count)


@pytest.mark.parametrize("void", [False, True])
@pytest.mark.parametrize("sender", [WORKER, VALIDATOR])
def test_a_worker_fixes_a_result_unless_the_attempt_is_void(void: bool, sender: Any) -> None:
    shape = make_shape(void=void)
    expected = sender == WORKER and not void
    assert (not find_problem(Aggregated(D, D), sender, shape)) == expected
    assert (not find_problem(Aggregated(D, None), sender, shape)) != expected


def test_any_share_and_any_verdict_is_a_body() -> None:
    for message in (Reveal(D, NOTHING), Verdict(D, NOTHING)):
        assert not find_problem(message, WORKER, make_shape())


# --- PROJECTIONS ----------------------------------------------------------------------------------


def state(
    row: tuple[float, ...] = (0.5, -0.5), norm: float = 1.0, rows: int = 3, norms: int = 3
) -> Projections:
    """The same on every part, but for part 1."""
    fine = (0.5, -0.5)
    return Projections(
        D, D, tuple(row if j == 1 else fine for j in range(rows)),
        tuple(norm if j == 1 else 1.0 for j in range(norms)),
    )  # fmt: skip


def test_sound_statements_are_a_body() -> None:
    assert not find_problem(state(), WORKER, make_shape())
    assert not find_problem(state(rows=0, norms=0), VALIDATOR, make_shape())
    assert not find_problem(state(rows=0, norms=0), WORKER, make_shape(void=True))


@pytest.mark.parametrize(
    ("message", "sender", "void"),
    [
        (state(rows=2), WORKER, False),
        (state(norms=4), WORKER, False),
        (state(rows=0, norms=0), WORKER, False),
        (state(), VALIDATOR, False),
        (state(), WORKER, True),
        (state(row=(0.5,)), WORKER, False),
        (state(row=(0.5, 0.5, 0.5)), WORKER, False),
    ],
)
def test_wrong_counts_are_no_body(message: Projections, sender: Any, void: bool) -> None:
    assert find_problem(message, sender, make_shape(void=void))


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_numbers_that_are_not_finite_are_no_body(bad: float) -> None:
    assert find_problem(state(row=(bad, 0.0)), WORKER, make_shape())
    assert find_problem(state(norm=bad), WORKER, make_shape())


def test_a_norm_is_at_least_zero_and_at_most_what_float32_can_differ_by() -> None:
    longest = 2 * FLOAT32_MAX * 8**0.5
    assert not find_problem(state((0.0, 0.0), 0.0), WORKER, make_shape())
    assert not find_problem(state((0.0, 0.0), longest), WORKER, make_shape())
    assert find_problem(state((0.0, 0.0), -1e-9), WORKER, make_shape())
    assert find_problem(state((0.0, 0.0), longest * 1.01), WORKER, make_shape())
    assert "is not a norm" in find_problem(state(norm=-1.0), WORKER, make_shape())


@pytest.mark.parametrize("norm", [1.0, 2.0, 5.0])
def test_a_projection_is_at_most_what_the_clipped_residual_allows(norm: float) -> None:
    most = min(norm, 2.0) * 2.0  # the second direction has norm 2
    shape = make_shape()
    assert not find_problem(state((0.0, most), norm), WORKER, shape)
    assert not find_problem(state((0.0, -most * (1 + 2**-11)), norm), WORKER, shape)
    assert "impossible" in find_problem(state((0.0, most * (1 + 2**-9)), norm), WORKER, shape)
    assert find_problem(state((most, 0.0), norm), WORKER, shape)


def test_a_norm_of_zero_allows_no_projection() -> None:
    assert find_problem(state((1e-30, 0.0), 0.0), WORKER, make_shape())


def test_what_a_word_of_the_slow_path_says_is_judged_elsewhere() -> None:
    for word in (View(), Closed(D), Decided(D), Verdict(D, D), Reveal(D, D)):
        assert not find_problem(word, WORKER, make_shape())


# --- CHECK ----------------------------------------------------------------------------------------


def check_of(**fields: Any) -> Check:
    """A CHECK that says nothing else."""
    return Check(D, D, **{"durations": SECONDS, **fields})


def is_body(message: Check, sender: Any = WORKER, shape: Shape | None = None) -> bool:
    """Whether an honest peer could have signed it."""
    return not find_problem(message, sender, shape or make_shape())


def test_durations_are_the_seconds_of_every_stage() -> None:
    assert is_body(check_of(durations=SECONDS))
    for bad in (-0.1, nan, inf, SECONDS_MAX * 1.01):
        assert not is_body(check_of(durations=(bad, *SECONDS[1:])))
    for wrong in ((), SECONDS[1:], (*SECONDS, 0.0)):
        assert not is_body(check_of(durations=wrong))


def test_findings_are_those_on_the_judged_matters_in_their_order() -> None:
    matters = tuple(
        Matter(peer(accuser), Accusation(FaultKind.WRONG_GRADIENT, peer(accused), PAST), made)
        for accuser, accused, made in ((1, 2, D), (1, 2, PAST), (0, 2, D))
    )
    first, second, other = matters
    assert judged_matters(matters) == (first, other)
    shape = make_shape(make_base(matters=matters))
    found = (Finding(first.name, Guilt.GUILTY), Finding(other.name, Guilt.INNOCENT))
    assert is_body(check_of(findings=found), shape=shape)
    for wrong in (found[:1], found[::-1], (), (*found, Finding(second.name, Guilt.GUILTY))):
        assert not is_body(check_of(findings=wrong), shape=shape)
    assert not is_body(check_of(findings=found))


def test_only_a_finding_that_lacks_bytes_names_whose_and_each_once() -> None:
    matter = Matter(peer(1), Accusation(FaultKind.PART_NOT_FINITE, peer(2), PAST), D)
    shape = make_shape(make_base(matters=(matter,)))

    def accepts(guilt: Guilt, *lacking: int) -> bool:
        finding = Finding(matter.name, guilt, tuple(peer(i) for i in lacking))
        return is_body(check_of(findings=(finding,)), shape=shape)

    assert accepts(Guilt.LACKING)
    assert accepts(Guilt.LACKING, 2, 0)
    assert not accepts(Guilt.LACKING, 2, 2)
    assert not accepts(Guilt.GUILTY, 2)
    assert not accepts(Guilt.INNOCENT, 2)


def duty_shape(*draws: Draw, **changes: Any) -> Shape:
    """Peer 3 has these draws."""
    return make_shape(make_base(duties=(draws,)), **changes)


def report_on(draw: Draw, *, follows: bool = True) -> Report:
    """What its validator says."""
    return Report(draw.target, draw.attempt, follows, D)


def test_reports_are_those_on_the_draws_in_their_order() -> None:
    shape = duty_shape(DRAW, VOID_DRAW)
    good = (report_on(DRAW), report_on(VOID_DRAW))
    assert is_body(check_of(reports=good), VALIDATOR, shape)
    for wrong in (good[::-1], good[:1], (), (*good, good[0])):
        assert not is_body(check_of(reports=wrong), VALIDATOR, shape)
    assert not is_body(check_of(reports=good), WORKER, shape)
    assert is_body(check_of(), WORKER, shape)


def test_a_report_and_its_accusation_agree() -> None:
    shape = duty_shape(DRAW)
    gradient = Accusation(FaultKind.WRONG_GRADIENT, DRAW.target, PAST)
    projection = Accusation(FaultKind.WRONG_PROJECTION, DRAW.target, PAST, 2)
    for accusation in (gradient, projection):
        denies = check_of(reports=(report_on(DRAW, follows=False),), accusations=(accusation,))
        assert is_body(denies, VALIDATOR, shape)
        confirms = replace(denies, reports=(report_on(DRAW),))
        assert not is_body(confirms, VALIDATOR, shape)
    silent = check_of(reports=(report_on(DRAW, follows=False),))
    assert not is_body(silent, VALIDATOR, shape)


def test_a_drawn_target_is_accused_by_its_validator_alone_of_what_a_draw_can_show() -> None:
    def accepts(accusation: Accusation, draw: Draw = DRAW, sender: Any = VALIDATOR) -> bool:
        follows = accusation.fault is FaultKind.CONCEALED_PROJECTION
        reports = (report_on(draw, follows=follows),) if sender == VALIDATOR else ()
        message = check_of(reports=reports, accusations=(accusation,))
        return is_body(message, sender, duty_shape(draw))

    gradient = Accusation(FaultKind.WRONG_GRADIENT, DRAW.target, PAST)
    projection = Accusation(FaultKind.WRONG_PROJECTION, DRAW.target, PAST, 2)
    concealed = Accusation(FaultKind.CONCEALED_PROJECTION, peer(1), PAST, 1, about=DRAW.target)
    for accusation in (gradient, projection, concealed):
        assert accepts(accusation)
        assert not accepts(accusation, sender=WORKER if accusation.accused != WORKER else peer(2))
        assert not accepts(replace(accusation, attempt=D))
        assert not accepts(replace(accusation, evidence=D))
        assert not accepts(replace(accusation, part=1 if accusation.part < 0 else -1))
        assert not accepts(replace(accusation, about=peer(2)))
    assert not accepts(replace(concealed, accused=peer(77)))
    assert not accepts(replace(concealed, accused=VALIDATOR))
    on_void = {"accused": VOID_DRAW.target}
    assert accepts(replace(gradient, **on_void), VOID_DRAW)
    assert not accepts(replace(projection, **on_void), VOID_DRAW)
    assert not accepts(replace(concealed, accused=peer(0), about=VOID_DRAW.target), VOID_DRAW)


def test_a_part_is_accused_by_its_owner_alone_in_the_same_attempt() -> None:
    head = make_base().head
    part = Accusation(FaultKind.PART_NOT_FINITE, peer(1), head, 0, evidence=D)
    projection = replace(part, fault=FaultKind.WRONG_PROJECTION)
    for accusation in (part, projection):
        message = check_of(accusations=(accusation,))
        assert is_body(message)
        assert not is_body(message, peer(2))
        assert not is_body(message, VALIDATOR)
        for wrong in (
            replace(accusation, part=1),
            replace(accusation, part=-1),
            replace(accusation, attempt=PAST),
            replace(accusation, evidence=NOTHING),
            replace(accusation, accused=VALIDATOR),
            replace(accusation, accused=WORKER),
            replace(accusation, accused=peer(77)),
            replace(accusation, about=peer(2)),
        ):
            assert not is_body(check_of(accusations=(wrong,)))
    unprojected = make_shape(projected=False)
    assert is_body(check_of(accusations=(part,)), shape=unprojected)
    assert not is_body(check_of(accusations=(projection,)), shape=unprojected)


def test_a_report_is_accused_by_its_target_alone() -> None:
    reports = frozenset({(VALIDATOR, WORKER, PAST, D)})
    shape = make_shape(reports=lambda: reports)
    accusation = Accusation(FaultKind.WRONG_REPORT, VALIDATOR, PAST, about=WORKER, evidence=D)
    assert is_body(check_of(accusations=(accusation,)), shape=shape)
    assert not is_body(check_of(accusations=(accusation,)), peer(1), shape)
    for wrong in (
        replace(accusation, attempt=D),
        replace(accusation, evidence=PAST),
        replace(accusation, about=peer(1)),
        replace(accusation, accused=peer(1)),
        replace(accusation, part=0),
    ):
        assert not is_body(check_of(accusations=(wrong,)), shape=shape)


@pytest.mark.parametrize(
    "fault",
    [
        kind
        for kind in FaultKind
        if kind
        not in (
            FaultKind.PART_NOT_FINITE,
            FaultKind.WRONG_PROJECTION,
            FaultKind.WRONG_GRADIENT,
            FaultKind.CONCEALED_PROJECTION,
            FaultKind.WRONG_REPORT,
        )
    ],
)
def test_what_all_see_themselves_nobody_accuses(fault: FaultKind) -> None:
    accusation = Accusation(fault, peer(1), make_base().head, 0, evidence=D)
    assert "not its to make" in find_problem(
        check_of(accusations=(accusation,)), WORKER, make_shape()
    )


def test_one_deed_is_accused_once_whatever_else_the_accusation_says() -> None:
    """Else one peer could queue up matters without end."""
    head = make_base().head
    one = Accusation(FaultKind.PART_NOT_FINITE, peer(1), head, 0, evidence=D)
    other = replace(one, evidence=Digest(PAST))
    both = replace(one, fault=FaultKind.WRONG_PROJECTION)
    assert is_body(check_of(accusations=(one, both)))
    assert is_body(check_of(accusations=(one, replace(one, accused=peer(2)))))
    assert not is_body(check_of(accusations=(one, one)))
    assert not is_body(check_of(accusations=(one, other)))
