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
from zpeer.messages import MESSAGE_TYPES, Message, stage_of
from zpeer.proofs import QUOTED_MAX, QUOTED_STAGES
from zpeer.relays import Relay
from zpeer.signed import STEP_STAGES, Signed, Stage
from zpeer.wire_checks import (
    REPORTS_MAX,
    SIGNATURE_SIZE,
    require_message,
    require_relay,
    require_signed,
    require_size,
)

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

CHARGES_MAX = 101
"""Charges of one pair that may stand in a record: one more than a run file can allow."""
TYPICAL_WINDOW_MAX = 1000
"""Measured norms in a record: the most that a run file can ask for."""

# Upper bounds of encoded sizes, in bytes: array or bytes header, a digest, a scalar.
_HEADER = 5
_DIGEST = 2 + DIGEST_SIZE
_SCALAR = 9
_SIGNATURE = 2 + SIGNATURE_SIZE
_ACCUSATION = _HEADER + 4 * _DIGEST + 2 * _SCALAR
_FINDING = _HEADER + _DIGEST + _SCALAR + _HEADER
_REPORT = _HEADER + 3 * _DIGEST + 1
_SIGNED_EXTRA = 2 * _HEADER + _SCALAR + 2 * _DIGEST + _SIGNATURE
_STATEMENT = _HEADER + _SCALAR + 3 * _DIGEST + _SIGNATURE
_TAG = _HEADER + 6
_DRAW = _HEADER + 2 * _DIGEST + 3 * _SCALAR
_MATTER = _HEADER + 2 * _DIGEST + _ACCUSATION + 2 * _SCALAR
_DEPARTURE = _HEADER + 3 * _DIGEST + 2 * _SCALAR
_CHARGE = _HEADER + 2 * _DIGEST + _SCALAR
_SPARE = 8 * _DIGEST
"""More than an honest body needs: one of a wrong count can be read, and convicts."""

LIMITS_KEPT = 8
"""Runs of one process whose decoders are remembered."""
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

    @property
    def draws_max(self) -> int:
        """Open draws in a record: they lapse after 2n counted steps, in each of which a check of
        the averaging can open n at once; twice that for those of void attempts."""
        return 8 * self.peers**2 + 64

    def payload_bytes(self, stage: Stage) -> int:
        """Most bytes that a payload of this stage can have."""
        return self._payload_bytes[stage]

    @cached_property
    def _payload_bytes(self) -> dict[Stage, int]:
        """CHECKs carry views and both carry proofs; proofs quote only what carries neither."""
        sizes = {stage: self._plain_bytes(stage) for stage in Stage}
        quoted = max(sizes[stage] for stage in QUOTED_STAGES)
        proof = _TAG + max(2 * _STATEMENT, _HEADER + QUOTED_MAX * (_SIGNED_EXTRA + quoted))
        sizes[Stage.VIEW] += 2 * _HEADER + 3 * _DIGEST + self.peers * _DIGEST + proof
        sizes[Stage.CHECK] += self._check_bytes()
        sizes[Stage.CHECK] += self.peers * (_SIGNED_EXTRA + sizes[Stage.VIEW] + proof)
        return sizes

    def _plain_bytes(self, stage: Stage) -> int:
        """The same for bodies of digests and scalars alone."""
        n, k = self.peers, self.directions
        match stage:
            case Stage.WITNESS:
                return DIGEST_SIZE
            case Stage.COMMIT:
                needed = _HEADER + (n + 1) * _DIGEST
            case Stage.PROJECTIONS:
                needed = 2 * _HEADER + 2 * _DIGEST + n * (_HEADER + (k + 1) * _SCALAR)
            case _:
                needed = 2 * _DIGEST
        return _HEADER + needed + _SPARE

    def _check_bytes(self) -> int:
        """Room for one lacking peer a finding, and for all in those on averaging, n an attempt."""
        lacking = self.findings_max + 4 * self.peers**2
        return (
            2 * _DIGEST
            + 6 * _HEADER
            + self.accusations_max * _ACCUSATION
            + self.findings_max * _FINDING
            + lacking * _DIGEST
            + REPORTS_MAX * _REPORT
            + len(STEP_STAGES) * _SCALAR
        )

    @cached_property
    def payload_bytes_max(self) -> int:
        """Most bytes that any payload can have."""
        return max(self._payload_bytes.values())

    @property
    def signed_bytes_max(self) -> int:
        """Most bytes that a signed message can have."""
        return self.payload_bytes_max + _SIGNED_EXTRA

    @cached_property
    def record_bytes(self) -> int:
        """Most bytes that an encoded record can have; generous, since one that does not fit could
        be proven to nobody."""
        n = self.peers
        duties = n * (_HEADER + REPORTS_MAX * _DRAW)
        charges = n * (n - 1) // 2 * CHARGES_MAX * _CHARGE
        names = 16 * _DIGEST + 3 * n * _DIGEST + len(STEP_STAGES) * (_DIGEST + _SCALAR)
        scalars = (16 + TYPICAL_WINDOW_MAX) * _SCALAR + 16 * _HEADER
        lists = 2 * self.draws_max * _DRAW + self.findings_max * _MATTER + n * _DEPARTURE
        return names + scalars + duties + charges + lists

    @cached_property
    def control_bytes_max(self) -> int:
        """Most bytes of any control message: a whole stage set, a chain of signatures under a view,
        or a record with what proves it."""
        n = max(self.peers, 2)
        witness, word = (
            _SIGNED_EXTRA + self.payload_bytes(stage) for stage in (Stage.WITNESS, Stage.VERDICT)
        )
        reply = _DIGEST + _SCALAR + n * self.signed_bytes_max
        chain = self.payload_bytes(Stage.VIEW) + _SIGNED_EXTRA + n * witness
        certificate = _HEADER + self.record_bytes + n * word
        return _TAG + _HEADER + max(reply, chain, certificate)


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


def decode_payload(stage: Stage, payload: bytes, limits: WireLimits) -> Message:
    """The message in a payload, or WireError.

    Counts against a roster and values are the core's to judge.
    """
    return payload_decoder(limits)(stage, payload)


@lru_cache(maxsize=LIMITS_KEPT)
def payload_decoder(limits: WireLimits) -> Callable[[Stage, bytes], Message]:
    """`decode_payload` for one run, which remembers the last messages: each is asked for often."""

    def decode(stage: Stage, payload: bytes) -> Message:
        require_size("payload", payload, limits.payload_bytes(stage))
        if stage not in _PAYLOAD_DECODERS:
            raise WireError(f"a {stage.name} carries no message, only the digest of another's body")
        message: Message = _canonical(_PAYLOAD_DECODERS[stage], payload)
        require_message(message, limits)
        return message

    return lru_cache(maxsize=DECODED_KEPT)(decode)


def encode_signed(signed: Signed) -> bytes:
    """Canonical bytes of a signed message, as sent."""
    return _ENCODER.encode(signed)


def decode_signed(data: bytes, limits: WireLimits) -> Signed:
    """A signed message whose header is sound, or WireError.

    Payload and signature are not looked into.
    """
    require_size("signed message", data, limits.signed_bytes_max)
    signed = _canonical(_SIGNED_DECODER, data)
    require_signed(signed, limits)
    return signed


def encode_relay(relay: Relay) -> bytes:
    """Canonical bytes of a control message that is no slot."""
    return _ENCODER.encode(relay)


def decode_relay(data: bytes, limits: WireLimits) -> Relay:
    """A control message that is no slot, or WireError. Signatures in it are not verified."""
    require_size("control message", data, limits.control_bytes_max)
    relay = _canonical(_RELAY_DECODER, data)
    require_relay(relay, limits)
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
