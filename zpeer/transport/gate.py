"""Who is let in: during the CURVE handshake, before a message is read (ZAP, ZeroMQ RFC 27).

Answers are given in the transport's own loop, so there is no thread. Whoever is let in is known
from then on by what the gate says of its key (the `User-Id` of its frames), never by anything it
chose itself.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import zmq
from zmq.utils import z85

from zpeer.ids import PeerId
from zpeer.transport.allowance import Allowance
from zpeer.transport.incoming import Stranger

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDPOINT = "inproc://zeromq.zap.01"
REQUEST_FRAMES = 7
CONNECTIONS_MAX, CONNECTION_S = 256, 60.0
"""Handshakes granted to a peer at once, and one more in so long: each costs key agreements. A bad
line breaks often, and a run may take weeks."""


class Gate:
    """The ZAP handler of one context."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], keys: Mapping[PeerId, bytes]
    ) -> None:
        """Admit the holders of these CURVE keys (Z85)."""
        self.socket = context.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(ENDPOINT)
        self._peers = {z85.decode(key): peer for peer, key in keys.items()}
        self._granted = {peer: Allowance(CONNECTIONS_MAX, CONNECTION_S) for peer in keys}

    def answer(self) -> Stranger | None:
        """Answer the request that waits; whom it turned away, if it did."""
        request = self.socket.recv_multipart()
        if len(request) < REQUEST_FRAMES:  # only libzmq itself can reach this address
            self.socket.send_multipart([b"1.0", b"", b"500", b"malformed", b"", b""])
            return None
        version, number, _domain, address, _identity, _mechanism, key = request[:REQUEST_FRAMES]
        peer = self._admit(key)
        verdict = [b"400", b"not in this run", b""]
        if peer is not None:
            verdict = [b"200", b"OK", peer.hex().encode()]
        self.socket.send_multipart([version, number, *verdict, b""])
        if peer is not None:
            return None
        return Stranger(address.decode(errors="replace"), z85.encode(key).decode())

    def forget(self, peer: PeerId) -> None:
        """Turn the peer away from now on."""
        self._peers = {key: known for key, known in self._peers.items() if known != peer}

    def _admit(self, key: bytes) -> PeerId | None:
        peer = self._peers.get(key)
        if peer is None or not self._granted[peer].take(monotonic()):
            return None
        return peer


def author(frame: zmq.Frame) -> PeerId:
    """Who sent a frame, as the gate knows it."""
    return PeerId(bytes.fromhex(str(frame.get("User-Id"))))
