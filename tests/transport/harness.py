"""Transports in one process, a relay that meddles between them, a puppet that breaks the rules."""

from __future__ import annotations

import contextlib
import socket
import threading
from time import monotonic
from typing import TYPE_CHECKING, Self, TypeVar

import zmq

from zpeer.identity import Identity
from zpeer.ids import Digest, PeerId, digest_bytes
from zpeer.transport import ControlFrame, Incoming, Listen, Sizes, Transport

if TYPE_CHECKING:
    from collections.abc import Callable

E = TypeVar("E")

RUN = digest_bytes(b"run")
SECTIONS = {"task": digest_bytes(b"task"), "optimizer": digest_bytes(b"optimizer")}
SIZES = Sizes(control=20_000, tensor=1_000_000)
DEADLINE_S = 20.0
ANY = "127.0.0.1:0"

IDENTITIES = [Identity.generate(f"peer{index}", bytes([index + 1]) * 32) for index in range(4)]
ROSTER = {identity.peer: identity.public for identity in IDENTITIES[:3]}
P0, P1, P2, P3 = (identity.peer for identity in IDENTITIES)


def make(
    index: int,
    run: Digest = RUN,
    sections: dict[str, Digest] | None = None,
    sizes: Sizes = SIZES,
    listen: Listen | None = None,
) -> Transport:
    return Transport(
        IDENTITIES[index],
        run=run,
        sections=SECTIONS if sections is None else sections,
        roster=ROSTER,
        sizes=sizes,
        listen=listen or Listen(ANY, ANY),
    )


class Group:
    """Transports turned in one thread, and what each has said so far."""

    def __init__(self, *transports: Transport) -> None:
        self.transports = list(transports)
        self.events: list[list[Incoming]] = [[] for _ in transports]
        self.ports = [transport.bind() for transport in transports]
        self.addresses = {
            peer: f"127.0.0.1:{self.ports[index][0]}" if index < len(transports) else "127.0.0.1:9"
            for index, peer in enumerate((P0, P1, P2))
        }

    def start(self) -> Group:
        for transport in self.transports:
            transport.start(self.addresses)
        return self

    def turn(self) -> None:
        for transport, events in zip(self.transports, self.events, strict=True):
            events.extend(transport.poll(0.002))

    def until(self, condition: Callable[[], object], what: str = "condition") -> None:
        deadline = monotonic() + DEADLINE_S
        while not condition():
            states = [[t.describe(peer) for peer in ROSTER] for t in self.transports]
            assert monotonic() < deadline, f"{what} did not come; {states} {self.events}"
            self.turn()

    def connect(self) -> Group:
        self.until(
            lambda: all(len(t.connected()) == len(self.transports) - 1 for t in self.transports),
            "all connected",
        )
        return self

    def seen(self, index: int, kind: type[E]) -> list[E]:
        return [event for event in self.events[index] if isinstance(event, kind)]

    def control(self, index: int, sender: PeerId) -> list[bytes]:
        return [frame.data for frame in self.seen(index, ControlFrame) if frame.peer == sender]

    def close(self) -> None:
        for transport in self.transports:
            transport.close(linger_s=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Relay:
    """Carries TCP connections to a port; what goes from there to the caller may be changed."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.target = 0
        self.downstream_bytes = 0
        self.last = b""
        self.edit: Callable[[bytes], bytes] = lambda data: data
        self._streams: list[socket.socket] = []
        self._forgotten: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def cut(self) -> None:
        """Break all connections there are."""
        for stream in self._streams:
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """Let nothing pass any more over the connections there are, and tell nobody."""
        self._forgotten |= set(self._streams)

    def inject(self, data: bytes) -> None:
        """Send bytes to whoever called last."""
        self._streams[-2].sendall(data)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(DEADLINE_S)
        for stream in self._streams:
            stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                called = socket.create_connection(("127.0.0.1", self.target))
                self._streams += [caller, called]
                self._run(lambda a=caller, b=called: self._carry(a, b, down=False))  # type: ignore[misc]
                self._run(lambda a=called, b=caller: self._carry(a, b, down=True))  # type: ignore[misc]

    def _carry(self, source: socket.socket, sink: socket.socket, *, down: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if source in self._forgotten:
                    continue
                if down:
                    self.downstream_bytes += len(data)
                    self.last = data
                    data = self.edit(data)
                sink.sendall(data)
        for stream in (source, sink):
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)


def relayed(control: Relay, bulk: Relay) -> Group:
    """Peer 1 reaches peer 0 through relays on both planes."""
    listen = Listen(ANY, ANY, advertised_bulk_port=bulk.port)
    group = Group(make(0, listen=listen), make(1))
    control.target, bulk.target = group.ports[0]
    group.addresses[P0] = f"127.0.0.1:{control.port}"
    group.start().until(lambda: all(t.connected() for t in group.transports))
    return group


class Caller:
    """Holds a peer's CURVE key, calls another's control plane, and says whatever a test says."""

    def __init__(self, index: int, callee: int, port: int) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._dealer = self._context.socket(zmq.DEALER)
        secret = IDENTITIES[index].curve_secret
        self._dealer.setsockopt(zmq.CURVE_SECRETKEY, secret)
        self._dealer.setsockopt(zmq.CURVE_PUBLICKEY, zmq.curve_public(secret))
        self._dealer.setsockopt(zmq.CURVE_SERVERKEY, IDENTITIES[callee].public.curve.encode())
        self._dealer.setsockopt(zmq.LINGER, 0)
        self._dealer.setsockopt(zmq.RCVHWM, 1)
        self._dealer.connect(f"tcp://127.0.0.1:{port}")

    def receive(self) -> list[bytes]:
        """What has come, if anything."""
        return self._dealer.recv_multipart() if self._dealer.poll(1) else []

    def send(self, *frames: bytes) -> None:
        self._dealer.send_multipart(frames)

    def close(self) -> None:
        self._dealer.close()
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Puppet:
    """Holds a peer's CURVE key and nothing of its manners: sends whatever a test says."""

    def __init__(self, index: int) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.setsockopt(zmq.CURVE_SERVER, 1)
        self._router.setsockopt(zmq.CURVE_SECRETKEY, IDENTITIES[index].curve_secret)
        self._router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._router.setsockopt(zmq.LINGER, 0)
        self.port = self._router.bind_to_random_port("tcp://127.0.0.1")
        self.route: bytes | None = None
        self.is_cut = False

    def listen(self) -> bool:
        """Whether the victim has been heard; remembers where it is."""
        while self._router.poll(1):
            self.route = self._router.recv_multipart()[0]
        return self.route is not None

    def send(self, *frames: bytes) -> None:
        assert self.route is not None
        try:
            self._router.send_multipart([self.route, *frames])
        except zmq.ZMQError:
            self.is_cut = True

    def close(self) -> None:
        self._router.close()
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
