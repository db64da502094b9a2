"""How a peer ends that cannot go on, and what it says; and how it goes on where it can."""

from __future__ import annotations

from typing import Any

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
from tests.core.plain import peer, to_bytes
from tests.core.toy import Ring, Tamper, Toy
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.faults import FaultKind
from zpeer.genesis import Agreement, Protection
from zpeer.ids import Digest, PeerId, digest_bytes
from zpeer.record import Outcome
from zpeer.signed import STEP_STAGES, Stage

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


def test_nobody_names_itself_among_those_it_waits_for() -> None:
    quiet = without(fx.SendPart, fx.SendBlob)
    stopped = Ring(4, tampers={2: quiet}, agreement=Agreement.STOP).run()
    calling = Ring(4, tampers={2: quiet}).run()
    for i in (0, 1, 3):
        ended = stopped.toys[peer(i)].ended
        assert f"peer-{i}" not in ended.reason
        assert peer(i) not in ended.peers
        assert not any(f"peer-{i}" in each.reason for each in calling.toys[peer(i)].warnings)


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


# --- verdicts that differ -------------------------------------------------------------------------


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
