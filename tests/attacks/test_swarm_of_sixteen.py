"""16 peers, 7 of them attackers, end with 9 honest peers and the same parameters everywhere.

Two attacks of all here; the others: `tools/attack_matrix`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.attacks.harness import check_evidence, check_gone, check_unharmed, run_plot
from zpeer.faults import FaultKind as Fault

if TYPE_CHECKING:
    from pathlib import Path

PLACES = (1, 3, 5, 7, 9, 11, 13)


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("name", "steps", "faults"),
    [
        ("relocated_momentum", 24, {Fault.WRONG_GRADIENT}),
        # One queue against a peer made this one last 500 attempts.
        ("smokescreen", 6, {Fault.WRONG_GRADIENT, Fault.ACCUSATION_FELL}),
    ],
)
def test_seven_attackers_of_sixteen_leave(
    name: str, steps: int, faults: set[Fault], tmp_path: Path
) -> None:
    trial = run_plot(tmp_path, name, {}, PLACES, peers=16, steps=steps)
    check_unharmed(trial)
    check_gone(trial, faults)
    check_evidence(trial)
    assert len(trial.honest[0].roster) == 9
    assert len(trial.records) < steps + 20
