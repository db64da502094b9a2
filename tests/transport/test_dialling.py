"""Where peers are dialled, and names that are looked up, without sockets."""

from __future__ import annotations

from threading import Event
from time import monotonic, sleep
from typing import TYPE_CHECKING

from tests.transport.harness import DEADLINE_S, P1, P2
from zpeer.transport.dialling import TRY_S, Dialler, Place
from zpeer.transport.lookup import FOUND_MAX, RUNNING_MAX, Lookups, look_up
from zpeer.transport.sockets import Address

if TYPE_CHECKING:
    from zpeer.ids import PeerId

STATED, ANNOUNCED = Address("192.0.2.1", 1), Address("192.0.2.2", 2)
NAME = Address("peer.example", 3)


class Names:
    """A dialler over names whose answers a test sets or holds back, and what it has dialled."""

    def __init__(self, hosts: dict[str, tuple[str, ...]]) -> None:
        self.hosts = hosts
        self.held: dict[str, Event] = {}
        self.dialled: list[tuple[PeerId, Place]] = []
        self.lookups = Lookups(self._find)
        self.dialler = Dialler(lambda peer, place: self.dialled.append((peer, place)), self.lookups)
        self.now = monotonic()

    def _find(self, address: Address) -> tuple[tuple[str, ...], str]:
        if address.host in self.held:
            assert self.held[address.host].wait(DEADLINE_S)
        hosts = self.hosts.get(address.host, ())
        return hosts, "" if hosts else "unknown"

    def places(self, peer: PeerId = P1) -> list[Address]:
        return [place.numeric for whom, place in self.dialled if whom == peer]

    def wait(self, *, greeted: bool = False) -> None:
        """Let one place have its time."""
        self.now += TRY_S + 1
        self.dialler.turn(self.now, lambda _: greeted)

    def until_dialled(self, count: int, peer: PeerId = P1) -> None:
        deadline = monotonic() + DEADLINE_S
        while len(self.places(peer)) < count:
            assert monotonic() < deadline, self.dialled
            self.dialler.turn(self.now, lambda _: False)
            sleep(0)


def test_a_peer_that_is_not_there_yet_is_dialled_once() -> None:
    names = Names({})
    names.dialler.start(P1, STATED)
    for _ in range(5):
        names.wait()
    assert names.dialled == [(P1, Place(STATED, STATED))]


def test_an_announced_address_is_dialled_at_once_and_the_stated_one_again_if_it_is_wrong() -> None:
    names = Names({})
    names.dialler.start(P1, STATED)
    names.dialler.start(P2, STATED)
    names.dialler.move(P1, ANNOUNCED)
    assert names.places() == [STATED, ANNOUNCED]
    names.wait()
    assert names.places() == [STATED, ANNOUNCED, STATED]
    names.wait()
    names.wait()
    assert names.places() == [STATED, ANNOUNCED, STATED, ANNOUNCED, STATED]
    assert names.places(P2) == [STATED]


def test_where_a_peer_has_greeted_it_is_left_and_sought_there_first() -> None:
    names = Names({})
    names.dialler.start(P1, STATED)
    names.dialler.move(P1, ANNOUNCED)
    names.wait()
    for _ in range(5):
        names.wait(greeted=True)
    assert names.places() == [STATED, ANNOUNCED, STATED]
    names.wait()  # gone: it may come back where it was
    assert names.places() == [STATED, ANNOUNCED, STATED]
    names.wait()
    assert names.places() == [STATED, ANNOUNCED, STATED, ANNOUNCED]
    names.wait()
    assert names.places() == [STATED, ANNOUNCED, STATED, ANNOUNCED, STATED]


def test_announcing_the_address_of_the_run_file_changes_nothing() -> None:
    names = Names({})
    names.dialler.start(P1, STATED)
    names.dialler.move(P1, STATED)
    for _ in range(3):
        names.wait()
    assert names.places() == [STATED]


def test_all_numbers_of_a_name_are_tried_in_turn() -> None:
    names = Names({NAME.host: ("2001:db8::1", "192.0.2.7")})
    names.dialler.start(P1, NAME)
    names.until_dialled(1)
    names.wait()
    assert names.places() == [Address("2001:db8::1", 3), Address("192.0.2.7", 3)]
    assert {place.address for _, place in names.dialled} == {NAME}


def test_a_name_that_becomes_known_late_or_changes_is_followed() -> None:
    names = Names({})
    names.dialler.start(P1, NAME)
    deadline = monotonic() + DEADLINE_S
    while not names.dialler.problem(P1):
        assert monotonic() < deadline
        names.dialler.turn(names.now, lambda _: False)
    assert names.dialler.problem(P1) == "peer.example:3: unknown"
    names.hosts[NAME.host] = ("192.0.2.7",)
    names.wait()
    names.until_dialled(1)
    assert names.dialler.problem(P1) == ""
    names.hosts[NAME.host] = ("192.0.2.8",)
    names.wait()
    names.until_dialled(2)
    assert names.places() == [Address("192.0.2.7", 3), Address("192.0.2.8", 3)]


def test_a_name_that_is_answered_slowly_holds_up_nobody_else() -> None:
    names = Names({"slow.example": ("192.0.2.7",)})
    names.held["slow.example"] = Event()
    names.dialler.start(P1, Address("slow.example", 1))
    names.dialler.start(P2, STATED)
    assert names.places(P2) == [STATED]
    for port in range(2, 20):
        names.dialler.move(P1, Address("slow.example", port))
        names.wait()
    assert len(names.lookups._running) <= RUNNING_MAX
    names.held["slow.example"].set()
    deadline = monotonic() + DEADLINE_S
    while Address("192.0.2.7", 19) not in names.places():
        assert monotonic() < deadline, names.dialled
        names.wait()
    assert set(names.places()) <= {Address("192.0.2.7", port) for port in (1, 19)}


def test_a_peer_that_is_forgotten_is_sought_no_more() -> None:
    names = Names({})
    names.dialler.start(P1, STATED)
    names.dialler.forget(P1)
    names.dialler.move(P1, ANNOUNCED)
    names.wait()
    assert names.places() == [STATED]


def test_a_name_is_looked_up_by_the_system_and_nonsense_is_explained() -> None:
    hosts, problem = look_up(Address("localhost", 80))
    assert set(hosts) <= {"127.0.0.1", "::1"}
    assert 0 < len(hosts) <= FOUND_MAX
    assert problem == ""
    assert look_up(Address("a..b", 80))[1].startswith("its name is not found")
    assert look_up(Address("0.0.0.0", 80)) == ((), "its name stands for no machine")
