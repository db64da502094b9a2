"""Failing plans become small ones that fail in the same way, and the turning point is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulation.small import SMALL
from zpeer.core import convict
from zpeer.simulate.futures import FUTURES, find_turning_point
from zpeer.simulate.plan import (
    Crash,
    Freeze,
    Hold,
    Known,
    Moment,
    Mutator,
    Network,
    Plan,
    change_plan,
    find_problems,
)
from zpeer.simulate.running import Branch, Failure, Outcome, run_plan
from zpeer.simulate.shrink import list_smaller, shrink

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE = Plan(
    seed=3,
    members=tuple(range(9)),
    steps=40,
    validators=2,
    work=2.0,
    pardon=0.5,
    network=Network(0.01, 0.4, fifo=False, duplicates=0.2, compute_max=0.05),
    adversaries=(Mutator(1, 0.1), Known(2, "silent"), Mutator(3, 0.1)),
    faults=(
        Crash(Moment(5, 2, "CHECK")),
        Hold(Moment(0, 3, "COMMIT"), 0.2, (0, 1)),
        Freeze(Moment(7, 3, "VIEW"), 0.1),
    ),
)


def failing(when: Callable[[Plan], bool], check: str = "stall") -> Callable[[Plan], Outcome]:
    """A run that fails for some plans; every mutator takes its opportunities from 0 to 19."""

    def run(plan: Plan) -> Outcome:
        fails = when(plan)
        taken = tuple(
            (each.peer, tuple(range(20)) if each.only is None else each.only)
            for each in plan.adversaries
            if isinstance(each, Mutator)
        )
        failure = Failure(check, "planted", 10, 1.0) if fails else None
        return Outcome(failure, 20, 2.0, 1, 1, 0.1, "", taken=taken)

    return run


def takes(plan: Plan, peer: int, *places: int) -> bool:
    """Whether a mutator takes these of its opportunities."""
    return any(
        isinstance(each, Mutator)
        and each.peer == peer
        and (each.only is None or set(places) <= set(each.only))
        for each in plan.adversaries
    )


def test_only_what_the_failure_needs_is_left() -> None:
    def needs(plan: Plan) -> bool:
        crashes = any(isinstance(fault, Crash) for fault in plan.faults)
        return takes(plan, 3, 7, 15) and crashes and plan.steps >= 3 and len(plan.members) >= 5

    small, outcome = shrink(LARGE, failing(needs))
    assert outcome.failure is not None
    assert (len(small.members), small.steps) == (5, 3)
    assert small.adversaries == (Mutator(3, 0.1, only=(7, 15)),)
    assert small.faults == (Crash(Moment(5, 2, "CHECK")),)
    assert (small.pardon, small.work, small.network) == (0.0, 0.0, Network())
    assert small.seed == LARGE.seed


def test_a_plan_that_fails_otherwise_is_not_taken_for_a_smaller_one() -> None:
    def run(plan: Plan) -> Outcome:
        check = "stall" if plan.faults else "fork"
        return failing(lambda _plan: True, check)(plan)

    small, outcome = shrink(LARGE, run)
    assert outcome.failure is not None
    assert outcome.failure.check == "stall"
    assert len(small.faults) == 1


def test_smaller_plans_are_smaller_and_within_what_is_assumed() -> None:
    candidates = list(list_smaller(LARGE))
    assert len(candidates) > 15
    assert all(candidate != LARGE and not find_problems(candidate) for candidate in candidates)


def test_shrinking_ends_when_its_runs_are_spent() -> None:
    runs = []

    def run(plan: Plan) -> Outcome:
        runs.append(plan)
        return failing(lambda _plan: True)(plan)

    shrink(LARGE, run, runs_max=10)
    assert len(runs) <= 11


def test_a_planted_hole_in_the_core_shrinks_to_the_one_liar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(convict, "is_equivocation", lambda _context, _proof: False)
    plan = change_plan(
        SMALL,
        steps=6,
        adversaries=(Known(4, "equivocation", {"stage": "REVEAL"}, 2), Known(2, "late")),
        faults=(Hold(Moment(0, 1, "COMMIT"), 0.3, (0, 1)),),
    )
    small, outcome = shrink(plan, run_plan, runs_max=60)
    assert outcome.failure is not None
    assert [each.peer for each in small.adversaries] == [4]
    assert not small.faults
    assert small.steps < plan.steps
    assert run_plan(small).failure == outcome.failure


@pytest.mark.parametrize("turn", [0, 1, 37, 99, 100])
def test_the_event_from_which_on_every_future_fails_is_found(turn: int) -> None:
    failure = Failure("fork", "planted", 100, 5.0)
    seen: list[Branch] = []

    def run(branch: Branch) -> Outcome:
        seen.append(branch)
        lucky = branch.after < turn and branch.future == FUTURES
        return Outcome(None if lucky else failure, 100, 5.0, 1, 1, 0.1, "")

    assert find_turning_point(run, failure) == turn
    assert len(seen) <= 8 * FUTURES
