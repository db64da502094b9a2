"""Virtual time, links and hosts: nothing honest is lost or late but by what makes a peer faulty."""

from __future__ import annotations

import pytest

from zpeer.ids import PeerId, digest
from zpeer.simulate.adversaries.twins import Split
from zpeer.simulate.host import Parcel
from zpeer.simulate.links import Links
from zpeer.simulate.plan import Network, Twins
from zpeer.simulate.streams import Entropy
from zpeer.simulate.world import World

PEERS = [PeerId(digest("test/link", bytes([place]))) for place in range(4)]
A, B, C, D = PEERS
DELTA = 2.0


def make_links(**fields: float) -> Links:
    network = Network(**{"latency_min": 0.1, "latency_max": 0.4, **fields})  # type: ignore[arg-type]
    return Links(network, DELTA, Entropy(5))


def test_things_happen_in_the_order_of_their_times() -> None:
    world = World(Entropy(1))
    seen: list[float] = []
    for time in (3.0, 1.0, 2.0):
        world.at(time, seen.append, time)
    world.at(1.5, lambda: world.after(0.1, seen.append, 1.6))
    while world.step():
        pass
    assert seen == [1.0, 1.6, 2.0, 3.0]
    assert (world.now, world.count) == (3.0, 5)


def test_of_things_at_one_time_chance_has_the_order() -> None:
    def order(seed: int) -> list[int]:
        world, seen = World(Entropy(seed)), list[int]()
        for place in range(10):
            world.at(1.0, seen.append, place)
        while world.step():
            pass
        return seen

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(5)}) == 5
    assert sorted(order(1)) == list(range(10))


def test_what_is_asked_for_the_past_happens_now() -> None:
    world = World(Entropy(1))
    times: list[float] = []
    world.at(5.0, lambda: world.at(2.0, lambda: times.append(world.now)))
    while world.step():
        pass
    assert times == [5.0]


@pytest.mark.parametrize("fifo", [True, False])
def test_every_message_arrives_within_delta(fifo: bool) -> None:
    links = make_links(fifo=fifo, latency_max=0.4)
    links.hold(10.0, 0.6 * DELTA, [A, B])
    previous = 0.0
    for place in range(400):
        now = 9.0 + place * 0.01
        (at,) = links.arrivals(A, C, now)
        assert now + 0.1 * DELTA <= at <= now + DELTA + 1e-9
        if fifo:
            assert at >= previous
            previous = at


def test_a_partition_holds_back_what_crosses_it_and_nothing_else() -> None:
    links = make_links(latency_max=0.1)
    links.hold(10.0, 1.0, [A, B])
    assert links.arrivals(A, C, 10.2) == (11.0,)
    assert links.arrivals(C, B, 9.9) == (11.0,)
    assert list(links.arrivals(A, B, 10.2)) == pytest.approx([10.4])
    assert list(links.arrivals(C, D, 10.2)) == pytest.approx([10.4])
    assert list(links.arrivals(A, C, 11.5)) == pytest.approx([11.7])


def test_a_broken_connection_loses_what_was_on_it_both_ways_and_nothing_else() -> None:
    links = make_links()
    links.cut(10.0, 2.0, A, [C])

    def is_lost(sender: PeerId, to: PeerId, sent: float, at: float) -> bool:
        return links.is_lost(Parcel(sender, to, b"", b"", sent), at)

    for pair in ((A, C), (C, A)):
        assert is_lost(*pair, 9.5, 10.1)
        assert is_lost(*pair, 10.5, 11.0)
        assert is_lost(*pair, 11.9, 12.5)
        assert not is_lost(*pair, 12.1, 12.5)
        assert not is_lost(*pair, 9.0, 9.9)
    assert not is_lost(A, B, 10.5, 11.0)


def test_delays_on_one_link_do_not_depend_on_what_another_carries() -> None:
    quiet, busy = make_links(), make_links()
    for _ in range(10):
        busy.arrivals(B, C, 0.0)
    assert [quiet.arrivals(A, B, 0.0) for _ in range(5)] == [
        busy.arrivals(A, B, 0.0) for _ in range(5)
    ]


def test_some_messages_arrive_twice_where_the_plan_says_so() -> None:
    links = make_links(duplicates=0.5)
    counts = [len(links.arrivals(A, B, float(now))) for now in range(400)]
    assert set(counts) == {1, 2}
    assert 150 < counts.count(2) < 250


def test_each_twin_is_shown_to_a_part_of_the_peers_and_split_anew_at_each_stage() -> None:
    split = Split(Entropy(3), A, Twins(0))
    stages = [(step, name) for step in range(20) for name in ("COMMIT", "REVEAL")]
    shown = {
        stage: tuple((split.shows(0, stage, peer), split.shows(1, stage, peer)) for peer in PEERS)
        for stage in stages
    }
    assert all(any(pair) for pairs in shown.values() for pair in pairs)
    assert len(set(shown.values())) > 10
    assert any((True, True) in pairs for pairs in shown.values())
    assert all(split.hears(side, stage, B) for side in (0, 1) for stage in stages)


def test_before_its_start_and_in_whole_stages_all_are_shown_the_first_twin() -> None:
    split = Split(Entropy(3), A, Twins(0, rate=0.5, start=10, deaf=True))
    early = [split.shows(side, (4, "CHECK"), peer) for side in (0, 1) for peer in PEERS]
    assert early == [True] * 4 + [False] * 4
    late = [
        tuple(split.shows(side, (step, "CHECK"), peer) for side in (0, 1) for peer in PEERS)
        for step in range(10, 40)
    ]
    assert 5 < late.count((True,) * 4 + (False,) * 4) < 25
    assert split.hears(1, (4, "CHECK"), B)
