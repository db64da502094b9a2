"""PROJECTIONS: the checks on statements, sums and norms, and what each lie costs."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.lies import (
    BadResult,
    Covering,
    CoveringFar,
    Shifting,
    attempt_of,
    check_caught,
    check_honest,
    hearing_own_result,
    misstate,
    saying,
)
from tests.core.plain import peer, to_bytes
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer.core.thresholds import compute_sum_tolerance
from zpeer.core.verify import verify_norms_fail
from zpeer.events import Scalars
from zpeer.faults import FaultKind
from zpeer.ids import Digest, digest
from zpeer.record import Outcome
from zpeer.signed import Stage

# --- RESULT_NOT_FINITE ----------------------------------------------------------------------------


class ShortResult(BadResult):
    bytes_instead = to_bytes([1.0])


class TornResult(BadResult):
    bytes_instead = b"\x00\x00\x80"


@pytest.mark.parametrize("kind", [BadResult, ShortResult, TornResult])
def test_a_result_that_is_not_finite_or_has_a_wrong_length_is_banned_and_voids(
    kind: type[Any],
) -> None:
    ring = Ring(5, toys={1: kind}, tampers={1: hearing_own_result}).run()
    records = check_caught(ring, {1: FaultKind.RESULT_NOT_FINITE})
    assert records[0].outcome is Outcome.VOID
    assert records[0].departures[0].part == 1
    (evidence,) = ring.toys[peer(0)].evidence
    assert ring.toys[peer(0)].results[ring.genesis.run, peer(1)] == kind.bytes_instead
    assert len(evidence.results) == 1


def test_results_of_zeros_or_huge_numbers_are_results() -> None:
    class Zeros(Toy):
        def gradient(self, parameters: Digest, seed: Digest) -> list[float]:
            return [0.0] * self.genesis.dimension

        honest_gradient = gradient

    check_honest(Ring(4, toys=dict.fromkeys(range(4), Zeros)).run())


# --- WRONG_BEACON ---------------------------------------------------------------------------------


def test_a_wrong_beacon_is_banned_and_voids() -> None:
    lie = saying(Stage.PROJECTIONS, lambda _, m: replace(m, beacon=digest("another")))
    records = check_caught(Ring(5, tampers={1: lie}).run(), {1: FaultKind.WRONG_BEACON})
    assert records[0].outcome is Outcome.VOID


def test_a_validator_with_a_wrong_beacon_is_banned_too() -> None:
    lie = saying(
        Stage.PROJECTIONS,
        lambda toy, m: (
            replace(m, beacon=digest("another"))
            if toy.me in attempt_of(toy).base.validators
            else None
        ),
    )
    check_caught(Ring(5, tampers={3: lie}).run(), {3: FaultKind.WRONG_BEACON})


# --- WRONG_PROJECTION -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "norm_units", "outcome"),
    [
        (100, 0, Outcome.COUNTED),
        (-100, 0, Outcome.COUNTED),
        (0, 100, Outcome.COUNTED),
        (0, -100, Outcome.COUNTED),
        (1e4, 0, Outcome.VOID),
    ],
)
def test_a_statement_that_does_not_follow_is_accused_by_the_owner_who_holds_the_bytes(
    units: float, norm_units: float, outcome: Outcome
) -> None:
    ring = Ring(5, tampers={1: misstate(0, units, norm_units=norm_units)}).run()
    records = check_caught(ring, {1: FaultKind.WRONG_PROJECTION})
    assert records[0].outcome is outcome
    (matter,) = records[0].matters
    assert matter.accuser == peer(0)
    assert matter.shields == (outcome is Outcome.VOID)  # the honest owner keeps its place
    (evidence,) = ring.toys[peer(3)].evidence
    assert evidence.blobs == (matter.accusation.evidence,)
    assert len(evidence.results) == 1


@pytest.mark.parametrize(("units", "norm_units"), [(30, 0), (-30, 0), (0, 30), (59, 0)])
def test_a_statement_off_by_less_than_the_threshold_is_not_accused(
    units: float, norm_units: float
) -> None:
    ring = Ring(5, tampers={1: misstate(0, units, norm_units=norm_units, times=9)}).run()
    records = check_honest(ring)
    assert not any(r.matters or r.departures for r in records)
    assert all(r.outcome is not Outcome.VOID for r in records)


def test_small_lies_of_many_do_not_add_up_to_the_ban_of_an_honest_owner() -> None:
    """All others together may be off unaccused without the sum of an honest owner failing."""
    ring = Ring(8, tampers={i: misstate(0, 59, times=99) for i in range(1, 8)}).run()
    records = check_honest(ring)
    assert all(r.outcome is not Outcome.VOID for r in records)


# --- WRONG_SUM ------------------------------------------------------------------------------------


def test_a_shifted_aggregate_is_banned_at_once_and_voids() -> None:
    ring = Ring(5, toys={1: Shifting}).run()
    records = check_caught(ring, {1: FaultKind.WRONG_SUM})
    assert records[0].outcome is Outcome.VOID
    assert records[0].departures[0].part == 1
    assert not records[0].matters


def test_a_shifted_clipped_aggregate_is_banned_too() -> None:
    check_caught(Ring(6, radius=0.4, toys={2: Shifting}).run(), {2: FaultKind.WRONG_SUM})


def test_a_sum_at_nine_tenths_of_its_tolerance_passes_and_at_eleven_tenths_fails() -> None:
    """The owner's own row is the only one that nobody else holds: let it carry the whole gap."""

    def off_by(share: float) -> Any:
        def change(toy: Toy, message: Any) -> Any:
            attempt: Any = attempt_of(toy)
            part = attempt.base.part_of(toy.me)
            norms = [s.norm for s in attempt.projected.column]
            tolerance = compute_sum_tolerance(
                norms,
                attempt.base.radii[part],
                attempt.projected.result_norms[part],
                toy.clip.weight,
            )
            said = [*message.projections[part]]
            said[0] += share * tolerance if said[0] < 0 else -share * tolerance
            rows = [*message.projections]
            rows[part] = tuple(said)
            return replace(message, projections=tuple(rows))

        return saying(Stage.PROJECTIONS, change)

    below = Ring(5, tampers={1: off_by(0.9)}).run()
    assert below.check_agreement(1)[0].outcome is Outcome.COUNTED
    assert "WRONG_SUM" not in below.departures(1).values()
    check_caught(Ring(5, tampers={1: off_by(1.1)}).run(), {1: FaultKind.WRONG_SUM})


@pytest.mark.parametrize("k", [0, 1, 2])
def test_a_lone_owner_that_covers_its_shift_with_its_own_projection_is_caught_by_a_draw(
    k: int,
) -> None:
    ring = Ring(5, steps=20, toys={1: Covering}, run=digest("toy run", bytes([k]))).run()
    records = check_caught(ring, {1: FaultKind.WRONG_PROJECTION})
    banning = next(r for r in records if r.departures)
    assert banning.departures[0].accuser != peer(1)
    assert all(r.outcome is not Outcome.VOID for r in records)  # no sum failed
    (evidence,) = ring.toys[peer(0)].evidence
    assert any(evidence.parameters)
    assert not evidence.blobs


# --- WRONG_AVERAGE --------------------------------------------------------------------------------


def test_a_covered_shift_beyond_the_limit_is_banned_by_the_published_rows() -> None:
    ring = Ring(5, toys={1: CoveringFar}).run()
    records = check_caught(ring, {1: FaultKind.WRONG_AVERAGE})
    assert records[0].outcome is Outcome.VOID
    (matter,) = records[0].matters
    assert (any(matter.accuser), matter.accusation.part) == (False, 1)
    (evidence,) = ring.toys[peer(0)].evidence
    assert len(evidence.blobs) == 5
    assert len(evidence.results) == 1


def test_a_norm_at_the_limit_is_not_beyond_it_and_half_are_no_majority() -> None:
    def column(*norms: float) -> list[Scalars]:
        return [Scalars((), norm) for norm in norms]

    assert not verify_norms_fail(column(2.0, 2.0, 2.0), 2.0)
    assert verify_norms_fail(column(2.0, 2.0000001, 2.0000001), 2.0)
    assert not verify_norms_fail(column(1.0, 1.0, 3.0, 3.0), 2.0)
    assert verify_norms_fail(column(1.0, 3.0, 3.0, 3.0), 2.0)
    assert verify_norms_fail(column(float("nan"), float("nan"), 1.0), 2.0)


def test_norms_beyond_the_limit_of_a_minority_question_nothing() -> None:
    def boast(toy: Toy, message: Any) -> Any:
        if not message.norms:
            return None
        return replace(message, norms=tuple(20.0 + norm for norm in message.norms))

    ring = Ring(5, tampers={1: saying(Stage.PROJECTIONS, boast)}).run()
    check_caught(ring, {1: FaultKind.WRONG_PROJECTION})  # its owners see that it does not follow
    matters = [m for r in ring.check_agreement(1) for m in r.matters]
    assert {m.accusation.fault for m in matters} == {FaultKind.WRONG_PROJECTION}


def test_validators_state_nothing_but_the_beacon() -> None:
    ring = Ring(5).run()
    for _, me, _, done in ring.trace:
        for effect in done:
            if isinstance(effect, fx.Project) and effect.part < 0:
                assert effect.rows == ()
                assert me not in effect.workers
