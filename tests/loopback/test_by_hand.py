"""Peers that people start one by one, each as a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.loopback.processes import (
    edit,
    end,
    last_words,
    make_run,
    peer_file,
    read_until,
    start,
)
from zpeer.runs.config import load_peer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.loopback

STEPS = 20
NOWHERE = "127.0.0.1:9"


def move(run: Path, name: str) -> None:
    """Let the run file have an old address of a peer, which says itself where it is."""
    file = run / "run.toml"
    own = load_peer(peer_file(run, name))
    text = file.read_text()
    assert text.count(own.bind) == 1
    file.write_text(text.replace(own.bind, NOWHERE))
    edit(peer_file(run, name), advertise=own.bind.replace("127.0.0.1", "localhost"))


def test_peers_started_one_by_one_in_any_order_train_and_ban_together(tmp_path: Path) -> None:
    liar = {"name": "wrong_projection", "start": 1}
    run = make_run(
        tmp_path / "run", peers=4, attacks={"peer-3": liar}, changes={"run.steps": STEPS}
    )
    move(run, "peer-1")
    early = {name: start("run", peer_file(run, name)) for name in ("peer-2", "peer-3", "peer-0")}
    said = read_until(early["peer-0"], '"connected": 3')
    assert msgspec.json.decode(said.splitlines()[-1])["missing"] == "peer-1"
    late = start("run", peer_file(run, "peer-1"))
    done = {name: end(process) for name, process in [*early.items(), ("peer-1", late)]}
    assert {name: each.code for name, each in done.items()} == {
        "peer-0": 0,
        "peer-1": 0,
        "peer-2": 0,
        "peer-3": 3,
    }, done
    assert "stated scalars that do not follow" in done["peer-3"].output
    assert ".evidence" in done["peer-3"].output
    ends = [last_words(run, name) for name in ("peer-0", "peer-1", "peer-2")]
    assert len({(each.step, each.head, each.parameters) for each in ends}) == 1
    assert ends[0].step == STEPS
    assert ends[0].roster == ["peer-0", "peer-1", "peer-2"]
