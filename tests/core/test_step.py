"""The order of a step, deadlines, and how a run ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from tests.core.lies import (
    Flipping,
    all_of,
    attempt_of,
    check_caught,
    check_honest,
    check_stopped,
    dropping,
    hearing_own_result,
    is_set_request,
    saying,
)
from tests.core.plain import is_finite, peer, to_bytes
from tests.core.toy import Ring, Tamper, Toy
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.faults import FaultKind
from zpeer.genesis import Agreement, Protection
from zpeer.ids import Digest, PeerId, digest_bytes
from zpeer.record import Outcome
from zpeer.signed import STEP_STAGES, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence


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


# --- ends -----------------------------------------------------------------------------------------


def test_below_three_peers_the_run_stops_and_says_so() -> None:
    lie = saying(Stage.REVEAL, lambda _, m: replace(m, share=bytes([7]) * 32))
    ring = Ring(3, tampers={1: lie}).run()
    assert check_stopped(ring, 1) == {"fewer than 3 peers are left"}


def test_a_banned_peer_says_why_and_who_accused_it() -> None:
    lie = saying(Stage.REVEAL, lambda _, m: replace(m, share=bytes([7]) * 32))
    stop = Ring(5, tampers={1: lie}).run().toys[peer(1)].ended
    assert stop.reason == (
        "banned: it opened a share that does not fit its commitment (WRONG_SHARE)"
    )
    stop = Ring(5, steps=6, toys={3: Flipping}).run().toys[peer(3)].ended
    assert "WRONG_GRADIENT, accused by peer-" in stop.reason


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


# --- deadlines ------------------------------------------------------------------------------------


def silent_in(stage: Stage) -> Tamper:
    """Never say anything in a stage."""
    return lambda ring, toy, effects: [
        e for e in effects if not (isinstance(e, fx.Broadcast) and e.stage is stage)
    ]


DUE = dict(zip(STEP_STAGES, (10, 30, 40, 60, 70, 80), strict=True))
"""Seconds of patience by then: twice in the stages that need bytes."""


@pytest.mark.parametrize("stage", STEP_STAGES)
def test_a_missing_message_stops_all_and_names_stage_and_peer(stage: Stage) -> None:
    ring = Ring(4, tampers={2: silent_in(stage)}, agreement=Agreement.STOP).run()
    (reason,) = check_stopped(ring, 2)
    assert reason == (
        f"deadline of {stage.name} passed after {DUE[stage]} s in step 0, attempt 0;"
        f" awaited: {stage.name} from peer-2"
    )
    assert ring.toys[peer(0)].ended.peers == (peer(2),)
    assert ring.now == pytest.approx(DUE[stage], abs=0.1)


@pytest.mark.parametrize("stage", STEP_STAGES)
def test_a_missing_message_costs_its_signer_the_place_and_the_others_go_on(stage: Stage) -> None:
    ring = Ring(4, tampers={2: silent_in(stage)}).run()
    records = check_caught(ring, {2: FaultKind.CLAIMED_BY_MOST})
    assert records[0].previous == ring.genesis.run
    is_decided = stage is Stage.VERDICT  # all others have voted: the record stands
    assert records[0].outcome is (Outcome.COUNTED if is_decided else Outcome.VOID)
    assert [toy.warnings[0].stage for toy in ring.honest(2)] == [stage] * 3
    assert ring.toys[peer(0)].warnings[0].reason == f"I call; awaited: {stage.name} from peer-2"


@pytest.mark.parametrize("stage", [Stage.VIEW, Stage.CLOSED, Stage.DECIDED, Stage.WITNESS])
def test_nobody_misses_what_only_a_call_needs(stage: Stage) -> None:
    check_honest(Ring(4, tampers={2: silent_in(stage)}).run())


def without(*kinds: type[fx.Effect]) -> Tamper:
    """Keep quiet in several ways."""
    return all_of(*(dropping(kind) for kind in kinds))


@pytest.mark.parametrize("kind", [fx.SendPart, fx.SendResult])
def test_bytes_that_do_not_come_by_themselves_are_asked_for_before_anybody_calls(
    kind: type[fx.Effect],
) -> None:
    ring = Ring(4, tampers={2: dropping(kind)}).run()
    check_honest(ring)
    assert not any(toy.warnings for toy in ring.toys.values())


def test_a_missing_part_is_named_by_who_waits_for_it() -> None:
    quiet = without(fx.SendPart, fx.SendBlob)
    ring = Ring(4, tampers={2: quiet}, agreement=Agreement.STOP).run()
    reasons = check_stopped(ring, 2)
    assert any(
        r.endswith("PART from peer-2; AGGREGATED from peer-0, peer-1, peer-3")
        or "awaited: PART from peer-2; AGGREGATED from" in r
        for r in reasons
    )


class TwoFaced(Ring):
    """Peer 2 sends peer 0 a part that is not what it committed to, and answers no question."""

    def send_part(self, toy: Toy, head: Digest, to: PeerId, data: bytes) -> None:
        altered = toy.me == peer(2) and to == peer(0)
        super().send_part(toy, head, to, to_bytes([9.0]) if altered else data)


def test_a_part_that_does_not_match_is_named_as_such() -> None:
    tampers = {2: dropping(fx.SendBlob)}
    ring = TwoFaced(4, tampers=tampers, agreement=Agreement.STOP).run()
    assert "PART from peer-2; (not matching its hash: peer-2)" in ring.toys[peer(0)].ended.reason
    assert "awaited: AGGREGATED from peer-0" in ring.toys[peer(1)].ended.reason


def test_a_part_that_does_not_match_is_charged_to_the_pair_and_tells_why() -> None:
    ring = TwoFaced(4, steps=2, tampers={2: dropping(fx.SendBlob)}).run()
    records = ring.check_agreement(2)
    assert records[0].outcome is Outcome.VOID
    assert [(c.first, c.second) for c in records[0].charges] == [(peer(0), peer(2))]
    assert ring.toys[peer(0)].warnings[0].reason == (
        "I call; awaited: PART from peer-2; (not matching its hash: peer-2)"
    )


def test_missing_and_altered_results_are_named() -> None:
    quiet = without(fx.SendResult, fx.SendBlob)
    ring = Ring(4, tampers={2: quiet}, agreement=Agreement.STOP).run()
    assert any("awaited: RESULT from peer-2; PROJ" in reason for reason in check_stopped(ring, 2))

    class Altered(Ring):
        def send_result(self, toy: Toy, head: Digest, to: PeerId, data: bytes) -> None:
            altered = toy.me == peer(2)
            super().send_result(toy, head, to, to_bytes([9.0]) if altered else data)

    ring = Altered(4, tampers={2: dropping(fx.SendBlob)}, agreement=Agreement.STOP).run()
    reasons = check_stopped(ring, 2)
    assert any("RESULT from peer-2; (not matching its hash: peer-2); P" in r for r in reasons)


WAITING = [
    (fx.DrawSecret, "my secret"),
    (fx.ComputeParts, "my gradient"),
    (fx.Recompute, "my recomputations"),
    (fx.Update, "my update of the parameters"),
]


@pytest.mark.parametrize(("effect", "words"), WAITING)
def test_a_peer_that_waits_for_itself_says_for_what(effect: type[fx.Effect], words: str) -> None:
    ring = Ring(4, tampers={1: dropping(effect)}, agreement=Agreement.STOP).run()
    assert ring.toys[peer(1)].ended.reason.endswith(f"awaited: {words}")
    check_stopped(ring, 1)


@pytest.mark.parametrize("effect", [fx.DrawSecret, fx.ComputeParts, fx.Recompute])
def test_a_peer_whose_machine_hangs_is_removed_and_the_others_go_on(
    effect: type[fx.Effect],
) -> None:
    ring = Ring(4, tampers={1: dropping(effect)}).run()
    check_caught(ring, {1: FaultKind.CLAIMED_BY_MOST})


def test_a_peer_whose_update_hangs_waits_for_nobody_else_and_is_left_behind() -> None:
    """What is decided it knows: it only cannot say DECIDED before it holds the parameters."""
    ring = Ring(4, tampers={1: dropping(fx.Update)})
    for toy in ring.toys.values():
        ring.deliver(toy, ev.Started())
    while any(toy.stop is None for toy in ring.honest(1)):
        assert ring.step()
    assert set(ring.departures(1).values()) <= {"SILENT", "CLAIMED_BY_MOST"}
    late = ring.toys[peer(1)]
    assert late.stop is None
    assert attempt_of(late).base.head == ring.genesis.run
    asked = [e for _, me, _, d in ring.trace if me == late.me for e in d if is_set_request(e)]
    assert {e.stage for e in asked} <= {Stage.VERDICT, Stage.COMMIT, Stage.CHECK, Stage.DECIDED}


def test_a_timer_of_an_earlier_stage_ends_nothing() -> None:
    ring = Ring(4)
    for to in ring.toys:
        ring.push(to, ev.Started())
        for k in range(1, 60):
            ring.push(to, ev.TimerFired(), delay=0.0007 * k)
    while ring.step():
        pass
    check_honest(ring)


def test_another_verdict_stops_the_run_and_names_its_signer() -> None:
    lie = saying(Stage.VERDICT, lambda _, m: replace(m, record=bytes([7]) * 32))
    ring = Ring(4, tampers={2: lie}, agreement=Agreement.STOP).run()
    (reason,) = check_stopped(ring, 2)
    assert reason.startswith("VERDICT differs from mine at peer-2 in step 0, attempt 0")


def test_another_verdict_counts_as_missing_and_its_signer_is_removed() -> None:
    lie = saying(Stage.VERDICT, lambda _, m: replace(m, record=bytes([7]) * 32))
    ring = Ring(4, tampers={2: lie}).run()
    records = check_caught(ring, {2: FaultKind.CLAIMED_BY_MOST})
    assert (records[0].outcome, records[0].departures) == (Outcome.COUNTED, ())
    assert [d.peer for d in records[1].departures] == [peer(2)]
    reason = ring.toys[peer(0)].warnings[0].reason
    assert reason == "I call; awaited: VERDICT that agrees with mine from peer-2"


def test_verdicts_that_are_not_all_in_are_waited_for() -> None:
    """One that differs is named only when nobody is silent."""
    lie = saying(Stage.VERDICT, lambda _, m: replace(m, record=bytes([7]) * 32))
    tampers = {1: silent_in(Stage.VERDICT), 2: lie}
    ring = Ring(4, tampers=tampers, agreement=Agreement.STOP).run()
    assert all("deadline of VERDICT" in reason for reason in check_stopped(ring, 1, 2))


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


def test_without_protection_a_result_of_a_wrong_length_is_none() -> None:
    class Short(Toy):
        def compute(self, effect: fx.Computation) -> Any:
            event: Any = super().compute(effect)
            if isinstance(effect, fx.AggregatePart):
                self.results[effect.head, self.me] = to_bytes([1.0])
                return replace(event, digest=digest_bytes(to_bytes([1.0])))
            return event

    ring = Ring(4, toys={2: Short}, protection=Protection.NONE, tampers={2: hearing_own_result})
    (reason,) = check_stopped(ring.run(), 2)
    assert "deadline of AGGREGATED passed" in reason
    assert "awaited: RESULT from peer-2" in reason
