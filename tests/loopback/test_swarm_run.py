"""A whole swarm: who cheats is banned with proof, and all of it happens the same way twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
import torch
from safetensors.torch import load_file

from tests.loopback.conftest import FLIPPER, HONEST, LIAR, STEPS
from tests.loopback.local import run_local
from tests.loopback.processes import last_words, peer_file, printed, said, zpeer
from zpeer.config import load_run
from zpeer.evidence import read_evidence, write_evidence
from zpeer.faults import FaultKind, sentence
from zpeer.observations import StepDecided

if TYPE_CHECKING:
    from tests.loopback.conftest import Recorded

pytestmark = [pytest.mark.loopback, pytest.mark.xdist_group("recorded")]

DEEDS = {
    FLIPPER: sentence(FaultKind.WRONG_GRADIENT),
    LIAR: sentence(FaultKind.WRONG_PROJECTION),
}


def find_evidence(run: Path, against: str, by: str = HONEST[0]) -> Path:
    """A file that one peer wrote about another."""
    peers = {peer.name: peer.identity.peer for peer in load_run(run).peers}
    mark = f"-{peers[against].hex()[:8]}-"
    return next(Path(path) for path in last_words(run, by).evidence if mark in path)


def test_a_swarm_with_attackers_ends_in_order_and_says_so(recorded: Recorded) -> None:
    code, output = recorded.done
    assert code == 0, output
    for name, deed in DEEDS.items():
        assert f"{name} banned: {deed}" in output
    assert f"the {len(HONEST)} finished peers agree" in output
    assert (recorded.run / "figure.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", DEEDS)
def test_a_banned_peer_prints_why_and_where_the_evidence_lies_and_exits_with_three(
    recorded: Recorded, name: str
) -> None:
    last = last_words(recorded.run, name)
    assert last.code == 3
    assert DEEDS[name] in last.reason
    *_, line = printed(recorded.run, name).splitlines()
    told = msgspec.json.decode(line)
    assert DEEDS[name] in told["reason"]
    assert told["code"] == 3
    assert any(Path(path).is_file() for path in told["evidence"])


def test_honest_peers_finish_with_one_head_roster_and_parameters(recorded: Recorded) -> None:
    ends = [last_words(recorded.run, name) for name in HONEST]
    assert {(each.code, each.step) for each in ends} == {(0, STEPS)}
    assert len({(each.head, each.parameters) for each in ends}) == 1
    assert all(each.roster == list(HONEST) for each in ends)


def test_every_honest_peer_saved_the_same_model_for_plain_torch(recorded: Recorded) -> None:
    models = [load_file(last_words(recorded.run, name).model) for name in HONEST]
    plain = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    plain.load_state_dict(models[0])
    for model in models[1:]:
        assert all(torch.equal(model[key], models[0][key]) for key in models[0])


@pytest.mark.parametrize("name", DEEDS)
def test_a_ban_is_proven_to_anybody_who_has_the_run_file(recorded: Recorded, name: str) -> None:
    for by in HONEST[:2]:
        evidence = find_evidence(recorded.run, name, by)
        judged = zpeer("verify-evidence", evidence, "--run", recorded.run / "run.toml")
        assert judged.code == 0, judged.output
        assert name in judged.output


def test_evidence_with_one_byte_changed_is_refused_as_altered(
    recorded: Recorded, tmp_path: Path
) -> None:
    data = bytearray(find_evidence(recorded.run, LIAR).read_bytes())
    for place in (0, len(data) // 2, len(data) - 1):
        data[place] ^= 1
        altered = tmp_path / "altered.evidence"
        altered.write_bytes(data)
        data[place] ^= 1
        judged = zpeer("verify-evidence", altered, "--run", recorded.run / "run.toml")
        assert judged.code == 2, judged.output
        assert "altered.evidence" in judged.output


@pytest.mark.parametrize("name", DEEDS)
def test_evidence_that_names_an_innocent_proves_nothing(
    recorded: Recorded, tmp_path: Path, name: str
) -> None:
    found = read_evidence(find_evidence(recorded.run, name))
    peers = {peer.name: peer.identity.peer for peer in load_run(recorded.run).peers}
    framed = msgspec.structs.replace(found.departure, peer=peers["peer-1"])
    path = write_evidence(tmp_path, msgspec.structs.replace(found, departure=framed))
    judged = zpeer("verify-evidence", path, "--run", recorded.run / "run.toml")
    assert judged.code == 1, judged.output


def test_two_runs_of_one_genesis_and_entropy_decide_the_same_bit_for_bit(
    recorded: Recorded,
) -> None:
    """All but the heads: records name sets whose CHECKs hold the durations that peers measured."""
    again = zpeer("swarm", recorded.copy, "--plain", "--again")
    assert again.code == 0, again.output
    for name in HONEST:
        first, second = (decided(run, name) for run in (recorded.run, recorded.copy))
        assert len(first) > STEPS
        assert first == second


def test_a_swarm_without_sockets_ends_in_the_same_parameters(
    recorded: Recorded, tmp_path: Path
) -> None:
    results = run_local(recorded.run, tmp_path)
    over_sockets = last_words(recorded.run, HONEST[0])
    for each in results:
        if each.name in HONEST:
            assert (each.code, each.parameters.hex()) == (0, over_sockets.parameters)


def test_a_key_that_was_used_in_a_run_is_not_used_in_it_again(recorded: Recorded) -> None:
    before = last_words(recorded.run, HONEST[0])
    again = zpeer("run", peer_file(recorded.run, HONEST[0]))
    assert again.code == 2
    assert "used in this run before" in again.output
    assert last_words(recorded.run, HONEST[0]) == before


def decided(run: Path, name: str) -> list[tuple[object, ...]]:
    """What a peer's records came to."""
    return [
        (each.step, each.attempt, each.parameters, each.roster, each.validators, each.departures)
        for each in said(run, name)
        if isinstance(each, StepDecided)
    ]
