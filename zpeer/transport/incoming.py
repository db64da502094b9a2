"""What `Transport.poll` gives back: frames that a peer sent, and what became of a link."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import zmq

    from zpeer.ids import Digest, PeerId
    from zpeer.transport.seal import Opener


class ControlFrame(NamedTuple):
    """A control message, in the order sent; from that peer for certain, else unexamined."""

    peer: PeerId
    data: bytes


class BulkFrame(NamedTuple):
    """A sealed tensor; header and sender are certain once `Transport.open` has given its bytes."""

    peer: PeerId
    header: bytes
    counter: int
    sealed: zmq.Frame
    opener: Opener


class Connected(NamedTuple):
    """Both planes carry in both directions: the peer runs the same run and its keys are agreed."""

    peer: PeerId


class Refused(NamedTuple):
    """A peer of the roster whose greeting cannot be accepted. Nothing else of it is read."""

    peer: PeerId
    reason: str
    run: Digest | None = None
    """The run it says it is in."""
    sections: tuple[str, ...] = ()
    """Sections of the run file in which it differs from mine."""


class BadFrame(NamedTuple):
    """A frame that was not delivered: malformed, too long, altered under way, or replayed."""

    peer: PeerId
    reason: str


class Dropped(NamedTuple):
    """The connection over which a peer's messages come was given up for what came over it."""

    peer: PeerId
    reason: str
    limit_bytes: int
    """Most bytes that what it carries may have."""
    retry_s: float
    """It is made again after so many seconds."""
    times: int
    """How often that happened with this peer; told at the first, second, fourth, eighth time."""


class Stranger(NamedTuple):
    """Somebody without a place in the run was turned away before a message of it was read."""

    address: str
    key: str
    """Its public CURVE key in Z85, as in identity files."""


Incoming = ControlFrame | BulkFrame | Connected | Refused | BadFrame | Dropped | Stranger
