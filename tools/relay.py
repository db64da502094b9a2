"""A relay between the peers of a machine: all their connections lead through it, and it can cut
them, hold back what they carry, or let nothing pass between some of them.

Peers dial the relay's ports instead of one another's. TCP does not say who calls, the kernel does:
the process that holds the calling socket (Linux). What a bad line does to TCP is imitated: nothing
is ever lost or reordered inside a connection, it comes later.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Self

from tools.kernel import find_socket_owners
from zpeer.ids import digest, number
from zpeer.runs.config import RUN_FILE
from zpeer.runs.documents import read_document, write_text
from zpeer.runs.initialise import LOOPBACK, find_free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import Any

CHUNK_BYTES = 1 << 16
QUEUE = 256
"""Pieces under way in one direction of a connection."""
RETRANSMIT_S = 0.2
"""TCP waits at least so long before it sends again what was lost; twice as long the next time."""
TRIES_MAX = 6
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Pieces = asyncio.Queue[tuple[float, bytes]]
"""When each is due, and what it is."""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends a reset, and forgets what was under way."""


class Door(NamedTuple):
    """Where a peer listens, and on which port of the relay it is called instead."""

    peer: str
    target: int
    listener: socket.socket

    @property
    def port(self) -> int:
        """The relay's."""
        return int(self.listener.getsockname()[1])


def open_door(peer: str, target: int) -> Door:
    """Listen for a peer."""
    return Door(peer, target, socket.create_server((LOOPBACK, 0), backlog=256))


class Line(NamedTuple):
    """How what is sent fares; the same for all pairs."""

    delay_s: float = 0.0
    loss: float = 0.0
    """Share of the pieces that are lost and sent again."""


class Passage:
    """One connection that leads through the relay."""

    def __init__(self, caller: str, called: str, streams: list[asyncio.StreamWriter]) -> None:
        self.pair = frozenset((caller, called))
        self.is_forgotten = False
        self._streams = streams

    def reset(self) -> None:
        """End it, as if a box on the way had forgotten it."""
        for stream in self._streams:
            plug = stream.get_extra_info("socket")
            with suppress(OSError):
                plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            stream.transport.abort()


class Relay:
    """Carries connections in a thread of its own. A context manager; its methods may be called from
    any thread.
    """

    def __init__(self, doors: Iterable[Door], owner: Callable[[tuple[str, int]], str]) -> None:
        """`owner` names the peer whose socket has this address, or nobody: the empty string."""
        self._doors = list(doors)
        self._owner = owner
        self._line = Line()
        self._pieces = 0
        self._groups: list[frozenset[str]] = []
        self._passages: set[Passage] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._healed = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="relay")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._do(lambda: self._loop.call_soon(self._loop.stop))
        self._thread.join()

    # --- what is done to the connections ----------------------------------------------------------

    def reset(self, *peers: str) -> None:
        """Reset the connections of these peers; of all if none is named."""
        self._do(lambda: self._reset(frozenset(peers)))

    def forget(self, *peers: str) -> None:
        """Let nothing pass any more over the connections that these peers have now, as a router
        does that lost its table; of all if none is named."""
        self._do(lambda: self._forget(frozenset(peers)))

    def impair(self, line: Line) -> None:
        """Let what is sent from now on fare so."""
        self._do(lambda: setattr(self, "_line", line))

    def part(self, *groups: Iterable[str]) -> None:
        """Let nothing pass between peers that are not in one of these groups together."""
        parted = [frozenset(group) for group in groups]
        self._do(lambda: self._set_groups(parted))

    def heal(self) -> None:
        """Let everything pass that was held back, and all that follows."""
        self._do(lambda: self._set_groups([]))

    # --- inside -----------------------------------------------------------------------------------

    def _do(self, work: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(work)

    def _reset(self, peers: frozenset[str]) -> None:
        for passage in self._find(peers):
            passage.reset()

    def _forget(self, peers: frozenset[str]) -> None:
        for passage in self._find(peers):
            passage.is_forgotten = True

    def _find(self, peers: frozenset[str]) -> list[Passage]:
        return [each for each in self._passages if not peers or peers & each.pair]

    def _set_groups(self, groups: list[frozenset[str]]) -> None:
        self._groups = groups
        self._healed.set()
        self._healed = asyncio.Event()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        for door in self._doors:
            door.listener.setblocking(False)
            self._start(self._listen(door))
        self._loop.run_forever()
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        for door in self._doors:
            door.listener.close()
        self._loop.close()

    def _start(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self, door: Door) -> None:
        while True:
            caller, address = await self._loop.sock_accept(door.listener)
            self._start(self._carry(door, caller, self._owner(address)))

    async def _carry(self, door: Door, calling: socket.socket, caller: str) -> None:
        with calling, suppress(OSError):
            if not caller:
                return
            await self._until_together(frozenset((caller, door.peer)))
            inner = await asyncio.open_connection(LOOPBACK, door.target)
            outer = await asyncio.open_connection(sock=calling)
            passage = Passage(caller, door.peer, [inner[1], outer[1]])
            self._passages.add(passage)
            try:
                await self._carry_both(passage, inner, outer)
            finally:
                self._passages.discard(passage)
                passage.reset()

    async def _carry_both(self, passage: Passage, inner: Ends, outer: Ends) -> None:
        """Until one side ends it."""
        tasks, ends = [], []
        for (source, _), (_, sink) in ((inner, outer), (outer, inner)):
            pieces: Pieces = asyncio.Queue(QUEUE)
            tasks.append(self._loop.create_task(self._take(source, pieces)))
            ends.append(self._loop.create_task(self._deliver(passage, pieces, sink)))
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*tasks, *ends):
                task.cancel()
            await asyncio.gather(*tasks, *ends, return_exceptions=True)

    async def _take(self, source: asyncio.StreamReader, pieces: Pieces) -> None:
        """Read what one side sends; an empty piece is its end."""
        with suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                await pieces.put((self._loop.time() + self._draw_delay(), data))
        await pieces.put((self._loop.time() + self._line.delay_s, b""))

    async def _deliver(self, passage: Passage, pieces: Pieces, sink: asyncio.StreamWriter) -> None:
        """Give the other side each piece when it is time."""
        with suppress(OSError):
            due, data = await pieces.get()
            while data:
                await asyncio.sleep(due - self._loop.time())
                await self._until_together(passage.pair)
                if passage.is_forgotten:
                    await self._loop.create_future()  # until the connection is given up
                sink.write(data)
                await sink.drain()
                due, data = await pieces.get()

    async def _until_together(self, pair: frozenset[str]) -> None:
        while self._groups and not any(pair <= group for group in self._groups):
            await self._healed.wait()

    def _draw_delay(self) -> float:
        """How long a piece takes. It is lost again and again by chance, the same chance in every
        run.
        """
        delay = self._line.delay_s
        for tries in range(TRIES_MAX):
            self._pieces += 1
            drawn = digest("zpeer/tools/relay", number(self._pieces))
            if int.from_bytes(drawn[:4]) >= self._line.loss * 2**32:
                break
            delay += RETRANSMIT_S * 2**tries
        return delay


# --- a run whose peers call each other through a relay --------------------------------------------


def lead_through(run: Path, pids: Callable[[], dict[int, str]]) -> Relay:
    """A relay for a run on this machine, whose files are changed to lead there.

    `pids`: the peers' processes, with their names.
    """
    document: Any = read_document(run / RUN_FILE)
    spare = find_free_ports(len(document["peers"]))
    doors = []
    for peer, bulk in zip(document["peers"], spare, strict=True):
        name = str(peer["name"])
        control = open_door(name, int(str(peer["address"]).rpartition(":")[2]))
        tensors = open_door(name, bulk)
        peer["address"] = f"{LOOPBACK}:{control.port}"
        doors += [control, tensors]
        path = run / "peers" / f"{name}.toml"
        own: Any = read_document(path)
        own["bulk_port"], own["advertise_bulk_port"] = bulk, tensors.port
        write_text(path, own.as_string(), is_new=False)
    write_text(run / RUN_FILE, document.as_string(), is_new=False)
    return Relay(doors, Owners(pids).find)


class Owners:
    """Whose socket it is, by what the kernel says."""

    def __init__(self, pids: Callable[[], dict[int, str]]) -> None:
        self._pids = pids
        self._known: dict[tuple[str, int], str] = {}

    def find(self, address: tuple[str, int]) -> str:
        """The peer that has a socket with this address at its end; the empty string if none."""
        if address not in self._known:
            pids = self._pids()
            found = find_socket_owners(pids)
            self._known = {there: pids[pid] for there, pid in found.items()}
        return self._known.pop(address, "")
