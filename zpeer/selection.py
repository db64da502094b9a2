"""Which turns of a replay a person wants to see: by step, peer, kind and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from zpeer.effects import Broadcast, Effect
from zpeer.errors import ZpeerError
from zpeer.events import Event, MessageReceived, SetReceived, SetRequested
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.genesis import Genesis
    from zpeer.ids import Digest, PeerId
    from zpeer.narrator import Narrator
    from zpeer.rerun import Turn

STAGED = (SetReceived, SetRequested, Broadcast)


@dataclass(frozen=True)
class Selection:
    """Everything where nothing is asked for."""

    step: int | None = None
    peer: PeerId | None = None
    """Events of this peer: its messages, its bytes, what is about it."""
    kind: str | None = None
    """A stage (`CHECK`), an event (`PartArrived`) or an effect (`Decide`), in any case."""
    until: float | None = None
    """Seconds, on the clock of the log: nothing after it is replayed."""

    def is_past(self, turn: Turn) -> bool:
        """Whether the turn lies behind the end."""
        return self.until is not None and turn.now > self.until

    def choose(self, turn: Turn, narrator: Narrator) -> list[Effect] | None:
        """The effects to show with the event; None where the turn is not to be shown at all."""
        if self.step is not None and get_step(turn, narrator) != self.step:
            return None
        if self.peer is not None and self.peer not in get_peers(turn.event):
            return None
        if self.kind is None or self.kind.lower() in get_kinds(turn.event):
            return list(turn.replayed)
        wanted = self.kind.lower()
        return [effect for effect in turn.replayed if wanted in get_kinds(effect)] or None


def get_step(turn: Turn, narrator: Narrator) -> int | None:
    """The step that an event belongs to; one that names no head belongs to the present attempt."""
    signed = turn.event.signed if isinstance(turn.event, MessageReceived) else turn.event
    head: Digest = getattr(signed, "head", turn.head)
    place = narrator.place_of(head)
    return None if place is None else place[0]


def get_peers(event: Event) -> set[PeerId]:
    """Whom an event is about."""
    if isinstance(event, MessageReceived):
        return {event.signed.sender}
    names = ("peer", "sender", "target")
    return {getattr(event, name) for name in names if hasattr(event, name)}


def get_kinds(value: Event | Effect) -> set[str]:
    """Its type and, where it has one, its stage, in lower case."""
    kinds = {type(value).__name__.lower()}
    if isinstance(value, MessageReceived):
        kinds.add(value.signed.stage.name.lower())
    elif isinstance(value, STAGED):
        kinds.add(value.stage.name.lower())
    return kinds


def require_kind(wanted: str | None) -> None:
    """Raise ZpeerError for a kind that nothing is of: a timeline would be empty without a word."""
    named = [kind.__name__ for kind in (*get_args(Event), *get_args(Effect))]
    known = [stage.name for stage in Stage] + named
    if wanted is not None and wanted.lower() not in {name.lower() for name in known}:
        raise ZpeerError(f"--kind {wanted}: expected one of {', '.join(known)}")


def find_peer(genesis: Genesis, wanted: str) -> PeerId:
    """A peer by its name, or the start of its id in hex; ZpeerError unless it is just one."""
    found = [
        peer
        for peer, name in zip(genesis.peers, genesis.names, strict=True)
        if name == wanted or (wanted and peer.hex().startswith(wanted.lower()))
    ]
    if len(found) != 1:
        names = ", ".join(genesis.names)
        raise ZpeerError(f"--peer {wanted}: expected one of {names}, or the start of an id")
    return found[0]
