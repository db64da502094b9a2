"""Plans: functions of their seeds, values that can be saved, and within what is assumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulation.small import SMALL
from zpeer.errors import ConfigError
from zpeer.simulate.ingredients import plugins
from zpeer.simulate.plan import (
    Break,
    Crash,
    Forger,
    Freeze,
    Hold,
    Known,
    Moment,
    Mutator,
    Network,
    Plan,
    Plotter,
    Restart,
    Script,
    Twins,
    change_plan,
    decode_plan,
    encode_plan,
    find_problems,
    load_plan,
    most_byzantine,
    most_faulty,
)
from zpeer.simulate.plans.drawing import PEER_STEPS, draw_plan

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = range(400)
WHEN = Moment(peer=1, step=0, stage="CHECK")


def draw_all() -> list[Plan]:
    return [draw_plan(seed, plugins()) for seed in SEEDS]


def test_a_plan_is_a_function_of_its_seed() -> None:
    assert draw_all() == draw_all()
    assert len({encode_plan(plan) for plan in draw_all()}) == len(SEEDS)


def test_every_drawn_plan_is_within_what_the_protocol_assumes() -> None:
    for plan in draw_all():
        assert find_problems(plan) == [], plan.seed
        assert len(plan.byzantine) <= most_byzantine(len(plan.members), plan.validators)
        assert len(plan.faulty) <= most_faulty(len(plan.members))


def test_most_plans_have_five_peers_or_more_and_all_kinds_of_trouble_are_drawn() -> None:
    plans = draw_all()
    assert sum(len(plan.members) >= 5 for plan in plans) > 0.7 * len(plans)
    assert all(plan.steps * len(plan.members) >= PEER_STEPS for plan in plans)
    kinds = {type(each) for plan in plans for each in (*plan.faults, *plan.adversaries)}
    faults = {Hold, Freeze, Break, Restart, Crash}
    assert kinds == faults | {Known, Twins, Mutator, Script, Forger, Plotter}
    attacks = {
        each.attack for plan in plans for each in plan.adversaries if isinstance(each, Known)
    }
    assert len(attacks) > 20
    assert any(plan.pardon for plan in plans)


def test_drawn_trouble_ends_before_the_steps_do() -> None:
    for plan in draw_all():
        assert all(fault.when.step < plan.steps for fault in plan.faults)


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    for plan in draw_all()[:50]:
        path = tmp_path / "plan.json"
        path.write_bytes(encode_plan(plan))
        assert load_plan(path) == plan


def test_a_file_that_is_no_plan_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text('{"seed": 1, "members": [0, 1, 2], "steps": 3, "speed": 9}')
    with pytest.raises(ConfigError, match=r"plan.json is no plan .*speed"):
        load_plan(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_plan(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"members": (0, 1)}, "at least 3"),
        ({"members": (0, 1, 1, 2)}, "different"),
        ({"adversaries": (Twins(0), Twins(1), Twins(2))}, "assumes at most 2"),
        ({"adversaries": (Twins(0), Mutator(0))}, "two adversaries"),
        ({"adversaries": (Mutator(9),)}, "no members"),
        ({"faults": (Crash(Moment(9, 0, "COMMIT")),)}, "no members"),
        ({"faults": (Hold(WHEN, 0.97, (1,)),)}, "longer than Delta"),
        ({"network": Network(0.5, 1.1)}, "longer than Delta"),
    ],
)
def test_a_plan_outside_of_what_is_assumed_is_refused(
    changes: dict[str, object], problem: str
) -> None:
    plan = change_plan(SMALL, **changes)
    assert any(problem in each for each in find_problems(plan)), find_problems(plan)
    with pytest.raises(ConfigError, match=problem):
        decode_plan(encode_plan(plan), "x.json")


def test_who_is_slow_cut_off_or_down_is_faulty_and_who_waits_a_little_is_not() -> None:
    others = (0, 2, 3, 4)
    for fault in (Crash(WHEN), Restart(WHEN, 1.0), Freeze(WHEN, 5.0), Break(WHEN, 1.0, 1, others)):
        assert change_plan(SMALL, faults=(fault,)).faulty == {1}
    for brief in (Hold(WHEN, 0.5, (1,)), Freeze(WHEN, 0.5)):
        assert change_plan(SMALL, faults=(brief,)).faulty == frozenset()
    both = (Hold(WHEN, 0.5, (1,)), Freeze(WHEN, 0.5))
    assert change_plan(SMALL, faults=both).faulty == {1}


def test_the_limits_are_those_of_the_protocol() -> None:
    assert [most_faulty(n) for n in (3, 4, 5, 6, 7, 8, 16)] == [1, 1, 2, 2, 3, 3, 7]
    assert [most_byzantine(16, m) for m in (1, 2)] == [7, 6]
