"""Plans in which liars act together at the one moment at which a rule is needed.

Chance alone brings these together too seldom: as many liars as may be and an even roster, so that a
chain of their signatures fills all rounds but the last; a peer that sleeps through the end of a
round; two stories of equal weight. A share of the plans with liars gets one, from a stream of its
own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.simulate.plan import (
    LEAST_PEERS,
    Adversary,
    Freeze,
    Known,
    Moment,
    Plan,
    Plotter,
    Script,
    Show,
    change_plan,
    most_byzantine,
    most_faulty,
    named_by,
)

if TYPE_CHECKING:
    from zpeer.simulate.streams import Stream

SHARE = 0.16
STALLING = ("AGGREGATED", "REVEAL", "PROJECTIONS", "CHECK", "VERDICT")
TELLING = ("COMMIT", "AGGREGATED", "REVEAL", "PROJECTIONS", "CHECK")
PARDONS = (0.0, 0.5, 0.8)
ROUND, CLOSED_BY, HOP = 4.0, 7.0, 3.0
"""Deltas of the slow path: a round, and until when a closed set counts, with each more voice."""
TOGETHER = 2
"""Liars that a hidden view and the last word on a closed set take."""
LARGE = 600
"""Numbers of a gradient, so that sums have room for lies."""
SLEEPS = (3.0, 8.0, 20.0, 40.0)


def plot(plan: Plan, stream: Stream) -> Plan:
    """The plan, or one in which its liars act together."""
    if not plan.adversaries or not stream.chance(SHARE):
        return plan
    return stream.pick(PLOTS)(plan, stream)


def gather(plan: Plan, stream: Stream) -> Plan:
    """An even roster, one validator, and nobody faulty but as many liars as may be."""
    members = plan.members[: len(plan.members) // 2 * 2]
    liars = stream.shuffled(members)[: most_byzantine(len(members), 1)]
    faults = tuple(
        fault
        for fault in plan.faults
        if not plan.victims(fault) and set(members).issuperset(named_by(fault))
    )
    adversaries = tuple(Plotter(each) for each in sorted(liars))
    return change_plan(
        plan,
        members=members,
        steps=-(-plan.steps * len(plan.members) // len(members)),
        validators=1,
        faults=faults,
        adversaries=adversaries,
    )


def end_of(plan: Plan) -> float:
    """Deltas after joining until all rounds are over."""
    signatures = most_faulty(len(plan.members)) + 1
    return max(ROUND * signatures, CLOSED_BY + HOP * signatures)


def just_before(plan: Plan, stream: Stream, end: float) -> float:
    """When to send what shall arrive shortly before an end: in Deltas."""
    return end - stream.uniform(0.8, 2.5) * max(plan.network.latency_max, 0.05)


def act(plan: Plan, stream: Stream, *liars: Adversary) -> Plan:
    """All liars of a plan begin in one step; most are forgiven sometimes."""
    start = stream.below(max(1, plan.steps // 2))
    together = tuple(
        change_plan(each, start=start) if hasattr(each, "start") else each for each in liars
    )
    return change_plan(plan, adversaries=together, pardon=stream.pick(PARDONS))


def honest_of(plan: Plan, stream: Stream) -> list[int]:
    """Who does not lie, in any order."""
    return stream.shuffled([each for each in plan.members if each not in plan.byzantine])


def plot_chain(plan: Plan, stream: Stream) -> Plan:
    """The first one's view goes from liar to liar, and at the end of a round to one honest peer."""
    plan = gather(plan, stream)
    liars, stage = [each.peer for each in plan.adversaries], stream.pick(STALLING)
    rounds = stream.pick((1, len(liars), len(liars)))
    at, victims = just_before(plan, stream, ROUND * rounds), tuple(honest_of(plan, stream)[:1])
    return act(
        plan,
        stream,
        *(
            Plotter(each, victims, stalls=stage, hides=each == liars[0], relays=at)
            for each in liars
        ),
    )


def plot_second_view(plan: Plan, stream: Stream) -> Plan:
    """A view for all, no CLOSED, so that the rounds are not over early, and a second view for one,
    when they are about to be."""
    first, *others = plan.adversaries
    at, victims = just_before(plan, stream, end_of(plan)), tuple(honest_of(plan, stream)[:1])
    stage = stream.pick(STALLING)
    return act(
        plan, stream, Plotter(first.peer, victims, stalls=stage, again=at, closes=-1.0), *others
    )


def plot_last_word(plan: Plan, stream: Stream) -> Plan:
    """A hidden view comes to all after they closed, with two signatures; and the last CLOSED that
    the set without it lacks to one alone, when the rounds are about to be over."""
    plan = gather(plan, stream)
    liars, honest = [each.peer for each in plan.adversaries], honest_of(plan, stream)
    if len(liars) < TOGETHER:
        return plot_chain(plan, stream)
    hidden, *_, last = liars
    word = Plotter(
        last,
        tuple(honest),
        tuple(honest[:1]),
        relays=stream.uniform(ROUND + 0.7, 2 * ROUND - 1.2),
        closes=just_before(plan, stream, end_of(plan)),
    )
    stage = stream.pick(STALLING)
    return act(plan, stream, Plotter(hidden, stalls=stage, hides=True), word)


def plot_bytes(plan: Plan, stream: Stream) -> Plan:
    """PARTs and RESULTs a little after they are due: their receivers have called."""
    slips = stream.pick((0.1, 0.5, 1.0, 2.0))
    return act(plan, stream, *(Plotter(each.peer, slips=slips) for each in plan.adversaries))


def plot_sleep(plan: Plan, stream: Stream) -> Plan:
    """One keeps the rounds going; another peer stops while it hears the views of the others."""
    first, honest = plan.adversaries[0], honest_of(plan, stream)
    if most_faulty(len(plan.members)) < TOGETHER:
        return plot_bytes(plan, stream)
    faults = tuple(fault for fault in plan.faults if not plan.victims(fault))
    moment = Moment(
        honest[0],
        stream.below(max(1, plan.steps // 2)),
        "VIEW",
        stream.below(len(plan.members)),
        stream.uniform(0.5, 1.2) * plan.network.latency_max,
    )
    faults += (Freeze(moment, stream.pick(SLEEPS)),)
    liar = Plotter(first.peer, stalls=stream.pick(STALLING), closes=-1.0)
    return act(change_plan(plan, faults=faults), stream, liar)


def plot_votes(plan: Plan, stream: Stream) -> Plan:
    """All liars vote for a record that there is not."""
    plan = gather(plan, stream)
    stage = {"of": "record", "stage": stream.pick(STALLING)}
    return act(plan, stream, *(Known(each.peer, "false_view", stage) for each in plan.adversaries))


def plot_stories(plan: Plan, stream: Stream) -> Plan:
    """One story to some, another to the others, and nobody unheard."""
    liars = []
    for each in plan.adversaries:
        shows = []
        for _ in range(stream.between(2, 5)):
            told = stream.shuffled([peer for peer in plan.members if peer != each.peer])
            place = stream.between(1, max(1, len(told) - LEAST_PEERS + 1))
            step = stream.below(max(1, 3 * plan.steps // 4))
            shows.append(Show(stream.pick(TELLING), step, tuple(told[:place]), tuple(told[place:])))
        liars.append(Script(each.peer, tuple(sorted(shows, key=lambda show: show.step))))
    return act(plan, stream, *liars)


def plot_shield(plan: Plan, stream: Stream) -> Plan:
    """Each moves its part, and excuses that by an accusation of another one which it never
    proves."""
    most = most_byzantine(len(plan.members), 1)
    if most < TOGETHER:
        return plot_bytes(plan, stream)
    liars = stream.some(plan.members, stream.between(TOGETHER, most))
    faults = tuple(fault for fault in plan.faults if not plan.victims(fault))
    calm = change_plan(plan, validators=1, faults=faults, dimension=LARGE)
    return act(calm, stream, *(Plotter(each, shields=True) for each in liars))


PLOTS = (
    plot_chain,
    plot_second_view,
    plot_last_word,
    plot_last_word,
    plot_bytes,
    plot_sleep,
    plot_sleep,
    plot_votes,
    plot_stories,
    plot_shield,
)
