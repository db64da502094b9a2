"""The core as a machine: deterministic, restorable at any point, deaf to garbage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.lies import (
    BadParts,
    Covering,
    Flipping,
    Shifting,
    accuse_part,
    accusing,
    all_of,
    attempt_of,
    check_honest,
    misstate,
    read,
)
from tests.core.plain import ByHash, Clip, peer
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.machine import Core
from zpeer.faults import FaultKind
from zpeer.genesis import Deadlines
from zpeer.ids import NOTHING, Digest, PeerId, digest
from zpeer.messages import (
    Accusation,
    Aggregated,
    Check,
    Commit,
    Finding,
    Guilt,
    Projections,
    Report,
    Reveal,
    Verdict,
)
from zpeer.signed import Signed, Stage
from zpeer.wire import WireLimits, encode_payload

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.record import Record


def eventful() -> Ring:
    """A run in which much happens: bad parts, wrong statements, a wrong gradient, a fall."""
    return Ring(
        7,
        steps=5,
        radius=0.6,
        toys={1: BadParts, 2: Flipping},
        tampers={
            1: misstate(0, 1e4),
            3: accusing(accuse_part(FaultKind.PART_NOT_FINITE, 0), publish=False),
        },
    )


def fresh(ring: Ring, me: PeerId) -> dict[str, Any]:
    """What a core of that ring is made with."""
    genesis = ring.genesis
    return {
        "genesis": genesis,
        "me": me,
        "aggregator": Clip(0.6),
        "policy": ByHash(),
        "limits": WireLimits(len(genesis.peers), genesis.directions),
        "deadlines": Deadlines(10.0, 10.0, 10.0),
    }


def events_of(ring: Ring, me: PeerId) -> list[tuple[float, ev.Event, list[fx.Effect]]]:
    """What happened to one peer, and what it wanted."""
    return [(now, event, done) for now, who, event, done in ring.trace if who == me]


# --- determinism ----------------------------------------------------------------------------------


def test_equal_events_at_equal_times_give_equal_effects() -> None:
    ring = eventful().run()
    assert len(ring.departures(1, 2, 3)) >= 2
    for i in (0, 1, 4):
        core = Core(**fresh(ring, peer(i)))
        for now, event, done in events_of(ring, peer(i)):
            assert core.handle(event, now) == done
        assert core.is_stopped


def test_a_core_restored_between_any_two_events_goes_on_alike() -> None:
    ring = eventful().run()
    core = Core(**fresh(ring, peer(0)))
    for now, event, done in events_of(ring, peer(0)):
        snapshot = core.snapshot()
        core = Core.restore(snapshot, **fresh(ring, peer(0)))
        assert core.snapshot() == snapshot
        assert core.handle(event, now) == done
    assert core.is_stopped
    assert core.head == attempt_of(ring.toys[peer(0)]).base.head


def test_a_snapshot_does_not_share_anything_with_the_core_it_came_from() -> None:
    ring = eventful().run()
    log = events_of(ring, peer(0))
    core = Core(**fresh(ring, peer(0)))
    for now, event, _ in log[: len(log) // 2]:
        core.handle(event, now)
    snapshot = core.snapshot()
    for now, event, _ in log[len(log) // 2 :]:
        core.handle(event, now)
    assert core.snapshot() != snapshot
    again = Core.restore(snapshot, **fresh(ring, peer(0)))
    for now, event, done in log[len(log) // 2 :]:
        assert again.handle(event, now) == done


def test_a_broken_snapshot_is_refused() -> None:
    ring = Ring(3)
    with pytest.raises((msgspec.ValidationError, msgspec.DecodeError)):
        Core.restore(b"\xc1", **fresh(ring, peer(0)))


def test_a_core_starts_once() -> None:
    core = Ring(4).toys[peer(0)].core
    assert core.handle(ev.Started(), 0.0)
    assert core.handle(ev.Started(), 1.0) == []


# --- orders of delivery ---------------------------------------------------------------------------


class Shuffled(Ring):
    """Every event takes a time of its own, so any two may change places."""

    def __init__(self, *args: Any, seed: int, spread: float = 0.5, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seed, self.spread = seed, spread

    def push(self, to: PeerId, event: ev.Event, delay: float = 0.001) -> None:
        noise = digest("delay", self.seed.to_bytes(8, "little"), self.count.to_bytes(8, "little"))
        super().push(to, event, delay + self.spread * int.from_bytes(noise[:4], "little") / 2**32)


def lasting(record: Record) -> tuple[Any, ...]:
    """What a record says that cannot depend on measured times."""
    return (
        record.step,
        record.attempt,
        record.outcome,
        record.parameters,
        record.roster,
        record.beacon,
        record.secret_beacon,
        record.validators,
        [(d.target, d.step, d.counted) for d in record.draws],
        [(m.accuser, m.accusation.fault, m.accusation.accused, m.age) for m in record.matters],
        [(d.peer, d.fault, d.accuser, d.part) for d in record.departures],
    )


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_the_order_of_delivery_all_reach_the_same_chain(seed: int) -> None:
    def make(kind: Callable[..., Ring], **more: Any) -> Ring:
        return kind(
            6,
            steps=3,
            toys={1: BadParts, 4: Shifting},
            tampers={2: misstate(0, 100)},
            **more,
        )

    plain = make(Ring).run().check_agreement(1, 2, 4)
    shuffled = make(Shuffled, seed=seed).run()
    records = shuffled.check_agreement(1, 2, 4)
    assert [lasting(r) for r in records] == [lasting(r) for r in plain]
    check_honest(shuffled, 1, 2, 4)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_honest_peers_never_accuse_each_other_whatever_the_order(seed: int) -> None:
    records = check_honest(Shuffled(5, steps=3, radius=0.5, seed=seed, spread=2.0).run())
    assert not any(r.matters or r.departures for r in records)


@pytest.mark.parametrize("k", range(4))
def test_a_cover_is_found_whatever_the_order(k: int) -> None:
    ring = Shuffled(5, steps=5, toys={3: Covering}, seed=k).run()
    assert set(ring.departures(3)) <= {3}
    check_honest(ring, 3)


# --- garbage --------------------------------------------------------------------------------------

POOL = [peer(i) for i in range(7)] + [NOTHING, digest("nobody")]
peers = st.sampled_from([PeerId(p) for p in POOL])
junk = st.binary(max_size=40)


@st.composite
def garbage(  # noqa: PLR0911 - one table
    draw: st.DrawFn, heads: list[Digest], blobs: list[Digest]
) -> ev.Event:
    """An event with a sound header and nonsense in it."""
    heads_, blobs_ = st.sampled_from(heads), st.sampled_from(blobs)
    stages = st.sampled_from(list(Stage))

    def signed() -> Signed:
        return Signed(draw(stages), draw(heads_), draw(peers), draw(junk), bytes(64))

    arrival = (draw(blobs_), draw(st.integers(0, 2**40)), draw(st.booleans()))
    match draw(st.integers(0, 8)):
        case 0 | 1:
            return ev.MessageReceived(signed())
        case 2:
            return ev.SetRequested(draw(peers), draw(heads_), draw(stages))
        case 3:
            many = tuple(signed() for _ in range(draw(st.integers(0, 3))))
            return ev.SetReceived(draw(peers), draw(heads_), draw(stages), many)
        case 4:
            return ev.ProofReceived(signed(), signed())
        case 5:
            return ev.PartArrived(draw(heads_), draw(peers), *arrival)
        case 6:
            return ev.ResultArrived(draw(heads_), draw(peers), *arrival)
        case 7:
            return ev.BlobArrived(*arrival)
        case _:
            return ev.BlobRequested(draw(peers), draw(blobs_))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_garbage_raises_nothing_and_takes_no_room(data: st.DataObject) -> None:
    ring = halfway()
    toy = ring.toys[peer(0)]
    core = Core.restore(toy.core.snapshot(), **fresh(ring, peer(0)))
    before = len(core.snapshot())
    head = attempt_of(toy).base.head
    heads = [head, ring.genesis.run, digest("a head that never was"), NOTHING]
    commits = read(toy, attempt_of(toy).messages[Stage.COMMIT][peer(1)])
    blobs = [NOTHING, digest("unknown"), *commits.parts]
    for _ in range(data.draw(st.integers(1, 40))):
        core.handle(data.draw(garbage(heads, blobs)), ring.now)
    assert len(core.snapshot()) < before + 60_000


def halfway() -> Ring:
    """A ring in the middle of its second step, with a matter open."""
    if not RINGS:
        ring = Ring(7, radius=0.6, toys={1: BadParts})
        for toy in ring.toys.values():
            ring.deliver(toy, ev.Started())
        toy = ring.toys[peer(0)]
        while not (toy.records and attempt_of(toy).stage is Stage.PROJECTIONS):
            ring.step()
        assert attempt_of(toy).base.matters
        RINGS.append(ring)
    return RINGS[0]


RINGS: list[Ring] = []

# --- a liar that says anything that decodes -------------------------------------------------------


class Speaker:
    """Draws well-formed bodies from what the liar could know."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data

    def digest(self, toy: Toy) -> Digest:
        attempt = attempt_of(toy)
        known = [NOTHING, digest("x"), attempt.base.head, *attempt.sets.values(), toy.me]
        known += [m.name for m in attempt.base.matters]
        known += [d.attempt for d in attempt.base.draws]
        known += list(attempt.own_parts or ())
        return Digest(self.data.draw(st.sampled_from(known)))

    def peer(self, toy: Toy) -> PeerId:
        return self.data.draw(st.sampled_from([*toy.genesis.peers, PeerId(NOTHING)]))

    def number(self) -> float:
        return self.data.draw(
            st.sampled_from([0.0, -0.0, 1.0, -1e-9, 1e300, float("nan"), INFINITY])
        )

    def count(self, most: int) -> range:
        return range(self.data.draw(st.integers(0, most)))

    def accusation(self, toy: Toy) -> Accusation:
        duty = attempt_of(toy).base.duty_of(toy.me)
        is_drawn = bool(duty) and self.data.draw(st.booleans())
        target = duty[0].target if is_drawn else self.peer(toy)
        head = duty[0].attempt if is_drawn else self.digest(toy)
        return Accusation(
            self.data.draw(st.sampled_from(list(FaultKind))),
            target,
            head,
            self.data.draw(st.integers(-1, len(toy.genesis.peers) - 1)),
            about=self.peer(toy),
            evidence=self.digest(toy),
        )

    def finding(self, toy: Toy) -> Finding:
        guilt = self.data.draw(st.sampled_from(list(Guilt)))
        return Finding(self.digest(toy), guilt, tuple(self.peer(toy) for _ in self.count(2)))

    def report(self, toy: Toy) -> Report:
        return Report(
            self.peer(toy), self.digest(toy), self.data.draw(st.booleans()), self.digest(toy)
        )

    def say(self, toy: Toy, effect: fx.Broadcast) -> bytes:
        said = read(toy, Signed(effect.stage, effect.head, toy.me, effect.payload, b""))
        parts = len(attempt_of(toy).base.workers)
        lie: Any = said
        match said:
            case Commit():
                lie = Commit(tuple(self.digest(toy) for _ in range(parts)), self.digest(toy))
            case Aggregated():
                lie = Aggregated(said.echo, None)
            case Reveal():
                lie = Reveal(said.echo, self.digest(toy))
            case Projections():
                rows = tuple(tuple(self.number() for _ in range(2)) for _ in range(parts))
                norms = tuple(self.number() for _ in range(parts))
                lie = Projections(said.echo, self.digest(toy), rows, norms)
            case Check():
                lie = msgspec.structs.replace(
                    said,
                    secret=said.secret if self.data.draw(st.booleans()) else self.digest(toy),
                    accusations=tuple(self.accusation(toy) for _ in self.count(3)),
                    findings=self.some(said.findings, lambda: self.finding(toy)),
                    reports=self.some(said.reports, lambda: self.report(toy)),
                    durations=tuple(self.number() for _ in self.count(4)),
                )
            case Verdict():
                pass
        return encode_payload(lie)

    def some(self, honest: tuple[Any, ...], lie: Callable[[], Any]) -> tuple[Any, ...]:
        if self.data.draw(st.booleans()):
            return honest
        return tuple(lie() for _ in range(len(honest)))


INFINITY = float("inf")


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_liar_that_says_anything_costs_no_honest_peer_its_place(data: st.DataObject) -> None:
    """Whatever decodes is answered by rules: the honest agree, and go on or stop together."""
    speaker = Speaker(data)

    def tamper(ring: Ring, toy: Toy, effects: list[fx.Effect]) -> list[fx.Effect]:
        lying = Stage.AGGREGATED, Stage.REVEAL, Stage.PROJECTIONS, Stage.CHECK
        return [
            msgspec.structs.replace(effect, payload=speaker.say(toy, effect))
            if isinstance(effect, fx.Broadcast)
            and effect.stage in lying
            and data.draw(st.integers(0, 3)) == 0
            else effect
            for effect in effects
        ]

    ring = Ring(5, steps=3, tampers={1: all_of(tamper), 4: all_of(tamper)}).run()
    records = ring.check_agreement(1, 4)
    for toy in ring.honest(1, 4):
        assert toy.stop is not None
        assert toy.ended.code in (0, 5), toy.ended.reason
        assert not records or toy.me in records[-1].roster
