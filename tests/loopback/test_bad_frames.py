"""Strangers, and garbage from a member's own sockets: named, turned away, and the run goes on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from time import monotonic
from typing import TYPE_CHECKING

import msgspec
import pytest
import zmq

from tests.loopback.processes import (
    last_words,
    make_run,
    peer_file,
    printed,
    run_peers,
    said,
    wait_until,
)
from zpeer.config import load_run
from zpeer.identity import Identity, load_private
from zpeer.observations import Assembling
from zpeer.transport import Listen, Sizes, Transport

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.loopback

ROGUE = "peer-3"
VICTIMS = ("peer-0", "peer-1")
STEPS = 5
HUGE = 1 << 24
GARBAGE = (b"", b"\xff" * 100, msgspec.msgpack.encode(["set?", b"x", 99]), b"\x93" * 5000)
FLOOD = 2000
SECONDS = 1.5
"""For what was sent to arrive, and more of it over the connections that take its place."""


class Rogue:
    """Holds a member's keys and the greeting's manners, and says nothing else that makes sense."""

    def __init__(self, run: Path) -> None:
        file = load_run(run)
        identity = load_private(run / "keys" / f"{ROGUE}.key")
        entry = file.entry(identity.peer)
        assert entry is not None
        self._victims = [peer.identity.peer for peer in file.peers if peer.name in VICTIMS]
        self._end = 0.0
        self.transport = Transport(
            identity,
            run=file.id,
            sections=file.sections(),
            roster=dict(zip(file.peer_ids, file.identities, strict=True)),
            sizes=Sizes(control=2 * HUGE, tensor=2 * HUGE),
            listen=Listen(control=entry.address, bulk="127.0.0.1:0"),
        )
        self.transport.start({peer.identity.peer: peer.address for peer in file.peers})

    def strike(self) -> bool:
        """Once both victims are connected, send them all there is; whether that is done."""
        self.transport.poll(0.05)
        if not self._end and set(self._victims) <= self.transport.connected():
            self._misbehave()
            self._end = monotonic() + SECONDS
        return 0 < self._end < monotonic()

    def _misbehave(self) -> None:
        for victim in self._victims:
            for data in GARBAGE * (FLOOD // len(GARBAGE)):
                self.transport.send_control(victim, data)
            for data in GARBAGE:
                self.transport.send_bulk(victim, data[:64], data)
            self.transport.send_bulk(victim, b"\1" * 33, bytes(HUGE))

    def close(self) -> None:
        """Be gone."""
        self.transport.close(linger_s=0)


class Dialler:
    """Calls a peer with a CURVE key that is in no run."""

    def __init__(self, run: Path) -> None:
        (peer,) = [each for each in load_run(run).peers if each.name == VICTIMS[0]]
        stranger = Identity.generate("stranger", b"stranger" * 8)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        socket = self._context.socket(zmq.DEALER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.CURVE_SECRETKEY, stranger.curve_secret)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, zmq.curve_public(stranger.curve_secret))
        socket.setsockopt(zmq.CURVE_SERVERKEY, peer.curve.encode())
        socket.connect(f"tcp://{peer.address}")
        socket.send(b"let me in")
        self.socket = socket
        self.key = stranger.public.curve

    def close(self) -> None:
        self.socket.close()
        self._context.term()


def test_a_run_goes_on_over_strangers_and_garbage_from_a_members_sockets(tmp_path: Path) -> None:
    """Both come while two peers wait for the others, whose real processes start later."""
    run = make_run(tmp_path / "run", peers=4, changes={"run.steps": STEPS})
    early = {name: peer_file(run, name) for name in VICTIMS}
    late = {name: peer_file(run, name) for name in ("peer-2", ROGUE)}
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(run_peers, run, early)
        with closing(Dialler(run)) as dialler, closing(Rogue(run)) as rogue:
            assert wait_until(rogue.strike, 60)
        assert wait_until(lambda: all(waits_for(run, name, ROGUE) for name in VICTIMS))
        arrived = run_peers(run, late)
        boards = {**dict.fromkeys(early, waiting.result()), **dict.fromkeys(late, arrived)}
    assert {board.members[name].code for name, board in boards.items()} == {0}
    ends = [last_words(run, name) for name in boards]
    assert len({(each.step, each.head, each.parameters) for each in ends}) == 1
    assert ends[0].step == STEPS
    told = [msgspec.json.decode(line) for line in printed(run, VICTIMS[0]).splitlines()]
    assert any(
        line["event"] == "stranger turned away" and line["key"] == dialler.key for line in told
    )
    for name in VICTIMS:
        assert '"who": "peer-3", "why": "what it sent before the start is no' in printed(run, name)
        assert "Traceback" not in printed(run, name)


def waits_for(run: Path, name: str, other: str) -> bool:
    """Whether a peer lacks another at the start, as it last said."""
    last = said(run, name)[-1]
    return isinstance(last, Assembling) and other in last.missing
