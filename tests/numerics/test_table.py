"""The table of bounds: each case once, so that a change of a tolerance cannot break the command."""

from __future__ import annotations

import pytest

from tests.numerics.cases import CASES
from tools.numerics_table import find_faults, measure


@pytest.mark.parametrize("case", CASES)
def test_a_case_of_the_table_keeps_its_bounds(case: str) -> None:
    assert find_faults(measure(3, case, 1.0, 100)) == []
