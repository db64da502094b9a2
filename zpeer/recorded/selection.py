"""Which turns of a replay a person wants to see: by step, peer, kind and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from zpeer.effects import Broadcast, Effect, PassOn, SendCertificate, SendSet, SendSetRequest, Warn
from zpeer.errors import ZpeerError
from zpeer.events import (
    CertificateReceived,
    ChainReceived,
    Event,
    MessageReceived,
    ProofReceived,
    SetReceived,
    SetRequested,
)
from zpeer.narrator import read_record
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.genesis import Genesis
    from zpeer.ids import Digest, PeerId
    from zpeer.narrator import Narrator
    from zpeer.recorded.rerun import Turn

STAGED = (SetReceived, SetRequested, Broadcast, SendSetRequest, SendSet, Warn)
CARRIERS = (ChainReceived, PassOn)
CERTIFICATES = (CertificateReceived, SendCertificate)


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
    place = narrator.place_of(get_head(turn.event) or turn.head)
    return None if place is None else place[0]


def get_head(event: Event) -> Digest | None:
    """The head of the attempt that an event is about; None if it names none."""
    match event:
        case MessageReceived(signed=signed) | ChainReceived(view=signed):
            return signed.head
        case ProofReceived(proof=proof):
            return proof.first.head
        case CertificateReceived(record=data):
            record = read_record(data)
            return None if record is None else record.previous
        case _:
            head: Digest | None = getattr(event, "head", None)
            return head


def get_peers(event: Event) -> set[PeerId]:
    """Whom an event is about."""
    match event:
        case MessageReceived(signed=signed):
            return {signed.sender}
        case ChainReceived(view=view, witnesses=witnesses):
            return {view.sender, *(each.sender for each in witnesses)}
        case CertificateReceived(messages=messages):
            return {each.sender for each in messages}
        case ProofReceived(proof=proof):
            return {proof.first.sender}
        case _:
            names = ("peer", "sender", "target")
            return {getattr(event, name) for name in names if hasattr(event, name)}


def get_kinds(value: Event | Effect) -> set[str]:
    """Its type and, where it has any, its stages, in lower case."""
    stages: set[Stage] = set()
    if isinstance(value, MessageReceived):
        stages = {value.signed.stage}
    elif isinstance(value, CARRIERS):
        stages = {Stage.VIEW, Stage.WITNESS}
    elif isinstance(value, CERTIFICATES):
        stages = {each.stage for each in value.messages}
    elif isinstance(value, STAGED):
        stages = {value.stage}
    return {type(value).__name__.lower(), *(stage.name.lower() for stage in stages)}


def require_kind(wanted: str | None) -> None:
    """Raise ZpeerError for a kind that nothing is of: a timeline would be empty without a word."""
    named = [kind.__name__ for kind in (*get_args(Event), *get_args(Effect))]
    known = [stage.name for stage in Stage] + named
    if wanted is not None and wanted.lower() not in {name.lower() for name in known}:
        raise ZpeerError(f"--kind {wanted}: expected one of {', '.join(known)}")


def find_peer(genesis: Genesis, wanted: str, option: str = "--peer") -> PeerId:
    """A peer by its name, or the start of its id in hex; ZpeerError unless it is just one."""
    found = [
        peer
        for peer, name in zip(genesis.peers, genesis.names, strict=True)
        if name == wanted or (wanted and peer.hex().startswith(wanted.lower()))
    ]
    if len(found) != 1:
        names = ", ".join(genesis.names)
        raise ZpeerError(f"{option} {wanted}: expected one of {names}, or the start of an id")
    return found[0]
