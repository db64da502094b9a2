"""Liars that time what they say: each plot is harmless as it is, and ends badly without the one
rule that stands against it."""

from __future__ import annotations

import pytest

from tools.mutating.holes import run_without
from zpeer.simulate.ingredients import plugins
from zpeer.simulate.plan import (
    Freeze,
    Known,
    Moment,
    Network,
    Plan,
    Plotter,
    Script,
    Show,
    change_plan,
    find_problems,
)
from zpeer.simulate.plans.drawing import draw_plan
from zpeer.simulate.plans.plots import PLOTS, SHARE, end_of, gather, plot
from zpeer.simulate.running import run_plan
from zpeer.simulate.streams import Entropy

QUICK = Plan(
    seed=1,
    members=(0, 1, 2, 3, 4, 5),
    steps=3,
    dimension=24,
    network=Network(latency_min=0.02, latency_max=0.2),
)
FOUR = change_plan(QUICK, members=(0, 1, 2, 3))
FALSE_VOTE = {"of": "record", "stage": "VERDICT"}


def let(plan: Plan, *liars: Plotter | Script | Known, **changes: object) -> Plan:
    return change_plan(plan, adversaries=liars, **changes)


ROUNDS = let(FOUR, Plotter(0, (3,), stalls="REVEAL", hides=True, relays=3.5))
SECOND = let(FOUR, Plotter(0, (3,), stalls="REVEAL", again=end_of(FOUR) - 0.25, closes=-1.0))
LAST_WORD = let(
    QUICK,
    Plotter(0, stalls="REVEAL", hides=True),
    Plotter(1, (2, 3, 4, 5), (3,), relays=6.0, closes=end_of(QUICK) - 0.25),
)
BYTES = let(QUICK, Plotter(0, slips=0.5))
ASLEEP = let(
    QUICK,
    Plotter(0, stalls="REVEAL", closes=-1.0),
    faults=(Freeze(Moment(5, 0, "VIEW", 4, 0.1), 40.0),),
)
VOTES = let(QUICK, Known(0, "false_view", FALSE_VOTE), Known(1, "false_view", FALSE_VOTE))
STORIES = let(QUICK, Script(0, (Show("PROJECTIONS", 0, (1, 2), (3, 4, 5)),)))
SHIELDS = let(QUICK, Plotter(0, shields=True), Plotter(1, shields=True), dimension=600, steps=6)


@pytest.mark.parametrize(
    ("rule", "plan", "found"),
    [
        ("rounds", change_plan(ROUNDS, seed=0), "fork"),
        ("chains in time", change_plan(SECOND, seed=0), "fork"),
        ("closed in time", change_plan(LAST_WORD, seed=0), "fork"),
        ("no more stages", change_plan(BYTES, seed=0), "manners"),
        ("sleepers", change_plan(ASLEEP, seed=5), "fork"),
        ("majority of the signed", change_plan(VOTES, seed=0), "honest stopped"),
        ("ask about echoes", change_plan(STORIES, seed=0), "claims"),
        ("fallen shield", change_plan(SHIELDS, seed=0), "forgotten"),
    ],
)
def test_a_plot_does_no_harm_and_does_without_the_rule_against_it(
    rule: str, plan: Plan, found: str
) -> None:
    assert find_problems(plan) == []
    assert run_plan(plan).failure is None
    failure = run_without(rule, plan)
    assert failure is not None
    assert failure.check == found


def test_a_share_of_the_plans_gets_a_plot_and_each_keeps_to_what_is_assumed() -> None:
    plans = [draw_plan(seed, plugins()) for seed in range(150)]
    plain = next(plan for plan in plans if plan.adversaries)
    plotted = [plot(plain, Entropy(seed).stream("plotted")) for seed in range(150)]
    assert 0.4 * SHARE < sum(each != plain for each in plotted) / 150 < 2 * SHARE
    honest = change_plan(plain, adversaries=())
    assert plot(honest, Entropy(1).stream("plotted")) is honest
    for make in PLOTS:
        for place, plan in enumerate(plans):
            if plan.adversaries:
                made = make(plan, Entropy(place).stream("plotted"))
                assert find_problems(made) == []


def test_who_gathers_is_as_many_as_may_lie_among_an_even_number() -> None:
    for seed in range(20):
        made = gather(draw_plan(seed, plugins()), Entropy(seed).stream("plotted"))
        if len(made.members) > 3:
            assert len(made.members) % 2 == 0
            assert len(made.byzantine) == len(made.members) // 2 - 1
