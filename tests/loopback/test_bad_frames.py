"""Strangers, and garbage from a member's own sockets: named, turned away, and the run goes on.

Some of the garbage is larger than any message may be, on either plane. That costs the connection;
the run can go on only because the connection is made again.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

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
from zpeer.identity import Identity, load_private
from zpeer.observations import Assembling
from zpeer.runs.config import load_run
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
TOO_LARGE = ("a control message", "a tensor")


class Rogue:
    """Holds a member's keys and the greeting's manners, and says nothing else that makes sense."""

    def __init__(self, run: Path) -> None:
        file = load_run(run)
        identity = load_private(run / "keys" / f"{ROGUE}.key")
        entry = file.entry(identity.peer)
        assert entry is not None
        self._victims = [peer.identity.peer for peer in file.peers if peer.name in VICTIMS]
        self._has_struck = False
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
        if not self._has_struck and set(self._victims) <= self.transport.connected():
            self._misbehave()
            self._has_struck = True
        return self._has_struck

    def _misbehave(self) -> None:
        for victim in self._victims:
            for data in GARBAGE * (FLOOD // len(GARBAGE)):
                self.transport.send_control(victim, data)
            for data in GARBAGE:
                self.transport.send_bulk(victim, data[:64], data)
            self.transport.send_control(victim, bytes(HUGE))
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
            assert wait_until(lambda: rogue.strike() and all_have_noticed(run), 60)
        assert wait_until(lambda: all(waits_for(run, name, ROGUE) for name in VICTIMS))
        arrived = run_peers(run, late)
        boards = {**dict.fromkeys(early, waiting.result()), **dict.fromkeys(late, arrived)}
    assert {board.members[name].code for name, board in boards.items()} == {0}
    ends = [last_words(run, name) for name in boards]
    assert len({(each.step, each.head, each.parameters) for each in ends}) == 1
    assert ends[0].step == STEPS
    assert any(
        line["event"] == "stranger turned away" and line["key"] == dialler.key
        for line in lines(run, VICTIMS[0])
    )
    for name in VICTIMS:
        assert '"who": "peer-3", "why": "what it sent before the start is no' in printed(run, name)
        drops = [line for line in lines(run, name) if line["event"] == "connection dropped"]
        assert {line["who"] for line in drops} == {ROGUE}
        assert all(f"of more than {line['limit_bytes']} bytes" in line["why"] for line in drops)
        assert len(drops) == len(TOO_LARGE)
        assert "Traceback" not in printed(run, name)


def lines(run: Path, name: str) -> list[dict[str, Any]]:
    """What a peer printed, line by line."""
    return [msgspec.json.decode(line) for line in printed(run, name).splitlines()]


def all_have_noticed(run: Path) -> bool:
    """Whether each victim has said of both planes that it dropped the connection."""
    return all(
        f'"why": "{what} of more than' in printed(run, name)
        for name in VICTIMS
        for what in TOO_LARGE
    )


def waits_for(run: Path, name: str, other: str) -> bool:
    """Whether a peer lacks another at the start, as it last said."""
    last = said(run, name)[-1]
    return isinstance(last, Assembling) and other in last.missing
