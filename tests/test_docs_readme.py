"""The README says nothing that is not there: commands, options, files, and its plugin works."""

from __future__ import annotations

import os
import re
import shlex
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from zpeer.cli import app
from zpeer.interfaces import Aggregator
from zpeer.plugins import load_plugins

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [
    shlex.split(line, comments=True)
    for kind, text in BLOCKS
    if kind == "sh"
    for line in text.replace("\\\n", " ").splitlines()
    if line.startswith("zpeer ")
]
INLINE = [shlex.split(text) for text in re.findall(r"`(zpeer [^`\n]+)`", README)]


@cache
def help_of(*command: str) -> str:
    plain = {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}
    done = CliRunner().invoke(app, [*command, "--help"], env=plain)
    assert done.exit_code == 0, f"zpeer {' '.join(command)} --help: {done.output}"
    return done.output


def test_the_readme_shows_commands() -> None:
    assert len(COMMANDS) >= 10
    assert len(INLINE) >= 4


@pytest.mark.parametrize("command", COMMANDS + INLINE, ids=" ".join)
def test_every_zpeer_command_in_the_readme_exists_with_its_options(command: list[str]) -> None:
    known = help_of(command[1])
    for option in command[2:]:
        if option.startswith("--"):
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", known), f"{option} in:\n{known}"


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)]+)\)", README))))
def test_every_link_in_the_readme_leads_somewhere(link: str) -> None:
    assert link.startswith("https://") or (ROOT / link).exists()


@pytest.mark.parametrize("tool", sorted(set(re.findall(r"tools/\w+", README))))
def test_every_tool_in_the_readme_can_be_run(tool: str) -> None:
    assert os.access(ROOT / tool, os.X_OK)


@pytest.mark.parametrize(
    "row", re.findall(r"^\| `((?:tools/\w|zpeer simulate).*)", README, re.MULTILINE)
)
def test_every_option_of_a_measurement_exists(row: str) -> None:
    name = re.match(r"tools/(\w+)", row)
    known = (ROOT / f"tools/{name[1]}.py").read_text() if name else help_of("simulate")
    for option in re.findall(r"--[a-z][a-z-]*", row):
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", known), option


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:zpeer|plugins|config)/[\w./]*)`", README)))
)
def test_every_path_in_the_readme_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_aggregator_in_the_readme_is_a_plugin_whose_residual_is_zero(tmp_path: Path) -> None:
    (text,) = [text for kind, text in BLOCKS if kind == "python"]
    (tmp_path / "mine.py").write_text(text)
    rule = load_plugins([tmp_path / "mine.py"]).build("aggregator", "mine", {"multiple": 3.0})
    assert isinstance(rule, Aggregator)
    rows_ND = np.asarray([[0, 0], [1, 0], [0, 1], [1000, 1000]], dtype=np.float32)
    radius = rule.radius(0.5)
    differences = rows_ND - rule.aggregate(rows_ND, radius)
    norms = np.linalg.norm(differences, axis=1)
    weights = np.asarray([rule.weight(float(norm), radius) for norm in norms])
    assert np.linalg.norm(weights @ differences) < 1e-5 * radius
