"""The order of a step, and how a run ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.core.lies import (
    Flipping,
    attempt_of,
    check_caught,
    check_honest,
    saying,
)
from tests.core.plain import is_finite, peer
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer.faults import FaultKind
from zpeer.genesis import Protection
from zpeer.record import Outcome
from zpeer.signed import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.ids import Digest


@pytest.mark.parametrize("n", [3, 4, 5, 8])
def test_honest_peers_finish_with_one_chain_and_the_same_parameters(n: int) -> None:
    records = check_honest(Ring(n, steps=4).run())
    assert [r.counted for r in records if r.outcome is Outcome.COUNTED] == [1, 2, 3, 4]
    assert len({r.parameters for r in records if r.outcome is Outcome.COUNTED}) == 4
    assert not any(r.departures or r.lapsed for r in records)


def test_clipping_rings_finish_too() -> None:
    check_honest(Ring(5, radius=0.3).run())


def test_every_message_carries_its_head_and_goes_to_all_others() -> None:
    ring = Ring(4).run()
    said = [(e, me) for _, me, _, done in ring.trace for e in done if isinstance(e, fx.Broadcast)]
    heads = {r.previous for r in ring.check_agreement()}
    assert {e.head for e, _ in said} == heads
    assert all(set(e.to) == set(ring.toys) - {me} for e, me in said)
    slots = [(e.head, e.stage, me) for e, me in said]
    assert len(slots) == len(set(slots)) == len(heads) * 6 * 4


def test_a_void_attempt_keeps_parameters_and_seeds_and_restarts_with_fewer_peers() -> None:
    lie = saying(Stage.REVEAL, lambda _, m: replace(m, share=bytes([7]) * 32))
    ring = Ring(5, tampers={1: lie}).run()
    void, again = check_caught(ring, {1: FaultKind.WRONG_SHARE})[:2]
    assert (void.outcome, void.step, void.attempt) == (Outcome.VOID, 0, 0)
    assert (again.outcome, again.step, again.attempt) == (Outcome.COUNTED, 0, 1)
    assert void.parameters == ring.genesis.parameters
    assert void.seed_beacon == ring.genesis.run
    assert peer(1) not in void.roster
    seeds = {
        e.batch_seed
        for _, me, _, done in ring.trace
        for e in done
        if isinstance(e, fx.ComputeParts)
        and me == peer(0)
        and e.head in {ring.genesis.run, void.head}
    }
    assert len(seeds) == 1


# --- the end of the run ---------------------------------------------------------------------------


def test_a_cheat_in_the_last_step_is_banned_by_the_attempts_that_only_check() -> None:
    class AtTheEnd(Toy):
        def gradient(self, parameters: Digest, seed: Digest) -> list[float]:
            honest = self.honest_gradient(parameters, seed)
            is_last = attempt_of(self).base.step == self.genesis.steps - 1
            return [-x for x in honest] if is_last else honest

    ring = Ring(5, toys={2: AtTheEnd}).run()
    records = check_caught(ring, {2: FaultKind.WRONG_GRADIENT})
    banning = next(r for r in records if r.departures)
    assert banning.outcome is Outcome.CLOSING
    assert banning.parameters == next(r.parameters for r in records if r.counted == 4)


def test_the_end_waits_until_all_is_closed_and_one_more_check_set_is_recorded() -> None:
    records = check_honest(Ring(5).run())
    closing = [r for r in records if r.outcome is Outcome.CLOSING]
    last_step = records[len(records) - len(closing) - 1]
    drawn = [draw for draw in last_step.draws if draw.attempt == last_step.previous]
    assert len(drawn) == 4  # every worker of the last step
    first_done = next(k for k, record in enumerate(closing) if not record.draws)
    assert len(closing) == first_done + 2


# --- without protection ---------------------------------------------------------------------------


@pytest.mark.parametrize("protection", [Protection.NONE, Protection.CLIP])
def test_without_protection_a_cheat_stays_and_the_run_ends(protection: Protection) -> None:
    ring = Ring(5, steps=3, radius=0.5, toys={2: Flipping}, protection=protection).run()
    records = check_honest(ring)
    assert [r.outcome for r in records] == [Outcome.COUNTED] * 3
    assert not any(r.departures or r.validators or r.draws or any(r.beacon) for r in records)
    assert len({r.seed_beacon for r in records}) == 3
    said = [e.stage for _, _, _, done in ring.trace for e in done if isinstance(e, fx.Broadcast)]
    assert set(said) == {Stage.COMMIT, Stage.AGGREGATED, Stage.VERDICT}


def test_without_protection_numbers_that_are_not_finite_are_taken_as_they_are() -> None:
    class Infinite(Toy):
        def aggregate(self, rows: Sequence[Sequence[float]], radius: float) -> list[float]:
            return [float("inf")] * len(rows[0])

    ring = Ring(4, toys={2: Infinite}, protection=Protection.NONE).run()
    check_honest(ring)
    assert not is_finite(ring.toys[peer(0)].results[ring.genesis.run, peer(2)])
