"""What the house rules say, held to the source: floors, sizes, no assertion on what a peer sent,
every fault raised and tested.

"No assertion on network input" is checked in two parts. The modules at the door, which are the
first to touch bytes of a peer (`DOOR`), have no assert statement at all: what they find wrong is a
value or an error of their own. Everywhere else an assert must say which promise of our own it
holds.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pytest

from zpeer.faults import SENTENCES, FaultKind

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
FUNCTION_LINES_MEDIAN = 10
DOOR = (
    *("wire.py", "wire_checks.py", "shell/reception.py", "crypto.py", "transport"),
    *("core/bodies.py", "core/broadcast.py"),
)
BANNED = ("pickle", "random", "numpy.random", "unittest.mock")


def sources(*folders: str) -> list[Path]:
    """Python files of these folders, scripts without an ending too."""
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*"))]
    return [path for path in files if path.is_file() and is_python(path)]


def is_python(path: Path) -> bool:
    """By its ending or its first line."""
    if path.suffix:
        return path.suffix == ".py"
    return path.read_bytes().splitlines()[:1] == [b"#!/usr/bin/env python3"]


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(), str(path))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and lines of each function, its decorators and docstring included."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


OURS = sources("zpeer", "plugins", "tools")


def name_of(path: Path) -> str:
    """A file as people call it."""
    return str(path.relative_to(ROOT))


def test_lower_floors_never_import_higher_ones_the_core_is_pure_and_is_not_its_own_judge() -> None:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", command, "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kept, 0 broken" in done.stdout


def test_every_module_stands_on_a_floor() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = config["tool"]["importlinter"]["contracts"][0]["layers"]
    placed = {name.strip() for layer in layers for name in layer.split("|")}
    files = {f"zpeer.{path.stem}" for path in (ROOT / "zpeer").glob("*.py")} - {"zpeer.__init__"}
    packages = {f"zpeer.{path.parent.name}" for path in (ROOT / "zpeer").glob("*/__init__.py")}
    assert packages >= {"zpeer.core", "zpeer.transport"}
    assert placed == files | packages


def test_every_module_of_the_core_has_its_tests() -> None:
    modules = {path.stem for path in (ROOT / "zpeer/core").glob("*.py")} - {"__init__"}
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests/core").glob("test_*.py")}
    assert len(modules) > 20
    assert modules <= tests


@pytest.mark.parametrize("path", OURS, ids=name_of)
def test_files_and_functions_are_short(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= FILE_LINES_MAX, f"{name_of(path)} has {lines} lines"
    long = [(name, size) for name, size in functions(path) if size > FUNCTION_LINES_MAX]
    assert not long


@pytest.mark.parametrize("path", sources("tests"), ids=name_of)
def test_files_of_tests_are_short(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= FILE_LINES_MAX, f"{name_of(path)} has {lines} lines"


def test_the_median_function_is_shorter_than_ten_lines() -> None:
    sizes = [size for path in sources("zpeer") for _, size in functions(path)]
    assert median(sizes) < FUNCTION_LINES_MEDIAN


def test_nothing_that_a_peer_sent_is_asserted() -> None:
    for path in sources("zpeer", "plugins"):
        asserts = [node for node in ast.walk(parse(path)) if isinstance(node, ast.Assert)]
        at_the_door = any(name_of(path).startswith(f"zpeer/{each}") for each in DOOR)
        assert not (at_the_door and asserts), name_of(path)
        for node in asserts:
            assert isinstance(node.msg, ast.Constant | ast.JoinedStr), (
                f"{name_of(path)}:{node.lineno} does not say which promise of ours it holds"
            )


def test_every_fault_is_raised_in_the_core_and_named_in_a_test() -> None:
    for folder in ("zpeer/core", "tests/core"):
        named = {
            node.attr
            for path in sources(folder)
            for node in ast.walk(parse(path))
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "FaultKind"
        }
        assert named >= {fault.name for fault in FaultKind}, folder
    assert set(SENTENCES) == set(FaultKind)


def test_nothing_unpickles_mocks_or_draws_by_itself() -> None:
    for path in (*OURS, *sources("tests")):
        for node in ast.walk(parse(path)):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                assert not any(f"{name}.".startswith(f"{banned}.") for banned in BANNED), (
                    f"{name_of(path)} imports {name}"
                )


def test_the_linter_bans_the_same_and_checks_everything_else() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lint = config["tool"]["ruff"]["lint"]
    assert lint["select"] == ["ALL"]
    assert set(lint["flake8-tidy-imports"]["banned-api"]) == set(BANNED)
    assert config["tool"]["mypy"]["strict"] is True


def test_there_is_no_byzantine_code_in_the_core() -> None:
    """Attacks wrap an honest peer from outside."""
    for path in sources("zpeer/core"):
        words = {node.id.lower() for node in ast.walk(parse(path)) if isinstance(node, ast.Name)}
        assert not any("attack" in word for word in words), name_of(path)
