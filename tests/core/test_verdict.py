"""VERDICT: the record is a function of the sets, and closing attempts run until all is closed."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from tests.core.lies import Flipping, attempt_of, check_caught, check_honest, read, saying
from tests.core.plain import peer
from tests.core.toy import Ring
from zpeer import effects as fx
from zpeer.core.broadcast import compute_set_digest
from zpeer.core.verdict import decode_record
from zpeer.faults import FaultKind
from zpeer.genesis import Protection
from zpeer.ids import NOTHING, digest
from zpeer.record import Outcome
from zpeer.signed import Stage


def test_a_record_names_what_it_was_made_of_and_what_it_builds_on() -> None:
    ring = Ring(5).run()
    head, counted = ring.genesis.run, 0
    for record in check_honest(ring):
        assert (record.previous, record.run) == (head, ring.genesis.run)
        assert len(record.sets) == 5
        counted += record.outcome is Outcome.COUNTED
        assert record.counted == counted
        head = record.head
    last = attempt_of(ring.toys[peer(2)])
    assert ring.toys[peer(2)].records[-1].sets == tuple(
        compute_set_digest(last.members(stage)) for stage in list(Stage)[:5]
    )


def test_a_decided_record_comes_with_the_verdicts_of_all() -> None:
    ring = Ring(4).run()
    decisions = [e for _, _, _, done in ring.trace for e in done if isinstance(e, fx.Decide)]
    for decision in decisions:
        assert [s.sender for s in decision.verdicts] == list(ring.genesis.peers)
        for signed in decision.verdicts:
            verdict = read(ring.toys[peer(0)], signed)
            assert verdict.record == decision.record.head
            assert decode_record(msgspec.msgpack.encode(decision.record)) == decision.record


def test_the_optimizer_runs_once_a_counted_step_and_its_state_is_digested_every_so_often() -> None:
    ring = Ring(4, steps=5, optimizer_digest_every=2).run()
    updates = [
        e
        for _, me, _, done in ring.trace
        for e in done
        if isinstance(e, fx.Update) and me == peer(0)
    ]
    assert [e.step for e in updates] == [0, 1, 2, 3, 4]
    assert [e.digest_state for e in updates] == [False, True, False, True, False]
    records = check_honest(ring)
    assert [r.optimizer != NOTHING for r in records] == [
        r.outcome is Outcome.COUNTED for r in records
    ]


def test_an_undecodable_verdict_stops_the_run_and_names_its_signer() -> None:
    ring = Ring(4, tampers={1: saying(Stage.VERDICT, lambda _, __: b"\xc1")}).run()
    assert "VERDICT differs from mine at peer-1" in ring.toys[peer(0)].ended.reason


def test_the_validators_of_a_step_compute_nothing_in_it() -> None:
    ring = Ring(6, validators=2, steps=5).run()
    records = check_honest(ring)
    for before, record in pairwise(records):
        computing = {
            me
            for _, me, _, done in ring.trace
            for e in done
            if isinstance(e, fx.ComputeParts) and e.head == record.previous
        }
        expected = set(before.roster) - set(before.validators)
        assert computing == (set() if record.outcome is Outcome.CLOSING else expected)


def test_after_the_last_step_everybody_validates_in_drawn_order() -> None:
    ring = Ring(5).run()
    records = check_honest(ring)
    closing = [r for r in records if r.outcome is Outcome.CLOSING]
    last = next(r for r in records if r.counted == ring.genesis.steps)
    policy = ring.toys[peer(0)].core._context.policy
    assert last.validators == policy.validators(last.secret_beacon, last.roster, 5)
    for record in closing:
        assert record.parameters == last.parameters
        assert record.step == last.step + 1
    assert [r.attempt for r in closing] == list(range(len(closing)))


def test_closing_attempts_go_on_until_the_last_matter_is_closed() -> None:
    """A liar accused in the first closing attempt is banned by the second."""
    for k in range(20):
        run = digest("closing", bytes([k]))
        ring = Ring(5, steps=2, toys={1: Flipping}, run=run).run()
        records = ring.check_agreement(1)
        closing = [r for r in records if r.outcome is Outcome.CLOSING]
        if closing[0].matters:
            check_caught(ring, {1: FaultKind.WRONG_GRADIENT})
            assert len(closing) == 2
            assert closing[1].departures
            assert not closing[1].matters
            return
    pytest.fail("no run in which the liar was caught after the last step")


def test_without_validators_the_last_step_is_checked_all_the_same() -> None:
    ring = Ring(5, validators=0, toys={1: Flipping}).run()
    check_caught(ring, {1: FaultKind.WRONG_GRADIENT})


def test_without_protection_nobody_validates_and_records_have_no_beacons() -> None:
    records = check_honest(Ring(4, protection=Protection.NONE).run())
    assert all(r.secret_beacon == NOTHING and not r.validators and not r.duties for r in records)
    assert all(r.typical == 1.0 and len(r.sets) == 2 for r in records)


def test_an_invalid_body_without_protection_makes_the_attempt_void() -> None:
    """Nothing is checked, but what cannot be read cannot be used."""
    lie = saying(Stage.COMMIT, lambda _, __: b"x")
    ring = Ring(5, protection=Protection.CLIP, radius=0.5, tampers={1: lie}).run()
    records = check_caught(ring, {1: FaultKind.INVALID_BODY})
    assert [r.outcome for r in records] == [Outcome.VOID] + [Outcome.COUNTED] * 4
