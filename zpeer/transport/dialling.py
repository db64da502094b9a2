"""Where each peer is dialled: the run file's address, or the one that it announced itself.

Each may be a name that stands for several numbers; they are tried one after the other until the
peer has greeted from one. A name that is not known yet, or changes while the peer is away, is
looked up again. What is dialled for one peer concerns no other.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from zpeer.transport.lookup import Lookups
from zpeer.transport.sockets import Address

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.ids import PeerId
    from zpeer.transport.lookup import Found

TRY_S = 5.0
"""A place has so long before the next is tried: a few round trips, also on a bad line."""


class Place(NamedTuple):
    """One way to reach a peer."""

    address: Address
    """As people wrote it."""
    numeric: Address


class Way:
    """What is known of one peer's whereabouts."""

    def __init__(self, stated: Address) -> None:
        """Know what the run file says."""
        self.stated = stated
        self.announced: Address | None = None
        self.untried: deque[Place] = deque()
        self.dialled: Place | None = None
        self.proven: Place | None = None
        """Where it has greeted from."""
        self.is_waiting = True
        """Dial what is found next at once."""
        self.next_try = 0.0
        self.problem = ""

    @property
    def addresses(self) -> list[Address]:
        """What its own word says, then the run file's."""
        if self.announced is None or self.announced == self.stated:
            return [self.stated]
        return [self.announced, self.stated]

    def learn(self, found: Found) -> None:
        """Try these too: first where it has been, last where it is sought just now."""
        self.problem = found.problem and f"{found.address}: {found.problem}"
        places = [Place(found.address, Address(host, found.address.port)) for host in found.hosts]
        known = [place for place in self.untried if place not in places]
        self.untried = deque(
            sorted(known + places, key=lambda at: (at != self.proven, at == self.dialled))
        )


class Dialler:
    """The ways to all peers. One thread only."""

    def __init__(
        self, dial: Callable[[PeerId, Place], None], lookups: Lookups | None = None
    ) -> None:
        """Use `dial` to reach for a peer at a place instead of where it was sought before."""
        self._dial = dial
        self._ways: dict[PeerId, Way] = {}
        self._lookups = lookups or Lookups()

    def start(self, peer: PeerId, stated: Address) -> None:
        """Begin with the run file's address."""
        self._ways[peer] = Way(stated)
        self._seek(peer, [stated])

    def move(self, peer: PeerId, announced: Address) -> None:
        """The peer itself says where it is: there first."""
        way = self._ways.get(peer)
        if way is None or announced == way.announced:
            return
        way.announced = announced
        if way.dialled is None or way.dialled.address != announced:
            way.untried.clear()
            self._seek(peer, [announced])

    def forget(self, peer: PeerId) -> None:
        """Seek it no more."""
        self._ways.pop(peer, None)

    def turn(self, now: float, has_greeted: Callable[[PeerId], bool]) -> None:
        """Go on: take what was looked up, and try the next place of who was not found so far."""
        self._take_found()
        for peer, way in self._ways.items():
            if now < way.next_try:
                continue
            way.next_try = now + TRY_S
            if has_greeted(peer):
                way.proven = way.dialled
                way.untried.clear()
            elif way.untried:
                self._go(peer, way)
            else:
                self._seek(peer, way.addresses)

    def problem(self, peer: PeerId) -> str:
        """Why there is no place to dial, for people; empty if there is one."""
        way = self._ways.get(peer)
        return way.problem if way is not None and way.dialled is None else ""

    def _seek(self, peer: PeerId, addresses: list[Address]) -> None:
        way = self._ways[peer]
        way.is_waiting = True
        way.next_try = monotonic() + TRY_S
        for address in addresses:
            self._lookups.ask(peer, address)
        self._take_found()

    def _take_found(self) -> None:
        news = self._lookups.take()
        for found in news:
            way = self._ways.get(found.peer)
            if way is not None and found.address in way.addresses:
                way.learn(found)
        for peer in {found.peer for found in news} & self._ways.keys():
            way = self._ways[peer]
            if way.is_waiting and way.untried:
                self._go(peer, way)

    def _go(self, peer: PeerId, way: Way) -> None:
        place = way.untried.popleft()
        way.is_waiting = False
        if place != way.dialled:
            way.dialled = place
            self._dial(peer, place)
