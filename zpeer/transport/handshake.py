"""What is agreed with one peer: greetings, keys of the bulk plane, and whether it is connected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from zpeer.transport.hello import Hello, HelloError, decode_hello, encode_hello
from zpeer.transport.seal import Agreement, Ephemeral, Exchange
from zpeer.transport.sockets import Address

if TYPE_CHECKING:
    from zpeer.identity import Identity, PublicIdentity

SESSIONS_MAX = 64
"""Greetings with new keys taken from one peer; each costs sockets and a key agreement."""
REPORTS_MAX = 32
"""Events about bad frames and greetings of one peer; after that they are only counted."""
NOWHERE = Address("", 0)


class Link:
    """One peer, as far as it is known."""

    def __init__(self, identity: Identity, them: PublicIdentity) -> None:
        """Know its keys, and draw an ephemeral one for it."""
        self.them = them
        self.address = NOWHERE
        self.agreement: Agreement | None = None
        self.refusal = ""
        self.is_connected = False
        self.next_beat = 0.0
        self.last_beat = 0.0
        self._identity = identity
        self._ephemeral = Ephemeral()
        self._mine: Hello | None = None
        self._accepted: bytes | None = None
        self._sessions = 0
        self._reports = 0

    def greeting(self, template: Hello) -> bytes:
        """What I tell it: the template with my ephemeral key for it, signed."""
        self._mine = msgspec.structs.replace(template, exchange=self._ephemeral.public)
        return encode_hello(self._mine, self._identity.signing, self.them.peer)

    def receive(self, data: bytes) -> Hello | None:
        """Its greeting, if it is a new one with which keys were agreed; None for the one known.

        Raises HelloError where it cannot be accepted.
        """
        if self._mine is None or data == self._accepted:
            return None
        hello = decode_hello(data, self.them.key, self._mine, self._identity.peer)
        self._sessions += 1
        if self._sessions > SESSIONS_MAX:
            raise HelloError(
                f"it has greeted with {SESSIONS_MAX} different keys; restart this peer"
            )
        theirs = Exchange(self.them.peer, hello.exchange)
        agreement = self._ephemeral.agree(hello.run, self._identity.peer, theirs)
        if agreement is None:
            raise HelloError("its key for the bulk plane is not a usable point")
        self.agreement = agreement
        self._accepted = data
        self.refusal = ""
        return hello

    def refuse(self, reason: str) -> None:
        """Remember why it was refused, and forget what was agreed before."""
        self.refusal = reason
        self.agreement = None
        self._accepted = None
        self.is_connected = False

    def may_report(self) -> bool:
        """Whether one more event about its misdeeds is due: they are limited in number."""
        self._reports += 1
        return self._reports <= REPORTS_MAX

    def describe(self) -> str:
        """Why it is not connected, for people."""
        if self.refusal:
            return f"refused: {self.refusal}"
        if self.agreement is not None and not self.is_connected:
            return f"greeted, but not all connections stand; is {self.address} open both ways?"
        if self.is_connected:
            return "connected"
        return f"no answer from {self.address}: not started, another key, or a firewall"
