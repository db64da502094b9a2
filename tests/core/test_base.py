"""What an attempt starts from: a function of genesis and record alone."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.core.lies import attempt_of, check_caught, check_honest, saying
from tests.core.pieces import silent_once
from tests.core.plain import Clip, make_genesis, peer
from tests.core.toy import Ring
from zpeer.core.base import make_first_base, make_next_base
from zpeer.core.mprng import compute_place
from zpeer.core.schedule import compute_allowance
from zpeer.core.verdict import decode_record
from zpeer.faults import FaultKind
from zpeer.genesis import Protection
from zpeer.ids import NOTHING
from zpeer.record import Outcome
from zpeer.signed import STEP_STAGES, Stage


def test_in_step_zero_everybody_works_and_nothing_is_open() -> None:
    genesis = make_genesis(5)
    base = make_first_base(genesis, Clip(0.5))
    assert base.workers == base.roster == genesis.peers
    assert not any((base.validators, base.duties, base.draws, base.matters))
    assert (base.checked, base.charges, base.durations) == (NOTHING, (), ())
    assert (base.head, base.record) == (genesis.run, b"")
    assert base.parameters == genesis.parameters
    assert [base.part_of(p) for p in genesis.peers] == [0, 1, 2, 3, 4]
    assert base.part_of(peer(77)) == -1
    assert base.duty_of(peer(0)) == ()


def test_limits_are_scaled_to_every_part_and_the_floor_widens_them() -> None:
    genesis = make_genesis(5, typical_norm=2.0, delta_multiple=3.0)
    base = make_first_base(genesis, Clip(0.5))
    lengths = [6, 6, 4, 4, 4]
    assert base.radii == pytest.approx([0.5 * length**0.5 for length in lengths])
    assert base.delta_max == pytest.approx([6.0 * length**0.5 for length in lengths])


@pytest.mark.parametrize("is_stuck", [False, True])
def test_every_attempt_starts_from_the_record_before_it(*, is_stuck: bool) -> None:
    lie = silent_once(Stage.REVEAL) if is_stuck else saying(Stage.REVEAL, lambda _, __: b"x")
    ring = Ring(5, tampers={1: lie}).run()
    fault = FaultKind.CLAIMED_BY_MOST if is_stuck else FaultKind.INVALID_BODY
    for record in check_caught(ring, {1: fault}):
        base = make_next_base(ring.genesis, Clip(), record)
        counted = record.outcome is Outcome.COUNTED
        assert decode_record(base.record) == record
        assert base.step == record.step + counted
        assert base.attempt == (0 if counted else record.attempt + 1)
        assert base.place == compute_place(ring.genesis.run, base.step, base.attempt)
        assert base.closing == (record.counted == ring.genesis.steps)
        assert bool(base.workers) == (not base.closing)
        assert (base.roster, base.draws, base.matters) == (
            record.roster,
            record.draws,
            record.matters,
        )
        assert (base.checked, base.charges, base.durations) == (
            record.checked,
            record.charges,
            record.durations,
        )
        for validator, duty in zip(base.validators, base.duties, strict=True):
            assert base.duty_of(validator) == duty
            assert validator not in base.workers


def test_the_floor_of_a_questioned_step_widens_its_limits() -> None:
    records = check_honest(Ring(5, steps=1, delta_multiple=0.05).run())
    genesis = make_genesis(5, delta_multiple=0.05)
    loose = next(r for r in records if r.delta_floor)
    base = make_next_base(genesis, Clip(), loose)
    assert base.delta_max[0] == pytest.approx(loose.delta_floor * 6**0.5)


def test_without_protection_everybody_works_until_the_end() -> None:
    ring = Ring(4, protection=Protection.NONE).run()
    check_honest(ring)
    assert attempt_of(ring.toys[peer(0)]).base.workers == ring.genesis.peers


def test_deadlines_are_made_of_the_runs_numbers_and_the_agreed_durations() -> None:
    genesis = make_genesis(5, patience=3.0, work=40.0)
    base = make_first_base(genesis, Clip())
    assert base.allowances == (43.0, 6.0, 3.0, 6.0, 43.0, 3.0)
    record = next(r for r in check_honest(Ring(5, patience=3.0, work=40.0).run()) if r.durations)
    slow = replace(record, durations=(20.0,) * 6)
    base = make_next_base(genesis, Clip(), slow)
    assert base.allowances == tuple(
        compute_allowance(genesis, (20.0,) * 6, stage) for stage in STEP_STAGES
    )
    assert base.allowances != make_next_base(genesis, Clip(), record).allowances
