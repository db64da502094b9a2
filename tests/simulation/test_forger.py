"""Liars with one trick: each is what a rule of the core is there for, and is missed without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulation.small import SMALL
from tools.mutating.holes import run_without, watch
from zpeer.ids import digest
from zpeer.simulate.adversaries.forger import DEEDS
from zpeer.simulate.ingredients import plugins
from zpeer.simulate.plan import Forger, Known, Twins, change_plan, find_problems
from zpeer.simulate.plans.drawing import draw_plan
from zpeer.simulate.plans.provocations import HIDDEN, PLAIN, PROVOCATIONS, provoke
from zpeer.simulate.streams import Stream

if TYPE_CHECKING:
    from zpeer.simulate.plan import Plan

ONE = change_plan(SMALL, steps=12, dimension=96, block=4)
TWO = change_plan(ONE, members=(0, 1, 2, 3, 4, 5, 6))
MISSED: tuple[tuple[str, str, str], ...] = (
    ("garbled VERDICT", "unreadable verdict", "unpunished"),
    ("too long", "impossible scalars", "unpunished"),
    ("findings", "findings", "unpunished"),
    ("no reports", "reports", "unpunished"),
    ("contradiction", "report and accusation", "unpunished"),
    ("accused twice", "one accusation a deed", "unpunished"),
    ("another's part", "owners accuse", "unpunished"),
    ("undrawn", "validators accuse", "unpunished"),
    ("another's report", "targets accuse", "unpunished"),
    ("undrawn", "may accuse", "unpunished"),
    ("made up evidence", "evidence", "honest banned"),
    ("another result", "RESULT", "honest banned"),
)
"""A deed, the rule against it, and the promise that breaks where that is switched off."""
CALLS: tuple[tuple[str, dict[str, str], str, str], ...] = (
    ("false_view", {"of": "secret"}, "secret of a view", "settling"),
    ("false_view", {"of": "withheld"}, "secret of a view", "settling"),
    ("false_claim", {"of": "all"}, "claims most", "settling"),
    ("false_claim", {"of": "turns"}, "contentious", "charges"),
    ("silent", {"stage": "REVEAL"}, "claimed by most", "settling"),
    ("wrong_average", {}, "residual", "averaging"),
)


def miss(plan: Plan, rule: str) -> str:
    """What breaks without a rule that is needed in a plan."""
    failure, bites = watch(plan)
    assert failure is None
    assert rule in bites
    found = run_without(rule, plan)
    return found.check if found else ""


@pytest.mark.parametrize(("deed", "rule", "promise"), MISSED)
def test_a_deed_costs_the_place_and_without_its_rule_a_promise_breaks(
    deed: str, rule: str, promise: str
) -> None:
    plan = change_plan(ONE, adversaries=(Forger(4, deed, start=2),))
    assert miss(plan, rule) == promise


@pytest.mark.parametrize(("attack", "parameters", "rule", "promise"), CALLS)
def test_a_call_and_an_aggregate_are_judged_and_without_its_rule_a_promise_breaks(
    attack: str, parameters: dict[str, str], rule: str, promise: str
) -> None:
    plan = change_plan(ONE, adversaries=(Known(4, attack, parameters, start=2),))
    assert miss(plan, rule) == promise


@pytest.mark.parametrize("stage", ["REVEAL", "CHECK"])
@pytest.mark.parametrize(
    ("deed", "rule"),
    [
        ("wrong share", "quoted shares"),
        ("garbled REVEAL", "quoted bodies"),
        ("garbled AGGREGATED", "misdeeds return"),
    ],
)
def test_nobody_hides_behind_an_accomplice_that_is_silent(deed: str, rule: str, stage: str) -> None:
    silent = Known(5, "silent", {"stage": stage}, start=2)
    plan = change_plan(TWO, adversaries=(Forger(4, deed, start=2), silent))
    assert miss(plan, rule) == "unpunished"


def test_lies_that_nobody_accuses_get_an_owner_banned_where_sums_have_less_room() -> None:
    lies = tuple(Known(each, "small_lies", {"units": 58.0}) for each in (4, 5))
    plan = change_plan(TWO, members=tuple(range(6)), dimension=600, adversaries=lies)
    assert miss(plan, "tolerance of sums") == "honest banned"


def test_provocations_stay_within_what_the_protocol_assumes() -> None:
    plan = change_plan(TWO, adversaries=(Twins(1, start=2),))
    for make, _ in PROVOCATIONS:
        for number in range(30):
            provoked = make(plan, Stream(digest("provoked", bytes([number]))))
            assert provoked.adversaries != plan.adversaries
            assert not find_problems(provoked)


def test_an_honest_plan_and_most_others_are_left_as_they_are() -> None:
    streams = [Stream(digest("provoked", bytes([number]))) for number in range(100)]
    assert all(provoke(TWO, stream) is TWO for stream in streams)
    plan = change_plan(TWO, adversaries=(Twins(1, start=2),))
    streams = [Stream(digest("provoked", bytes([number]))) for number in range(100)]
    assert 5 < sum(provoke(plan, stream) is not plan for stream in streams) < 30


def test_every_deed_is_drawn_in_tens_of_two_thousand_seeds() -> None:
    plans = [draw_plan(seed, plugins()) for seed in range(500)]
    forgers = [each for plan in plans for each in plan.adversaries if isinstance(each, Forger)]
    assert {*PLAIN, *HIDDEN} == set(DEEDS)
    assert {each.deed for each in forgers} >= set(PLAIN)
    assert len(forgers) > 30
