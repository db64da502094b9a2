"""A swarm in one process: it learns, agrees, repeats itself, and survives bad plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from plugins.aggregators.centered_clip import CenteredClip
from plugins.attacks.withheld_result import WithheldResult
from tests.swarms import Softmax, make_shared, make_swarm, names
from zpeer.attacker import HonestAttack
from zpeer.conduct import After, Honest, SendSigned
from zpeer.crypto import SigningKey, Verifier
from zpeer.effects import Broadcast, SendResult
from zpeer.errors import PluginError
from zpeer.events import BlobArrived
from zpeer.faults import FaultKind
from zpeer.genesis import Agreement, Protection
from zpeer.ids import PeerId, digest, number
from zpeer.observations import Evaluated, StepDecided
from zpeer.record import Outcome
from zpeer.signed import Signed, Stage, body_digest
from zpeer.simulation import LocalSwarm, RealSignatures, Signatures, Slots

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zpeer.conduct import Hearing, Outgoing
    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.ids import Digest
    from zpeer.interfaces import AttackContext, Float32
    from zpeer.observations import Observation
    from zpeer.simulation import Result


def assert_agreed(results: Sequence[Result]) -> None:
    """All ended well and alike."""
    assert {result.code for result in results} == {0}
    assert len({(result.head, result.parameters, result.roster) for result in results}) == 1


def test_honest_peers_finish_together_and_the_model_learns(tmp_path: Path) -> None:
    swarm = make_swarm(tmp_path, peers=5, steps=25)
    results = swarm.run()
    assert_agreed(results)
    assert results[0].records[-1].counted == 25
    assert results[0].departures == ()
    peer = swarm.peers[swarm.shared.genesis.peers[0]]
    assert Softmax().evaluate(peer.files.current)["accuracy"] > 0.75


def test_equal_seeds_give_equal_runs_and_another_seed_another_run(tmp_path: Path) -> None:
    first, again, other = (
        make_swarm(tmp_path / str(place), peers=4, steps=4, seed=seed).run()
        for place, seed in enumerate((1, 1, 2))
    )
    assert [result.records for result in first] == [result.records for result in again]
    assert first[0].parameters == again[0].parameters
    assert first[0].parameters != other[0].parameters


def test_real_signatures_change_nothing_but_the_signatures(tmp_path: Path) -> None:
    keys = [SigningKey.generate(digest("key", number(place))) for place in range(4)]
    by_peer = {key.public.peer: key for key in keys}
    shared = make_shared(4, 3, ids=tuple(by_peer))
    runs = [
        LocalSwarm(shared, Softmax(), tmp_path / str(place), signatures=signatures).run()
        for place, signatures in enumerate(
            (None, RealSignatures(by_peer, Verifier(key.public for key in keys)))
        )
    ]
    assert_agreed(runs[1])
    assert [result.parameters for result in runs[0]] == [result.parameters for result in runs[1]]


@pytest.mark.parametrize("protection", [Protection.CLIP, Protection.NONE])
def test_unprotected_runs_train_without_checks(tmp_path: Path, protection: Protection) -> None:
    results = make_swarm(tmp_path, peers=4, steps=5, protection=protection).run()
    assert_agreed(results)
    assert [record.outcome for record in results[0].records] == [Outcome.COUNTED] * 5


def test_a_peer_reports_every_record_and_evaluates_as_often_as_asked(tmp_path: Path) -> None:
    seen: list[Observation] = []
    shared = make_shared(3, 5)
    LocalSwarm(shared, Softmax(), tmp_path, observe=seen.append, evaluate_every=2).run()
    mine = [each for each in seen if each.peer == "peer-00"]
    decided = [each for each in mine if isinstance(each, StepDecided)]
    assert [each.step for each in decided if each.outcome == "counted"] == [0, 1, 2, 3, 4]
    assert all(each.bytes_sent > each.bulk_bytes_sent >= 0 for each in decided)
    assert [each.step for each in mine if isinstance(each, Evaluated)] == [2, 4, 5]


def test_a_run_may_be_left_after_some_steps_or_at_a_record(tmp_path: Path) -> None:
    by_count = make_swarm(tmp_path / "a", peers=3, steps=9).run(max_steps=2)
    by_record = make_swarm(tmp_path / "b", peers=3, steps=9).run(until=lambda r: r.counted == 4)
    assert max(len(result.records) for result in by_count) == 2
    assert max(len(result.records) for result in by_record) == 4
    assert {result.code for result in by_count} == {-1}


def test_a_peer_that_keeps_nothing_but_what_is_needed_holds_few_tensors(tmp_path: Path) -> None:
    swarm = make_swarm(tmp_path, peers=4, steps=30)
    swarm.run()
    gradient = 4 * swarm.shared.genesis.dimension
    for peer in swarm.peers.values():
        assert peer.store.size_bytes <= 30 * gradient
        assert len(list((tmp_path / peer.reporter.name / "parameters").iterdir())) <= 12


# --- what an attack may do with effects -----------------------------------------------------------


class Delaying(HonestAttack):
    """Sends its COMMIT some seconds late, and a second copy of its RESULT."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        outgoing: list[Outgoing] = []
        for effect in effects:
            is_commit = isinstance(effect, Broadcast) and effect.stage is Stage.COMMIT
            outgoing.append(After(self.seconds, effect) if is_commit else effect)
            if isinstance(effect, SendResult):
                outgoing.append(effect)
        return outgoing


def test_a_late_commit_and_a_doubled_result_harm_nobody(tmp_path: Path) -> None:
    swarm = make_swarm(tmp_path, {0: Delaying(5.0)}, peers=4, steps=3)
    assert_agreed(swarm.run())
    assert swarm.now > 15


def test_who_comes_after_the_deadline_is_removed_and_the_others_go_on(tmp_path: Path) -> None:
    results = make_swarm(tmp_path, {2: Delaying(20.0)}, peers=4, steps=3).run()
    assert_agreed([result for result in results if result.honest])
    assert [result.code for result in results if not result.honest] == [4]
    assert results[0].records[0].outcome is Outcome.VOID
    (departure,) = results[0].departures
    assert departure.fault is FaultKind.CLAIMED_BY_MOST


def test_with_stop_a_commit_after_the_deadline_ends_the_run_and_names_the_peer(
    tmp_path: Path,
) -> None:
    swarm = make_swarm(tmp_path, {2: Delaying(20.0)}, peers=4, steps=3, agreement=Agreement.STOP)
    results = swarm.run()
    assert {result.code for result in results if result.honest} == {5}
    assert all("COMMIT from peer-02" in result.reason for result in results if result.honest)


def test_bytes_that_one_peer_withholds_come_from_the_others(tmp_path: Path) -> None:
    """Through the door, into the store under their digest, and from there into their place."""
    swarm = make_swarm(tmp_path, {2: WithheldResult()}, peers=4, steps=3)
    seen: list[Event] = []
    for peer in swarm.honest:
        peer.session._conduct = Watching(seen)
    assert_agreed(swarm.run())
    assert any(isinstance(event, BlobArrived) for event in seen)


class Watching(Honest):
    """An honest conduct that notes what its core hears."""

    def __init__(self, seen: list[Event]) -> None:
        self._seen = seen

    def hear(self, head: Digest, event: Event, now: float) -> Hearing:
        self._seen.append(event)
        return super().hear(head, event, now)


# --- signatures -----------------------------------------------------------------------------------


def sign(peer: PeerId, payload: bytes, stage: Stage = Stage.COMMIT) -> Signed:
    """An ideal signature."""
    body = body_digest(stage, digest("head"), peer, payload)
    return Signed(stage, digest("head"), peer, payload, Signatures.sign(peer, body))


def test_an_ideal_signature_is_good_for_its_signer_and_body_alone() -> None:
    alice, bob = PeerId(digest("alice")), PeerId(digest("bob"))
    good = sign(alice, b"x")
    assert Signatures.verify(good)
    assert Signatures.verify(good.statement)
    for forged in (
        replace(good, sender=bob),
        replace(good, payload=b"y"),
        replace(good, stage=Stage.REVEAL),
        replace(good, signature=sign(alice, b"y").signature),
        replace(good, signature=bytes(64)),
    ):
        assert not Signatures.verify(forged)


def test_a_session_signs_one_body_a_slot_and_any_number_of_witnesses() -> None:
    slots = Slots(PeerId(digest("alice")), Signatures())
    head = digest("head")
    for view in (digest("one"), digest("two")):
        assert Signatures.verify(slots.sign(Stage.WITNESS, head, view))
    assert slots.sign(Stage.VIEW, head, b"x") == slots.sign(Stage.VIEW, head, b"x")
    with pytest.raises(AssertionError, match="second body"):
        slots.sign(Stage.VIEW, head, b"y")


# --- what an attack may sign ----------------------------------------------------------------------


class Silenced(HonestAttack):
    """Says what it has to, but to nobody in particular: signed by itself and sent again by hand."""

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        outgoing: list[Outgoing] = []
        for effect in effects:
            if isinstance(effect, Broadcast):
                signed = context.sign(effect.stage, effect.payload)
                outgoing.append(SendSigned(effect.to, signed))
            outgoing.append(effect)
        return outgoing


def test_the_same_body_signed_twice_is_no_equivocation(tmp_path: Path) -> None:
    assert_agreed(make_swarm(tmp_path, {1: Silenced()}, peers=4, steps=3).run())


# --- plugins that break ---------------------------------------------------------------------------


class Raising(HonestAttack):
    """Fails in its second step."""

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:
        if context.step == 1:
            raise RuntimeError("no plan")
        return honest


def test_an_attack_that_raises_is_named_with_its_file(tmp_path: Path) -> None:
    swarm = make_swarm(tmp_path, {0: Raising()}, peers=4, steps=3)
    with pytest.raises(PluginError, match=r"attack Raising: .*no plan") as raised:
        swarm.run()
    assert "attackers peer-00" in raised.value.__notes__[0]
    assert "test_an_attack_that_raises_is_named_with_its_file" in raised.value.__notes__[0]


class Late(CenteredClip):
    """An aggregator that returns nonsense."""

    def aggregate(self, rows_ND: Float32, radius: float) -> Float32:
        return rows_ND


def test_an_aggregator_with_a_wrong_shape_is_named_with_both_shapes(tmp_path: Path) -> None:
    swarm = make_swarm(tmp_path, peers=4, steps=2, aggregator=Late())
    with pytest.raises(PluginError, match=r"Late returned float32 of shape \(4, .*expected"):
        swarm.run()


def test_names_are_those_of_the_genesis(tmp_path: Path) -> None:
    results = make_swarm(tmp_path, peers=3, steps=1).run()
    assert [result.name for result in results] == list(names(3))
