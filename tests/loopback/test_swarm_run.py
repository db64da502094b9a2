"""A whole swarm: who cheats is banned with proof, all of it happens the same way twice, and what it
leaves behind can be replayed and read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
import torch
from mcap.reader import make_reader
from safetensors.torch import load_file

from tests.loopback.conftest import FLIPPER, HONEST, LIAR, RULE, STEPS
from tests.loopback.local import run_local
from tests.loopback.processes import last_words, peer_file, printed, said, zpeer
from zpeer.faults import FaultKind, sentence
from zpeer.judging.evidence import read_evidence, write_evidence
from zpeer.observations import StepDecided
from zpeer.runs.config import load_run

if TYPE_CHECKING:
    from tests.loopback.conftest import Recorded

pytestmark = pytest.mark.loopback

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


# --- what it leaves behind ---


def replay(recorded: Recorded, log: Path | str, *options: str | Path) -> tuple[int, str]:
    return zpeer("replay", log, "--plugin", recorded.run / "plugins" / RULE.name, *options)


def find_log(recorded: Recorded, name: str = HONEST[0]) -> Path:
    return Path(last_words(recorded.run, name).log)


@pytest.mark.parametrize("name", [HONEST[0], FLIPPER])
def test_a_log_replays_and_what_was_recorded_in_full_is_computed_again(
    recorded: Recorded, name: str
) -> None:
    code, output = replay(recorded, find_log(recorded, name), "--quiet")
    assert code == 0, output
    assert "all effects equal" in output
    assert last_words(recorded.run, name).head[:8] in output
    assert "results computed again, all equal" in output


def test_a_torn_log_replays_as_far_as_it_goes(recorded: Recorded, tmp_path: Path) -> None:
    prefix = find_log(recorded)
    (segment,) = prefix.parent.glob(f"{prefix.name}.*.zlog")
    data = segment.read_bytes()
    torn = tmp_path / segment.name
    torn.write_bytes(data[: len(data) * 2 // 3])
    code, output = replay(recorded, torn, "--quiet")
    assert code == 0, output
    assert "are torn and were left out" in output
    assert "all effects equal" in output


def test_another_rule_is_told_from_the_recorded_one_at_the_first_difference(
    recorded: Recorded, tmp_path: Path
) -> None:
    changed = tmp_path / RULE.name
    changed.write_text(RULE.read_text().replace("MULTIPLE = 1.25", "MULTIPLE = 1.5"))
    code, output = zpeer("replay", find_log(recorded), "--plugin", changed, "--quiet")
    assert code == 1
    assert "DIFFERENCE at" in output
    assert "the aggregator 'rule' has changed" in output


def test_a_timeline_shows_the_bans(recorded: Recorded) -> None:
    code, output = replay(recorded, find_log(recorded), "--kind", "Decide")
    assert code == 0, output
    assert f"BANNED {FLIPPER}: {sentence(FaultKind.WRONG_GRADIENT)}" in output


def test_every_file_of_a_run_can_be_inspected(recorded: Recorded) -> None:
    files = [
        path
        for path in sorted(recorded.run.rglob("*"))
        if path.suffix in {".toml", ".key", ".pub", ".zlog", ".evidence", ".f32", ".safetensors"}
    ]
    kinds = {path.suffix for path in files}
    assert len(kinds) == 7, kinds
    for path in files:
        code, output = zpeer("inspect", path)
        assert code == 0, output
        assert path.name in output


def test_a_log_is_exported_for_readers_of_mcap(recorded: Recorded, tmp_path: Path) -> None:
    exported = tmp_path / "log.mcap"
    code, output = zpeer("export-log", find_log(recorded), exported)
    assert code == 0, output
    with exported.open("rb") as file:
        messages = list(make_reader(file).iter_messages())
    assert f"{len(messages)} messages" in output
    topics = {channel.topic for _, channel, _ in messages}
    assert {"/event/MessageReceived", "/effect/Decide", "/payload"} <= topics
    assert all(json.loads(message.data) for _, _, message in messages)


def test_a_log_from_elsewhere_needs_no_run_directory(recorded: Recorded, tmp_path: Path) -> None:
    shutil.copytree(find_log(recorded).parent, tmp_path / "log")
    code, output = replay(recorded, tmp_path / "log", "--quiet")
    assert code == 0, output
