"""THREAT_MODEL.md speaks of attacks, faults and tests that exist, and of all of them."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from zpeer.faults import FaultKind

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "THREAT_MODEL.md").read_text()
COLUMNS = ("attack", "plugin", "noticed by", "cost", "test")


def rows() -> list[dict[str, str]]:
    """The rows of the tables about attacks."""
    found = []
    header: tuple[str, ...] = ()
    for line in TEXT.splitlines():
        cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
        if not line.startswith("|"):
            header = ()
        elif not header:
            header = cells
        elif header == COLUMNS and not set(line) <= set("|-"):
            found.append(dict(zip(header, cells, strict=True)))
    return found


@cache
def find_tests(file: str) -> frozenset[str]:
    """Names of the tests of a file."""
    tree = ast.parse((ROOT / "tests" / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def quoted(text: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", text)


ROWS = rows()


@pytest.mark.parametrize("row", ROWS, ids=[row["attack"] for row in ROWS])
def test_every_row_names_a_test_that_there_is(row: dict[str, str]) -> None:
    named = quoted(row["test"])
    assert named
    for each in named:
        file, _, test = each.partition("::")
        assert test in find_tests(file), f"{each} does not exist"


def test_every_shipped_attack_stands_in_a_row_and_no_other() -> None:
    shipped = {path.stem for path in (ROOT / "plugins/attacks").glob("[!_]*.py")}
    named = {name for row in ROWS for name in quoted(row["plugin"])}
    assert len(ROWS) > 30
    assert named == shipped


def test_every_fault_stands_in_a_row_and_no_other() -> None:
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\b", " ".join(row["cost"] for row in ROWS)))
    faults = {fault.name for fault in FaultKind}
    assert faults <= named
    assert named & {name for name in named if "_" in name} <= faults
