"""What nobody can prove to others, and equivocation, end the run: with `agreement = "stop"` every
honest peer says what it waited for and keeps its log and model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.attacks.harness import make_court, run_plot
from zpeer.errors import ConfigError, PluginError
from zpeer.faults import FaultKind
from zpeer.genesis import Agreement
from zpeer.judging.evidence import read_evidence
from zpeer.judging.judge import judge

if TYPE_CHECKING:
    from pathlib import Path

    from tests.attacks.harness import Trial

STEPS_BEFORE = 2


def stop_of(tmp_path: Path, name: str, **parameters: object) -> Trial:
    """A run that an attack of peer-02 stops in step 2; all end with the same two records."""
    trial = run_plot(tmp_path, name, parameters, [2], start=STEPS_BEFORE, agreement=Agreement.STOP)
    assert {result.code for result in trial.honest} == {5}
    assert len({(result.head, result.parameters) for result in trial.honest}) == 1
    assert len(trial.records) == STEPS_BEFORE
    assert trial.departures == []
    return trial


@pytest.mark.parametrize("stage", ["COMMIT", "AGGREGATED", "REVEAL", "PROJECTIONS", "CHECK"])
def test_two_stories_are_proven_to_all_and_end_the_run(stage: str, tmp_path: Path) -> None:
    trial = stop_of(tmp_path, "equivocation", stage=stage)
    court = make_court(trial)
    for result in trial.honest:
        assert f"peer-02 signed two different {stage} bodies" in result.reason
        (path,) = result.evidence
        evidence = read_evidence(path)
        assert evidence.departure.fault is FaultKind.EQUIVOCATION
        assert judge(evidence, court).proven


@pytest.mark.parametrize(
    "stage", ["COMMIT", "AGGREGATED", "REVEAL", "PROJECTIONS", "CHECK", "VERDICT"]
)
def test_silence_ends_the_run_with_its_name(stage: str, tmp_path: Path) -> None:
    trial = stop_of(tmp_path, "silent", stage=stage)
    for result in trial.honest:
        assert f"awaited: {stage} from peer-02" in result.reason
        assert result.evidence == ()


@pytest.mark.parametrize("mode", ["missing", "wrong"])
def test_a_withheld_part_ends_the_run_and_its_owner_says_whose_it_is(
    mode: str, tmp_path: Path
) -> None:
    trial = stop_of(tmp_path, "withheld_part", mode=mode)
    said = [result.reason for result in trial.honest if "PART from peer-02" in result.reason]
    assert len(said) == 1
    assert ("not matching its hash: peer-02" in said[0]) == (mode == "wrong")


def test_a_withheld_result_ends_the_run_and_its_receiver_says_whose_it_is(tmp_path: Path) -> None:
    trial = stop_of(tmp_path, "withheld_result", of="all")
    said = [result.reason for result in trial.honest if "RESULT from peer-02" in result.reason]
    assert len(said) == len(trial.honest)


def test_a_mode_that_its_stage_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises((ConfigError, PluginError), match="expected one of garbage"):
        run_plot(tmp_path, "invalid_body", {"mode": "nan", "stage": "REVEAL"}, [1])
