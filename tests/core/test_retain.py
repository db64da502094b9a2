"""What is kept and what is let go: memory stays bounded, and nothing is let go too early."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.lies import (
    Flipping,
    accuse_part,
    accusing,
    attempt_of,
    check_caught,
    check_honest,
    dropping,
    misstate,
    saying,
)
from tests.core.pieces import commit_of, finish, prove, run_to, two_stories
from tests.core.plain import peer
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.convict import note_proof
from zpeer.core.early import HEADS_REMEMBERED
from zpeer.core.retain import ATTEMPTS_REMEMBERED, ATTEMPTS_WITH_TENSORS
from zpeer.faults import FaultKind
from zpeer.ids import Digest, PeerId, digest
from zpeer.record import Outcome
from zpeer.signed import STEP_STAGES, Stage


class Forgetful(Toy):
    """Really lets go of what it may let go of: whatever is needed later is missed."""

    def let_go(self, effect: fx.Release) -> None:
        for head in effect.heads:
            self.parts.pop(head, None)
            for store in (self.rows, self.results):
                for key in [key for key in store if key[0] == head]:
                    del store[key]
        for name in effect.blobs:
            self.blobs.pop(name, None)


class ForgetfulFlipping(Forgetful, Flipping):
    """And lies about its gradient."""


class ForgetfulRing(Ring):
    """Carries out Release; keeps count of what is held."""

    def __init__(self, n: int, **kwargs: Any) -> None:
        toys = {**dict.fromkeys(range(n), Forgetful), **kwargs.pop("toys", {})}
        super().__init__(n, toys=toys, **kwargs)
        self.most = 0

    def carry_out(self, toy: Toy, effect: fx.Effect) -> None:
        if isinstance(effect, fx.Release) and isinstance(toy, Forgetful):
            toy.let_go(effect)
            self.most = max(self.most, len({head for head, _ in toy.results}))
        super().carry_out(toy, effect)


def test_what_was_let_go_is_never_needed_again() -> None:
    ring = ForgetfulRing(6, steps=14, toys={1: ForgetfulFlipping}, tampers={2: misstate(0, 100)})
    check_caught(ring.run(), {1: FaultKind.WRONG_GRADIENT, 2: FaultKind.WRONG_PROJECTION})


def test_an_averaging_needs_nothing_that_was_let_go() -> None:
    check_honest(ForgetfulRing(5, steps=3, delta_multiple=0.05).run())


def test_a_fall_and_its_draw_need_nothing_that_was_let_go() -> None:
    lie = accusing(accuse_part(FaultKind.PART_NOT_FINITE, 0), publish=False)
    ring = ForgetfulRing(5, steps=9, tampers={1: lie}).run()
    check_caught(ring, {1: FaultKind.ACCUSATION_FELL})


def test_the_tensors_of_a_quiet_run_are_those_of_a_few_attempts() -> None:
    ring = ForgetfulRing(5, steps=30)
    ring.run()
    check_honest(ring)
    assert ring.most <= ATTEMPTS_WITH_TENSORS + 4  # and what open draws rest on


def test_the_state_of_a_long_run_does_not_grow() -> None:
    ring = Ring(4, steps=90)
    for toy in ring.toys.values():
        ring.deliver(toy, ev.Started())
    toy, sizes = ring.toys[peer(0)], []
    while ring.step():
        if attempt_of(toy).stage is Stage.VERDICT and len(toy.records) % 20 == 15:
            sizes.append(len(toy.core.snapshot()))
            if len(sizes) > 300:
                break
    state = toy.core._context.state
    assert len(state.known_heads) <= HEADS_REMEMBERED
    assert len(state.past) <= ATTEMPTS_REMEMBERED + 6
    assert max(sizes) < 3 * min(sizes)
    assert state.order == [head for head in state.order if head in state.past]


def test_parameter_files_are_kept_while_a_gradient_may_be_computed_from_them() -> None:
    ring = Ring(5, steps=12).run()
    released: list[bytes] = []
    records = check_honest(ring)
    of_head = {ring.genesis.run: ring.genesis.parameters}
    of_head |= {r.head: r.parameters for r in records}
    for _, me, _, done in ring.trace:
        if me != peer(0):
            continue
        for effect in done:
            if isinstance(effect, fx.Release):
                released += effect.parameters
            if isinstance(effect, fx.Recompute | fx.ComputeParts | fx.Update):
                assert effect.parameters not in released
                assert effect.parameters == of_head[effect.head]
    assert len(released) == len(set(released))
    assert len(released) >= 8


def test_messages_that_a_waiting_matter_quotes_outlive_the_others() -> None:
    """Two accusations between the same two peers: the second waits three records for the first."""
    lies = [
        accusing(accuse_part(fault, 0), publish=False)
        for fault in (FaultKind.PART_NOT_FINITE, FaultKind.WRONG_PROJECTION)
    ]
    ring = Ring(
        6,
        steps=12,
        tampers={1: lambda r, t, e: lies[1](r, t, lies[0](r, t, e))},
    )
    for toy in ring.toys.values():
        ring.deliver(toy, ev.Started())
    toy = ring.toys[peer(0)]
    while ring.step():
        state = toy.core._context.state
        if state.attempt:
            for matter in state.attempt.base.matters:
                assert matter.made in state.past
                assert matter.accusation.attempt in state.past
            for draw in state.attempt.base.draws:
                assert draw.attempt in state.past
                assert draw.attempt in state.bulk


# --- after the slow path --------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STEP_STAGES)
def test_slow_paths_need_nothing_that_was_let_go(stage: Stage) -> None:
    def silent_later(ring: Ring, toy: Toy, effects: list[fx.Effect]) -> list[fx.Effect]:
        is_late = len(toy.records) >= 3
        return [
            e for e in effects if not (is_late and isinstance(e, fx.Broadcast) and e.stage is stage)
        ]

    ring = ForgetfulRing(
        7,
        steps=9,
        toys={1: ForgetfulFlipping},
        tampers={2: silent_later, 3: two_stories(stage, 0)},
        run=digest("toy run", b"drawn in time"),
    ).run()
    faults = {1: FaultKind.WRONG_GRADIENT, 2: FaultKind.CLAIMED_BY_MOST, 3: FaultKind.EQUIVOCATION}
    check_honest(ring, *faults)
    assert ring.departures(*faults) == {i: fault.name for i, fault in faults.items()}


class Stubborn(ForgetfulRing):
    """After a lie in a report has been recorded, six attempts in a row are void: peer 1 keeps a
    PART from peer 0, or from peer 2, as often as a pair can be charged."""

    reported: Digest | None = None

    def send_part(self, toy: Toy, head: Digest, to: PeerId, data: bytes) -> None:
        base = attempt_of(toy).base
        is_after = base.checked == self.reported
        victim = peer(0) if base.attempt < 3 else peer(2)
        if not (is_after and base.attempt < 6 and (toy.me, to) == (peer(1), victim)):
            super().send_part(toy, head, to, data)


def test_the_last_checked_attempt_is_kept_however_many_void_ones_follow() -> None:
    """Its reports may be accused, by what their targets must find in them, in the next CHECK."""

    def lazy(toy: Toy, message: Any) -> Any:
        if not message.reports:
            return None
        ring.reported = attempt_of(toy).base.head
        reports = tuple(replace(r, gradient=digest("guess"), follows=True) for r in message.reports)
        return replace(message, reports=reports)

    for k in range(9):
        tampers = {1: dropping(fx.SendBlob), 4: saying(Stage.CHECK, lazy)}
        ring = Stubborn(7, steps=12, tampers=tampers, run=digest("toy run", bytes([k])))
        toy = run_to(ring, Stage.COMMIT)
        while ring.step():
            state = toy.core._context.state
            base = attempt_of(toy).base
            assert not any(base.checked) or base.checked in state.past
        records = check_caught(ring, {4: FaultKind.WRONG_REPORT})
        at = next(k for k, r in enumerate(records) if r.previous == ring.reported)
        if not {peer(0), peer(1), peer(2)} & set(records[at].validators):
            break
    assert [r.outcome for r in records[at + 1 : at + 8]] == [Outcome.VOID] * 6 + [Outcome.COUNTED]
    assert {r.checked for r in records[at : at + 7]} == {ring.reported}
    assert len(records[at + 6].charges) == 6
    (matter,) = records[at + 7].matters
    assert matter.accusation.fault is FaultKind.WRONG_REPORT


def test_a_proof_is_kept_until_a_record_acts_on_it() -> None:
    ring = Ring(5)
    toy = run_to(ring, Stage.COMMIT, records=1)
    state = toy.core._context.state
    elsewhere = digest("another run")
    note_proof(toy.core._context, prove(commit_of(1, elsewhere), commit_of(1, elsewhere, 1)))
    run_to(ring, Stage.CHECK, records=1)
    assert set(state.proofs) == {peer(1)}
    run_to(ring, Stage.COMMIT, records=2)
    assert not state.proofs
    finish(ring)
    assert ring.departures(1) == {1: "EQUIVOCATION"}
