"""Plans that try what chance alone seldom brings together.

A share of the drawn plans gets other adversaries, or other numbers: liars that are off by almost as
much as they may be, bodies that are almost right, limits that honest norms break, a deed that all
see beside a peer that makes the attempt void, and attempts that end for some and not for others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zpeer.simulate.plan import Adversary, Known, Mutator, Plan, Script, Show, change_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.simulate.streams import Stream

SHARE = 0.2
LARGE = 600
"""Numbers of a gradient, so that sums have room for lies."""
UNITS = (30.0, 35.0, 50.0, 58.0, 70.0, 75.0, 90.0, 95.0, 110.0, 150.0, 300.0)
"""Of rounding: on all sides of the four thresholds."""
BY_UNITS = ("wrong_projection", "concealed_projection", "small_lies", "framed_owner")
DEEDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("wrong_share", {}),
    ("invalid_body", {"mode": "garbage", "stage": "COMMIT"}),
    ("invalid_body", {"mode": "wrong_counts", "stage": "COMMIT"}),
    ("invalid_body", {"mode": "garbage", "stage": "AGGREGATED"}),
    ("invalid_body", {"mode": "garbage", "stage": "REVEAL"}),
    ("invalid_body", {"mode": "nan", "stage": "PROJECTIONS"}),
    ("invalid_body", {"mode": "wrong_counts", "stage": "PROJECTIONS"}),
)
"""What all see, and a call would hide."""
TIGHT = (0.22, 0.24, 0.26)
"""First typical norms, in those that residuals have: times `delta_multiple` about one."""
UNCLEAR: tuple[tuple[str, dict[str, Any]], ...] = (
    ("partial_broadcast", {"stage": "VERDICT", "to": "one", "when": "now"}),
    ("partial_broadcast", {"stage": "VERDICT", "to": "one", "when": "edge"}),
    ("partial_broadcast", {"stage": "VERDICT", "to": "half", "when": "edge"}),
    ("partial_broadcast", {"stage": "VIEW", "to": "one", "when": "edge"}),
    ("partial_broadcast", {"stage": "CLOSED", "to": "one", "when": "now"}),
    ("equivocation", {"stage": "VERDICT", "to": "one"}),
    ("equivocation", {"stage": "VIEW", "to": "one"}),
    ("crash", {"stage": "VERDICT", "told": "one"}),
    ("false_claim", {"stage": "VERDICT", "of": "one", "to": "one"}),
    ("false_claim", {"stage": "CHECK", "of": "stranger", "to": "one"}),
    ("false_view", {"of": "record", "stage": "VERDICT"}),
    ("late_chain", {}),
    ("late_chain", {}),
    ("old_view", {}),
    ("stale_claim", {"age": 1}),
    ("last_moment", {}),
)
"""How an attempt can end for some, and not for others."""
SHOWN = (
    *("COMMIT", "PART", "AGGREGATED", "RESULT", "PROJECTIONS", "CHECK"),
    *("VERDICT", "VERDICT", "VERDICT", "VIEW", "VIEW", "CLOSED", "DECIDED"),
)
STALLING = ("REVEAL", "PROJECTIONS", "CHECK", "VERDICT")


def vary(plan: Plan, stream: Stream) -> Plan:
    """The plan, or another one with the same liars."""
    if not plan.adversaries:
        return plan
    if stream.chance(SHARE):
        return stream.pick(VARIATIONS)(plan, stream)
    return stream.pick(ENDINGS)(plan, stream) if stream.chance(SHARE) else plan


def make_all(plan: Plan, make: Callable[[int], Adversary]) -> tuple[Adversary, ...]:
    """Other adversaries, who begin when the others would have."""
    return tuple(
        change_plan(make(place), peer=each.peer, start=getattr(each, "start", 0))
        for place, each in enumerate(plan.adversaries)
    )


def vary_forms(plan: Plan, stream: Stream) -> Plan:
    """Bodies that are almost right; most are forgiven, so that more follow."""
    rate = stream.pick((0.03, 0.1, 0.3))
    liars = make_all(plan, lambda _place: Mutator(0, rate, "forms"))
    return change_plan(plan, adversaries=liars, pardon=stream.pick((0.0, 0.5, 0.8)))


def vary_units(plan: Plan, stream: Stream) -> Plan:
    """Statements near the thresholds, by all liars or by each its own way."""
    names = stream.shuffled(BY_UNITS)
    alike, units = stream.chance(0.7), stream.pick(UNITS)
    liars = make_all(
        plan,
        lambda place: Known(0, names[0 if alike else place % len(names)], {"units": units}),
    )
    return change_plan(plan, adversaries=liars, dimension=LARGE)


def vary_limits(plan: Plan, stream: Stream) -> Plan:
    """Honest norms are beyond the first limits: averagings that prove right."""
    return change_plan(plan, typical=stream.pick(TIGHT))


def vary_deeds(plan: Plan, stream: Stream) -> Plan:
    """One does what all see, the others make the attempt void by keeping silent."""
    name, parameters = stream.pick(DEEDS)
    stage = stream.pick(STALLING)
    start = stream.below(max(1, plan.steps // 2))
    liars = make_all(
        plan,
        lambda place: Known(0, "silent", {"stage": stage}) if place else Known(0, name, parameters),
    )
    together = tuple(change_plan(each, start=start) for each in liars)
    return change_plan(plan, adversaries=together)


def vary_agreement(plan: Plan, stream: Stream) -> Plan:
    """Each liar its own way of leaving others in the dark when an attempt ends."""
    chosen = [stream.pick(UNCLEAR) for _ in plan.adversaries]
    liars = make_all(plan, lambda place: Known(0, *chosen[place]))
    return change_plan(plan, adversaries=liars, pardon=stream.pick((0.0, 0.5, 0.8)))


def vary_shows(plan: Plan, stream: Stream) -> Plan:
    """Scripts: at stages of some steps each liar tells some the truth, few another story, and the
    rest nothing; and keeps to that when it is asked."""
    liars = tuple(Script(each.peer, draw_shows(plan, stream)) for each in plan.adversaries)
    return change_plan(plan, adversaries=liars, pardon=stream.pick((0.0, 0.5, 0.8)))


def draw_shows(plan: Plan, stream: Stream) -> tuple[Show, ...]:
    """Of one liar, in the order of their steps."""
    shows = []
    for _ in range(stream.between(4, 12)):
        told = stream.shuffled(plan.members)
        first, last = sorted(stream.below(len(told) + 1) for _ in range(2))
        lie = tuple(told[first:last]) if stream.chance(0.2) else ()
        step = stream.below(max(1, 3 * plan.steps // 4))
        shows.append(Show(stream.pick(SHOWN), step, tuple(told[:first]), lie))
    return tuple(sorted(shows, key=lambda show: show.step))


VARIATIONS = (vary_forms, vary_forms, vary_units, vary_units, vary_limits, vary_deeds)
ENDINGS = (vary_agreement, vary_shows)
