"""The control plane: small messages over CURVE, whole, in order, and from a peer known for certain.

A ROUTER greets whoever connects and is of the run, and sends; a DEALER towards each peer receives
(`sockets.py` says why). What a DEALER sends back are beats: I am here, I have everything up to this
number, and more bytes than these I do not take in one message. A beat shows the ROUTER over which
connection a peer is reached now; what it lacks is sent again, so a broken connection loses nothing.
Only what was too large is not sent again: it cost the connection (`mending.py`), and would at every
turn. That is for its sender to decide, who knows the size: a receiver that skipped a number on its
own could be made to lose an honest message by whoever alters bytes under way. A DEALER also
announces where its owner is reached (`announcement.py`). Who is about to end says with its beats
that it needs nothing more, so that nobody stays for its sake.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import zmq

from zpeer.transport.announcement import ANNOUNCEMENT_BYTES_MAX
from zpeer.transport.gate import Gate, author
from zpeer.transport.guard import Guard
from zpeer.transport.hello import HELLO_BYTES_MAX, SESSION_SIZE
from zpeer.transport.mending import Drop, Mending, mend_all
from zpeer.transport.outbox import ACKNOWLEDGE_BYTES, Limits, Outbox
from zpeer.transport.sockets import (
    HANDSHAKE_BYTES,
    ROUTER_QUEUE,
    Address,
    be_curve_client,
    be_curve_server,
    bind,
    connect,
    make_dealer,
    make_router,
)
from zpeer.transport.traffic import CURVE_BYTES, Counters, curve_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zpeer.identity import Identity, PublicIdentity
    from zpeer.ids import PeerId

PREFIX = struct.Struct("<BQ")
"""Kind and number of what follows in the second frame."""
HELLO, DATA = 0, 1
BEAT = struct.Struct(f"<{SESSION_SIZE}sQQ")
"""The session whose frames are acknowledged, the number up to which they have come, and the most
bytes that a message may have."""
NO_SESSION = bytes(SESSION_SIZE)
LEAVING = 2**64 - 1
"""Instead of a number: I need nothing any more."""
LEAVING_MS = 200
"""What says so has so long to get out."""
FRAMES = 2
QUEUE = 32
"""Messages of one peer read ahead by ZeroMQ, and the most taken in one go: others wait too."""
OUTBOX_FRAMES = 4096


class Raw(NamedTuple):
    """What came from a peer's ROUTER: a greeting, a message, or neither."""

    kind: int
    data: bytes


BAD = -1


class ControlLink:
    """The plane towards one peer."""

    def __init__(
        self, dealer: zmq.Socket[bytes], outbox: Outbox, guard: Guard, mending: Mending
    ) -> None:
        """Start with nothing sent and nothing received."""
        self.dealer = dealer
        self.outbox = outbox
        self.guard = guard
        self.mending = mending
        self.next_number = 1
        self.session = NO_SESSION
        self.received = 0
        self.unacknowledged = 0
        self.is_open = False
        self.has_left = False
        self.address: Address | None = None

    def accept(self, session: bytes) -> None:
        """Its greeting is good: take its messages. Numbers begin anew with a new session."""
        if session != self.session:
            self.session = session
            self.received = 0
            self.has_left = False
        self.is_open = True

    def refuse(self) -> None:
        """Its greeting is not: take nothing until a better one comes."""
        self.is_open = False


class ControlPlane:
    """All control sockets of a transport. One thread only."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        identity: Identity,
        *,
        roster: Mapping[PeerId, PublicIdentity],
        message_bytes_max: int,
        session: bytes,
        counters: Counters,
    ) -> None:
        """Make the sockets; nothing listens or connects yet."""
        self._identity = identity
        self._message_bytes_max = message_bytes_max
        self._session = session
        self._counters = counters
        self._is_leaving = False
        self.gate = Gate(context, {peer: them.curve.encode() for peer, them in roster.items()})
        self.router = make_router(context, BEAT.size)
        be_curve_server(self.router, identity.curve_secret)
        self._limits = Limits(
            OUTBOX_FRAMES, OUTBOX_FRAMES * PREFIX.size + 8 * self._message_bytes_max
        )
        unread_max = ROUTER_QUEUE * curve_bytes(HANDSHAKE_BYTES)
        self.router_guard = Guard(self.router, unread_max, self._limits.size_bytes)
        self.links = {peer: self._make_link(context, them) for peer, them in roster.items()}

    def _make_link(
        self, context: zmq.Context[zmq.Socket[bytes]], them: PublicIdentity
    ) -> ControlLink:
        body_bytes_max = max(self._message_bytes_max, HELLO_BYTES_MAX)
        frame_bytes_max = body_bytes_max + CURVE_BYTES  # libzmq sees frames as CURVE wraps them
        dealer = make_dealer(context, frame_bytes_max, QUEUE)
        be_curve_client(dealer, self._identity.curve_secret, them.curve.encode())
        mending = Mending(them.peer, "control message", body_bytes_max)
        unread_max = (QUEUE + 2) * curve_bytes(PREFIX.size, frame_bytes_max)
        guard = Guard(dealer, unread_max, mending=mending)
        return ControlLink(dealer, Outbox(self._limits, self._put), guard, mending)

    def bind(self, address: Address) -> int:
        """Listen; the port."""
        return bind(self.router, address, what="the control plane")

    def connect(self, peer: PeerId, address: Address) -> None:
        """Reach for a peer, which may not be there yet; no longer where it was sought before."""
        link = self.links[peer]
        if link.address is not None:
            link.dealer.disconnect(link.address.endpoint)
        connect(link.dealer, address, what=f"control plane of peer {peer.hex()[:8]}")
        link.address = address

    def greet(self, peer: PeerId, hello: bytes) -> None:
        """What the peer is told first on every connection."""
        self.links[peer].outbox.greet([PREFIX.pack(HELLO, 0), hello])

    def send(self, peer: PeerId, data: bytes) -> bool:
        """Send now, or as soon as the peer is there; False if too much waits for it already."""
        link = self.links[peer]
        if link.has_left:
            return True
        sent = link.outbox.push(link.next_number, [PREFIX.pack(DATA, link.next_number), data])
        link.next_number += sent
        return sent

    def beat(self, peer: PeerId) -> None:
        """Say to a peer that I am here and what I have of it; nothing if it is not there."""
        link = self.links[peer]
        try:
            received = LEAVING if self._is_leaving else link.received
            beat = BEAT.pack(link.session, received, self._message_bytes_max)
            link.dealer.send(beat, zmq.NOBLOCK)
        except zmq.Again:
            return
        link.unacknowledged = 0
        self._counters.beats_sent += curve_bytes(BEAT.size)

    def leave(self) -> None:
        """Say to all that I need nothing any more."""
        self._is_leaving = True
        for peer in self.links:
            self.beat(peer)

    def list_waiting(self) -> set[PeerId]:
        """Peers that have not yet said that they have all I sent them, or need none of it."""
        return {peer for peer, link in self.links.items() if len(link.outbox) and not link.has_left}

    def announce(self, peer: PeerId, announcement: bytes) -> None:
        """Tell a peer where I am; nothing if too much waits for it. Not counted, as greetings."""
        with suppress(zmq.Again):
            self.links[peer].dealer.send(announcement, zmq.NOBLOCK)

    def take_beats(self) -> Iterator[tuple[PeerId, bytes]]:
        """Read beats and announcements that have come: whose, and the announcement or nothing."""
        self.router_guard.follow()
        for _ in range(ROUTER_QUEUE):
            try:
                route, *frames = self.router.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            peer = self._take_author(frames)
            if peer is None or len(frames) != 1:
                continue
            if len(frames[0]) == BEAT.size:
                self._take_beat(self.links[peer], route.bytes, frames[0])
                yield peer, b""
            elif BEAT.size < len(frames[0]) <= ANNOUNCEMENT_BYTES_MAX:
                yield peer, frames[0].bytes

    def _take_author(self, frames: Sequence[zmq.Frame]) -> PeerId | None:
        """Whose frames these are; None if nobody's any more."""
        size_bytes = curve_bytes(*map(len, frames))
        self._counters.beats_received += size_bytes
        self.router_guard.delivered(frames[-1], size_bytes)
        peer = author(frames[-1])
        if peer in self.links:
            return peer
        self.router_guard.cut(frames[-1])  # forgotten since the gate let it in
        return None

    def _take_beat(self, link: ControlLink, route: bytes, frame: zmq.Frame) -> None:
        session, number, body_bytes_max = BEAT.unpack(frame.buffer)
        if session == self._session:
            link.outbox.acknowledge_up_to(number)
            link.has_left = link.has_left or number == LEAVING
        self.router_guard.know(route, frame)
        self.router_guard.cut_route(link.outbox.reroute(route, body_bytes_max))

    def take(self, peer: PeerId) -> Iterator[Raw]:
        """Read what has come from a peer: greetings, new messages, and what is neither."""
        link = self.links[peer]
        link.guard.follow()
        for _ in range(QUEUE):
            try:
                frames = link.dealer.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                break
            raw = self._read(link, frames)
            if raw is not None:
                yield raw
        if link.unacknowledged >= ACKNOWLEDGE_BYTES:
            self.beat(peer)

    def _read(self, link: ControlLink, frames: Sequence[zmq.Frame]) -> Raw | None:
        size_bytes = curve_bytes(*map(len, frames))
        link.guard.delivered(frames[-1], size_bytes)
        if len(frames) != FRAMES or len(frames[0]) != PREFIX.size:
            return Raw(BAD, b"a control message is not a number and a body")
        kind, number = PREFIX.unpack(frames[0].buffer)
        if kind == HELLO:
            return Raw(HELLO, frames[1].bytes)
        if kind != DATA or len(frames[1]) > self._message_bytes_max:
            return Raw(BAD, f"control message of kind {kind}, {len(frames[1])} bytes".encode())
        if not link.is_open or number <= link.received:
            return None  # not greeted, or sent again over a new connection
        link.received = number
        link.unacknowledged += size_bytes
        self._counters.control_received += size_bytes
        return Raw(DATA, frames[1].bytes)

    def forget(self, peer: PeerId) -> None:
        """Drop the connection, and let the peer in no more."""
        self.gate.forget(peer)
        link = self.links.pop(peer)
        self.router_guard.cut_route(link.outbox.route)
        link.outbox.clear()
        link.guard.close()
        link.dealer.close(linger=0)

    def check(self) -> int:
        """Cut off who floods; how many."""
        guards = [self.router_guard, *(link.guard for link in self.links.values())]
        return sum(guard.check() for guard in guards)

    def mend(self, now: float) -> list[Drop]:
        """Reach again for peers whose connection was given up; whose just was."""
        mendings = {peer: link.mending for peer, link in self.links.items()}
        return mend_all(mendings, now, beat=self.beat, again=self._connect_again)

    def _connect_again(self, peer: PeerId) -> None:
        address = self.links[peer].address
        if address is not None:
            self.connect(peer, address)
            self.beat(peer)

    def close(self, linger_ms: int) -> None:
        """Close all sockets; what is on its way has so long."""
        self.router_guard.close()
        for link in self.links.values():
            link.guard.close()
            link.dealer.close(linger=min(linger_ms, LEAVING_MS) if self._is_leaving else 0)
        self.router.close(linger=linger_ms)
        self.gate.socket.close()

    def _put(self, route: bytes, frames: Sequence[bytes]) -> None:
        self.router.send_multipart([route, *frames], zmq.NOBLOCK)
        size_bytes = curve_bytes(*map(len, frames))
        self.router_guard.sent(route, size_bytes)
        if frames[0][0] == DATA:
            self._counters.control_sent += size_bytes
