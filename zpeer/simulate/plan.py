"""A plan: everything that a simulated run depends on, as a plain value.

It can be drawn from a seed (`drawing`), edited, written to a file and run again. Peers are called
by numbers that never change: a plan with fewer members leaves the others what they were, so that a
failing one can shrink. Times are in shares of Delta, within which a message between honest peers
arrives; the plan says itself who is faulty, and `find_problems` holds that to what the protocol
assumes.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from zpeer.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T", bound=msgspec.Struct)

LEAST_PEERS = 3
FOCUSES = ("all", "slow", "timing", "bulk", "forms")


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How messages travel between peers that are all well."""

    latency_min: float = 0.05
    latency_max: float = 0.05
    """Shares of Delta; each message draws its own."""
    fifo: bool = True
    """Whether messages from one peer to another keep their order."""
    duplicates: float = 0.0
    """Share of messages that arrive twice."""
    compute_max: float = 0.0
    """Most seconds that a gradient takes, in shares of the run's `work`."""


class Moment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When `peer` has sent `copies` copies of its message of a stage, in `step` or later."""

    peer: int
    step: int
    stage: str
    """COMMIT ... VERDICT, VIEW, CLOSED, DECIDED."""
    copies: int = 0
    later: float = 0.0
    """And so many Deltas after that."""


class Hold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="hold", tag_field="kind"):
    """A partition that heals in time: what crosses it waits for its end, and is not lost."""

    when: Moment
    last: float
    """In Deltas; with the latency at most one."""
    peers: tuple[int, ...]
    """One side; all others are the other."""


class Freeze(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="freeze", tag_field="kind"
):
    """A process stands still: what comes waits, its timers fire late. Longer than the slack of the
    network it makes its peer a faulty one."""

    when: Moment
    last: float


class Break(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="break", tag_field="kind"):
    """Connections of a peer to some others are gone, with all that is under way on them. The peer
    counts as faulty."""

    when: Moment
    last: float
    peer: int
    others: tuple[int, ...]


class Restart(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="restart", tag_field="kind"
):
    """A process dies and comes back after a while with its state and its tensors, but without what
    was sent to it meanwhile. Its peer counts as faulty."""

    when: Moment
    last: float


class Crash(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="crash", tag_field="kind"):
    """A process dies for good: without its state a peer must not sign again, and its journal sees
    to that."""

    when: Moment


Fault = Hold | Freeze | Break | Restart | Crash


class Known(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="attack", tag_field="kind"
):
    """A peer with one of the attack plugins."""

    peer: int
    attack: str
    parameters: dict[str, Any] = {}
    start: int = 0
    """First step in which it attacks."""


class Twins(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="twins", tag_field="kind"):
    """Two processes with one key, each honest, each shown to a part of the peers (Bano et al.,
    *Twins: BFT Systems Made Robust*, 2021)."""

    peer: int
    alike: bool = True
    """Whether both draw the same secrets: then they differ in what they saw alone."""
    deaf: bool = False
    """Whether each hears only those that it is shown to."""
    rate: float = 1.0
    """How many stages are split; in the others all hear the first twin alone."""
    start: int = 0


class Mutator(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="mutator", tag_field="kind"
):
    """A peer that changes, drops, delays and invents messages of its own."""

    peer: int
    rate: float = 0.05
    """How often it does something about what it is about to send."""
    focus: str = "all"
    """What it does most about: all, slow (calls and what follows them), timing (nothing that
    convicts it), bulk, forms (bodies that are almost right)."""
    start: int = 0
    only: tuple[int, ...] | None = None
    """Which of its opportunities it takes; None: all that chance gives it."""


class Show(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told what at a stage, from a step on, once. Who is named nowhere is told nothing."""

    stage: str
    """COMMIT ... DECIDED, PART or RESULT."""
    step: int
    truth: tuple[int, ...]
    lie: tuple[int, ...] = ()


class Script(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="script", tag_field="kind"
):
    """A peer that is honest but for what its script says."""

    peer: int
    shows: tuple[Show, ...]


class Forger(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="forger", tag_field="kind"
):
    """A peer that is honest but for one thing, which it does whenever it can, so many times."""

    peer: int
    deed: str
    """See `forger`."""
    times: int = 1
    start: int = 0


class Plotter(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="plotter", tag_field="kind"
):
    """A peer that times what it says when an attempt is stuck: `plotting` says how. Times are in
    Deltas after it signs its own view; negative ones never come."""

    peer: int
    victims: tuple[int, ...] = ()
    """Who is shown what comes late."""
    trusting: tuple[int, ...] = ()
    """Who hears its CLOSED."""
    stalls: str = ""
    """A stage that it is silent in, so that others call."""
    hides: bool = False
    """Whether it shows its own view to accomplices alone."""
    relays: float = -1.0
    """When victims are shown a hidden view."""
    again: float = -1.0
    """When victims are shown another view of its own."""
    closes: float = -2.0
    """When it signs what an honest peer closed; -1: never; -2: as ever."""
    slips: float = -1.0
    """Deltas after the time they are due at which it sends PARTs and RESULTs."""
    shields: bool = False
    """Whether it once moves its aggregate, accuses an accomplice of it, and shows no bytes."""
    start: int = 0


Adversary = Known | Twins | Mutator | Script | Forger | Plotter


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One simulated run."""

    seed: int
    members: tuple[int, ...]
    """Numbers of the peers, in roster order."""
    steps: int
    validators: int = 1
    dimension: int = 48
    block: int = 2
    directions: int = 4
    patience: float = 6.0
    """Seconds; Delta is a sixth of it."""
    work: float = 0.0
    charges_max: int = 3
    charge_lifetime: int = 1000
    typical: float = 1.0
    """First typical norm of the run, in those that residuals have."""
    typical_window: int = 50
    optimizer_digest_every: int = 10
    network: Network = Network()
    faults: tuple[Fault, ...] = ()
    adversaries: tuple[Adversary, ...] = ()
    pardon: float = 0.0
    """Share of bans and removals of liars that everybody ignores, so that later trouble arrives."""
    real_signatures: bool = False

    @property
    def delta(self) -> float:
        """Seconds within which a message between honest peers arrives."""
        return self.patience / 6

    @property
    def byzantine(self) -> frozenset[int]:
        """Who may do anything."""
        return frozenset(adversary.peer for adversary in self.adversaries)

    @property
    def slack(self) -> float:
        """What the latency leaves of Delta, less the longest partition."""
        holds = [fault.last for fault in self.faults if isinstance(fault, Hold)]
        return 1.0 - self.network.latency_max - max(holds, default=0.0)

    @property
    def faulty(self) -> frozenset[int]:
        """Who is not held to its deadlines: liars, the crashed, the cut off and the slow."""
        return self.byzantine | {peer for fault in self.faults for peer in self.victims(fault)}

    def victims(self, fault: Fault) -> tuple[int, ...]:
        """Whom a fault makes faulty."""
        match fault:
            case Hold():
                return ()
            case Freeze():
                return (fault.when.peer,) if fault.last > self.slack else ()
            case Break():
                return (fault.peer,)
            case Restart() | Crash():
                return (fault.when.peer,)


def change_plan(value: T, **changes: Any) -> T:
    """A plan, or a part of one, with other fields."""
    return msgspec.structs.replace(value, **changes)


def most_faulty(peers: int) -> int:
    """F: any minority."""
    return ceil(peers / 2) - 1


def most_byzantine(peers: int, validators: int) -> int:
    """f: fewer than half of the workers, with all validators honest."""
    return ceil((peers - min(validators, (peers - 1) // 2)) / 2) - 1


def find_problems(plan: Plan) -> list[str]:
    """Where a plan is no plan, or is outside of what the protocol assumes."""
    peers, members = len(plan.members), set(plan.members)
    problems = []
    if peers < LEAST_PEERS or len(members) < peers:
        problems.append(f"members {plan.members}: expected at least {LEAST_PEERS} different ones")
    if len(plan.faulty) > most_faulty(peers):
        found = f"faulty {sorted(plan.faulty)} of {peers}"
        problems.append(f"{found}: the protocol assumes at most {most_faulty(peers)}")
    if len(plan.byzantine) < len(plan.adversaries):
        problems.append("two adversaries have one peer")
    named = {peer for fault in plan.faults for peer in named_by(fault)} | plan.byzantine
    if named - members:
        problems.append(f"{sorted(named - members)} are no members")
    focuses = {each.focus for each in plan.adversaries if isinstance(each, Mutator)}
    if focuses - set(FOCUSES):
        problems.append(f"focus {sorted(focuses)}: expected one of {', '.join(FOCUSES)}")
    if not 0 <= plan.network.latency_min <= plan.network.latency_max <= 1 or plan.slack < 0:
        problems.append("latency and partitions together last longer than Delta")
    return problems


def named_by(fault: Fault) -> tuple[int, ...]:
    """Peers that a fault names."""
    match fault:
        case Hold():
            return (fault.when.peer, *fault.peers)
        case Break():
            return (fault.when.peer, fault.peer, *fault.others)
        case Freeze() | Restart() | Crash():
            return (fault.when.peer,)


def encode_plan(plan: Plan) -> bytes:
    """JSON that people can read and edit."""
    return msgspec.json.format(msgspec.json.encode(plan), indent=1) + b"\n"


def decode_plan(data: bytes, origin: str) -> Plan:
    """The plan in a file; raises ConfigError."""
    try:
        plan = msgspec.json.decode(data, type=Plan)
    except (msgspec.ValidationError, msgspec.DecodeError) as problem:
        raise ConfigError(f"{origin} is no plan of a simulation: {problem}") from problem
    problems = find_problems(plan)
    if problems:
        raise ConfigError("\n".join(f"{origin}: {problem}" for problem in problems))
    return plan


def load_plan(path: Path) -> Plan:
    """A plan that was saved; raises ConfigError."""
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise ConfigError(f"{path} cannot be read: {problem.strerror}") from problem
    return decode_plan(data, str(path))
