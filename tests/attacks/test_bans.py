"""Every attack costs its peers the place: for the right fault, with proof, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.attacks.cases import CASES, PLOTS, Case
from tests.attacks.harness import check_evidence, check_gone, plugins, run_plot, until_gone
from zpeer.faults import FaultKind
from zpeer.plugins import Kind

if TYPE_CHECKING:
    from pathlib import Path

NO_FAULT = {"equivocation", "late", "silent", "withheld_part", "withheld_result"}
"""Attacks that end otherwise: see test_stops.py and test_near_misses.py."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_a_single_attacker_leaves_for_what_it_did(case: Case, tmp_path: Path) -> None:
    trial = until_gone(
        lambda seed: run_plot(tmp_path / str(seed), case.name, case.parameters, [1], seed=seed)
    )
    check_gone(trial, [case.alone])
    check_evidence(trial)


@pytest.mark.parametrize("case", PLOTS, ids=lambda case: case.label)
def test_a_plot_of_as_many_as_may_lie_leaves(case: Case, tmp_path: Path) -> None:
    trial = until_gone(
        lambda seed: run_plot(tmp_path / str(seed), case.name, case.parameters, [1, 4], seed=seed)
    )
    check_gone(trial, case.plot)
    check_evidence(trial)


def test_every_fault_has_an_attack_that_provokes_it() -> None:
    provoked = {fault for case in CASES for fault in case.plot}
    assert provoked == set(FaultKind) - {FaultKind.EQUIVOCATION}


def test_every_attack_that_ships_is_in_a_test() -> None:
    shipped = {plugin.name for plugin in plugins() if plugin.kind is Kind.ATTACK}
    assert shipped == {case.name for case in CASES} | NO_FAULT
