"""Making sockets: limits, heartbeats, CURVE, and errors that say what to do. Nothing exists at
import.

Who receives connects: each peer has one ROUTER a plane, which sends, and towards every other peer
one DEALER, which receives. So whatever is large comes over a connection of my own making to an
address of the run file, has its own limits, and can be closed; at the ROUTER, where anybody may
knock, nothing larger than a beat is let in.
"""

from __future__ import annotations

import errno
import resource
from typing import NamedTuple

import zmq

from zpeer.errors import StartError

RECONNECT_MS, RECONNECT_MAX_MS = 100, 2000
HEARTBEAT_MS, HEARTBEAT_TIMEOUT_MS = 1500, 4500
"""Together the longest that a connection which died without a word, as behind a router that forgot
it, is taken to stand: less than a stage is given, so that nobody loses its place by that."""
CONNECT_MS = 3000
"""Nobody answers: try anew. By itself TCP would wait ever longer, also after a network healed."""
HANDSHAKE_MS = 10000
HANDSHAKE_BYTES = 1024
"""The limit of frames holds for the commands of a handshake too; those of CURVE need 400."""
ROUTER_QUEUE = 64
"""Beats read ahead from one connection."""
DEALER_BEATS = 4
"""Beats that wait while there is no connection; an old one does no harm."""
BACKLOG = 128
ZAP_DOMAIN = b"zpeer"
FILES_BASE, FILES_PER_LINK = 384, 20
"""Measured: 15 a link, most of them inside libzmq; some more for connections that come and go.
Of the base, 256 are for those that have not shown yet whose they are (`guard.UNKNOWN_MAX`, on two
planes, seen twice)."""
SOCKETS_BASE, SOCKETS_PER_LINK = 1024, 8
PORT_MAX = 65535


class Address(NamedTuple):
    """Where something is reached or listens."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, *, what: str) -> Address:
        """Read HOST:PORT or [IPV6]:PORT; StartError naming `what` otherwise."""
        host, separator, port = text.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        valid = separator and bare and port.isascii() and port.isdigit() and int(port) <= PORT_MAX
        if not valid or (":" in bare) != host.startswith("["):
            raise StartError(f"{what}: {text!r} is no address; expected HOST:PORT or [IPV6]:PORT")
        return cls(bare, int(port))

    @property
    def endpoint(self) -> str:
        """The address as ZeroMQ writes it."""
        return f"tcp://{self}"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def make_context(links: int) -> zmq.Context[zmq.Socket[bytes]]:
    """A context with room for so many peers; StartError where the system allows too few files."""
    _require_files(FILES_BASE + FILES_PER_LINK * links)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, SOCKETS_BASE + SOCKETS_PER_LINK * links)
    return context


def _require_files(needed: int) -> None:
    """Raise the soft limit of open files if it is too low for libzmq, which aborts without any."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise StartError(
            f"this process may open {hard} files, a run of this size needs {needed}: raise the "
            f"limit, for example with `ulimit -n {needed}`"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def make_router(context: zmq.Context[zmq.Socket[bytes]], beat_bytes: int) -> zmq.Socket[bytes]:
    """A socket that sends to those who connect, and takes nothing larger than a beat from them.

    What waits to be sent is bounded by the outboxes, not here.
    """
    socket = context.socket(zmq.ROUTER)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    socket.setsockopt(zmq.MAXMSGSIZE, max(beat_bytes, HANDSHAKE_BYTES))
    socket.setsockopt(zmq.RCVHWM, ROUTER_QUEUE)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.BACKLOG, BACKLOG)
    _set_common(socket)
    return socket


def make_dealer(
    context: zmq.Context[zmq.Socket[bytes]], frame_bytes_max: int, queue: int
) -> zmq.Socket[bytes]:
    """A socket that receives from one peer: at most `queue` messages ahead, of limited frames."""
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.MAXMSGSIZE, frame_bytes_max)
    socket.setsockopt(zmq.RCVHWM, queue)
    # Not IMMEDIATE: with it libzmq throws away what came and was not read when a connection ends.
    socket.setsockopt(zmq.SNDHWM, DEALER_BEATS)
    socket.setsockopt(zmq.CONNECT_TIMEOUT, CONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
    _set_common(socket)
    return socket


def be_curve_server(socket: zmq.Socket[bytes], curve_secret: bytes) -> None:
    """Let in only whom the gate knows, and prove who I am."""
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, curve_secret)
    socket.setsockopt(zmq.ZAP_DOMAIN, ZAP_DOMAIN)


def be_curve_client(socket: zmq.Socket[bytes], curve_secret: bytes, server: bytes) -> None:
    """Say who I am, to nobody but the holder of the server's key."""
    socket.setsockopt(zmq.CURVE_SECRETKEY, curve_secret)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, zmq.curve_public(curve_secret))
    socket.setsockopt(zmq.CURVE_SERVERKEY, server)


def bind(socket: zmq.Socket[bytes], address: Address, *, what: str) -> int:
    """Listen there; the port, which the system picks where the address has 0. StartError if not."""
    _allow_ipv6(socket, address)
    try:
        socket.bind(address.endpoint)
    except zmq.ZMQError as problem:
        if problem.errno == zmq.EADDRINUSE:
            raise StartError(
                f"{what} cannot listen on {address.host}, port {address.port}: another program "
                "already does; end it, or choose another port in the peer file"
            ) from problem
        hint = "expected an address of this machine, or 0.0.0.0 for all of them"
        if problem.errno == errno.EACCES:
            hint = "choose a port from 1024 on in the peer file"
        raise StartError(
            f"{what} cannot listen on {address.host}, port {address.port}: {problem.strerror}; "
            f"{hint}"
        ) from problem
    endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
    return int(bytes(endpoint).rstrip(b"\0").rpartition(b":")[2])


def connect(socket: zmq.Socket[bytes], address: Address, *, what: str) -> None:
    """Connect, now or whenever somebody listens there; StartError where that can never be."""
    _allow_ipv6(socket, address)
    try:
        socket.connect(address.endpoint)
    except zmq.ZMQError as problem:
        raise StartError(f"{what}: cannot connect to {address}: {problem.strerror}") from problem


def _allow_ipv6(socket: zmq.Socket[bytes], address: Address) -> None:
    socket.setsockopt(zmq.IPV6, int(not address.host.replace(".", "").isdigit()))


def _set_common(socket: zmq.Socket[bytes]) -> None:
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
