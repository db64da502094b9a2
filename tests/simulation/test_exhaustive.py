"""The list of scripts is whole, and what they say is done."""

from __future__ import annotations

from collections import Counter
from math import comb

import pytest

from tests.simulation.small import SMALL
from zpeer.simulate.plan import Script, Show, change_plan, find_problems
from zpeer.simulate.plans.exhaustive import FIRST, ORDER, list_plans, list_shows
from zpeer.simulate.running import run_plan

SAMPLE = 1499
"""Every so many of them: a prime, so that all stages and patterns get their turn."""


def scripts() -> list[Script]:
    return [each for plan in list_plans() for each in plan.adversaries if isinstance(each, Script)]


def test_every_pattern_is_there_once() -> None:
    plans = list_plans()
    assert len(set(map(repr, plans))) == len(plans)
    assert {len(plan.members) for plan in plans} == {3, 4, 5}
    assert all(not find_problems(plan) for plan in plans[::7])
    for honest in (2, 3, 4):
        shows = list(list_shows("COMMIT", tuple(range(honest))))
        assert len(shows) == comb(honest + 2, 2) - 1
    assert len(list(list_shows("PART", (0, 1, 2)))) == 3


def test_every_stage_is_lied_at_after_every_stage_before() -> None:
    pairs = Counter(tuple(show.stage for show in each.shows) for each in scripts())
    singles = {pair[0] for pair in pairs if len(pair) == 1}
    assert singles == set(FIRST)
    for first in FIRST:
        later = {pair[1] for pair in pairs if len(pair) == 2 and pair[0] == first}
        assert later == set(ORDER[ORDER.index(first) + 1 :])


@pytest.mark.simulation
@pytest.mark.parametrize("offset", range(4))
def test_a_sample_of_the_scripts_breaks_no_promise(offset: int) -> None:
    for place in range(offset, len(list_plans()), SAMPLE):
        outcome = run_plan(list_plans()[place])
        assert outcome.failure is None, f"script {place}: {outcome.failure}"
        assert not outcome.fallen


@pytest.mark.parametrize(
    ("show", "met"),
    [
        (Show("COMMIT", 1, (0, 1), (2, 3)), "EQUIVOCATION"),
        (Show("REVEAL", 1, (), (0, 1, 2, 3)), "WRONG_SHARE"),
        (Show("CHECK", 1, ()), "CLAIMED_BY_MOST"),
        (Show("PART", 2, (1, 2, 3)), "CHARGED"),
        (Show("RESULT", 1, ()), "CLAIMED_BY_MOST"),
    ],
    ids=lambda each: each.stage if isinstance(each, Show) else "",
)
def test_what_a_script_says_is_done(show: Show, met: str) -> None:
    outcome = run_plan(change_plan(SMALL, adversaries=(Script(4, (show,)),)))
    assert outcome.failure is None
    assert outcome.met.get(met), outcome.met
