"""What proves a ban, as a file that stands alone: `<fault>-<peer>-<attempt>.evidence`.

    magic || msgpack of `Evidence` || BLAKE3 of all before

It holds the records, signed messages and bytes that the ban rests on, and names by digest the
parameters file that a gradient is computed again from. Of two bodies of one slot it holds no more
than the signatures: they say it all. Nothing in it is believed: `judge.py` derives the fault from
it anew. The digest at the end tells a damaged file from a false one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from zpeer.errors import EvidenceError
from zpeer.identity import sync_directory
from zpeer.ids import DIGEST_SIZE, Digest, PeerId, digest_bytes, short
from zpeer.narrator import Narrator
from zpeer.record import Departure, Record
from zpeer.signed import PROTOCOL_VERSION, Signed, Statement
from zpeer.wire import WireLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from zpeer.effects import WriteEvidence
    from zpeer.genesis import Genesis

FORMAT_VERSION = 2
MAGIC = b"zpeerevi" + FORMAT_VERSION.to_bytes(4, "little")
SUFFIX = ".evidence"
FILE_BYTES_MAX = 1 << 32
DIRECTIONS_SHOWN = 1 << 10
"""More directions than any run has: a bound for showing messages, not for judging them."""


class Witness(msgspec.Struct, frozen=True, array_like=True):
    """A peer whose messages stand in the evidence."""

    peer: PeerId
    name: str
    key: bytes
    """Public ECDSA key, compressed: its digest is the peer's id."""


class Evidence(msgspec.Struct, frozen=True, array_like=True):
    """One ban, with all that a third party needs to judge it, given the run file."""

    protocol: int
    run: Digest
    departure: Departure
    records: tuple[bytes, ...]
    """Encoded records that the attempts of `sets` and `messages` build on, or that decided them."""
    sets: tuple[tuple[Signed, ...], ...]
    """Stage sets of the attempt in question, in roster order; what proves records to anybody."""
    messages: tuple[Signed, ...]
    """The accused's own messages outside those sets."""
    statements: tuple[Statement, ...]
    """EQUIVOCATION: the accused's two signatures for one slot."""
    blobs: tuple[bytes, ...]
    """Published parts."""
    results: tuple[bytes, ...]
    """Aggregates of the attempt in question."""
    parameters: Digest
    """Of the file a gradient is computed again from; NOTHING where none is."""
    witnesses: tuple[Witness, ...]


_DECODER = msgspec.msgpack.Decoder(Evidence, strict=True)
_RECORD_DECODER = msgspec.msgpack.Decoder(Record, strict=True)


def collect_evidence(
    effect: WriteEvidence,
    genesis: Genesis,
    keys: Mapping[PeerId, bytes],
    find_bytes: Callable[[Digest], bytes | None],
) -> Evidence:
    """Fill an effect with bytes and keys. Bytes that are no longer at hand are left out."""
    names = dict(zip(genesis.peers, genesis.names, strict=True))
    blobs = [find_bytes(name) for name in effect.blobs]
    results = [find_bytes(name) for name in effect.results]
    return Evidence(
        protocol=PROTOCOL_VERSION,
        run=genesis.run,
        departure=effect.departure,
        records=effect.records,
        sets=effect.sets,
        messages=effect.messages,
        statements=effect.statements,
        blobs=tuple(data for data in blobs if data is not None),
        results=tuple(data for data in results if data is not None),
        parameters=effect.parameters,
        witnesses=tuple(Witness(p, names[p], keys[p]) for p in find_peers(effect, genesis)),
    )


def find_peers(effect: WriteEvidence, genesis: Genesis) -> tuple[PeerId, ...]:
    """Whose messages the evidence holds, and the accused and its accuser, in genesis order."""
    signed = [each for messages in (*effect.sets, effect.messages) for each in messages]
    involved = {each.sender for each in signed}
    involved |= {each.sender for each in effect.statements}
    involved |= {effect.departure.peer, effect.departure.accuser}
    return tuple(peer for peer in genesis.peers if peer in involved)


def encode_evidence(evidence: Evidence) -> bytes:
    """The bytes of the file."""
    data = MAGIC + msgspec.msgpack.encode(evidence)
    return data + digest_bytes(data)


def evidence_name(departure: Departure) -> str:
    """Name of the file: one a fault, peer and attempt."""
    fault = departure.fault.name.lower().replace("_", "-")
    return f"{fault}-{short(departure.peer)}-{short(departure.attempt)}{SUFFIX}"


def write_evidence(directory: Path, evidence: Evidence) -> Path:
    """Write the file whole or not at all; it is on disk when this returns.

    Raises EvidenceError where the disk does not take it.
    """
    path = directory / evidence_name(evidence.departure)
    partial = path.with_name(path.name + ".partial")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(encode_evidence(evidence))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_directory(directory)
    except OSError as problem:
        raise EvidenceError(f"{path}: cannot be written: {problem.strerror}") from problem
    return path


def read_evidence(path: Path) -> Evidence:
    """The evidence in a file; raises EvidenceError where it is unreadable or was altered."""
    try:
        size_bytes = path.stat().st_size
        if size_bytes > FILE_BYTES_MAX:
            raise EvidenceError(f"{path}: {size_bytes} bytes; no evidence is that large")
        data = path.read_bytes()
    except OSError as problem:
        raise EvidenceError(f"{path}: cannot be read: {problem.strerror}") from problem
    return decode_evidence(data, str(path))


def decode_evidence(data: bytes, name: str) -> Evidence:
    """The evidence in the bytes of a file called `name`."""
    if not data.startswith(MAGIC[:8]):
        raise EvidenceError(f"{name}: no evidence file (it does not start as one does)")
    if not data.startswith(MAGIC):
        version = int.from_bytes(data[8:12], "little")
        raise EvidenceError(f"{name}: evidence format {version}, expected {FORMAT_VERSION}")
    content, end = data[:-DIGEST_SIZE], data[-DIGEST_SIZE:]
    if digest_bytes(content) != end:
        raise EvidenceError(
            f"{name}: was altered or cut off: its bytes have the digest"
            f" {digest_bytes(content).hex()}, but it ends in {end.hex()}"
        )
    body = content[len(MAGIC) :]
    try:
        evidence = _DECODER.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as problem:
        raise EvidenceError(f"{name}: not evidence of this version: {problem}") from problem
    if msgspec.msgpack.encode(evidence) != body:
        raise EvidenceError(f"{name}: not in the one encoding that evidence has")
    return evidence


def decode_record(data: bytes) -> Record:
    """A record; EvidenceError if the bytes are none in its one encoding."""
    try:
        record = _RECORD_DECODER.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as problem:
        raise EvidenceError(f"a record in it does not decode: {problem}") from problem
    if msgspec.msgpack.encode(record) != data:
        raise EvidenceError("a record in it is not in the one encoding that records have")
    return record


def make_narrator(evidence: Evidence) -> Narrator:
    """Words with the names that the evidence gives; whoever judges takes those of the run file."""
    names = {witness.peer: witness.name for witness in evidence.witnesses}
    limits = WireLimits(max(1, len(names)), DIRECTIONS_SHOWN)
    return Narrator(names, limits, evidence.run)


def render_evidence(evidence: Evidence) -> list[str]:
    """What an evidence file says, for people. Nothing of it is judged."""
    narrator = make_narrator(evidence)
    records = [line for data in evidence.records for line in narrator.record(decode_record(data))]
    departure = evidence.departure
    lines = [f"claims: {narrator.say_departure(departure)} {narrator.place(departure.attempt)}"]
    lines.append(f"run {evidence.run.hex()}, protocol version {evidence.protocol}")
    lines += records
    for messages in evidence.sets:
        if messages:
            lines.append(f"{messages[0].stage.name} set of {len(messages)}:")
            lines += [f"    {narrator.say_signed(signed)}" for signed in messages]
    lines += [f"own words: {narrator.say_signed(signed)}" for signed in evidence.messages]
    lines += [f"own signature: {say_statement(narrator, each)}" for each in evidence.statements]
    for what, several in (("published part", evidence.blobs), ("aggregate", evidence.results)):
        lines += [f"{what} {short(digest_bytes(x))}: {len(x)} bytes" for x in several]
    if any(evidence.parameters):
        lines.append(f"judged by computing again from parameters {evidence.parameters.hex()}")
    return lines


def say_statement(narrator: Narrator, statement: Statement) -> str:
    """What was signed, by its hash."""
    who, content = narrator.name(statement.sender), short(statement.content)
    place = narrator.place(statement.head)
    return f"{statement.stage.name} from {who}: content {content}  {place}"
