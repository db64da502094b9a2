"""What a checker says when a promise is broken, and what checkers are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zpeer.core.state import Base
    from zpeer.effects import Effect, Stop
    from zpeer.events import Event
    from zpeer.genesis import Genesis
    from zpeer.ids import PeerId
    from zpeer.record import Record
    from zpeer.simulate.host import Host
    from zpeer.simulate.pardon import Pardons
    from zpeer.simulate.plan import Plan


class ViolationError(Exception):
    """A promise of the protocol that a simulated run broke. `check` names the promise."""

    def __init__(self, check: str, text: str) -> None:
        super().__init__(f"{check}: {text}")
        self.check = check
        self.text = text


class Setting(NamedTuple):
    """What all checkers know of a run."""

    plan: Plan
    genesis: Genesis
    numbers: Mapping[PeerId, int]
    """Peers by their ids."""
    faulty: frozenset[PeerId]
    """Who is not held to its deadlines; the others are the kept ones."""
    byzantine: frozenset[PeerId]
    """Who may do anything."""
    pardons: Pardons

    def name(self, peer: PeerId) -> str:
        """A peer as people call it."""
        return f"peer {self.numbers[peer]}" if peer in self.numbers else peer.hex()[:8]


class Decision(NamedTuple):
    """A record that a peer holds for final."""

    host: Host
    record: Record
    height: int
    """Records before it."""
    before: Base
    """The attempt that it ended."""
    after: Base
    now: float


class Checker(Protocol):
    """Watches honest peers. Raises ViolationError."""

    hears: tuple[type[Event], ...]
    """Events that it is told of."""
    minds_effects: bool
    """Whether it is told of what is to be done."""
    minds_all: bool
    """Whether it is told of the events of faulty ones, too, as long as they are honest."""

    def saw(self, host: Host, before: Base, event: Event, now: float) -> None:
        """A kept peer was given an event, in the attempt that `before` started."""
        ...

    def said(self, host: Host, before: Base, effects: Sequence[Effect], now: float) -> None:
        """What it said to an event is to be done, if anything."""
        ...

    def decided(self, decision: Decision) -> None:
        """An honest peer holds a record for final."""
        ...

    def stopped(self, host: Host, stop: Stop) -> None:
        """An honest peer is done."""
        ...

    def finish(self) -> None:
        """Nothing more will happen."""
        ...


class Idle:
    """A checker that is told of records and ends, and says nothing: the base of the others."""

    hears: tuple[type[Event], ...] = ()
    minds_effects = False
    minds_all = False

    def saw(self, host: Host, before: Base, event: Event, now: float) -> None:
        """See `Checker`."""

    def said(self, host: Host, before: Base, effects: Sequence[Effect], now: float) -> None:
        """See `Checker`."""

    def decided(self, decision: Decision) -> None:
        """See `Checker`."""

    def stopped(self, host: Host, stop: Stop) -> None:
        """See `Checker`."""

    def finish(self) -> None:
        """See `Checker`."""
