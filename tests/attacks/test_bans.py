"""Every attack costs its peers the place: for the right fault, with proof, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.attacks.cases import ALONE, CASES, FLOODS, HARMLESS, LED, PLOTS, Case
from tests.attacks.harness import plugins, try_case
from zpeer.faults import FaultKind
from zpeer.plugins import Kind

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("case", ALONE, ids=lambda case: case.label)
def test_a_single_attacker_leaves_for_what_it_did(case: Case, tmp_path: Path) -> None:
    try_case(tmp_path, case, [1], peers=5)


@pytest.mark.parametrize("case", PLOTS, ids=lambda case: case.label)
def test_a_plot_of_as_many_as_may_lie_leaves(case: Case, tmp_path: Path) -> None:
    try_case(tmp_path, case, [1, 4], peers=8 if case.takes_one else 6)


def test_every_fault_has_an_attack_that_provokes_it() -> None:
    assert {fault for case in CASES for fault in case.plot} == set(FaultKind)


def test_every_attack_that_ships_is_in_a_test() -> None:
    shipped = {plugin.name for plugin in plugins() if plugin.kind is Kind.ATTACK}
    assert shipped == {case.name for case in (*CASES, *HARMLESS, *FLOODS, *LED)}
