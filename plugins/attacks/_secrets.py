"""Secrets that the whole plot knows: each derives them for all, so no channel is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from zpeer.core.mprng import compute_commitment, compute_secret_beacon, compute_share
from zpeer.errors import WireError
from zpeer.events import ChainReceived, MessageReceived
from zpeer.ids import NOTHING, digest
from zpeer.messages import Check, Commit, Reveal, View

from ._speech import Caller

if TYPE_CHECKING:
    from zpeer.events import Event
    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import AttackContext
    from zpeer.messages import Message
    from zpeer.signed import Signed


class PlottedSecrets(Caller):
    """Draws its a_i as the plot has agreed, so that every colluder knows all of the plot's; and
    hears the others' as they open them, in CHECKs or views."""

    def __init__(self) -> None:
        super().__init__()
        self._opened: dict[PeerId, Digest] = {}
        self._head: Digest = NOTHING

    def note_secrets(self, context: AttackContext, event: Event) -> None:
        """Keep the secrets that are opened in this attempt."""
        if self._head != context.head:
            self._head, self._opened = context.head, {}
        if isinstance(event, MessageReceived):
            self._note(context, event.signed)
        elif isinstance(event, ChainReceived):
            self._note(context, event.view)

    def _note(self, context: AttackContext, signed: Signed) -> None:
        if signed.head != context.head:
            return
        try:
            message = context.decode(signed)
        except WireError:
            return
        if isinstance(message, Check | View) and any(message.secret):
            self._opened[signed.sender] = message.secret

    def know_all(self, context: AttackContext) -> bool:
        """Whether every honest peer has opened its secret."""
        return all(peer in self._opened for peer in context.roster if peer not in context.colluders)

    def foresee(self, context: AttackContext, without: tuple[PeerId, ...] = ()) -> Digest:
        """The q of all secrets, or of all but some."""
        return compute_secret_beacon(
            draw_secret(context, peer) if peer in context.colluders else self._opened[peer]
            for peer in context.roster
            if peer not in without
        )

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """Everything that follows from my secret."""
        secret = draw_secret(context, context.me)
        share = compute_share(context.place, context.me, secret)
        match super().lie(context, message):
            case Commit() as commit:
                hidden = compute_commitment(context.place, context.me, share)
                return replace(commit, commitment=hidden)
            case Reveal() as reveal:
                return replace(reveal, share=share)
            case Check() | View() as said:
                return replace(said, secret=secret)
            case said:
                return said


def draw_secret(context: AttackContext, peer: PeerId) -> Digest:
    """A colluder's a_i of this attempt."""
    return digest("zpeer/attack/secret", context.place, peer)


def is_unwelcome(context: AttackContext, beacon: Digest) -> bool:
    """Whether q sets an honest validator on one of the plot."""
    validators, targets = context.draw(beacon)
    is_drawn = any(peer in context.colluders for peer in targets)
    return is_drawn and any(peer not in context.colluders for peer in validators)
