"""The registry names functions that are there and are called, whatever else becomes of the core."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

from zpeer.core import rules
from zpeer.core.rules import ROWS, SEEN, Rule
from zpeer.core.rules_of_agreement import AGREEMENT
from zpeer.core.rules_of_matters import DRAWS, MATTERS
from zpeer.faults import FaultKind

RULES = (*SEEN, *MATTERS, *DRAWS, *AGREEMENT)
CORE = Path(rules.__file__).parent


def list_loads(path: Path) -> set[str]:
    """Names that a module reads."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


LOADED = frozenset(name for path in CORE.glob("*.py") for name in list_loads(path))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_is_a_function_of_the_core_that_is_called_by_its_name(rule: Rule) -> None:
    module, name = rule.function.split(".")
    function = getattr(import_module(f"zpeer.core.{module}"), name)
    assert function.__module__ == f"zpeer.core.{module}"
    assert name in LOADED
    assert rule.says.endswith(".")


def test_rules_have_names_of_their_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_every_fault_that_costs_a_place_is_named_by_a_rule() -> None:
    assert {fault for rule in RULES for fault in rule.faults} == set(FaultKind)


def test_every_row_of_the_table_has_a_rule() -> None:
    assert {rule.place for rule in (*SEEN, *MATTERS)} == set(ROWS)
