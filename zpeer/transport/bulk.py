"""The bulk plane: one header frame and one sealed frame a tensor, over plain TCP, without a copy.

Plain, because libzmq's CURVE halves the speed; sealed per tensor instead (`seal.py`). As on the
control plane the receiver connects, to the host where the peer was found and the port of the signed
greeting, and beats. A beat is sealed too: it proves who is connected, shows over which connection,
says what is the most that is taken, and names the tensors that came, so that the sender can let go
of them; what was not named goes again over a new connection, unless it was too large. Large tensors
are named at once, small ones a few together.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import zmq

from zpeer.ids import DIGEST_SIZE, PeerId
from zpeer.transport.guard import Guard
from zpeer.transport.incoming import BadFrame, BulkFrame
from zpeer.transport.mending import Drop, Mending, mend_all
from zpeer.transport.outbox import ACKNOWLEDGE_BYTES, Limits, Outbox
from zpeer.transport.seal import COUNTER_SIZE, TAG_SIZE, Agreement, Sealer
from zpeer.transport.sockets import (
    HANDSHAKE_BYTES,
    ROUTER_QUEUE,
    Address,
    bind,
    connect,
    make_dealer,
    make_router,
)
from zpeer.transport.traffic import Counters, plain_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

HEADER_BYTES_MAX = 256
COUNTER = struct.Struct(">Q")
ACKNOWLEDGED_MAX = 64
"""Counters that one beat can name."""
ARRIVED_MAX = 1024
"""Counters that wait to be named: no more for a peer that takes no beats."""
BEAT_BYTES_MIN = DIGEST_SIZE + COUNTER_SIZE + COUNTER_SIZE + TAG_SIZE
"""Whose, which, the most bytes that a sealed tensor may have, tag."""
BEAT_BYTES_MAX = BEAT_BYTES_MIN + ACKNOWLEDGED_MAX * COUNTER_SIZE
FRAMES = 2
TENSOR_BYTES_MAX = 2**31 - 1 - TAG_SIZE
"""What AES-GCM takes in one call."""
QUEUE = 4
"""Tensors of one peer read ahead by ZeroMQ, and the most taken in one go."""
OUTBOX_FRAMES = 256
OUTBOX_TENSORS = 16
"""Largest tensors that may wait for one peer."""
ACKNOWLEDGE_TENSORS = OUTBOX_TENSORS // 4
"""Tensors that came after which a beat does not wait for its time: well before an outbox is full.
"""


class Sealed(NamedTuple):
    """A tensor ready to be sent, made by `Transport.seal` in any thread."""

    peer: PeerId
    sealer: Sealer
    """With which key: after a new greeting what was sealed before is of no use to the peer."""
    counter: int
    frames: tuple[bytes, bytes]


class BulkLink:
    """The plane towards one peer, in one session of it."""

    def __init__(
        self,
        dealer: zmq.Socket[bytes],
        outbox: Outbox,
        guard: Guard,
        mending: Mending,
        agreement: Agreement,
    ) -> None:
        """Start with nothing received."""
        self.dealer = dealer
        self.address: Address | None = None
        self.outbox = outbox
        self.guard = guard
        self.mending = mending
        self.agreement = agreement
        self.arrived: list[int] = []
        self.unacknowledged = 0

    @property
    def wants_beat(self) -> bool:
        """Whether enough has come for the sender to be told."""
        many = len(self.arrived) >= ACKNOWLEDGE_TENSORS
        return many or self.unacknowledged >= ACKNOWLEDGE_BYTES

    def close(self) -> None:
        """Close the connection and forget what waits."""
        self.outbox.clear()
        self.guard.close()
        self.dealer.close(linger=0)


class BulkPlane:
    """All bulk sockets of a transport. One thread only, but for what `seal.py` does."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        me: PeerId,
        admitted: Iterable[PeerId],
        *,
        tensor_bytes_max: int,
        counters: Counters,
    ) -> None:
        """Make the sending socket; nothing listens or connects yet."""
        self._context = context
        self._me = me
        self._admitted = set(admitted)
        self._frame_bytes_max = max(tensor_bytes_max + TAG_SIZE, HEADER_BYTES_MAX + COUNTER_SIZE)
        self._counters = counters
        self.router = make_router(context, BEAT_BYTES_MAX)
        self._limits = Limits(
            OUTBOX_FRAMES, OUTBOX_TENSORS * (self._frame_bytes_max + HEADER_BYTES_MAX)
        )
        unread_max = ROUTER_QUEUE * plain_bytes(HANDSHAKE_BYTES)
        self.router_guard = Guard(self.router, unread_max, self._limits.size_bytes)
        self.links: dict[PeerId, BulkLink] = {}

    def bind(self, address: Address) -> int:
        """Listen; the port."""
        return bind(self.router, address, what="the bulk plane")

    def connect(self, peer: PeerId, address: Address, agreement: Agreement) -> BulkLink:
        """Reach for a peer's bulk plane under fresh keys; what there was before is dropped."""
        self.drop(peer)
        dealer = make_dealer(self._context, self._frame_bytes_max, QUEUE)
        mending = Mending(peer, "tensor", self._frame_bytes_max - TAG_SIZE)
        unread_max = (QUEUE + 2) * plain_bytes(HEADER_BYTES_MAX, self._frame_bytes_max)
        guard = Guard(dealer, unread_max, mending=mending)
        link = BulkLink(dealer, Outbox(self._limits, self._put), guard, mending, agreement)
        self.links[peer] = link
        self.move(peer, address)
        return link

    def move(self, peer: PeerId, address: Address) -> None:
        """Reach for a peer there, and no longer where it was sought before; the keys stay."""
        link = self.links[peer]
        if link.address is not None:
            link.dealer.disconnect(link.address.endpoint)
        connect(link.dealer, address, what=f"bulk plane of peer {peer.hex()[:8]}")
        link.address = address

    def send(self, sealed: Sealed) -> bool:
        """Send now or when the peer is there; False if its keys are gone or too much waits."""
        link = self.links.get(sealed.peer)
        if link is None or link.agreement.sealer is not sealed.sealer:
            return False
        sent = link.outbox.push(sealed.counter, sealed.frames)
        if sent:
            self._counters.tensor_sent += len(sealed.frames[1]) - TAG_SIZE
        return sent

    def beat(self, peer: PeerId) -> None:
        """Say to a peer that I am here and which tensors came; nothing if it is not there."""
        link = self.links[peer]
        named = link.arrived[:ACKNOWLEDGED_MAX]
        said = b"".join(map(COUNTER.pack, [self._frame_bytes_max, *named]))
        counter, sealed = link.agreement.beat_sealer.seal(self._me, said)
        beat = self._me + COUNTER.pack(counter) + sealed
        try:
            link.dealer.send(beat, zmq.NOBLOCK)
        except zmq.Again:
            return
        del link.arrived[:ACKNOWLEDGED_MAX]
        link.unacknowledged = 0
        self._counters.beats_sent += plain_bytes(len(beat))

    def take_beats(self) -> Iterator[PeerId]:
        """Read beats that have come: whose. Anybody can send here; only a peer can seal a beat."""
        self.router_guard.follow()
        for _ in range(ROUTER_QUEUE):
            try:
                route, *frames = self.router.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            peer = self._take_beat(route.bytes, frames)
            if peer is not None:
                yield peer

    def _take_beat(self, route: bytes, frames: Sequence[zmq.Frame]) -> PeerId | None:
        size_bytes = plain_bytes(*map(len, frames))
        self._counters.beats_received += size_bytes
        self.router_guard.delivered(frames[-1], size_bytes)
        beat = frames[0].bytes
        if len(frames) != 1 or not BEAT_BYTES_MIN <= len(beat) <= BEAT_BYTES_MAX:
            return None
        peer = PeerId(beat[:DIGEST_SIZE])
        if peer not in self._admitted:
            self.router_guard.cut(frames[-1])
            return None
        link = self.links.get(peer)
        if link is None:
            return None
        (counter,) = COUNTER.unpack_from(beat, DIGEST_SIZE)
        said = link.agreement.beat_opener.open(counter, peer, beat[DIGEST_SIZE + COUNTER_SIZE :])
        if not said or len(said) % COUNTER_SIZE:
            return None
        frame_bytes_max, *named = (number for (number,) in COUNTER.iter_unpack(said))
        link.outbox.acknowledge(named)
        self.router_guard.know(route, frames[0])
        self.router_guard.cut_route(link.outbox.reroute(route, frame_bytes_max))
        return peer

    def take(self, peer: PeerId) -> Iterator[BulkFrame | BadFrame]:
        """Read tensors that have come from a peer, still sealed."""
        link = self.links[peer]
        link.guard.follow()
        for _ in range(QUEUE):
            try:
                frames = link.dealer.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                break
            item = self._read(peer, link, frames)
            if item is not None:
                yield item
        if link.wants_beat:
            self.beat(peer)

    def _read(
        self, peer: PeerId, link: BulkLink, frames: Sequence[zmq.Frame]
    ) -> BulkFrame | BadFrame | None:
        size_bytes = plain_bytes(*map(len, frames))
        link.guard.delivered(frames[-1], size_bytes)
        sound = (
            len(frames) == FRAMES
            and COUNTER_SIZE <= len(frames[0]) <= COUNTER_SIZE + HEADER_BYTES_MAX
            and len(frames[1]) >= TAG_SIZE
        )
        if not sound:
            return BadFrame(peer, "a bulk message is not a header and a sealed tensor")
        head = frames[0].bytes
        (counter,) = COUNTER.unpack_from(head)
        link.arrived.append(counter)
        del link.arrived[:-ARRIVED_MAX]
        link.unacknowledged += size_bytes
        if not link.agreement.opener.is_fresh(counter):
            self._counters.repeated += 1  # sent again over a new connection, or replayed
            return None
        self._counters.bulk_received += size_bytes
        return BulkFrame(peer, head[COUNTER_SIZE:], counter, frames[1], link.agreement.opener)

    def forget(self, peer: PeerId) -> None:
        """Drop the connection, and cut the peer off when it is heard again."""
        self._admitted.discard(peer)
        self.drop(peer)

    def drop(self, peer: PeerId) -> None:
        """Close the connection towards a peer, if there is one."""
        link = self.links.pop(peer, None)
        if link is not None:
            self.router_guard.cut_route(link.outbox.route)
            link.close()

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
            self.move(peer, address)
            self.beat(peer)

    def close(self, linger_ms: int) -> None:
        """Close all sockets; what is on its way has so long."""
        self.router_guard.close()
        for link in self.links.values():
            link.close()
        self.router.close(linger=linger_ms)

    def _put(self, route: bytes, frames: Sequence[bytes]) -> None:
        self.router.send_multipart([route, *frames], zmq.NOBLOCK, copy=False)
        size_bytes = plain_bytes(*map(len, frames))
        self.router_guard.sent(route, size_bytes)
        self._counters.bulk_sent += size_bytes


def seal(peer: PeerId, sealer: Sealer, header: bytes, data: bytes | memoryview) -> Sealed:
    """Seal a tensor for a peer, in any thread. Raises ValueError for a header over 256 bytes."""
    if len(header) > HEADER_BYTES_MAX:
        raise ValueError(f"header of {len(header)} bytes; at most {HEADER_BYTES_MAX} are allowed")
    counter, sealed = sealer.seal(header, data)
    return Sealed(peer, sealer, counter, (COUNTER.pack(counter) + header, sealed))
