"""From a failing plan to a smaller one that fails in the same way.

One thing is taken away at a time: a fault, an adversary, an opportunity of a mutator, a peer, half
of the steps, a whim of the network. What fails still stays away. All chance comes from streams that
are named by their purpose, so that what remains is as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zpeer.simulate.plan import (
    LEAST_PEERS,
    Mutator,
    Network,
    Plan,
    change_plan,
    find_problems,
    named_by,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zpeer.simulate.running import Outcome

RUNS_MAX = 400
SIMPLER: tuple[dict[str, Any], ...] = (
    {"pardon": 0.0},
    {"network": Network()},
    {"validators": 1},
    {"work": 0.0},
    {"real_signatures": False},
    {"dimension": 24, "block": 1, "directions": 1},
)


def shrink(
    plan: Plan, run: Callable[[Plan], Outcome], *, runs_max: int = RUNS_MAX
) -> tuple[Plan, Outcome]:
    """The smallest failing plan that was found, and how it fails.

    `plan` must fail; `run` runs one.
    """
    outcome = run(plan)
    wanted = outcome.failure.check if outcome.failure else ""
    plan = pin(plan, outcome)
    runs = 1
    is_smaller = True
    while is_smaller and runs < runs_max:
        is_smaller = False
        for candidate in list_smaller(plan):
            runs += 1
            found = run(candidate)
            if found.failure is not None and found.failure.check == wanted:
                plan, outcome, is_smaller = candidate, found, True
                break
            if runs >= runs_max:
                break
    return plan, outcome


def pin(plan: Plan, outcome: Outcome) -> Plan:
    """The same plan with the opportunities that its mutators took, by number."""
    taken = dict(outcome.taken)
    pinned = [
        change_plan(each, only=taken.get(each.peer, ())) if isinstance(each, Mutator) else each
        for each in plan.adversaries
    ]
    return change_plan(plan, adversaries=tuple(pinned))


def list_smaller(plan: Plan) -> Iterator[Plan]:
    """Smaller plans within what the protocol assumes, the much smaller ones first."""
    for candidate in list_candidates(plan):
        if candidate != plan and not find_problems(candidate):
            yield candidate


def list_candidates(plan: Plan) -> Iterator[Plan]:
    """The plan with one thing less."""
    for steps in dict.fromkeys((plan.steps // 4, plan.steps // 2, 3 * plan.steps // 4)):
        yield change_plan(plan, steps=max(1, steps))
    for place in range(len(plan.faults)):
        yield change_plan(plan, faults=without(plan.faults, place))
    for place in range(len(plan.adversaries)):
        yield change_plan(plan, adversaries=without(plan.adversaries, place))
    for member in plan.members:
        yield without_member(plan, member)
    for changes in SIMPLER:
        yield change_plan(plan, **changes)
    for place, adversary in enumerate(plan.adversaries):
        if isinstance(adversary, Mutator) and adversary.only:
            for fewer in list_fewer(adversary.only):
                changed = list(plan.adversaries)
                changed[place] = change_plan(adversary, only=fewer)
                yield change_plan(plan, adversaries=tuple(changed))
    yield change_plan(plan, steps=max(1, plan.steps - 1))


def without(items: tuple[Any, ...], place: int) -> tuple[Any, ...]:
    """All but one."""
    return items[:place] + items[place + 1 :]


def without_member(plan: Plan, member: int) -> Plan:
    """The plan without a peer, and without what names it."""
    if len(plan.members) == LEAST_PEERS:
        return plan
    return change_plan(
        plan,
        members=tuple(each for each in plan.members if each != member),
        adversaries=tuple(each for each in plan.adversaries if each.peer != member),
        faults=tuple(fault for fault in plan.faults if member not in named_by(fault)),
    )


def list_fewer(taken: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Fewer of some numbers: without one half, without a quarter, ..., without a single one."""
    for share in (2, 4, 8, len(taken)):
        size = -(-len(taken) // share)
        for start in range(0, len(taken), size):
            yield taken[:start] + taken[start + size :]
