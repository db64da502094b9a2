"""What is agreed with one peer: greetings, keys of the bulk plane, where it is, and whether it is
connected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from zpeer.transport.allowance import Allowance
from zpeer.transport.announcement import decode_announcement, encode_announcement
from zpeer.transport.hello import Hello, HelloError, decode_hello, encode_hello
from zpeer.transport.seal import Agreement, Ephemeral, Exchange
from zpeer.transport.sockets import Address

if TYPE_CHECKING:
    from zpeer.identity import Identity, PublicIdentity
    from zpeer.ids import Digest

SESSIONS_MAX = 64
"""Greetings with new keys taken from one peer; each costs sockets and a key agreement."""
MOVES_MAX = 64
"""Addresses taken from one peer; each costs a look-up and connections."""
HEARING_S, HEARINGS_MAX = 2.0, 4
"""One announcement of a peer is looked at in so long, after a few at once: each costs a signature
to verify."""
REPORTS_MAX = 32
"""Events about bad frames and greetings of one peer; after that they are only counted."""
NOWHERE = Address("", 0)


class Link:
    """One peer, as far as it is known."""

    def __init__(self, identity: Identity, them: PublicIdentity) -> None:
        """Know its keys, and draw an ephemeral one for it."""
        self.them = them
        self.address = NOWHERE
        """Where it is sought now, as people write it."""
        self.host = ""
        """The same as a number."""
        self.bulk_port = 0
        self.announcement = b""
        """What I tell it about where I am."""
        self.next_announcement = 0.0
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
        self._heard = b""
        self._moves = 0
        self._hearings = Allowance(HEARINGS_MAX, HEARING_S)

    @property
    def has_greeted(self) -> bool:
        """Whether it was found where it was sought, for better or worse."""
        return self.agreement is not None or bool(self.refusal)

    def announce(self, run: Digest, address: str) -> None:
        """Have an announcement ready for it."""
        self.announcement = encode_announcement(
            run, address, self._identity.signing, self.them.peer
        )

    def hear(self, data: bytes, now: float) -> Address | None:
        """Where it says it is, if that is new; None too if it said something else just now.

        Raises HelloError where it is not to be believed.
        """
        if self._mine is None or self.address == NOWHERE:  # bound, but not started
            return None
        if data == self._heard or not self._hearings.take(now):
            return None
        self._heard = data
        address = decode_announcement(data, self.them.key, self._mine.run, self._identity.peer)
        self._moves += 1
        if self._moves > MOVES_MAX:
            raise HelloError(f"it has moved {MOVES_MAX} times; restart this peer")
        return address

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
        self.bulk_port = hello.bulk_port
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
        return f"no answer from {self.address}: not started, moved, another key, or a firewall"
