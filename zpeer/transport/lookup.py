"""Looking up names, each in a thread of its own.

libzmq would do it in the thread that moves all messages, where one name whose server answers slowly
holds up every connection: a peer could choose such a name. Here it holds up that peer alone.
"""

from __future__ import annotations

import socket
from collections import deque
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

from zpeer.addresses import is_numeric, is_reachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.ids import PeerId
    from zpeer.transport.sockets import Address

RUNNING_MAX = 2
"""Threads at once for one peer: a look-up may hang for half a minute."""
FOUND_MAX = 4
"""Addresses of one name that are tried."""


class Found(NamedTuple):
    """What became of a look-up."""

    peer: PeerId
    address: Address
    hosts: tuple[str, ...]
    problem: str = ""


def look_up(address: Address) -> tuple[tuple[str, ...], str]:
    """Numeric hosts of a name, best first, or why there are none."""
    try:
        answers = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        return (), f"its name is not found: {problem}"
    hosts = dict.fromkeys(str(answer[4][0]) for answer in answers)
    reachable = tuple(host for host in hosts if is_reachable(host))[:FOUND_MAX]
    return reachable, "" if reachable else "its name stands for no machine"


class Lookups:
    """Look-ups under way and done. One thread asks and takes."""

    def __init__(self, find: Callable[[Address], tuple[tuple[str, ...], str]] = look_up) -> None:
        """Start with none under way."""
        self._find = find
        self._running: set[tuple[PeerId, Address]] = set()
        self._done: deque[Found] = deque()

    def ask(self, peer: PeerId, address: Address) -> None:
        """Look up a host of a peer; `take` gives the answer, at once if the host is a number."""
        if is_numeric(address.host):
            self._done.append(Found(peer, address, (address.host,)))
            return
        busy = sum(other == peer for other, _ in self._running)
        if (peer, address) in self._running or busy >= RUNNING_MAX:
            return
        self._running.add((peer, address))
        Thread(target=self._work, args=(peer, address), name="zpeer-lookup", daemon=True).start()

    def take(self) -> list[Found]:
        """What has been found since the last time."""
        found = [self._done.popleft() for _ in range(len(self._done))]
        self._running.difference_update((each.peer, each.address) for each in found)
        return found

    def _work(self, peer: PeerId, address: Address) -> None:
        hosts, problem = self._find(address)
        self._done.append(Found(peer, address, hosts, problem))
