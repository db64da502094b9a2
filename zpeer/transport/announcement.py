"""The caller's half of a greeting: where the caller itself is to be dialled.

Who listens greets over the connections of others (`hello.py`), so a peer that moved after the run
file was made could never say so: nobody comes. It calls others, though, and tells those it reaches
its own address, signed, bound to the run and to both ids. So nobody but its owner can move a peer,
and what it told one peer serves towards no other and in no other run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from zpeer.addresses import read_address
from zpeer.ids import DIGEST_SIZE, Digest, PeerId, digest
from zpeer.signed import PROTOCOL_VERSION
from zpeer.transport.hello import HelloError
from zpeer.transport.sockets import Address

if TYPE_CHECKING:
    from zpeer.crypto import PublicKey, SigningKey

ANNOUNCEMENT_BYTES_MAX = 512


class Announcement(msgspec.Struct, frozen=True, array_like=True):
    """What a peer says to whom it calls."""

    run: Digest
    address: str
    """HOST:PORT of its control plane; its bulk plane is on the same host."""
    signature: bytes = b""


_DECODER = msgspec.msgpack.Decoder(Announcement, strict=True)


def encode_announcement(run: Digest, address: str, key: SigningKey, receiver: PeerId) -> bytes:
    """Sign an address for one receiver; at most ANNOUNCEMENT_BYTES_MAX bytes."""
    signature = key.sign(_signed_digest(run, address, key.public.peer, receiver))
    return msgspec.msgpack.encode(Announcement(run, address, signature))


def decode_announcement(data: bytes, sender: PublicKey, run: Digest, receiver: PeerId) -> Address:
    """Where the sender says it is, or HelloError saying why that is not to be believed."""
    if len(data) > ANNOUNCEMENT_BYTES_MAX:
        raise HelloError(f"its announcement has {len(data)} bytes; {ANNOUNCEMENT_BYTES_MAX} may be")
    try:
        said = _DECODER.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as problem:
        raise HelloError(f"its announcement is not readable: {problem}") from problem
    if len(said.run) != DIGEST_SIZE or said.run != run:
        raise HelloError(f"its announcement is for run {said.run.hex()[:16]}")
    signed = _signed_digest(said.run, said.address, sender.peer, receiver)
    if not sender.verify(signed, said.signature):
        raise HelloError("its announcement is not signed by its key")
    try:
        return Address(*read_address(said.address))
    except ValueError as problem:
        raise HelloError(f"the address it announces: {problem}") from problem


def _signed_digest(run: Digest, address: str, sender: PeerId, receiver: PeerId) -> Digest:
    domain = f"zpeer/{PROTOCOL_VERSION}/announcement"
    return digest(domain, run, sender, receiver, address.encode())
