"""What is no fault costs nobody anything, and what comes close to one costs no honest peer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from plugins.attacks._colluder import Colluder
from tests.attacks.cases import FLOODS, HARMLESS
from tests.attacks.harness import build, check_gone, check_unharmed, run, run_plot, until_gone
from zpeer.faults import FaultKind
from zpeer.record import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from tests.attacks.cases import Case
    from tests.attacks.harness import Trial
    from zpeer.interfaces import AttackContext, Bytes

UNIT = 2.0**-24


class SpoiltForColluders(Colluder):
    """Commits to infinities, but only where no honest owner gets to see them."""

    def committed_part(self, context: AttackContext, part: int, data: Bytes) -> Bytes:
        if context.workers[part] not in context.colluders:
            return data
        return np.full(memoryview(data).nbytes // 4, np.inf, dtype="<f4").tobytes()


def final(trial: Trial) -> tuple[bytes, bytes]:
    """Head and parameters that all honest peers ended with."""
    check_unharmed(trial)
    return trial.honest[0].head, trial.honest[0].parameters


def test_an_attack_that_never_starts_changes_nothing(tmp_path: Path) -> None:
    calm = run(tmp_path / "calm", {}, steps=4)
    armed = run_plot(tmp_path / "armed", "sign_flip", {}, [1, 4], steps=4, start=1000)
    assert final(armed) == final(calm)
    assert armed.departures == []


def test_an_attack_changes_nothing_before_it_starts(tmp_path: Path) -> None:
    calm = run(tmp_path / "calm", {}, steps=6)
    armed = run_plot(tmp_path / "armed", "wrong_share", {}, [1], steps=6, start=3)
    check_unharmed(armed)
    assert [record.head for record in armed.records[:3]] == [r.head for r in calm.records[:3]]
    assert armed.records[3].departures[0].fault is FaultKind.WRONG_SHARE


def test_equal_entropy_gives_equal_runs(tmp_path: Path) -> None:
    first = run_plot(tmp_path / "a", "colluding_cover", {}, [1, 4], steps=5)
    second = run_plot(tmp_path / "b", "colluding_cover", {}, [1, 4], steps=5)
    other = run_plot(tmp_path / "c", "colluding_cover", {}, [1, 4], steps=5, seed=1)
    assert final(first) == final(second) != final(other)


def test_a_projection_off_by_what_machines_may_differ_is_not_accused(tmp_path: Path) -> None:
    trial = run_plot(tmp_path, "wrong_projection", {"units": 30.0}, [1, 4])
    check_unharmed(trial)
    assert trial.departures == []


def test_a_norm_off_by_what_machines_may_differ_is_not_accused(tmp_path: Path) -> None:
    trial = run_plot(tmp_path, "wrong_norm", {"factor": 1 + 30 * UNIT}, [1, 4])
    check_unharmed(trial)
    assert trial.departures == []


def test_who_kept_quiet_about_a_lie_below_the_blame_threshold_stays(tmp_path: Path) -> None:
    lie = {"units": 85.0}
    trial = until_gone(
        lambda seed: run_plot(tmp_path / str(seed), "concealed_projection", lie, [1, 4], seed=seed)
    )
    faults = set(trial.faults.values())
    assert faults == {FaultKind.WRONG_PROJECTION}, "a lie of 85 units is accused, silence is not"


def test_an_aggregate_off_by_less_than_the_tolerance_stands(tmp_path: Path) -> None:
    trial = run_plot(tmp_path, "wrong_sum", {"shift": 1e-8}, [1])
    check_unharmed(trial)
    assert trial.departures == []


def test_a_relocated_gradient_without_a_shift_is_still_not_ones_own(tmp_path: Path) -> None:
    still = {"shift": 0.0}
    trial = until_gone(
        lambda seed: run_plot(tmp_path / str(seed), "relocated_momentum", still, [1], seed=seed)
    )
    check_gone(trial, [FaultKind.WRONG_GRADIENT])


@pytest.mark.parametrize("case", HARMLESS, ids=lambda case: case.label)
def test_what_is_no_fault_costs_nobody_the_place(case: Case, tmp_path: Path) -> None:
    trial = run_plot(tmp_path, case.name, case.parameters, [1, 4], steps=case.steps, charges_max=1)
    check_unharmed(trial)
    assert trial.departures == []
    assert not any(record.charges for record in trial.records)
    assert {record.outcome for record in trial.records} <= {Outcome.COUNTED, Outcome.CLOSING}


@pytest.mark.parametrize("case", FLOODS, ids=lambda case: case.label)
def test_a_flood_is_dropped_and_no_memory_grows(case: Case, tmp_path: Path) -> None:
    trial = run_plot(tmp_path, case.name, case.parameters, [1], steps=3)
    check_unharmed(trial)
    assert trial.departures == []
    calm = run(tmp_path / "calm", {}, steps=3)
    for flooded, quiet in zip(trial.swarm.honest, calm.swarm.honest, strict=False):
        grown = flooded.store.size_bytes - quiet.store.size_bytes
        assert grown <= 2 * 4 * trial.swarm.shared.genesis.dimension


def test_rows_published_of_a_part_tuned_to_the_tolerance_balance(tmp_path: Path) -> None:
    """The limit for norms is far too tight: every part's whole residual is tested."""
    trial = run_plot(tmp_path, "tuned_shift", {"share": 0.2}, [1, 4], steps=2, delta_multiple=0.5)
    check_unharmed(trial)
    assert any(record.matters for record in trial.records), "nothing was checked"
    assert trial.departures == []


def test_an_old_view_is_charged_once_however_often_it_is_shown(tmp_path: Path) -> None:
    trial = run_plot(tmp_path, "old_view", {}, [1], steps=6, charges_max=1)
    check_unharmed(trial)
    assert trial.departures == []
    assert [len(record.charges) for record in trial.records][-1] == 1


def test_who_says_that_everything_took_long_gets_no_longer_deadlines(tmp_path: Path) -> None:
    trial = run_plot(tmp_path, "inflated_durations", {}, [1, 4], steps=4)
    check_unharmed(trial)
    assert trial.departures == []
    assert max(seconds for record in trial.records for seconds in record.durations) < 1


def test_who_speaks_at_the_last_moment_gets_no_longer_deadlines(tmp_path: Path) -> None:
    trial = run_plot(tmp_path, "last_moment", {}, [1, 4], steps=4)
    check_unharmed(trial)
    longest = sum((10, 20, 10, 20, 10, 10))
    assert trial.swarm.now <= len(trial.records) * longest + 1


def test_limits_do_not_follow_what_a_minority_reports(tmp_path: Path) -> None:
    calm = run(tmp_path / "calm", {}, steps=8, typical_growth=0.5)
    led = run_plot(tmp_path, "growing_limits", {}, [1, 4], steps=8, typical_growth=0.5)
    check_unharmed(led)
    highest = max(record.typical for record in calm.records)
    assert max(record.typical for record in led.records) < 1.5 * highest


def test_late_messages_are_no_fault(tmp_path: Path) -> None:
    trial = run_plot(tmp_path, "late", {"seconds": 9.0}, [1, 4], steps=4)
    check_unharmed(trial)
    assert trial.departures == []


def test_a_part_that_only_colluders_see_spoilt_is_found_by_the_draw(tmp_path: Path) -> None:
    attacks = {1: SpoiltForColluders(), 4: SpoiltForColluders()}
    trial = until_gone(lambda seed: run(tmp_path / str(seed), attacks, seed=seed))
    check_gone(trial, [FaultKind.WRONG_GRADIENT])


@pytest.mark.parametrize("places", [[1], [1, 4]])
def test_rows_withheld_from_an_honest_owner_are_filled_in_by_it(
    places: list[int], tmp_path: Path
) -> None:
    """Honest norms are beyond a limit that is far too tight: every part's average is checked."""
    trial = run_plot(
        tmp_path, "unpublished_parts", {"distance": 0.0}, places, steps=3, delta_multiple=0.5
    )
    check_unharmed(trial)
    assert any(record.matters for record in trial.records), "nothing was checked"
    left = {each.fault for each in trial.departures}
    assert left <= {FaultKind.PARTS_NOT_PUBLISHED}
    assert set(trial.faults) <= {result.name for result in trial.attackers}


def test_different_attacks_at_once_are_told_apart(tmp_path: Path) -> None:
    attacks = {
        1: build("wrong_secret", {}),
        3: build("wrong_projection", {}),
        5: build("false_accusation", {"of": "part"}),
    }
    trial = run(tmp_path, attacks, peers=8)
    check_unharmed(trial)
    assert list(trial.faults.values()) == [
        FaultKind.WRONG_SECRET,
        FaultKind.WRONG_PROJECTION,
        FaultKind.FALSE_ACCUSATION,
    ]
