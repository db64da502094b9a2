"""Plans in which a rule of the core is needed, one after the other: what chance alone does once in
thousands of seeds is done here on purpose, in tens of two thousand.

For every rule the mutation check must find a seed in which it is missed. A share of the plans,
drawn from a stream of its own, is made over: its liars do the one thing that a rule forbids, at
some time, in a run that is what it was otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.signed import Stage
from zpeer.simulate.adversaries.forger import DEEDS
from zpeer.simulate.plan import Forger, Known, Plan, change_plan, most_byzantine

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.simulate.streams import Stream

SHARE = 0.15
LARGE = 600
"""Numbers of a gradient, so that sums have room for lies."""
NEARLY = 58.0
"""Units of rounding: as much as nobody accuses."""
HIDDEN = {
    "garbled COMMIT": Stage.COMMIT,
    "garbled AGGREGATED": Stage.AGGREGATED,
    "garbled REVEAL": Stage.REVEAL,
    "wrong share": Stage.REVEAL,
    "garbled PROJECTIONS": Stage.PROJECTIONS,
}
"""Deeds that a call would hide, and the stage in which they are done."""
PLAIN = tuple(deed for deed in DEEDS if deed not in HIDDEN)
HELPERS = 2


def provoke(plan: Plan, stream: Stream) -> Plan:
    """The plan, or another one with the same or as many liars."""
    if not plan.adversaries or not stream.chance(SHARE):
        return plan
    return stream.weighted(PROVOCATIONS)(plan, stream)


def draw_first(plan: Plan, stream: Stream) -> int:
    """The step in which it begins: in the first half."""
    return stream.below(max(1, plan.steps // 2))


def provoke_plainly(plan: Plan, stream: Stream) -> Plan:
    """One liar does what a rule forbids, once or a few times; the others do as they would."""
    first, *rest = plan.adversaries
    deed, times = stream.pick(PLAIN), stream.pick((1, 1, 3))
    forger = Forger(first.peer, deed, times, draw_first(plan, stream))
    return change_plan(plan, adversaries=(forger, *rest))


def provoke_behind(plan: Plan, stream: Stream) -> Plan:
    """One does, once, what convicts it by its own words, and the others have the attempt voided, by
    keeping silent from that stage on, or from a later one."""
    if most_byzantine(len(plan.members), plan.validators) < HELPERS:
        return provoke_plainly(plan, stream)
    liars = [each.peer for each in plan.adversaries]
    if len(liars) < HELPERS:
        liars = stream.shuffled(plan.members)[:HELPERS]
        plan = change_plan(plan, faults=())
    deed, begin = stream.pick((*HIDDEN, "wrong share")), draw_first(plan, stream)
    stage = Stage(stream.between(HIDDEN[deed], Stage.CHECK))
    forger = Forger(liars[0], deed, 1, begin)
    others = [Known(each, "silent", {"stage": stage.name}, begin) for each in liars[1:]]
    return change_plan(plan, adversaries=(forger, *others))


def provoke_alone(plan: Plan, stream: Stream) -> Plan:
    """One liar calls, claiming another peer each time, or opening in its view what it never
    committed to; or it moves its aggregate further than a majority of norms lets pass."""
    first, *rest = plan.adversaries
    name, parameters = stream.pick(
        (
            ("false_claim", {"of": "turns"}),
            ("false_view", {"of": "secret"}),
            ("false_view", {"of": "withheld"}),
            ("wrong_average", {}),
        )
    )
    liar = Known(first.peer, name, parameters, draw_first(plan, stream))
    lasting = change_plan(plan, adversaries=(liar, *rest), charge_lifetime=1000)
    return change_plan(lasting, pardon=0.0 if name == "false_claim" else plan.pardon)


def provoke_sums(plan: Plan, stream: Stream) -> Plan:
    """As many liars as there may be, all off by as much as nobody accuses."""
    count = most_byzantine(len(plan.members), 1)
    liars = stream.some(plan.members, count)
    lies = tuple(Known(each, "small_lies", {"units": NEARLY}) for each in liars)
    return change_plan(plan, adversaries=lies, faults=(), validators=1, dimension=LARGE)


PROVOCATIONS: tuple[tuple[Callable[[Plan, Stream], Plan], int], ...] = (
    (provoke_plainly, 8),
    (provoke_behind, 3),
    (provoke_alone, 4),
    (provoke_sums, 1),
)
"""As often as the numbers say."""
