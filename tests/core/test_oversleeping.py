"""Who oversleeps the rounds of the slow path does not end by the views it has read so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.core.minds import all_of, no_answers, no_chains, silent, stuck_at
from tests.core.plain import peer
from tests.core.scenes import Clock, as_it_is, departures, hold, on_join, steady
from tests.core.timed import DELTA, MOST, Delivery, Timed, attempt_of
from zpeer import events as ev
from zpeer.signed import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.core.timed import Sent
    from zpeer.ids import PeerId

N = 7
LIAR, SLEEPER = 1, 3
FIRST = tuple(map(peer, (0, 2, LIAR)))
"""Whose views the sleeper reads before it falls asleep: with its own those of most."""
LAST_ROUND = 19 * DELTA
AFTER_ALL = 30 * DELTA


class Uneven(Timed):
    """The sleeper hears the views of some at once, and all else in the slow path a Delta later.
    One peer says nothing in REVEAL, and keeps the rounds from ending early."""

    def __init__(self, *asleep: int) -> None:
        blocking = all_of(stuck_at(Stage.REVEAL), silent(Stage.CLOSED), no_answers, no_chains)
        minds = {LIAR: blocking, **dict.fromkeys(asleep, as_it_is)}
        super().__init__(N, minds=minds, delays=steady, starts=0.0)

    def delay(self, sender: PeerId, delivery: Delivery) -> Iterator[Sent]:
        """One delivery each."""
        event = delivery.event
        is_view = isinstance(event, ev.MessageReceived) and event.signed.stage is Stage.VIEW
        is_stuck = isinstance(event, ev.ChainReceived) or is_view
        is_first = is_view and sender in FIRST
        is_late = is_stuck and delivery.to == peer(SLEEPER) and not is_first
        yield MOST * DELTA if is_late else 0.01, delivery


def sleep_in_slow_path(net: Timed, i: int, start: float, end: float) -> None:
    """A peer sleeps from so long after it joined until so long after it."""

    def do(joined: float) -> None:
        net.frozen[peer(i)] = (joined + start, joined + end)

    on_join(net, i, do)


def has_overslept(net: Timed, i: int) -> bool:
    """What it knows of the first attempt."""
    slow = net.toy(i).core._context.state.past[net.genesis.run].slow
    assert slow is not None
    return slow.overslept


def test_who_wakes_after_the_rounds_decides_what_the_others_did() -> None:
    net = Uneven(SLEEPER)
    sleep_in_slow_path(net, SLEEPER, 0.5, AFTER_ALL)
    records = hold(net)
    assert departures(records[:1]) == {LIAR: "CLAIMED_BY_MOST"}
    assert net.toy(SLEEPER).records[0] == records[0]
    assert has_overslept(net, SLEEPER)


def test_who_sleeps_through_two_rounds_does_not_end_by_its_own_views_though_awake_then() -> None:
    net = Uneven(SLEEPER)
    sleep_in_slow_path(net, SLEEPER, 0.5, LAST_ROUND - 1)
    records = hold(net)
    assert net.toy(SLEEPER).records[0] == records[0]
    assert has_overslept(net, SLEEPER)


def test_a_nap_does_no_harm() -> None:
    """Two Delta are to spare in every round."""
    net = Uneven()
    clock = Clock(net)
    sleep_in_slow_path(net, SLEEPER, 0.6, 2.4)
    records = hold(net)
    assert departures(records[:1]) == {LIAR: "CLAIMED_BY_MOST"}
    assert min(clock.lengths(net.genesis.run)) >= LAST_ROUND
    assert not has_overslept(net, SLEEPER)


def test_where_all_oversleep_nobody_decides_and_all_stop() -> None:
    """By what each has read so far they would remove each other."""
    honest = [i for i in range(N) if i != LIAR]
    net = Uneven(*honest)
    for i in honest:
        sleep_in_slow_path(net, i, 0.5, AFTER_ALL)
    net.run()
    for i in honest:
        toy = net.toy(i)
        assert toy.records == []
        assert attempt_of(toy).slow is not None
        assert toy.stop is not None
        assert toy.stop.code == 5
        assert "my clock jumped in the slow path" in toy.stop.reason
