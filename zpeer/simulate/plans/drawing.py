"""Draws a plan from a seed: sizes, network, what goes wrong, who lies and how.

Every plan keeps to what the protocol assumes: any minority may be faulty, and of these fewer than
half of the workers may lie. Most have at least five peers and about `PEER_STEPS` peer-steps; what
goes wrong goes wrong in the first three quarters of the steps, so that each ends with a healed
network in which it must get on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from zpeer.errors import ConfigError
from zpeer.plugins import Kind
from zpeer.signed import STEP_STAGES, Stage
from zpeer.simulate.plan import (
    Adversary,
    Break,
    Crash,
    Fault,
    Freeze,
    Hold,
    Known,
    Moment,
    Mutator,
    Network,
    Plan,
    Restart,
    Twins,
    change_plan,
    most_byzantine,
    most_faulty,
)
from zpeer.simulate.plans.plots import plot
from zpeer.simulate.plans.provocations import provoke
from zpeer.simulate.plans.variations import vary
from zpeer.simulate.streams import Entropy

if TYPE_CHECKING:
    from zpeer.plugins import Plugins
    from zpeer.simulate.streams import Stream

PEER_STEPS = 210
PEERS = ((3, 2), (4, 4), (5, 12), (6, 10), (7, 12), (8, 6), (9, 5))
DIMENSIONS = ((5, 1), (24, 3), (96, 4), (600, 6))
"""Parts of a few numbers, or of a hundred: only in those can a liar cover what it shifts."""
PATIENCE = 6.0
SLOW_STAGES = (Stage.VIEW, Stage.CLOSED, Stage.DECIDED)
STAGES = tuple((stage.name, 1 + 3 * (stage in STEP_STAGES)) for stage in STEP_STAGES + SLOW_STAGES)
LATENCIES = ((0.02, 0.02), (0.01, 0.2), (0.05, 0.5), (0.3, 0.3))
"""Least and most, in shares of Delta."""
RATES = (0.004, 0.01, 0.02, 0.05, 0.15)
FOCUS_WEIGHTS = (("all", 5), ("slow", 3), ("timing", 2), ("bulk", 2))


def draw_plan(seed: int, plugins: Plugins) -> Plan:
    """The plan of a seed: a function of it, and of which attacks are installed."""
    entropy = Entropy(seed)
    sizes, network = entropy.stream("sizes"), entropy.stream("network")
    peers = sizes.weighted(PEERS)
    validators = min(sizes.weighted(((1, 6), (2, 3), (3, 1))), (peers - 1) // 2)
    work = sizes.pick((0.0, 0.0, 2.0))
    plan = Plan(
        seed=seed,
        members=tuple(range(peers)),
        steps=-(-PEER_STEPS // peers),
        validators=validators,
        dimension=sizes.weighted(DIMENSIONS),
        block=sizes.pick((1, 2, 3, 8)),
        directions=sizes.pick((1, 2, 4)),
        patience=PATIENCE,
        work=work,
        charges_max=sizes.between(1, 3),
        charge_lifetime=sizes.pick((3, 10, 1000)),
        typical=sizes.pick((1.0, 1.0, 3.0)),
        typical_window=sizes.pick((1, 5, 50)),
        optimizer_digest_every=sizes.pick((1, 3, 10)),
        network=draw_network(network, work),
        pardon=sizes.pick((0.0, 0.0, 0.5, 0.7, 0.8)),
    )
    varied = vary(populate(plan, entropy, plugins), entropy.stream("varied"))
    provoked = provoke(varied, entropy.stream("provoked"))
    return plot(varied, entropy.stream("plotted")) if provoked == varied else provoked


def draw_network(stream: Stream, work: float) -> Network:
    """How messages travel."""
    least, most = stream.pick(LATENCIES)
    return Network(
        latency_min=least,
        latency_max=most,
        fifo=stream.chance(0.6),
        duplicates=stream.pick((0.0, 0.0, 0.02, 0.2)),
        compute_max=stream.pick((0.0, 0.05)) if work else 0.0,
    )


def populate(plan: Plan, entropy: Entropy, plugins: Plugins) -> Plan:
    """Choose who is faulty, and what befalls whom."""
    stream = entropy.stream("faulty")
    peers = len(plan.members)
    liars_max = most_byzantine(peers, plan.validators)
    liars = 0 if stream.chance(0.1) else stream.between(min(1, liars_max), liars_max)
    others = stream.between(0, most_faulty(peers) - liars) if stream.chance(0.6) else 0
    chosen = stream.shuffled(plan.members)
    adversaries = draw_adversaries(plan, chosen[:liars], entropy.stream("adversaries"), plugins)
    unlucky = chosen[liars : liars + others]
    faults = [*draw_disturbances(plan, entropy.stream("disturbances"))]
    faults += [draw_misfortune(plan, peer, entropy.stream("misfortunes")) for peer in unlucky]
    return change_plan(plan, adversaries=tuple(adversaries), faults=tuple(faults))


# --- what goes wrong by itself --------------------------------------------------------------------


def draw_moment(plan: Plan, stream: Stream, peer: int) -> Moment:
    """Some time in the first three quarters of the steps, at any stage of any message."""
    return Moment(
        peer=peer,
        step=stream.below(max(1, 3 * plan.steps // 4)),
        stage=stream.weighted(STAGES),
        copies=stream.below(len(plan.members)),
        later=stream.pick((0.0, 0.0, stream.uniform(0, 1), stream.uniform(0, 12))),
    )


def draw_disturbances(plan: Plan, stream: Stream) -> list[Fault]:
    """What a network and a machine may do without being called faulty: within Delta together."""
    slack = 1.0 - plan.network.latency_max
    faults: list[Fault] = []
    for _ in range(stream.pick((0, 0, 1, 2, 4))):
        when = draw_moment(plan, stream, stream.pick(plan.members))
        side = stream.some(plan.members, stream.between(1, len(plan.members) // 2))
        faults.append(Hold(when, stream.uniform(0.1, 0.5) * slack, tuple(side)))
    for _ in range(stream.pick((0, 0, 1, 2, 4))):
        when = draw_moment(plan, stream, stream.pick(plan.members))
        faults.append(Freeze(when, stream.uniform(0.05, 0.45) * slack))
    return faults


def draw_misfortune(plan: Plan, peer: int, stream: Stream) -> Fault:
    """What makes a peer a faulty one, though it is honest."""
    when = draw_moment(plan, stream, peer)
    last = stream.pick((1.5, 4.0, 8.0, 15.0, 40.0)) * stream.uniform(0.5, 1.5)
    others = [each for each in plan.members if each != peer]
    choice = stream.below(5)
    if choice == 0:
        return Crash(when)
    if choice == 1:
        return Restart(when, last)
    if choice == 2:  # noqa: PLR2004 - one of five
        return Freeze(when, last)
    count = 1 if choice == 3 else stream.between(1, len(others))  # noqa: PLR2004 - one of five
    return Break(when, last, peer, tuple(stream.some(others, count)))


# --- who lies -------------------------------------------------------------------------------------


def draw_adversaries(
    plan: Plan, liars: list[int], stream: Stream, plugins: Plugins
) -> list[Adversary]:
    """All the same, or each its own; from the start, or later, together or one by one."""
    style = stream.weighted((("same", 3), ("mixed", 3), ("twins", 2), ("mutators", 4)))
    shared = draw_known(stream, plugins)
    together = draw_start(plan, stream) if stream.chance(0.5) else None
    adversaries: list[Adversary] = []
    for peer in liars:
        kind = stream.pick(("known", "twins", "mutators")) if style == "mixed" else style
        start = draw_start(plan, stream) if together is None else together
        adversary: Adversary = shared if kind == "same" else draw_known(stream, plugins)
        if kind == "twins":
            rate = stream.pick((0.02, 0.1, 0.3, 1.0))
            adversary = Twins(0, stream.chance(0.8), stream.chance(0.5), rate)
        elif kind == "mutators":
            adversary = Mutator(0, stream.pick(RATES), stream.weighted(FOCUS_WEIGHTS))
        adversaries.append(change_plan(adversary, peer=peer, start=start))
    return adversaries


def draw_start(plan: Plan, stream: Stream) -> int:
    """The first step in which somebody lies."""
    return stream.below(max(1, plan.steps // 2)) if stream.chance(0.5) else 0


def draw_known(stream: Stream, plugins: Plugins) -> Known:
    """An attack, with those of its parameters drawn that have a list of values."""
    attack = stream.pick([plugin for plugin in plugins if plugin.kind is Kind.ATTACK])
    parameters = {}
    for name, parameter in attack.factory.parameters.items():
        values = list_values(parameter.adapter)
        if values:
            parameters[name] = stream.pick(values)
    try:
        plugins.build(Kind.ATTACK, attack.name, parameters)
    except ConfigError:  # values that do not go together
        parameters = {}
    return Known(0, attack.name, parameters)


def list_values(adapter: Any) -> tuple[Any, ...]:
    """What a parameter can be, if that is a short list."""
    if adapter._type is bool:  # noqa: SLF001 - pydantic has no other way to ask
        return (False, True)
    return get_args(adapter._type)  # noqa: SLF001 - see above
