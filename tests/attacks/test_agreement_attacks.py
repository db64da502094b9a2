"""Attacks on agreement: who calls wins nothing, nobody hides behind a call, and attackers of every
kind at once leave honest peers together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plugins.attacks.held_secret import HeldSecret
from plugins.attacks.lie_when_safe import LieWhenSafe
from tests.attacks.harness import (
    build,
    check_gone,
    check_unharmed,
    run,
    run_mix,
    run_plot,
    until_gone,
)
from tests.attacks.mixes import MIXES, Mix
from zpeer.faults import FaultKind
from zpeer.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zpeer.conduct import Outgoing
    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import AttackContext
    from zpeer.messages import View


class Foresighted(HeldSecret):
    """Calls when it knows the draw, and notes what it knew."""

    def __init__(self) -> None:
        super().__init__(then="call")
        self.foreseen: list[Digest] = []

    def call(
        self, context: AttackContext, view: View, to: Sequence[PeerId] | None = None
    ) -> list[Outgoing]:
        self.foreseen.append(self.foresee(context))
        return super().call(context, view, to)


def test_who_calls_gets_the_draw_that_check_would_have_given(tmp_path: Path) -> None:
    caller = Foresighted()
    trial = run(tmp_path, {1: caller}, steps=2)
    check_unharmed(trial, takes_one=True)
    void = [record for record in trial.records if record.outcome is Outcome.VOID]
    assert len(void) == len(caller.foreseen) > 1
    assert [record.secret_beacon for record in void] == caller.foreseen


def test_who_lies_only_when_it_feels_safe_is_found_all_the_same(tmp_path: Path) -> None:
    liars = [LieWhenSafe(), LieWhenSafe()]
    trial = run(tmp_path, dict(zip((1, 4), liars, strict=True)), steps=6)
    check_unharmed(trial)
    check_gone(trial, [FaultKind.WRONG_PROJECTION])
    assert all(liar.lies for liar in liars), "it never felt safe"


@pytest.mark.parametrize("by", ["call", "crash"])
def test_who_leaves_to_shake_off_a_draw_is_convicted_after_it(by: str, tmp_path: Path) -> None:
    trial = until_gone(
        lambda seed: run_plot(
            *(tmp_path / str(seed), "shake_off", {"by": by}, [1, 4]),
            seed=seed,
            steps=4,
            charges_max=1,
        )
    )
    first = {name for name, fault in trial.faults.items() if fault is not FaultKind.WRONG_GRADIENT}
    assert first, "nobody left before it was convicted"
    last = {trial.name_of(each): each.fault for each in trial.departures}
    assert set(last.values()) == {FaultKind.WRONG_GRADIENT}


@pytest.mark.parametrize(
    ("name", "parameters", "fault"),
    [
        ("invalid_body", {"stage": "COMMIT"}, FaultKind.INVALID_BODY),
        ("invalid_body", {"stage": "REVEAL"}, FaultKind.INVALID_BODY),
        ("wrong_share", {}, FaultKind.WRONG_SHARE),
        ("equivocation", {"stage": "REVEAL"}, FaultKind.EQUIVOCATION),
    ],
)
def test_a_call_of_an_accomplice_hides_nothing(
    name: str, parameters: dict[str, object], fault: FaultKind, tmp_path: Path
) -> None:
    attacks = {1: build(name, parameters), 4: build("false_claim", {"stage": "PROJECTIONS"})}
    trial = run(tmp_path, attacks, steps=2, peers=8, charges_max=1)
    check_unharmed(trial, takes_one=True)
    assert trial.records[0].outcome is Outcome.VOID
    assert trial.faults["peer-01"] is fault
    made = next(d.attempt for d in trial.departures if trial.name_of(d) == "peer-01")
    assert made == trial.swarm.shared.genesis.run, "for what it did in the first attempt"


@pytest.mark.parametrize("before_s", [0.003, 0.002, 0.0015, 0.001, 0.0005, 0.0])
@pytest.mark.parametrize("name", ["last_moment", "late_chain"])
def test_nobody_disagrees_about_what_came_at_the_edge(
    name: str, before_s: float, tmp_path: Path
) -> None:
    """Messages take a millisecond here: some get it in time and others do not."""
    trial = run_plot(tmp_path, name, {"before_s": before_s}, [1, 4], steps=1, charges_max=1)
    check_unharmed(trial, takes_one=True)


@pytest.mark.parametrize(
    ("name", "fault"),
    [("sign_flip", FaultKind.WRONG_GRADIENT), ("false_report", FaultKind.FALSE_ACCUSATION)],
)
def test_many_gradients_accused_at_once_are_judged_at_once(
    name: str, fault: FaultKind, tmp_path: Path
) -> None:
    """After the last step every gradient is drawn, and everybody validates."""
    trial = run_plot(tmp_path, name, {}, [1, 3, 5], peers=8, steps=1, seed=1)
    check_unharmed(trial)
    assert list(trial.faults.values()) == [fault] * 3
    assert max(len(record.matters) for record in trial.records) == 3


def test_one_that_spends_itself_on_four_peers_ends_the_run_unharmed(tmp_path: Path) -> None:
    trial = run_plot(tmp_path, "withheld_part", {}, [1], peers=4, charges_max=1)
    there = [result for result in trial.honest if result.name not in trial.faults]
    assert [result.reason for result in there] == ["fewer than 3 peers are left"] * 2
    assert len({(result.head, result.parameters) for result in there}) == 1


@pytest.mark.parametrize("mix", MIXES, ids=lambda mix: mix.title)
def test_attacks_of_every_kind_at_once_leave_honest_peers_together(
    mix: Mix, tmp_path: Path
) -> None:
    trial = run_mix(tmp_path, mix)
    check_unharmed(trial, takes_one=True)
    gone = [result for result in trial.attackers if result.name in trial.faults]
    assert len(gone) >= 3
