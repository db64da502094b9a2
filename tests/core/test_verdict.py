"""VERDICT: the record is a function of the sets, and closing attempts run until all is closed."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.core.lies import (
    Flipping,
    attempt_of,
    check_caught,
    check_honest,
    dropping,
    read,
    saying,
)
from tests.core.pieces import silent_once
from tests.core.plain import peer
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer.core.broadcast import compute_set_digest
from zpeer.core.verdict import decode_record
from zpeer.faults import FaultKind
from zpeer.genesis import Protection
from zpeer.ids import NOTHING, Digest, PeerId, digest
from zpeer.record import Charge, Outcome
from zpeer.signed import STEP_STAGES, Stage

if TYPE_CHECKING:
    from zpeer.record import Record


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
        compute_set_digest(last.members(stage)) for stage in STEP_STAGES[:5]
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


# --- what the record holds for agreement ----------------------------------------------------------


def test_a_record_names_the_last_attempt_whose_check_set_is_in_one() -> None:
    ring = Ring(5, steps=3, tampers={1: silent_once(Stage.REVEAL)}).run()
    records = check_caught(ring, {1: FaultKind.CLAIMED_BY_MOST})
    assert records[0].checked == NOTHING  # void by the slow path, before any CHECK
    assert (len(records[0].sets), bool(records[0].views)) == (1, True)
    for record in records[1:]:
        assert record.checked == record.previous
        assert (len(record.sets), record.views) == (5, ())


def test_a_void_record_of_the_slow_path_keeps_what_was_checked_before_it() -> None:
    def silent_later(ring: Ring, toy: Toy, effects: list[fx.Effect]) -> list[fx.Effect]:
        return [
            e
            for e in effects
            if not (isinstance(e, fx.Broadcast) and e.stage is Stage.CHECK and toy.records)
        ]

    ring = Ring(5, steps=3, tampers={1: silent_later}).run()
    records = check_caught(ring, {1: FaultKind.CLAIMED_BY_MOST})
    assert records[0].checked == ring.genesis.run
    assert records[1].views
    assert records[1].checked == ring.genesis.run
    assert records[1].draws[: len(records[0].draws)] == records[0].draws
    assert records[1].matters == records[0].matters
    assert records[2].checked == records[1].head


def test_durations_are_agreed_in_counted_first_attempts_alone() -> None:
    void = saying(Stage.REVEAL, lambda _, __: b"x")
    ring = Ring(6, steps=3, tampers={1: void}).run()
    records = check_caught(ring, {1: FaultKind.INVALID_BODY})
    places = [(r.outcome, r.attempt, len(r.durations)) for r in records]
    assert places[:3] == [(Outcome.VOID, 0, 0), (Outcome.COUNTED, 1, 0), (Outcome.COUNTED, 0, 6)]
    for before, record in pairwise(records):
        if record.outcome is not Outcome.COUNTED:
            assert record.durations == before.durations


class Withholding(Ring):
    """Peer 1 sends peer 0 no PART in some steps, and does not answer when it asks."""

    steps_ = (0,)

    def send_part(self, toy: Toy, head: Digest, to: PeerId, data: bytes) -> None:
        at = attempt_of(toy).base
        if (toy.me, to) != (peer(1), peer(0)) or at.step not in self.steps_ or at.attempt:
            super().send_part(toy, head, to, data)


def withholding(steps: tuple[int, ...], **changes: Any) -> list[Record]:
    """The records of a run in which it does."""
    kind = type("Withholding", (Withholding,), {"steps_": steps})
    ring = kind(5, steps=7, tampers={1: dropping(fx.SendBlob)}, **changes).run()
    return [*ring.check_agreement(0, 1)]


def test_a_charge_stands_in_the_records_until_it_lapses() -> None:
    records = withholding((0,), charge_lifetime=2)
    pair = Charge(peer(0), peer(1), 0)
    held = {r.counted: r.charges for r in records}
    assert held == {0: (pair,), 1: (pair,), 2: (pair,)} | dict.fromkeys(range(3, 8), ())


def test_one_charge_too_many_costs_both_their_places_and_the_charges_go_with_them() -> None:
    records = withholding((0, 1, 2), charges_max=2)
    charged = [len(r.charges) for r in records if r.views]
    assert charged == [1, 2, 0]
    eliminating = next(r for r in records if r.departures)
    assert [(d.peer, d.accuser, d.fault) for d in eliminating.departures] == [
        (peer(0), peer(1), FaultKind.PAIR_ELIMINATED),
        (peer(1), peer(0), FaultKind.PAIR_ELIMINATED),
    ]


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
