"""What a peer refuses at its start: in words that say what to do, and before anything is signed."""

from __future__ import annotations

import shutil
import socket
from typing import TYPE_CHECKING

import pytest
from safetensors.numpy import load_file, save_file

from tests.loopback.processes import edit, last_words, make_run, peer_file, run_peers, zpeer
from zpeer.identity import keygen
from zpeer.runs.config import load_peer, load_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.loopback

REFUSED = 2
SWARM_FAILED = 1


@pytest.fixture(scope="module")
def template_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody starts."""
    return make_run(tmp_path_factory.mktemp("refusals") / "run", settings={"assembly": 8.0})


@pytest.fixture
def run(template_run: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoiled."""
    return shutil.copytree(template_run, tmp_path / "run")


def refuse(run: Path, *words: str, file: str = "peer-0") -> None:
    """The peer refuses in these words, and its key may still be used in the run."""
    done = zpeer("run", peer_file(run, file))
    assert done.code == REFUSED, done.output
    for word in words:
        assert word in done.output
    assert not list((run / "keys").glob("*.used/*")), "nothing may be signed"


def test_everything_wrong_with_a_run_file_is_said_at_once(run: Path) -> None:
    edit(
        run / "run.toml",
        run__pateince=20.0,
        run__steps="many",
        optimizer__learning_rate=-1.0,
        limits__block=0,
    )
    refuse(
        run,
        "run.toml: run.pateince: unknown key; did you mean 'patience'?",
        "run.toml: run.steps: found 'many'",
        "run.toml: optimizer.learning_rate: found -1.0",
        "run.toml: limits.block: found 0",
    )


def test_everything_wrong_with_a_peer_file_is_said_at_once(run: Path) -> None:
    edit(peer_file(run, "peer-0"), recrod="full", bind="nowhere", assembly="soon")
    refuse(run, "recrod: unknown key", "bind: found 'nowhere'", "assembly: found 'soon'")


def spoil_parameters(run: Path) -> None:
    path = run / "parameters.safetensors"
    tensors = load_file(path)
    tensors["parameters"] = tensors["parameters"] + 1
    save_file(tensors, path)


SPOILT: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "no run file": (
        lambda run: (run / "run.toml").unlink(),
        ("run.toml", "cannot be read: No such file"),
    ),
    "no key": (
        lambda run: (run / "keys" / "peer-0.key").unlink(),
        ("peer-0.key cannot be read: No such file",),
    ),
    "a key that others can read": (
        lambda run: (run / "keys" / "peer-0.key").chmod(0o644),
        ("peer-0.key", "chmod 600"),
    ),
    "a key of nobody in the run": (
        lambda run: (
            keygen(run / "keys" / "stranger", "stranger"),
            edit(peer_file(run, "peer-0"), key="../keys/stranger.key"),
        ),
        ("stranger.key", "is not in", "peer-2"),
    ),
    "no parameters": (
        lambda run: (run / "parameters.safetensors").unlink(),
        ("parameters.safetensors: the initial parameters cannot be read",),
    ),
    "a parameters file that is no such file": (
        lambda run: (run / "parameters.safetensors").write_bytes(b"\xff" * 100),
        ("parameters.safetensors: the initial parameters cannot be read",),
    ),
    "other parameters": (
        spoil_parameters,
        ("parameters.safetensors: digest", "run.toml names"),
    ),
    "a machine whose gradients differ": (
        lambda run: edit(run / "run.toml", reference__gradient="ab" * 32),
        ("reference gradient: digest", "expected abababab", "bit-equal gradients"),
    ),
    "a plugin file that is not there": (
        lambda run: edit(peer_file(run, "peer-0"), plugins=["mine.py"]),
        ("mine.py",),
    ),
    "a plugin that is not known": (
        lambda run: edit(run / "run.toml", aggregator__name="centred_clip"),
        ("centred_clip", "did you mean 'centered_clip'?"),
    ),
    "an aggregator that cannot be verified yet": (
        lambda run: edit(run / "run.toml", aggregator={"name": "coordinate_median"}),
        ("coordinate_median", "audit"),
    ),
    "an attack that is not known": (
        lambda run: edit(peer_file(run, "peer-0"), attack={"name": "sing_flip"}),
        ("sing_flip", "did you mean 'sign_flip'?"),
    ),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_peer_refuses(run: Path, what: str) -> None:
    spoil, words = SPOILT[what]
    spoil(run)
    refuse(run, *words)


def test_a_port_in_use_is_named(run: Path) -> None:
    host, port = load_peer(peer_file(run, "peer-0")).bind.split(":")
    with socket.socket() as taken:
        taken.bind((host, int(port)))
        taken.listen()
        refuse(run, f"cannot listen on {host}, port {port}", "another program already does")


def test_a_peer_that_waits_in_vain_says_for_whom(run: Path) -> None:
    edit(peer_file(run, "peer-0"), assembly=0.5)
    refuse(run, "2 of 3 peers were not there", "peer-1: no answer", "peer-2: no answer")


def test_peers_whose_run_files_differ_in_one_key_refuse_each_other_and_name_it(run: Path) -> None:
    edit(run / "run.toml", run / "other.toml", aggregator__tau=0.5)
    assert load_run(run / "other.toml").aggregator.parameters["tau"] == 0.5
    files = {name: peer_file(run, name) for name in ("peer-0", "peer-1", "peer-2")}
    edit(files["peer-2"], run="../other.toml")
    board = run_peers(run, files)
    assert {name: each.code for name, each in board.members.items()} == dict.fromkeys(files, 2)
    assert "this one differs in aggregator.tau" in board.members["peer-2"].why
    for name in ("peer-0", "peer-1"):
        assert "peer-2: refused" in board.members[name].why
        assert "their run files differ in: aggregator.tau" in board.members[name].why
    assert not list((run / "keys").glob("*.used/*")), "nothing may be signed"


def test_a_swarm_that_cannot_start_says_what_each_peer_said(run: Path) -> None:
    spoil_parameters(run)
    done = zpeer("swarm", run, "--plain", "--again")
    assert done.code == SWARM_FAILED
    for name in ("peer-0", "peer-1", "peer-2"):
        assert f"problem: {name} stopped" in done.output
    assert "parameters.safetensors: digest" in done.output
    assert not (run / "state" / "peer-0").exists() or not last_words(run, "peer-0").model
