"""Keys, runs and peer files on the command line: what is made, and what is refused clearly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.line import write_template
from zpeer.cli import app
from zpeer.errors import ConfigError
from zpeer.runs import config
from zpeer.runs.templates import find_template, read_changes

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return write_template(tmp_path)


def run_here(*arguments: str | Path) -> str:
    """Run a command in this process; what it printed."""
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zpeer", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_templates_are_found_by_name_and_by_path(template: Path) -> None:
    assert find_template("digits").read_text() == (CONFIG / "digits.toml").read_text()
    assert find_template("digits.toml") == find_template("digits")
    assert find_template(str(template)) == template
    with pytest.raises(ConfigError, match="did you mean 'digits'"):
        find_template("digit")


def test_changes_are_toml_values_or_text() -> None:
    texts = ["a.b=3", "a.c = 0.5", "a.d=full", 'a.e="x=y"', "a.f=[1, 2]", "a.g=x\nz=1"]
    assert read_changes(texts) == {
        "a.b": 3,
        "a.c": 0.5,
        "a.d": "full",
        "a.e": "x=y",
        "a.f": [1, 2],
        "a.g": "x\nz=1",
    }
    assert read_changes([f"a.b={'[' * 4000}"]) == {"a.b": "[" * 4000}
    with pytest.raises(ConfigError, match="expected KEY=VALUE"):
        read_changes(["steps"])


def test_the_commands_make_keys_a_run_and_a_peer_file(template: Path, tmp_path: Path) -> None:
    for name in ("ann", "bob", "cat"):
        assert "public, for who makes the run" in run_here("keygen", tmp_path / name)
    identities = [
        f"--identity={tmp_path / name}.pub=localhost:{port}"
        for name, port in (("ann", 4001), ("bob", 4002), ("cat", 4003))
    ]
    said = run_here("init", "--from", template, *identities, "--set", "run.steps=9", tmp_path / "r")
    run = config.load_run(tmp_path / "r")
    assert run.run.steps == 9
    assert run.id.hex() in said
    joined = run_here(
        *("init", "--join", tmp_path / "r" / "run.toml", "--key", tmp_path / "bob.key"),
        *("--bind", "0.0.0.0:4002", tmp_path / "bob.toml"),
    )
    assert "line.py: code that came with the run and will run here" in joined
    assert config.load_peer(tmp_path / "bob.toml").bind == "0.0.0.0:4002"
    other = ("peer-file", "--run", tmp_path / "r", "--key", tmp_path / "cat.key")
    assert "localhost:4003" in run_here(*other, tmp_path / "cat.toml")


def test_attackers_and_settings_are_given_on_the_command_line(
    template: Path, tmp_path: Path
) -> None:
    run_here(
        *("init", "--from", template, "--peers", "4", "--attackers", "1", "--attack", "sign_flip"),
        *("--attack-start", "2", "--attack-set", "scale=3", "--peer-set", "record=full"),
        *("--entropy", "test", tmp_path / "r"),
    )
    peer = config.load_peer(tmp_path / "r" / "peers" / "peer-3.toml")
    assert peer.record == "full"
    assert peer.entropy is not None
    assert peer.attack is not None
    assert (peer.attack.start, peer.attack.parameters["scale"]) == (2, 3.0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["init", "x"], "--from is missing"),
        (["init", "--from", "digits", "x"], "expected either --peers N, or --identity"),
        (["init", "--join", "run.toml", "x"], "--key is missing"),
        (["init", "--from", "digits", "--identity", "a.pub", "x"], "expected NAME.pub=HOST:PORT"),
    ],
)
def test_a_command_that_lacks_something_says_what(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, ConfigError)
    assert said in str(result.exception)


def test_a_refusal_is_a_message_without_traceback_and_ends_with_its_code(tmp_path: Path) -> None:
    done = command("run", tmp_path / "none.toml")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path / 'none.toml'}: cannot be read")
    assert "Traceback" not in done.stderr


def test_help_needs_no_torch_and_version_is_said() -> None:
    text = (
        "import sys, zpeer.cli\n"
        "sys.argv = ['zpeer', '--help']\n"
        "try: zpeer.cli.main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'sklearn', 'zmq', 'pydantic'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"
    for name in ("keygen", "init", "run", "swarm", "replay", "inspect", "verify-evidence"):
        assert name in done.stdout
    assert command("--version").stdout.startswith("zpeer ")
