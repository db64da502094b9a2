"""The session: effects carried out in order, each for the attempt it speaks of."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING

import pytest

from tests.bench import make_peer, make_record, peers_of
from tests.swarms import make_swarm
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.compute.store import hold
from zpeer.ids import NOTHING, digest
from zpeer.observations import Assembling, Ended, Evaluated, StepDecided, Waited
from zpeer.parts import Bulk
from zpeer.proofs import Equivocation
from zpeer.record import Outcome
from zpeer.shell.logs import log_observation, make_logger
from zpeer.shell.session import split_at_decisions
from zpeer.signed import Signed, Stage, body_digest
from zpeer.simulation import Signatures

if TYPE_CHECKING:
    from pathlib import Path

    from zpeer.compute.worker import Job
    from zpeer.ids import PeerId
    from zpeer.observations import Observation
    from zpeer.simulation import LocalSwarm


def test_effects_are_cut_behind_each_decision(tmp_path: Path) -> None:
    record = make_record(make_peer(tmp_path), Outcome.VOID, NOTHING)
    before, after = fx.SetTimer(1.0), fx.DrawSecret(NOTHING)
    decide = fx.Decide(record, ())
    effects: list[fx.Effect] = [before, decide, after, decide]
    assert list(split_at_decisions(effects)) == [[before, decide], [after, decide]]
    assert list(split_at_decisions([before, after])) == [[before, after]]
    assert list(split_at_decisions([])) == []


def stranger(swarm: LocalSwarm) -> None:
    """Bytes and bodies that belong to no run, from a peer of this one, to everybody."""
    sender, *others = swarm.shared.genesis.peers
    for peer in others:
        session = swarm.peers[peer].session
        session.receive_control(sender, b"\x93garbage", 0.0)
        session.receive_control(sender, b"", 0.0)
        session.receive_bulk(sender, b"?", b"x" * 100, 100)
        header = bytes([Bulk.BLOB]) + digest("nowhere")
        for place in range(50):
            session.receive_bulk(sender, header, place.to_bytes(100, "little"), 100)


def test_garbage_before_the_start_harms_nobody(tmp_path: Path) -> None:
    swarm = make_swarm(tmp_path, peers=4, steps=2)
    stranger(swarm)
    results = swarm.run()
    assert {result.code for result in results} == {0}
    assert len({result.head for result in results}) == 1


def test_published_bytes_that_nobody_wants_are_let_go(tmp_path: Path) -> None:
    swarm = make_swarm(tmp_path, peers=4, steps=2)
    sender, receiver, *_ = swarm.shared.genesis.peers
    peer = swarm.peers[receiver]
    peer.session.feed(ev.Started(), 0.0)
    held = hold(b"unwanted")
    peer.session.receive_bulk(sender, bytes([Bulk.BLOB]) + NOTHING, held.data, 8)
    assert peer.store.find(held.digest) is None


def test_bytes_that_come_twice_are_there_for_as_long_as_the_core_was_told_of_them(
    tmp_path: Path,
) -> None:
    """It hears of the second time after it let the first go: it may want them by then."""
    jobs: deque[Job] = deque()
    peer = make_peer(tmp_path, submit=jobs.append)
    sender, held = peers_of(peer)[1], hold(b"unwanted")
    peer.session.feed(ev.Started(), 0.0)
    jobs.clear()
    for _ in range(2):
        peer.session.receive_bulk(sender, bytes([Bulk.BLOB]) + NOTHING, held.data, 8)
    arrived = [peer.worker.run(jobs.popleft()) for _ in range(2)]
    for answer, is_there in zip(arrived, (True, False), strict=True):
        assert isinstance(answer, ev.BlobArrived)
        peer.session.feed(answer, 0.0)
        (release,) = jobs
        peer.worker.run(release)
        jobs.clear()
        assert (peer.store.find(held.digest) is not None) is is_there


def test_a_timer_is_replaced_by_the_next_one(tmp_path: Path) -> None:
    session = make_swarm(tmp_path, peers=3, steps=1).honest[0].session
    for at in (7.0, 9.0, 8.0):
        session._carry_out(fx.SetTimer(at))
    assert session.deadline == 8.0
    session._carry_out(fx.Stop(5, "enough"))
    assert session.deadline == float("inf")


# --- the slow path's effects ----------------------------------------------------------------------


class Ring:
    """Three peers of whose network one carries effects out, and another hears them."""

    def __init__(self, path: Path) -> None:
        self.swarm = make_swarm(path, peers=3, steps=1)
        self.me, self.other, self.third = self.swarm.shared.genesis.peers
        self.head = self.swarm.shared.genesis.run

    def sign(self, peer: PeerId, stage: Stage, payload: bytes) -> Signed:
        """A peer's signed word on this head."""
        body = body_digest(stage, self.head, peer, payload)
        return Signed(stage, self.head, peer, payload, Signatures.sign(peer, body))

    def carry_out(self, effect: fx.Effect) -> list[ev.Event | None]:
        """What the other one hears of it, behind its door."""
        self.swarm.peers[self.me].session._carry_out(effect)
        sent = list(self.swarm._parcels)
        self.swarm._parcels.clear()
        door = self.swarm.peers[self.other].reception
        return [door.control(each.sender, each.data) for each in sent if each.to == self.other]


def test_a_view_is_passed_on_with_one_signature_more(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    view = ring.sign(ring.third, Stage.VIEW, b"what it saw")
    mine = ring.sign(ring.me, Stage.WITNESS, view.body)
    passed_on = fx.PassOn(view, (), (ring.other, ring.third))
    assert ring.carry_out(passed_on) == [ev.ChainReceived(view, (mine,))]
    longer = ring.sign(ring.other, Stage.VIEW, b"what I saw")
    theirs = ring.sign(ring.third, Stage.WITNESS, longer.body)
    mine = ring.sign(ring.me, Stage.WITNESS, longer.body)
    passed_on = fx.PassOn(longer, (theirs,), (ring.other,))
    assert ring.carry_out(passed_on) == [ev.ChainReceived(longer, (theirs, mine))]


def test_a_certificate_and_a_proof_are_shown_as_they_are(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    words = (ring.sign(ring.me, Stage.DECIDED, b"it"), ring.sign(ring.third, Stage.DECIDED, b"it"))
    shown = ring.carry_out(fx.SendCertificate((ring.other,), b"record", words))
    assert shown == [ev.CertificateReceived(b"record", words)]
    proof = Equivocation(words[1].statement, ring.sign(ring.third, Stage.DECIDED, b"no").statement)
    assert ring.carry_out(fx.SendProof((ring.other,), proof)) == [ev.ProofReceived(proof)]


@pytest.mark.parametrize("stage", [Stage.VIEW, Stage.CLOSED, Stage.DECIDED])
def test_my_own_words_of_the_slow_path_come_back_to_me(tmp_path: Path, stage: Stage) -> None:
    ring = Ring(tmp_path)
    said = ring.sign(ring.me, stage, b"something")
    heard = ring.carry_out(fx.Broadcast(ring.head, stage, b"something", (ring.other,)))
    assert heard == [ev.MessageReceived(said)]
    assert list(ring.swarm.peers[ring.me].session._events) == [ev.MessageReceived(said)]


def test_a_warning_tells_watchers_who_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ring = Ring(tmp_path)
    seen: list[Observation] = []
    ring.swarm.peers[ring.me].reporter.observe = seen.append
    assert ring.carry_out(fx.Warn(Stage.REVEAL, "I call: REVEAL is late", (ring.third,))) == []
    expected = Waited("peer-00", "REVEAL", "I call: REVEAL is late", ["peer-02"], 0)
    assert seen == [expected]
    log_observation(make_logger("me", "info"), expected)
    line = json.loads(capsys.readouterr().out)
    assert (line["level"], line["event"], line["peers"]) == ("warning", "trouble", "peer-02")


# --- lines for people -----------------------------------------------------------------------------


def test_every_observation_is_one_line_of_json_that_names_the_peer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Observation] = [
        Assembling("me", 1, 3, ["you", "them"]),
        Evaluated("me", 4, {"accuracy": 0.5}),
        Ended("me", 3, "banned: why", 4, "ab", "cd", ["you"], evidence=["file"]),
    ]
    logger = make_logger("me", "info")
    for observation in seen:
        log_observation(logger, observation)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["waiting for peers", "evaluated", "ended"]
    assert {line["peer"] for line in lines} == {"me"}
    assert lines[2]["evidence"] == ["file"]


def test_a_ban_is_a_warning_of_its_own_before_the_line_of_its_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from plugins.attacks.wrong_secret import WrongSecret  # noqa: PLC0415 - this test's alone

    swarm = make_swarm(tmp_path, {3: WrongSecret()}, peers=4, steps=2)
    seen: list[Observation] = []
    for peer in swarm.peers.values():
        peer.reporter.observe = seen.append
    swarm.run()
    logger = make_logger("me", "info")
    for observation in seen:
        if isinstance(observation, StepDecided) and observation.peer == "peer-00":
            log_observation(logger, observation)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines][:2] == ["banned", "decided"]
    assert (lines[0]["who"], lines[0]["fault"]) == ("peer-03", "WRONG_SECRET")
