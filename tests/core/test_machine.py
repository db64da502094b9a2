"""The core as a machine: deterministic, restorable at any point, whatever the order."""

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
    attempt_of,
    check_honest,
    misstate,
)
from tests.core.pieces import fresh, silent_once, two_stories
from tests.core.plain import peer
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.machine import Core
from zpeer.faults import FaultKind
from zpeer.ids import PeerId, digest
from zpeer.signed import Stage

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


def embattled() -> Ring:
    """A run that gets stuck again and again: silence, two bodies of a CHECK, PARTs kept back."""

    def kept_back(ring: Ring, toy: Toy, effects: list[fx.Effect]) -> list[fx.Effect]:
        is_part = fx.SendPart | fx.SendBlob
        is_late = len(toy.records) >= 3
        return [
            e
            for e in effects
            if not (is_late and isinstance(e, is_part) and peer(0) in as_tuple(e.to))
        ]

    return Ring(
        7,
        steps=5,
        radius=0.6,
        tampers={1: silent_once(Stage.REVEAL), 2: two_stories(Stage.CHECK, 0), 3: kept_back},
        charges_max=1,
    )


def as_tuple(to: PeerId | tuple[PeerId, ...]) -> tuple[PeerId, ...]:
    """Those it goes to."""
    return to if isinstance(to, tuple) else (to,)


RUNS = {"eventful": eventful, "embattled": embattled}


def events_of(ring: Ring, me: PeerId) -> list[tuple[float, ev.Event, list[fx.Effect]]]:
    """What happened to one peer, and what it wanted."""
    return [(now, event, done) for now, who, event, done in ring.trace if who == me]


# --- determinism ----------------------------------------------------------------------------------


def test_the_runs_are_as_eventful_as_they_say() -> None:
    assert len(eventful().run().departures(1, 2, 3)) >= 2
    ring = embattled().run()
    stuck = {w.stage for toy in ring.honest(1, 2, 3) for w in toy.warnings}
    assert {Stage.AGGREGATED, Stage.REVEAL, Stage.VERDICT} <= stuck
    faults = set(ring.departures(0, 1, 2, 3).values())
    assert {"CLAIMED_BY_MOST", "EQUIVOCATION", "PAIR_ELIMINATED"} <= faults


@pytest.mark.parametrize("name", RUNS)
def test_equal_events_at_equal_times_give_equal_effects(name: str) -> None:
    ring = RUNS[name]().run()
    for i in (0, 1, 4):
        core = Core(**fresh(ring, peer(i)))
        for now, event, done in events_of(ring, peer(i)):
            assert core.handle(event, now) == done
        assert core.is_stopped


@pytest.mark.parametrize("name", RUNS)
def test_a_core_restored_between_any_two_events_goes_on_alike(name: str) -> None:
    ring = RUNS[name]().run()
    core = Core(**fresh(ring, peer(0)))
    for now, event, done in events_of(ring, peer(0)):
        snapshot = core.snapshot()
        core = Core.restore(snapshot, **fresh(ring, peer(0)))
        assert core.snapshot() == snapshot
        assert core.handle(event, now) == done
    assert core.is_stopped
    assert core.head == attempt_of(ring.toys[peer(0)]).base.head


@pytest.mark.parametrize("name", RUNS)
def test_a_snapshot_does_not_share_anything_with_the_core_it_came_from(name: str) -> None:
    ring = RUNS[name]().run()
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
