"""What arrives, before the core hears of it: decoded, its signatures verified, its amount bounded.

Nothing a peer sends raises anything here. What does not decode, is not validly signed, or is too
much is dropped and counted by its sender.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from zpeer import events as ev
from zpeer.compute.worker import Arrival
from zpeer.errors import WireError
from zpeer.ids import DIGEST_SIZE, NOTHING, Digest, PeerId
from zpeer.parts import Bulk
from zpeer.relays import (
    BlobRequest,
    Certificate,
    Chain,
    ProofReply,
    Relay,
    SetReply,
    SetRequest,
)
from zpeer.signed import Signed, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.events import Event
    from zpeer.signed import Statement


KINDS = {int(kind): kind for kind in Bulk}


def make_header(kind: Bulk, head: Digest = NOTHING) -> bytes:
    """What stands before a tensor: its kind and the head it belongs to (published bytes: none)."""
    return bytes([kind]) + head


def read_header(header: bytes) -> tuple[Bulk, Digest]:
    """Kind and head of a tensor; raises WireError."""
    if len(header) != 1 + DIGEST_SIZE or header[0] not in KINDS:
        raise WireError(f"{len(header)} bytes, {header[:8].hex()} ..., are no header of a tensor")
    return KINDS[header[0]], Digest(header[1:])


class Reception:
    """One peer's door.

    `verify` says whether a signed message's sender signed it, and is asked again for what comes
    again; `decode` raises WireError; of one sender's tensors so many bytes may wait for the worker.
    """

    def __init__(
        self,
        peers: int,
        verify: Callable[[Signed | Statement], bool],
        decode: Callable[[bytes], Signed | Relay],
        tensor_bytes_max: int,
    ) -> None:
        self._verify = verify
        self._decode = decode
        self._requests: Counter[PeerId] = Counter()
        self._requests_max = 24 + 8 * peers + peers**2
        self._passed_on: Counter[PeerId] = Counter()
        self._passed_on_max = 64 + 16 * peers
        self._waiting_bytes: Counter[PeerId] = Counter()
        self._waiting_bytes_max = tensor_bytes_max
        self.dropped: Counter[PeerId] = Counter()

    def control(self, sender: PeerId, data: bytes) -> Event | None:
        """The event in a control message."""
        try:
            event = self._read(sender, self._decode(data))
        except WireError:
            event = None
        if event is None:
            self.dropped[sender] += 1
        return event

    def bulk(self, sender: PeerId, header: bytes, frame: object, size_bytes: int) -> Arrival | None:
        """A job for the worker, unless too many of the sender's are waiting already."""
        try:
            kind, head = read_header(header)
        except WireError:
            self.dropped[sender] += 1
            return None
        if self._waiting_bytes[sender] + size_bytes > self._waiting_bytes_max:
            self.dropped[sender] += 1
            return None
        self._waiting_bytes[sender] += size_bytes
        return Arrival(kind, head, sender, frame, size_bytes)

    def opened(self, arrival: Arrival) -> None:
        """An arrival is dealt with."""
        self._waiting_bytes[arrival.sender] -= arrival.size_bytes

    def decided(self) -> None:
        """A record is final: everybody may ask and pass on anew."""
        self._requests.clear()
        self._passed_on.clear()

    def _read(self, sender: PeerId, message: Signed | Relay) -> Event | None:  # noqa: PLR0911 - one table
        """None for a bad signature, and for one too many of a kind since the last record."""
        match message:
            case Signed():
                return self._hear(sender, message)
            case SetReply(head=head, stage=stage, messages=messages):
                good = self._are_good(*messages)
                return ev.SetReceived(sender, head, stage, messages) if good else None
            case ProofReply(proof=proof):
                good = self._are_good(proof.first, proof.second)
                return ev.ProofReceived(proof) if good else None
            case SetRequest(head=head, stage=stage):
                return ev.SetRequested(sender, head, stage) if self._may_ask(sender) else None
            case BlobRequest(blob=blob):
                return ev.BlobRequested(sender, blob) if self._may_ask(sender) else None
            case Chain(view=view, witnesses=witnesses):
                good = self._may_pass_on(sender) and is_chain(view, witnesses)
                good = good and (view, *witnesses)[-1].sender == sender
                good = good and self._are_good(view, *witnesses)
                return ev.ChainReceived(view, witnesses) if good else None
            case Certificate(record=record, messages=messages):
                good = self._may_pass_on(sender) and self._are_good(*messages)
                return ev.CertificateReceived(record, messages) if good else None

    def _hear(self, sender: PeerId, message: Signed) -> Event | None:
        """Anyone may pass a signed message on, for the present head alone.

        Kept for a head to come is only what its signer sends: another could fill the one slot that
        an honest peer has for that with something it signed long ago. A WITNESS is heard in a chain
        or not at all: it fills no slot.
        """
        if message.stage is Stage.WITNESS or not self._verify(message):
            return None
        if message.sender == sender:
            return ev.MessageReceived(message)
        return ev.SetReceived(sender, message.head, message.stage, (message,))

    def _are_good(self, *signed: Signed | Statement) -> bool:
        return all(self._verify(each) for each in signed)

    def _may_ask(self, sender: PeerId) -> bool:
        self._requests[sender] += 1
        return self._requests[sender] <= self._requests_max

    def _may_pass_on(self, sender: PeerId) -> bool:
        """Chains and certificates: an honest peer passes on two views and a CLOSED of each peer at
        most, of this head and the next."""
        self._passed_on[sender] += 1
        return self._passed_on[sender] <= self._passed_on_max


def is_chain(view: Signed, witnesses: tuple[Signed, ...]) -> bool:
    """Whether all witnesses sign under this very view (or CLOSED), nobody twice. (The last of them
    is who passes it on: else an old chain could take a peer's place for heads to come.)

    Its own signer is no witness of a view, but may be of a CLOSED: there a witness says that it
    holds all of them, which its CLOSED does not.
    """
    signers = {witness.sender for witness in witnesses}
    is_own = view.stage is Stage.VIEW and view.sender in signers
    return (not is_own and len(signers) == len(witnesses)) and all(
        (witness.stage, witness.head, witness.payload) == (Stage.WITNESS, view.head, view.body)
        for witness in witnesses
    )
