"""What is judged by all, and who is drawn, is in the registry fault by fault."""

from __future__ import annotations

from zpeer.core.rules_of_matters import DRAWS, MATTERS
from zpeer.faults import FaultKind


def test_every_fault_that_an_accusation_brings_is_named_by_a_rule_of_matters() -> None:
    brought = {
        FaultKind.WRONG_PROJECTION,
        FaultKind.WRONG_SUM,
        FaultKind.WRONG_AVERAGE,
        FaultKind.WRONG_GRADIENT,
        FaultKind.WRONG_REPORT,
        FaultKind.CONCEALED_PROJECTION,
        FaultKind.FALSE_ACCUSATION,
        FaultKind.ACCUSATION_FELL,
        FaultKind.PARTS_NOT_PUBLISHED,
    }
    assert {fault for rule in MATTERS for fault in rule.faults} == brought


def test_no_rule_of_draws_names_a_fault() -> None:
    assert not any(rule.faults for rule in DRAWS)
