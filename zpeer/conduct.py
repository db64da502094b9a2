"""How a peer behaves: what it commits to, sends and says, given what the core and the numerics hand
it.

An honest peer passes everything on unchanged (`Honest`). A simulated Byzantine one puts a plan in
between (`attacker.py`). Worker and session know only this interface, so neither of them asks who is
honest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from zpeer.effects import Effect
from zpeer.events import Event
from zpeer.ids import PeerId
from zpeer.signed import Signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.compute.store import Bytes
    from zpeer.ids import Digest
    from zpeer.interfaces import Float32
    from zpeer.record import Record


class SendSigned(msgspec.Struct, frozen=True):
    """Send a message that is signed already to whom one likes; it does not come back to oneself."""

    to: tuple[PeerId, ...]
    signed: Signed


class SendBytes(msgspec.Struct, frozen=True):
    """Send any bytes as a message, or, under a `header`, as a tensor."""

    to: tuple[PeerId, ...]
    data: bytes
    header: bytes = b""


class Hear(msgspec.Struct, frozen=True):
    """Let my own core hear an event, true or not, without being asked about it again."""

    event: Event


class After(msgspec.Struct, frozen=True):
    """Carry an effect out later."""

    seconds: float
    effect: Outgoing


Outgoing = Effect | SendSigned | SendBytes | Hear | After
"""What a session carries out: the core's effects, and those that only an attack makes."""


class Hearing(NamedTuple):
    """What becomes of an event."""

    seconds: float
    """After which the core hears of it; infinity: never."""
    reaction: Sequence[Outgoing]
    """What is done about it before."""


AT_ONCE = Hearing(0.0, ())


class Conduct(Protocol):
    """What stands between the core and the world. `head` names the attempt that is spoken of."""

    def decided(self, record: Record) -> None:
        """A record is final; from now on the core builds on it."""
        ...

    def hear(self, head: Digest, event: Event, now: float) -> Hearing:
        """An event, before the core hears of it."""
        ...

    def gradient(self, head: Digest, honest: Float32) -> Float32:
        """The gradient to deal and commit to, shape (dimension,)."""
        ...

    def committed_part(self, head: Digest, part: int, data: Bytes) -> Bytes:
        """The bytes of a part to commit to."""
        ...

    def sent_part(self, head: Digest, part: int, data: Bytes) -> Bytes:
        """The bytes to send as PART."""
        ...

    def aggregate(self, head: Digest, honest: Float32) -> Float32:
        """The aggregate to commit to and send as RESULT."""
        ...

    def effects(self, head: Digest, effects: list[Effect]) -> list[Outgoing]:
        """What to carry out instead of the core's effects."""
        ...


class Honest:
    """Passes everything on unchanged."""

    def decided(self, record: Record) -> None:
        """Nothing to note."""

    def hear(self, head: Digest, event: Event, now: float) -> Hearing:  # noqa: ARG002 - the interface
        """At once."""
        return AT_ONCE

    def gradient(self, head: Digest, honest: Float32) -> Float32:  # noqa: ARG002 - the interface
        """The honest one."""
        return honest

    def committed_part(self, head: Digest, part: int, data: Bytes) -> Bytes:  # noqa: ARG002 - the interface
        """The honest one."""
        return data

    def sent_part(self, head: Digest, part: int, data: Bytes) -> Bytes:  # noqa: ARG002 - the interface
        """What was committed to."""
        return data

    def aggregate(self, head: Digest, honest: Float32) -> Float32:  # noqa: ARG002 - the interface
        """The honest one."""
        return honest

    def effects(self, head: Digest, effects: list[Effect]) -> list[Outgoing]:  # noqa: ARG002 - the interface
        """The core's own."""
        return list(effects)
