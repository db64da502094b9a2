"""Typed messages to bytes and back: one canonical encoding, limits before allocation, one error.

Guarantees: `decode_*` raises nothing but `WireError`, whatever the bytes; what it accepts encodes
to the very same bytes again, so a body has one encoding and all peers accept the same bodies. It
allocates no more than a small multiple of the bytes given, whose number is limited first; depth is
that of the types. Numbers that are not finite do decode: they are a fault for the core to judge
(protocol, section 3, "a signed body not valid").
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, TypeVar

import msgspec

from zpeer.errors import WireError
from zpeer.ids import DIGEST_SIZE
from zpeer.messages import (
    MESSAGE_TYPES,
    Accusation,
    Aggregated,
    Check,
    Commit,
    Finding,
    Message,
    Projections,
    Reveal,
    Verdict,
    stage_of,
)
from zpeer.relays import BlobRequest, Proof, Relay, SetReply, SetRequest
from zpeer.signed import Signed, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sized

T = TypeVar("T")

SIGNATURE_SIZE = 64
REPORTS_MAX = 8
"""A validator has at most two draws at a time; the core knows the exact number."""

# Upper bounds of encoded sizes, in bytes: array or bytes header, a digest, a scalar.
_HEADER = 5
_DIGEST = 2 + DIGEST_SIZE
_SCALAR = 9
_ACCUSATION = _HEADER + 4 * _DIGEST + 2 * _SCALAR
_FINDING = _HEADER + _DIGEST + _SCALAR + _HEADER
_REPORT = _HEADER + 3 * _DIGEST + 1
_SIGNED_EXTRA = 2 * _HEADER + _SCALAR + 2 * _DIGEST + 2 + SIGNATURE_SIZE

DECODED_KEPT = 512
"""Decoded payloads remembered: two attempts of 40 peers.

Each is no larger than `payload_bytes_max`.
"""


class WireLimits(msgspec.Struct, frozen=True, dict=True):
    """What a genesis of n peers and k directions allows in a message: the same at all peers."""

    peers: int
    directions: int

    @property
    def accusations_max(self) -> int:
        """Accusations in a CHECK, and those of one accuser that may be open at once."""
        return 4 * self.peers + 16

    @property
    def findings_max(self) -> int:
        """Findings in a CHECK: one for every matter that can be open."""
        return self.peers * self.accusations_max

    def payload_bytes(self, stage: Stage) -> int:
        """Most bytes that a payload of this stage can have."""
        n, k = self.peers, self.directions
        match stage:
            case Stage.COMMIT:
                body = _HEADER + (n + 1) * _DIGEST
            case Stage.PROJECTIONS:
                body = 2 * _DIGEST + 2 * _HEADER + n * (_HEADER + (k + 1) * _SCALAR)
            case Stage.CHECK:
                body = self._check_bytes()
            case _:
                body = 2 * _DIGEST
        return _HEADER + body

    def _check_bytes(self) -> int:
        """Room for one lacking peer a finding, and for all in those on averaging, n an attempt."""
        lacking = self.findings_max + 4 * self.peers**2
        return (
            2 * _DIGEST
            + 4 * _HEADER
            + self.accusations_max * _ACCUSATION
            + self.findings_max * _FINDING
            + lacking * _DIGEST
            + REPORTS_MAX * _REPORT
            + len(Stage) * _SCALAR
        )

    @cached_property
    def payload_bytes_max(self) -> int:
        """Most bytes that any payload can have."""
        return max(self.payload_bytes(stage) for stage in Stage)

    @property
    def signed_bytes_max(self) -> int:
        """Most bytes that a signed message can have."""
        return self.payload_bytes_max + _SIGNED_EXTRA

    @property
    def control_bytes_max(self) -> int:
        """Most bytes of any control message; the largest is the answer with a whole stage set."""
        return max(self.peers, 2) * self.signed_bytes_max + 2 * _DIGEST + 2 * _HEADER + _SCALAR


_PAYLOAD_DECODERS = {
    stage: msgspec.msgpack.Decoder(kind, strict=True) for stage, kind in MESSAGE_TYPES.items()
}
_SIGNED_DECODER = msgspec.msgpack.Decoder(Signed, strict=True)
_RELAY_DECODER: msgspec.msgpack.Decoder[Relay] = msgspec.msgpack.Decoder(Relay, strict=True)
_ENCODER = msgspec.msgpack.Encoder()


def encode_payload(message: Message) -> bytes:
    """Canonical bytes of a stage message.

    Raises TypeError where a field holds another type than declared (an int for a float, say): that
    is our bug, and signing such bytes would be a fault of ours.
    """
    payload = _ENCODER.encode(message)
    try:
        _canonical(_PAYLOAD_DECODERS[stage_of(message)], payload)
    except WireError as problem:
        raise TypeError(f"not encodable as {type(message).__name__}: {problem}") from problem
    return payload


@lru_cache(maxsize=DECODED_KEPT)
def decode_payload(stage: Stage, payload: bytes, limits: WireLimits) -> Message:
    """The message in a payload, or WireError.

    Counts against a roster and values are the core's to judge.
    """
    _require_size("payload", payload, limits.payload_bytes(stage))
    message: Message = _canonical(_PAYLOAD_DECODERS[stage], payload)
    _require_message(message, limits)
    return message


def encode_signed(signed: Signed) -> bytes:
    """Canonical bytes of a signed message, as sent."""
    return _ENCODER.encode(signed)


def decode_signed(data: bytes, limits: WireLimits) -> Signed:
    """A signed message whose header is sound, or WireError.

    Payload and signature are not looked into.
    """
    _require_size("signed message", data, limits.signed_bytes_max)
    signed = _canonical(_SIGNED_DECODER, data)
    _require_signed(signed, limits)
    return signed


def encode_relay(relay: Relay) -> bytes:
    """Canonical bytes of a control message that is no slot."""
    return _ENCODER.encode(relay)


def decode_relay(data: bytes, limits: WireLimits) -> Relay:
    """A control message that is no slot, or WireError. Signatures in it are not verified."""
    _require_size("control message", data, limits.control_bytes_max)
    relay = _canonical(_RELAY_DECODER, data)
    match relay:
        case SetRequest(head=head):
            _require_digests("head", (head,))
        case SetReply(head=head, messages=messages):
            _require_digests("head", (head,))
            _require_count("messages", messages, limits.peers)
            for signed in messages:
                _require_signed(signed, limits)
        case Proof(first=first, second=second):
            _require_signed(first, limits)
            _require_signed(second, limits)
        case BlobRequest(blob=blob):
            _require_digests("blob", (blob,))
    return relay


def decode_control(data: bytes, limits: WireLimits) -> Signed | Relay:
    """Any control frame: a relay starts with a text, a signed message with a number."""
    is_relay = len(data) > 1 and 0xA0 <= data[1] <= 0xBF  # noqa: PLR2004 - msgpack's short text
    return decode_relay(data, limits) if is_relay else decode_signed(data, limits)


def _canonical(decoder: msgspec.msgpack.Decoder[T], data: bytes) -> T:
    """Decode; refuse any but the one encoding: longer integers, single floats, surplus fields.

    msgspec raises besides its own errors UnicodeDecodeError for tags and RecursionError for deep
    surplus fields.
    """
    try:
        value = decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as problem:
        raise WireError(f"no message of the expected type: {problem}") from problem
    if _ENCODER.encode(value) != data:
        raise WireError("not the canonical encoding of its message")
    return value


def _require_size(what: str, data: bytes, size_bytes_max: int) -> None:
    if len(data) > size_bytes_max:
        raise WireError(f"{what} of {len(data)} bytes; at most {size_bytes_max} are allowed")


def _require_count(what: str, items: Sized, count_max: int) -> None:
    if len(items) > count_max:
        raise WireError(f"{len(items)} {what}; at most {count_max} are allowed")


def _require_digests(what: str, digests: Iterable[bytes]) -> None:
    for digest in digests:
        if len(digest) != DIGEST_SIZE:
            raise WireError(f"{what} of {len(digest)} bytes; expected {DIGEST_SIZE}")


def _require_signed(signed: Signed, limits: WireLimits) -> None:
    _require_digests("head or sender", (signed.head, signed.sender))
    _require_size("payload", signed.payload, limits.payload_bytes_max)
    if len(signed.signature) != SIGNATURE_SIZE:
        raise WireError(f"signature of {len(signed.signature)} bytes; expected {SIGNATURE_SIZE}")


def _require_message(message: Message, limits: WireLimits) -> None:
    match message:
        case Commit(parts=parts, commitment=commitment):
            _require_count("parts", parts, limits.peers)
            _require_digests("commitment", (*parts, commitment))
        case Aggregated(echo=echo, result=result):
            _require_digests("echo or result", (echo,) if result is None else (echo, result))
        case Reveal(echo=echo, share=share):
            _require_digests("echo or share", (echo, share))
        case Projections():
            _require_projections(message, limits)
        case Check():
            _require_check(message, limits)
        case Verdict(echo=echo, record=record):
            _require_digests("echo or record", (echo, record))


def _require_projections(message: Projections, limits: WireLimits) -> None:
    _require_digests("echo or beacon", (message.echo, message.beacon))
    _require_count("rows of projections", message.projections, limits.peers)
    for row in message.projections:
        _require_count("projections in a row", row, limits.directions)
    _require_count("norms", message.norms, limits.peers)


def _require_check(message: Check, limits: WireLimits) -> None:
    _require_digests("echo or secret", (message.echo, message.secret))
    _require_count("accusations", message.accusations, limits.accusations_max)
    _require_count("findings", message.findings, limits.findings_max)
    _require_count("reports", message.reports, REPORTS_MAX)
    _require_count("durations", message.durations, len(Stage))
    for accusation in message.accusations:
        _require_accusation(accusation, limits)
    for finding in message.findings:
        _require_finding(finding, limits)
    for report in message.reports:
        digests = (report.target, report.attempt, report.gradient)
        _require_digests("field of a report", digests)


def _require_accusation(item: Accusation, limits: WireLimits) -> None:
    digests = (item.accused, item.attempt, item.about, item.evidence)
    _require_digests("field of an accusation", digests)
    if not -1 <= item.part < limits.peers:
        raise WireError(f"part {item.part}; expected -1 to {limits.peers - 1}")


def _require_finding(item: Finding, limits: WireLimits) -> None:
    _require_count("lacking peers", item.lacking, limits.peers)
    _require_digests("matter or peer", (item.matter, *item.lacking))
