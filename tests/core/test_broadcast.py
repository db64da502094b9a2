"""Slots, echoes, equivocation, and what comes before its head is known."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.lies import attempt_of, check_honest, check_stopped, decode, saying
from tests.core.plain import peer
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.broadcast import byzantine_max, compute_set_digest
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, Digest, PeerId, digest
from zpeer.messages import Aggregated, Commit, Reveal
from zpeer.signed import Signed, Stage
from zpeer.wire import encode_payload


def two_stories(stage: Stage, second: int = 3) -> Any:
    """Sign one body for most, and another for peer `second`."""

    def tamper(ring: Ring, toy: Toy, effects: list[fx.Effect]) -> list[fx.Effect]:
        done: list[fx.Effect] = []
        for effect in effects:
            if not isinstance(effect, fx.Broadcast) or effect.stage is not stage:
                done.append(effect)
                continue
            message = decode(toy, effect)
            field = {
                Stage.COMMIT: "commitment",
                Stage.AGGREGATED: "result",
                Stage.REVEAL: "share",
                Stage.PROJECTIONS: "beacon",
                Stage.CHECK: "secret",
                Stage.VERDICT: "record",
            }[stage]
            other = replace(message, **{field: bytes([9]) * 32})
            others = tuple(to for to in effect.to if to != peer(second))
            done.append(replace(effect, to=others))
            signed = ring.sign(toy, replace(effect, payload=encode_payload(other)))
            ring.push(peer(second), ev.MessageReceived(signed))
        return done

    return tamper


@pytest.mark.parametrize("stage", [s for s in Stage if s is not Stage.VERDICT])
@pytest.mark.parametrize("second", [0, 3])
def test_two_bodies_for_one_slot_are_proven_to_all_and_stop_the_run(
    stage: Stage, second: int
) -> None:
    ring = Ring(5, tampers={1: two_stories(stage, second)}).run()
    (reason,) = check_stopped(ring, 1)
    assert reason.startswith(f"peer-1 signed two different {stage.name} bodies for one slot")
    for toy in ring.honest(1):
        assert toy.ended.fault is FaultKind.EQUIVOCATION
        assert toy.ended.peers == (peer(1),)
        (evidence,) = toy.evidence
        first, second_ = evidence.messages
        assert evidence.departure.fault is FaultKind.EQUIVOCATION
        assert (first.sender, second_.sender) == (peer(1), peer(1))
        assert first.body != second_.body
        assert (first.stage, first.head) == (second_.stage, second_.head)


def test_a_second_verdict_stops_the_run_naming_its_signer() -> None:
    ring = Ring(4, tampers={1: two_stories(Stage.VERDICT)}).run()
    assert "VERDICT differs from mine at peer-1" in ring.toys[peer(3)].ended.reason


def test_one_body_with_two_signatures_is_no_equivocation() -> None:
    """ECDSA signatures are malleable: bodies are compared."""

    def again(ring: Ring, toy: Toy, effects: list[fx.Effect]) -> list[fx.Effect]:
        for effect in effects:
            if isinstance(effect, fx.Broadcast):
                other = replace(ring.sign(toy, effect), signature=bytes([1]) * 64)
                for to in effect.to:
                    ring.push(to, ev.MessageReceived(other), delay=0.0005)
        return effects

    ring = Ring(4, tampers={1: again}).run()
    check_honest(ring)
    first = ring.sign(ring.toys[peer(1)], fx.Broadcast(ring.genesis.run, Stage.COMMIT, b"", ()))
    proof = ev.ProofReceived(first, replace(first, signature=bytes([1]) * 64))
    assert ring.toys[peer(0)].tell(proof, ring.now) == []


def test_duplicates_change_nothing() -> None:
    class Twice(Ring):
        def push(self, to: PeerId, event: ev.Event, delay: float = 0.001) -> None:
            super().push(to, event, delay)
            if isinstance(event, ev.MessageReceived | ev.PartArrived | ev.ResultArrived):
                super().push(to, event, delay + 0.0004)

    check_honest(Twice(4).run())


def test_proofs_that_prove_nothing_are_ignored() -> None:
    ring = started(4)
    toy = ring.toys[peer(0)]
    head = ring.genesis.run
    said = commit_of(1, head)
    for other in (
        commit_of(2, head, 1),  # two signers
        commit_of(1, digest("another"), 1),  # two heads
        replace(commit_of(1, head, 1), stage=Stage.REVEAL),  # two stages
    ):
        assert toy.tell(ev.ProofReceived(said, other), 0.0) == []
    unknown = digest("a head that never was")
    proof = ev.ProofReceived(commit_of(1, unknown), commit_of(1, unknown, 1))
    assert toy.tell(proof, 0.0) == []
    stranger = ev.ProofReceived(commit_of(77, head), commit_of(77, head, 1))
    assert toy.tell(stranger, 0.0) == []
    effects = toy.tell(ev.ProofReceived(said, commit_of(1, head, 1)), 0.0)
    assert [type(e) for e in effects] == [fx.WriteEvidence, fx.SendProof, fx.Stop]
    assert effects[1].to == (peer(2), peer(3))


def test_equivocation_about_a_past_attempt_is_proven_all_the_same() -> None:
    ring = Ring(4)
    toy = ring.toys[peer(0)]
    for to in ring.toys:
        ring.push(to, ev.Started())
    while not toy.records:
        ring.step()
    old = attempt_of(toy)
    assert old.base.head != ring.genesis.run
    first = toy.core._context.state.past[ring.genesis.run].messages[Stage.COMMIT][peer(1)]
    effects = toy.tell(ev.ProofReceived(first, commit_of(1, ring.genesis.run, 3)), ring.now)
    assert isinstance(effects[-1], fx.Stop)


def test_an_echo_that_nobody_explains_ends_the_run_and_is_named() -> None:
    lie = saying(Stage.REVEAL, lambda _, m: replace(m, echo=bytes([9]) * 32))
    ring = Ring(4, tampers={1: lie}).run()
    (reason,) = check_stopped(ring, 1)
    assert reason.endswith("awaited: an explanation of the echo of peer-1")
    asked = [
        (me, e.to, e.stage) for _, me, _, done in ring.trace for e in done if is_set_request(e)
    ]
    assert {each for each in asked if each[0] != peer(1)} == {
        (peer(i), peer(1), Stage.AGGREGATED) for i in (0, 2, 3)
    }


def test_an_echo_of_zeros_binds_to_nothing_and_is_not_agreed() -> None:
    lie = saying(Stage.REVEAL, lambda _, m: replace(m, echo=NOTHING))
    (reason,) = check_stopped(Ring(4, tampers={1: lie}).run(), 1)
    assert reason.endswith("an explanation of the echo of peer-1")


def test_an_echo_that_came_before_my_own_set_is_asked_about_later() -> None:
    ring = started(3)
    toy, head = ring.toys[peer(0)], ring.genesis.run
    early = signed_by(1, head, Stage.AGGREGATED, encode_payload_of_aggregated(bytes([9]) * 32))
    assert toy.tell(ev.MessageReceived(early), 0.0) == []
    asked: list[fx.Effect] = []
    while not asked:
        assert ring.step()
        asked = [e for _, _, _, done in ring.trace for e in done if is_set_request(e)]
    assert asked == [fx.SendSetRequest(peer(1), head, Stage.COMMIT)]


def test_a_set_is_shown_once_to_each_member_and_only_when_complete() -> None:
    ring = started(4)
    toy, head = ring.toys[peer(0)], ring.genesis.run
    ask = ev.SetRequested(peer(1), head, Stage.COMMIT)
    assert toy.tell(ask, 0.0) == []
    while Stage.COMMIT not in attempt_of(toy).sets:
        ring.step()
    assert toy.tell(ev.SetRequested(peer(66), head, Stage.COMMIT), 0.1) == []
    assert toy.tell(ev.SetRequested(peer(1), digest("other"), Stage.COMMIT), 0.1) == []
    (shown,) = toy.tell(ask, 0.1)
    assert isinstance(shown, fx.SendSet)
    assert [m.sender for m in shown.messages] == list(ring.genesis.peers)
    assert compute_set_digest(shown.messages) == attempt_of(toy).sets[Stage.COMMIT]
    assert toy.tell(ask, 0.1) == []


def test_a_stopped_peer_still_shows_its_sets_and_does_nothing_else() -> None:
    ring = Ring(4).run()
    toy = ring.toys[peer(0)]
    last = attempt_of(toy)
    ask = ev.SetRequested(peer(1), last.base.head, Stage.COMMIT)
    assert len(toy.tell(ask, ring.now)[0].messages) == 4
    assert toy.tell(ev.TimerFired(), ring.now + 99) == []
    assert toy.core.is_stopped


def test_a_shown_set_for_another_head_or_stage_is_not_looked_at() -> None:
    ring = started(4)
    toy, head = ring.toys[peer(0)], ring.genesis.run
    reveal = signed_by(2, head, Stage.REVEAL, encode_payload(Reveal(NOTHING, NOTHING)))
    for event in (
        ev.SetReceived(peer(1), digest("other"), Stage.COMMIT, (commit_of(2, head),)),
        ev.SetReceived(peer(1), head, Stage.COMMIT, (reveal,)),
    ):
        assert toy.tell(event, 0.0) == []
        assert not attempt_of(toy).messages


def test_messages_of_strangers_other_heads_and_other_stages_fill_no_slot() -> None:
    ring = started(4)
    toy, head = ring.toys[peer(0)], ring.genesis.run
    for signed in (commit_of(77, head), commit_of(77, digest("other"))):
        toy.tell(ev.MessageReceived(signed), 0.0)
    assert not attempt_of(toy).messages
    assert not toy.core._context.state.early


def test_what_builds_on_the_next_head_waits_for_it_in_one_slot_a_sender_and_kind() -> None:
    ring = started(4)
    core = ring.toys[peer(0)].core
    for k in range(50):
        core.handle(ev.MessageReceived(commit_of(1, digest("head", bytes([k])))), 0.0)
        head = digest("head", bytes([k]))
        core.handle(ev.PartArrived(head, peer(1), head, 8, finite=True), 0.0)
        core.handle(ev.ResultArrived(head, peer(1), head, 8, finite=True), 0.0)
    early = core._context.state.early
    assert len(early) == 3
    assert {e.head for e in early.values()} == {digest("head", bytes([49]))}


def test_what_comes_for_a_past_head_is_late_and_dropped() -> None:
    ring = Ring(4)
    toy = ring.toys[peer(0)]
    for to in ring.toys:
        ring.push(to, ev.Started())
    while not toy.records:
        ring.step()
    toy.tell(ev.MessageReceived(commit_of(1, ring.genesis.run, 5)), ring.now)
    assert ring.genesis.run not in {e.head for e in toy.core._context.state.early.values()}


def test_first_words_before_the_start_are_not_lost() -> None:
    class Late(Ring):
        def run(self, limit: int = 200_000) -> Ring:
            self.push(peer(0), ev.Started(), delay=2.0)
            for i in range(1, 4):
                self.push(peer(i), ev.Started())
            while self.step():
                pass
            return self

    ring = Late(4).run()
    check_honest(ring)
    core = Ring(4).toys[peer(0)].core
    assert core.handle(ev.TimerFired(), 0.0) == []
    assert core.head == ring.genesis.run
    assert core.handle(ev.MessageReceived(commit_of(77, ring.genesis.run)), 0.0) == []
    assert not core._context.state.early


def test_parts_before_their_commit_are_used_after_it() -> None:
    class PartsFirst(Ring):
        def push(self, to: PeerId, event: ev.Event, delay: float = 0.001) -> None:
            is_commit = isinstance(event, ev.MessageReceived) and event.signed.stage is Stage.COMMIT
            super().push(to, event, delay + 0.5 * is_commit)

    check_honest(PartsFirst(4).run())


def test_a_delivered_part_is_not_replaced_by_a_later_one() -> None:
    ring = started(4)
    toy, head = ring.toys[peer(0)], ring.genesis.run
    for k in (1, 2):
        name = digest("part", bytes([k]))
        toy.tell(ev.PartArrived(head, peer(1), name, 8, finite=True), 0.0)
    toy.tell(ev.PartArrived(head, peer(77), NOTHING, 8, finite=True), 0.0)
    assert {p: a.digest for p, a in attempt_of(toy).parts.items()} == {
        peer(1): digest("part", bytes([1]))
    }


def test_the_duration_of_a_stage_is_that_until_enough_messages_are_in() -> None:
    """The (n-f)-th message counts, so that only honest peers can make a stage long."""

    class Slow(Ring):
        def push(self, to: PeerId, event: ev.Event, delay: float = 0.001) -> None:
            slow = (
                isinstance(event, ev.MessageReceived)
                and event.signed.sender == peer(1)
                and event.signed.stage is Stage.REVEAL
                and to != peer(1)
            )
            super().push(to, event, 3.0 if slow else delay)

    ring = Slow(5, steps=1).run()
    check_honest(ring)
    for _, me, _, done in ring.trace:
        for effect in done:
            if isinstance(effect, fx.Broadcast) and effect.stage is Stage.CHECK:
                durations = decode(ring.toys[me], effect).durations
                assert len(durations) == 4
                assert me == peer(1) or all(0 <= each < 0.5 for each in durations)


@pytest.mark.parametrize(
    ("n", "m", "f"),
    [(16, 1, 7), (16, 2, 6), (3, 1, 0), (4, 1, 1), (8, 1, 3), (1, 0, 0), (64, 4, 29)],
)
def test_f_is_fewer_than_half_of_the_workers(n: int, m: int, f: int) -> None:
    assert byzantine_max(n, m) == f
    assert f == 0 or 2 * f < n - m


# --- pieces ---------------------------------------------------------------------------------------


def started(n: int) -> Ring:
    """A ring whose peers have all just started."""
    ring = Ring(n)
    for toy in ring.toys.values():
        ring.deliver(toy, ev.Started())
    return ring


def signed_by(i: int, head: Digest, stage: Stage, payload: bytes) -> Signed:
    """A message of peer i."""
    return Signed(stage, head, peer(i), payload, bytes(64))


def commit_of(i: int, head: Digest, variant: int = 0) -> Signed:
    """A COMMIT of peer i, with parts that nobody has."""
    parts = tuple(digest("part", bytes([i, j, variant])) for j in range(4))
    return signed_by(i, head, Stage.COMMIT, encode_payload(Commit(parts, NOTHING)))


def encode_payload_of_aggregated(echo: bytes) -> bytes:
    """An AGGREGATED with that echo."""
    return encode_payload(Aggregated(Digest(echo), digest("result")))


def is_set_request(effect: fx.Effect) -> bool:
    """Whether a peer asks for a set."""
    return isinstance(effect, fx.SendSetRequest)
