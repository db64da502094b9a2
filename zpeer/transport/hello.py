"""The greeting: first on every control connection, signed, for one receiver, and naming the run.

CURVE has already proven who is speaking. The hello says that both mean the same protocol and run,
and carries the ephemeral key of the bulk plane under the peer's ECDSA signature, bound to the run
and to both ids, so that it serves in no other run and towards nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from zpeer.ids import DIGEST_SIZE, Digest, PeerId, digest, number
from zpeer.signed import PROTOCOL_VERSION

if TYPE_CHECKING:
    from zpeer.crypto import PublicKey, SigningKey

HELLO_BYTES_MAX = 8192
SECTIONS_MAX = 64
EXCHANGE_SIZE = 32
SESSION_SIZE = 8
PORT_MAX = 65535


class Hello(msgspec.Struct, frozen=True, array_like=True):
    """What a peer says first."""

    version: int
    run: Digest
    sections: tuple[tuple[str, Digest], ...]
    """Digest of every section of the sender's run file: where runs differ, they say in what."""
    session: bytes
    """Random, new with every start of the process: numbers of frames begin anew with it."""
    bulk_port: int
    """Where the sender's bulk plane is reached, on the host of its control address."""
    exchange: bytes
    """X25519 key for this receiver."""
    signature: bytes = b""


class HelloError(Exception):
    """A greeting that cannot be accepted. What a peer did, hence never let out of the transport."""

    def __init__(
        self, reason: str, run: Digest | None = None, sections: tuple[str, ...] = ()
    ) -> None:
        """Say why; `sections` are those that differ."""
        super().__init__(reason)
        self.reason = reason
        self.run = run
        self.sections = sections


_DECODER = msgspec.msgpack.Decoder(Hello, strict=True)


def encode_hello(hello: Hello, key: SigningKey, receiver: PeerId) -> bytes:
    """Sign a greeting for one receiver; at most HELLO_BYTES_MAX bytes."""
    signature = key.sign(_signed_digest(hello, key.public.peer, receiver))
    return msgspec.msgpack.encode(msgspec.structs.replace(hello, signature=signature))


def decode_hello(data: bytes, sender: PublicKey, mine: Hello, receiver: PeerId) -> Hello:
    """A greeting that is for me and of my run, or HelloError saying what differs."""
    hello = _parse(data)
    if hello.version != mine.version:
        raise HelloError(
            f"it speaks protocol version {hello.version}, this zpeer {mine.version}: "
            "all peers of a run need the same version"
        )
    if not sender.verify(_signed_digest(hello, sender.peer, receiver), hello.signature):
        raise HelloError("its greeting is not signed by its key")
    if hello.run != mine.run:
        different = differing_sections(mine.sections, hello.sections)
        named = ", ".join(different) or "none of the sections it names"
        raise HelloError(
            f"it is in run {hello.run.hex()[:16]}, this peer in {mine.run.hex()[:16]}; "
            f"their run files differ in: {named}",
            hello.run,
            different,
        )
    return hello


def differing_sections(
    mine: tuple[tuple[str, Digest], ...], theirs: tuple[tuple[str, Digest], ...]
) -> tuple[str, ...]:
    """Names of sections that only one has or that differ, in my order, then theirs."""
    left, right = dict(mine), dict(theirs)
    names = [*left, *(name for name in right if name not in left)]
    return tuple(name for name in names if left.get(name) != right.get(name))


def _parse(data: bytes) -> Hello:
    if len(data) > HELLO_BYTES_MAX:
        raise HelloError(f"its greeting has {len(data)} bytes, at most {HELLO_BYTES_MAX} allowed")
    try:
        hello = _DECODER.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as problem:
        raise HelloError(f"its greeting is not readable: {problem}") from problem
    sound = (
        len(hello.run) == DIGEST_SIZE
        and len(hello.sections) <= SECTIONS_MAX
        and all(name.isprintable() for name, _ in hello.sections)
        and len(hello.session) == SESSION_SIZE
        and 0 < hello.bulk_port <= PORT_MAX
        and len(hello.exchange) == EXCHANGE_SIZE
        and 0 <= hello.version <= PORT_MAX
    )
    if not sound:
        raise HelloError("its greeting has fields out of range")
    return hello


def _signed_digest(hello: Hello, sender: PeerId, receiver: PeerId) -> Digest:
    sections = [part for name, value in hello.sections for part in (name.encode(), value)]
    return digest(
        f"zpeer/{PROTOCOL_VERSION}/hello",
        hello.run,
        sender,
        receiver,
        hello.session,
        number(hello.version),
        number(hello.bulk_port),
        hello.exchange,
        *sections,
    )
