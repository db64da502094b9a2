"""The session: effects carried out in order, each for the attempt it speaks of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.swarm import make_swarm
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.ids import NOTHING, digest
from zpeer.logs import log_observation, make_logger
from zpeer.observations import Assembling, Ended, Evaluated, StepDecided
from zpeer.parts import Bulk
from zpeer.session import split_at_decisions
from zpeer.store import hold

if TYPE_CHECKING:
    from pathlib import Path

    from zpeer.observations import Observation
    from zpeer.record import Record
    from zpeer.session import Session
    from zpeer.simulation import LocalSwarm


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A record as a run makes them."""
    return make_swarm(tmp_path_factory.mktemp("run"), peers=3, steps=1).run()[0].records[0]


def test_effects_are_cut_behind_each_decision(decided: Record) -> None:
    before, after = fx.SetTimer(1.0), fx.DrawSecret(NOTHING)
    decide = fx.Decide(decided, ())
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


def has_stopped(session: Session) -> bool:
    """Whether it ended at a deadline."""
    return session.stopped is not None and session.stopped.code == 5


def test_a_timer_is_replaced_by_the_next_one(tmp_path: Path) -> None:
    swarm = make_swarm(tmp_path, peers=3, steps=1)
    session = swarm.peers[swarm.shared.genesis.peers[0]].session
    session.feed(ev.Started(), 5.0)
    assert session.deadline == 5.0 + swarm.shared.deadlines.heavy
    session.tick(6.0)
    assert not has_stopped(session)
    session.tick(session.deadline)
    assert has_stopped(session)
    assert session.deadline == float("inf")


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
