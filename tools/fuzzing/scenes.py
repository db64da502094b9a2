"""Moments to attack a swarm at: every stage, before the start and after the end, with matters open,
in every phase of a slow path, with and without protection."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tests.core.plain import make_genesis, peer, sign
from tools.fuzzing.aim import JUNK, accuse
from tools.fuzzing.world import Scene, World
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.state import State
from zpeer.faults import FaultKind
from zpeer.genesis import Agreement, Protection
from zpeer.ids import digest
from zpeer.messages import Accusation
from zpeer.signed import Signed, Stage
from zpeer.simulate.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.fuzzing.world import Host, Tamper
    from zpeer.ids import PeerId

Told = list[tuple[Signed, tuple["PeerId", ...]]]
EVENTS_MAX = 60_000


class Story(NamedTuple):
    """A run in which something happens, for its scenes."""

    label: str
    peers: int
    validators: int = 1
    steps: int = 3
    protection: Protection = Protection.FULL
    agreement: Agreement = Agreement.FULL
    liars: tuple[int, ...] = ()
    """Who does something, from the second attempt on."""
    deed: str = ""
    hoard: bool = False
    """Whether those who do it publish no bytes."""
    deaf: Stage | None = None
    """What the first peer hears nothing of in the second step."""


DEAF = (Stage.COMMIT, Stage.CHECK, Stage.VERDICT, Stage.VIEW)


STORIES = (
    Story("well", 3),
    Story("well", 4),
    Story("well", 5, 2),
    Story("well", 7, 2),
    *(
        Story(f"silent in {stage.name}", 4, liars=(1,), deed=stage.name)
        for stage in Stage
        if stage < 7
    ),
    Story("silent in COMMIT", 7, 2, liars=(2,), deed="COMMIT"),
    Story("silent in CHECK", 5, liars=(2,), deed="CHECK"),
    Story("two bodies", 4, liars=(1,), deed="two"),
    Story("two bodies", 7, 2, liars=(3,), deed="two"),
    Story("accusing", 5, liars=(2,), deed="accuse"),
    Story("accusing", 7, 2, liars=(1,), deed="accuse"),
    Story("accusing", 7, 3, 4, liars=(1, 2, 3), deed="accuse"),
    Story("wrong gradient", 5, 2, liars=(1, 2), deed="gradient"),
    Story("wrong reports", 7, 2, liars=(1, 2, 3), deed="reports"),
    Story("large norms", 5, liars=(1,), deed="norms"),
    Story("large norms", 7, 2, 4, liars=(1, 2, 4), deed="norms"),
    Story("large norms", 7, 3, 4, liars=(1, 2, 5), deed="norms", hoard=True),
    Story("wrong sum", 5, liars=(1,), deed="sum"),
    Story("shielded", 7, 2, 5, liars=(1, 2, 3), deed="shield", hoard=True),
    Story("told some", 5, liars=(1,), deed="some"),
    Story("told some", 7, 2, liars=(3,), deed="some"),
    *(Story(f"deaf to {stage.name}", 5, deaf=stage) for stage in Stage if stage in DEAF),
    Story("stop", 4, agreement=Agreement.STOP),
    Story("stop, silent", 4, agreement=Agreement.STOP, liars=(1,), deed="REVEAL"),
    Story("clip", 4, protection=Protection.CLIP, agreement=Agreement.STOP),
    Story("unprotected", 4, protection=Protection.NONE, agreement=Agreement.STOP),
)


def tell(story: Story) -> list[Scene]:
    """Run a story to its end, and keep each moment that is like none before."""
    world = World(
        make_genesis(
            story.peers,
            story.steps,
            story.validators,
            protection=story.protection,
            agreement=story.agreement,
        )
    )
    faulty = tuple(peer(place) for place in story.liars)
    for liar in faulty:
        world.tampers[liar] = make_tamper(world, story.deed)
        world.hoarding |= {liar} if story.hoard else set()
    if story.deaf is not None:
        world.is_lost = lambda to, event: to == peer(0) and is_about(event, world, story.deaf)
    scenes = {"before the start": world.freeze(f"{story.label}, {story.peers}: new", faulty)}
    for me in world.genesis.peers:
        world.push(me, ev.Started(), 0.0)
    turned: list[Host] = []
    world.watch = lambda host, _event, _effects: turned.append(host)
    while world.step():
        host = turned.pop()
        place = describe(host) if host.me == peer(0) else ""
        if place and place not in scenes:
            scenes[place] = world.freeze(f"{story.label}, {story.peers}: {place}", faulty)
        assert world.pushed < EVENTS_MAX, "a run without trouble does not come to an end"
    return list(scenes.values())


def is_about(event: ev.Event, world: World, stage: Stage | None) -> bool:
    """Whether somebody is told words of a stage, in another attempt than the first."""
    match event:
        case ev.MessageReceived(signed=word) | ev.ChainReceived(view=word):
            return word.stage is stage and word.head != world.genesis.run
        case ev.SetReceived(head=head, stage=what):
            return what is stage and head != world.genesis.run
        case _:
            return False


def describe(host: Host) -> str:
    """What a peer is at: few words for many moments."""
    state = msgspec.msgpack.decode(host.core.snapshot(), type=State)
    attempt = state.attempt
    if state.stopped or attempt is None:
        return "stopped" if state.stopped else "before the start"
    words = [
        attempt.stage.name,
        "closing" if attempt.base.closing else f"{min(attempt.base.step, 1)}",
    ]
    slow = attempt.slow
    if slow is not None:
        words.append("agreed" if slow.agreed else "closed" if slow.closed else "called")
    words += ["void"] * attempt.void + ["matters"] * bool(attempt.base.matters)
    words += ["sent"] * (attempt.stage in attempt.sent) + ["early"] * bool(state.early)
    return ", ".join(words)


# --- deeds ----------------------------------------------------------------------------------------


def make_tamper(world: World, deed: str) -> Tamper:
    """What a liar does from its second attempt on."""
    change = DEEDS.get(deed)

    def tamper(host: Host, effect: fx.Broadcast) -> Told:
        signed = sign(effect.stage, effect.head, host.me, effect.payload)
        if effect.head == world.genesis.run:
            return [(signed, effect.to)]
        if change is not None:
            return change(world, signed, effect.to)
        if effect.stage >= Stage[deed]:
            world.silent.add(host.me)
        return [(signed, effect.to)]

    return tamper


def tell_two(_world: World, signed: Signed, to: tuple[PeerId, ...]) -> Told:
    """Two bodies of REVEAL, one to each half."""
    if signed.stage is not Stage.REVEAL:
        return [(signed, to)]
    other = sign(signed.stage, signed.head, signed.sender, signed.payload[:-1] + b"\0")
    return [(signed, to[::2]), (other, to[1::2])]


def blame(world: World, signed: Signed, to: tuple[PeerId, ...]) -> Told:
    """Accuse whom one may, and turn findings round."""
    if signed.stage is not Stage.CHECK:
        return [(signed, to)]
    stream = Stream(signed.body)
    payload = accuse(world, signed.sender, signed.head, signed.payload, stream)
    return [(sign(Stage.CHECK, signed.head, signed.sender, payload), to)]


def compute_wrong(world: World, signed: Signed, to: tuple[PeerId, ...]) -> Told:
    """Commit to another gradient, and send that."""
    if signed.stage is not Stage.COMMIT:
        return [(signed, to)]
    tree = msgspec.msgpack.decode(signed.payload)
    tree[0] = [digest("fuzz/another", part) for part in tree[0]]
    world.hosts[signed.sender].parts[signed.head] = tuple(tree[0])
    payload = msgspec.msgpack.encode(tree)
    return [(sign(signed.stage, signed.head, signed.sender, payload), to)]


def copy_reports(_world: World, signed: Signed, to: tuple[PeerId, ...]) -> Told:
    """Report without having computed anything."""
    if signed.stage is not Stage.CHECK:
        return [(signed, to)]
    tree = msgspec.msgpack.decode(signed.payload)
    for report in tree[4]:
        report[3] = JUNK
    payload = msgspec.msgpack.encode(tree)
    return [(sign(signed.stage, signed.head, signed.sender, payload), to)]


def enlarge(_world: World, signed: Signed, to: tuple[PeerId, ...]) -> Told:
    """State norms that nobody has."""
    if signed.stage is not Stage.PROJECTIONS:
        return [(signed, to)]
    tree = msgspec.msgpack.decode(signed.payload)
    tree[3] = [1e6 for _ in tree[3]]
    payload = msgspec.msgpack.encode(tree)
    return [(sign(signed.stage, signed.head, signed.sender, payload), to)]


def misstate(_world: World, signed: Signed, to: tuple[PeerId, ...]) -> Told:
    """State projections that do not sum to zero with those of the others."""
    if signed.stage is not Stage.PROJECTIONS:
        return [(signed, to)]
    tree = msgspec.msgpack.decode(signed.payload)
    tree[2] = [[value / 2 + 0.01 for value in row] for row in tree[2]]
    payload = msgspec.msgpack.encode(tree)
    return [(sign(signed.stage, signed.head, signed.sender, payload), to)]


def shield(world: World, signed: Signed, to: tuple[PeerId, ...]) -> Told:
    """Spoil the sum of one's own part, and excuse that by an accomplice, over bytes that both
    keep."""
    record = next((each for each in world.known.records if each.head == signed.head), None)
    workers = [each for each in record.roster if each not in record.validators] if record else []
    if signed.stage is Stage.PROJECTIONS and signed.sender in workers:
        tree = msgspec.msgpack.decode(signed.payload)
        tree[2] = [
            [value / 2 + 0.01 for value in row] if worker == signed.sender else row
            for worker, row in zip(workers, tree[2], strict=False)
        ]
        payload = msgspec.msgpack.encode(tree)
        return [(sign(signed.stage, signed.head, signed.sender, payload), to)]
    accomplices = [each for each in workers if each in world.tampers and each != signed.sender]
    if signed.stage is not Stage.CHECK or signed.sender not in workers or not accomplices:
        return [(signed, to)]
    part, accused = workers.index(signed.sender), accomplices[0]
    parts = world.hosts[accused].parts.get(signed.head, ())
    if len(parts) <= part:
        return [(signed, to)]
    tree = msgspec.msgpack.decode(signed.payload)
    fault = FaultKind.WRONG_PROJECTION
    tree[2] = [Accusation(fault, accused, signed.head, part, evidence=parts[part])]
    payload = msgspec.msgpack.encode(tree)
    return [(sign(signed.stage, signed.head, signed.sender, payload), to)]


def tell_some(world: World, signed: Signed, to: tuple[PeerId, ...]) -> Told:
    """A COMMIT to all but the first peer; after that nothing to anybody."""
    if signed.stage > Stage.COMMIT:
        world.silent.add(signed.sender)
    return [(signed, tuple(each for each in to if each != peer(0)))]


DEEDS: dict[str, Callable[[World, Signed, tuple[PeerId, ...]], Told]] = {
    "two": tell_two,
    "accuse": blame,
    "gradient": compute_wrong,
    "reports": copy_reports,
    "norms": enlarge,
    "sum": misstate,
    "some": tell_some,
    "shield": shield,
}
"""Whatever is no name of a stage."""
