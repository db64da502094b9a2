"""All honest peers start together, although a liar keeps some of them waiting."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.loopback.processes import last_words, make_run, peer_file, run_peers, said
from zpeer.identity import load_private
from zpeer.observations import StepDecided
from zpeer.runs.config import load_run
from zpeer.transport import Listen, Sizes, Transport

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.loopback

LIAR = "peer-4"
TALKED_TO = ("peer-0", "peer-1", "peer-2")
LEFT_OUT = "peer-3"
HONEST = (*TALKED_TO, LEFT_OUT)
STEPS = 2


def talk_to_some(run: Path) -> Transport:
    """A member's own sockets, which greet some of the others and turn the rest away."""
    file = load_run(run)
    identity = load_private(run / "keys" / f"{LIAR}.key")
    entry = file.entry(identity.peer)
    assert entry is not None
    peers = [peer for peer in file.peers if peer.name in (*TALKED_TO, LIAR)]
    transport = Transport(
        identity,
        run=file.id,
        sections=file.sections(),
        roster={peer.identity.peer: peer.identity for peer in peers},
        sizes=Sizes(control=1 << 20, tensor=1 << 20),
        listen=Listen(control=entry.address, bulk="127.0.0.1:0"),
    )
    transport.start({peer.identity.peer: peer.address for peer in peers})
    return transport


def test_who_never_hears_a_liar_starts_with_those_who_do_and_keeps_its_place(
    tmp_path: Path,
) -> None:
    run = make_run(tmp_path / "run", peers=5, changes={"run.steps": STEPS, "run.patience": 2.0})
    with closing(talk_to_some(run)) as liar:
        board = run_peers(
            run,
            {name: peer_file(run, name) for name in HONEST},
            each_turn=lambda _board: liar.poll(0.0),
        )
    assert {board.members[name].code for name in HONEST} == {0}, board.problems()
    ends = [last_words(run, name) for name in HONEST]
    assert len({(each.step, each.head, each.parameters) for each in ends}) == 1
    assert {tuple(each.roster) for each in ends} == {HONEST}
    left = [
        departure.peer
        for each in said(run, LEFT_OUT)
        if isinstance(each, StepDecided)
        for departure in each.departures
    ]
    assert left == [LIAR]
