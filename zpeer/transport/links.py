"""`Transport`: both planes as the peer's loop sees them. Moves frames and knows peers, no message.

Guarantees: what `poll` gives comes from the peer it names; control messages of a peer come in the
order it sent them, each once; a sealed tensor opens once or not at all; nothing that anybody sends
raises here or grows memory beyond limits. One thread uses it, except for `seal`, `open` and `wake`.
Sockets exist from the constructor to `close`; nothing exists at import, so forking before is safe.
"""

from __future__ import annotations

from collections import Counter, deque
from functools import partial
from math import ceil
from secrets import token_bytes
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from zpeer.signed import PROTOCOL_VERSION
from zpeer.transport import bulk, control
from zpeer.transport.dialling import Dialler, Place
from zpeer.transport.handshake import Link
from zpeer.transport.hello import SESSION_SIZE, Hello, HelloError
from zpeer.transport.incoming import (
    BadFrame,
    BulkFrame,
    Connected,
    ControlFrame,
    Dropped,
    Incoming,
    Refused,
)
from zpeer.transport.reactor import Reactor
from zpeer.transport.sockets import Address, make_context
from zpeer.transport.traffic import Counters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zpeer.identity import Identity, PublicIdentity
    from zpeer.ids import Digest, PeerId
    from zpeer.transport.terms import Listen, Sizes

BEAT_S = 1.0
GREETING_BEAT_S = 0.1
"""Between beats to a peer that is not connected yet."""
LOST_S = 20.0
"""Without a beat for so long, a peer is no longer called connected."""
GUARD_S = 0.1
STRANGERS_REPORTED = 32


class Transport:
    """A peer's connections to all others of its run."""

    def __init__(
        self,
        identity: Identity,
        *,
        run: Digest,
        sections: Mapping[str, Digest],
        roster: Mapping[PeerId, PublicIdentity],
        sizes: Sizes,
        listen: Listen,
    ) -> None:
        """Take what is fixed. `sections`: digests of the run file's, to say what differs."""
        sizes.require_sealable()
        self.counters = Counters()
        self.dropped: Counter[PeerId] = Counter()  # connections, by whose messages ended them
        self._me = identity.peer
        self._listen = listen
        self._hello = Hello(
            PROTOCOL_VERSION, run, tuple(sections.items()), token_bytes(SESSION_SIZE), 0, b""
        )
        others = {peer: them for peer, them in roster.items() if peer != identity.peer}
        self._links = {peer: Link(identity, them) for peer, them in others.items()}
        self._context = make_context(len(others))
        self._dialler = Dialler(self._dial)
        self._control = control.ControlPlane(
            self._context,
            identity,
            roster=others,
            message_bytes_max=sizes.control,
            session=self._hello.session,
            counters=self.counters,
        )
        self._bulk = bulk.BulkPlane(
            self._context,
            identity.peer,
            others,
            tensor_bytes_max=sizes.tensor,
            counters=self.counters,
        )
        self._incoming: deque[Incoming] = deque()
        self._failed: deque[BadFrame] = deque(maxlen=1024)
        self._counting = Lock()
        self._reactor = Reactor()
        self._is_bound = False
        self._next_check = 0.0

    # --- beginning and end ---

    def bind(self) -> tuple[int, int]:
        """Listen on both planes; their ports. StartError naming host and port where it cannot."""
        control_port = self._control.bind(Address.parse(self._listen.control, what="listen"))
        bulk_port = self._bulk.bind(Address.parse(self._listen.bulk, what="bulk listen"))
        advertised = self._listen.advertised_bulk_port or bulk_port
        template = msgspec.structs.replace(self._hello, bulk_port=advertised)
        for peer, link in self._links.items():
            self._control.greet(peer, link.greeting(template))
        self._reactor.add(self._control.gate.socket, self._answer_gate)
        self._reactor.add(self._control.router, self._take_control_beats)
        self._reactor.add(self._bulk.router, self._take_bulk_beats)
        self._is_bound = True
        return control_port, bulk_port

    def start(self, addresses: Mapping[PeerId, str]) -> None:
        """Reach for all others at their control addresses, HOST:PORT. They may start in any order.

        Mine, if it is among them, is what I announce, unless another is advertised. Binds first if
        that was not done. StartError names what cannot be used.
        """
        if not self._is_bound:
            self.bind()
        announced = self._listen.find_announced(addresses.get(self._me, ""))
        for peer, link in self._links.items():
            link.address = Address.parse(addresses[peer], what=f"address of {link.them.name}")
            if announced:
                link.announce(self._hello.run, announced)
            self._dialler.start(peer, link.address)
            self._reactor.add(self._control.links[peer].dealer, partial(self._take_control, peer))

    def close(self, linger_s: float = 1.0) -> None:
        """End everything; at most `linger_s` for what is on its way to peers that are there."""
        self._reactor.close()
        linger_ms = ceil(linger_s * 1000)
        self._control.close(linger_ms)
        self._bulk.close(linger_ms)
        self._context.destroy()

    def forget(self, peer: PeerId) -> None:
        """Drop a peer for good: it is banned, and is turned away from now on."""
        if peer not in self._links:
            return
        self._reactor.remove(self._control.links[peer].dealer)
        self._drop_bulk(peer)
        self._bulk.forget(peer)
        self._control.forget(peer)
        self._dialler.forget(peer)
        del self._links[peer]

    # --- sending ---

    def send_control(self, peer: PeerId, data: bytes) -> bool:
        """Send a control message, now or when the peer is there.

        False, and counted, if the peer is forgotten or too much waits for it.
        """
        return self._count_sent(peer in self._links and self._control.send(peer, data))

    def seal(self, peer: PeerId, header: bytes, data: bytes | memoryview) -> bulk.Sealed | None:
        """Seal a tensor for a peer; None while no keys are agreed with it. In any thread.

        `header`: at most 256 bytes, authenticated but readable under way.
        """
        link = self._links.get(peer)
        agreement = link.agreement if link else None
        return bulk.seal(peer, agreement.sealer, header, data) if agreement else None

    def send_sealed(self, sealed: bulk.Sealed) -> bool:
        """Send a sealed tensor, without a copy, now or when the peer is there.

        False, and counted, if the peer is forgotten, has greeted anew, or too much waits for it.
        """
        return self._count_sent(self._bulk.send(sealed))

    def send_bulk(self, peer: PeerId, header: bytes, data: bytes | memoryview) -> bool:
        """Seal and send in one go, for tensors too small to be worth a worker."""
        sealed = self.seal(peer, header, data)
        return self._count_sent(sealed is not None and self._bulk.send(sealed))

    def _count_sent(self, sent: bool) -> bool:
        self.counters.undelivered += not sent
        return sent

    def take_leave(self) -> None:
        """Tell all that I need nothing any more: nobody has to stay for my sake."""
        self._control.leave()

    def list_waiting(self) -> set[PeerId]:
        """Who may still lack control messages that I sent, and has not taken leave."""
        return self._control.list_waiting()

    # --- receiving ---

    def poll(self, timeout_s: float) -> list[Incoming]:
        """Wait for something to happen, or for `wake`, at most so long; what happened."""
        deadline = monotonic() + timeout_s
        while True:
            now = monotonic()
            next_duty = self._do_duties(now)
            self._reactor.turn(0.0 if self._has_news() else min(deadline, next_duty) - now)
            if self._has_news() or self._reactor.has_rung or monotonic() >= deadline:
                return self._take_news()

    def wake(self) -> None:
        """Let `poll` return. From any thread, also from a signal handler."""
        self._reactor.ring()

    def open(self, frame: BulkFrame) -> bytes | None:
        """The tensor; None, counted and reported, if altered or seen before. In any thread."""
        data = frame.opener.open(frame.counter, frame.header, frame.sealed.buffer)
        if data is None:
            self._failed.append(BadFrame(frame.peer, f"tensor {frame.counter} does not open"))
            self.wake()
            return None
        with self._counting:
            self.counters.tensor_received += len(data)
        return data

    def connected(self, within_s: float = LOST_S) -> set[PeerId]:
        """Peers whose greeting is accepted and who were heard lately, reachable on both planes."""
        now = monotonic()
        for peer, link in self._links.items():
            if link.is_connected and not self._is_reached(peer, link, now):
                link.is_connected = False
        return {
            peer
            for peer, link in self._links.items()
            if link.is_connected and now - link.last_beat < within_s
        }

    @property
    def session(self) -> bytes:
        """What my greetings call this process."""
        return self._hello.session

    def sessions(self) -> dict[PeerId, bytes]:
        """What the last accepted greeting of each peer calls its process; zeros before one."""
        return {peer: self._control.links[peer].session for peer in self._links}

    def describe(self, peer: PeerId) -> str:
        """Why a peer is not connected, for people."""
        link = self._links.get(peer)
        return self._dialler.problem(peer) or link.describe() if link else "turned away"

    def address(self, peer: PeerId) -> str:
        """Where a peer is sought now, HOST:PORT as in the run file or as it announced."""
        return str(self._links[peer].address)

    # --- inside ---

    def _dial(self, peer: PeerId, place: Place) -> None:
        """Reach for a peer on both planes, and no longer where it was sought before."""
        link = self._links[peer]
        link.address, link.host = place.address, place.numeric.host
        self._control.connect(peer, place.numeric)
        if peer in self._bulk.links:
            self._bulk.move(peer, Address(link.host, link.bulk_port))

    def _is_found(self, peer: PeerId) -> bool:
        lane = self._control.links[peer]
        stands = lane.guard.is_connected or lane.mending.is_held_back
        return stands and self._links[peer].has_greeted

    def _has_news(self) -> bool:
        return bool(self._incoming or self._failed)

    def _take_news(self) -> list[Incoming]:
        self._reactor.silence()
        while self._failed:
            self._report_bad(self._failed.popleft())
        news = list(self._incoming)
        self._incoming.clear()
        return news

    def _report_bad(self, bad: BadFrame) -> None:
        self.counters.bad_frames += 1
        link = self._links.get(bad.peer)
        if link is not None and link.may_report():
            self._incoming.append(bad)

    def _do_duties(self, now: float) -> float:
        """Beats and checks that are due; when the next one is."""
        if now >= self._next_check:
            self._next_check = now + GUARD_S
            self.counters.cut += self._control.check() + self._bulk.check()
            self._mend(now)
            self._dialler.turn(now, self._is_found)
        for peer, link in self._links.items():
            if link.announcement and not link.is_connected and now >= link.next_announcement:
                link.next_announcement = now + BEAT_S
                self._control.announce(peer, link.announcement)
            if now >= link.next_beat:
                link.next_beat = now + (BEAT_S if link.is_connected else GREETING_BEAT_S)
                self._control.beat(peer)
                if peer in self._bulk.links:
                    self._bulk.beat(peer)
        return min([self._next_check, *(link.next_beat for link in self._links.values())])

    def _mend(self, now: float) -> None:
        """Make connections again that were given up; say so ever more rarely."""
        for drop in [*self._control.mend(now), *self._bulk.mend(now)]:
            self.dropped[drop.peer] += 1
            times = self.dropped[drop.peer]
            if times.bit_count() == 1:
                self._incoming.append(Dropped(*drop, times))

    def _answer_gate(self) -> None:
        stranger = self._control.gate.answer()
        if stranger is not None:
            self.counters.strangers += 1
            if self.counters.strangers <= STRANGERS_REPORTED:
                self._incoming.append(stranger)

    def _take_control_beats(self) -> None:
        for peer, announcement in self._control.take_beats():
            if announcement:
                self._take_announcement(peer, announcement)

    def _take_announcement(self, peer: PeerId, data: bytes) -> None:
        try:
            address = self._links[peer].hear(data, monotonic())
        except HelloError as problem:
            self._report_bad(BadFrame(peer, problem.reason))
            return
        if address is not None:
            self._dialler.move(peer, address)

    def _take_bulk_beats(self) -> None:
        for peer in self._bulk.take_beats():
            self._heard(peer)

    def _heard(self, peer: PeerId) -> None:
        """A beat that is sealed under the keys agreed now: one on the control plane may be that of
        a new process of the peer, whose greeting is still on its way."""
        link = self._links[peer]
        link.last_beat = monotonic()
        if not link.is_connected and self._is_reached(peer, link, link.last_beat):
            link.is_connected = True
            self._incoming.append(Connected(peer))

    def _is_reached(self, peer: PeerId, link: Link, now: float) -> bool:
        tensors = self._bulk.links.get(peer)
        return (
            link.agreement is not None
            and tensors is not None
            and tensors.outbox.route is not None
            and self._control.links[peer].outbox.route is not None
            and now - link.last_beat < LOST_S
        )

    def _take_control(self, peer: PeerId) -> None:
        for kind, data in self._control.take(peer):
            if kind == control.HELLO:
                self._take_hello(peer, data)
            elif kind == control.DATA:
                self._incoming.append(ControlFrame(peer, data))
            else:
                self._report_bad(BadFrame(peer, data.decode()))

    def _take_hello(self, peer: PeerId, data: bytes) -> None:
        link, lane = self._links[peer], self._control.links[peer]
        try:
            hello = link.receive(data)
        except HelloError as problem:
            is_new = link.refusal != problem.reason
            link.refuse(problem.reason)
            lane.refuse()
            self._drop_bulk(peer)
            if is_new and link.may_report():
                refused = Refused(peer, problem.reason, problem.run, problem.sections)
                self._incoming.append(refused)
            return
        if hello is not None and link.agreement is not None:
            lane.accept(hello.session)
            self._drop_bulk(peer)
            address = Address(link.host, hello.bulk_port)
            tensors = self._bulk.connect(peer, address, link.agreement)
            self._reactor.add(tensors.dealer, partial(self._take_bulk, peer))
            link.is_connected = False

    def _drop_bulk(self, peer: PeerId) -> None:
        if peer in self._bulk.links:
            self._reactor.remove(self._bulk.links[peer].dealer)
            self._bulk.drop(peer)

    def _take_bulk(self, peer: PeerId) -> None:
        for item in self._bulk.take(peer):
            if isinstance(item, BulkFrame):
                self._incoming.append(item)
            else:
                self._report_bad(item)
