"""What a run leaves behind: logs that replay, files that say what they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mcap.reader import make_reader

from tests.loopback.conftest import FLIPPER, HONEST, RULE
from tests.loopback.processes import last_words, zpeer
from zpeer.faults import FaultKind, sentence

if TYPE_CHECKING:
    from tests.loopback.conftest import Recorded

pytestmark = [pytest.mark.loopback, pytest.mark.xdist_group("recorded")]


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
