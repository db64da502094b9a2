"""Bytes and messages: golden vectors, one encoding, nothing but WireError whatever the bytes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zpeer.errors import WireError
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, Digest, PeerId, digest, number
from zpeer.messages import (
    MESSAGE_TYPES,
    Accusation,
    Aggregated,
    Check,
    Closed,
    Commit,
    Decided,
    Finding,
    Guilt,
    Message,
    Projections,
    Report,
    Reveal,
    Verdict,
    View,
    stage_of,
)
from zpeer.proofs import QUOTED_STAGES, Equivocation, Misdeed
from zpeer.relays import (
    BlobRequest,
    Certificate,
    Chain,
    ProofReply,
    Relay,
    SetReply,
    SetRequest,
)
from zpeer.signed import Signed, Stage, Statement
from zpeer.wire import (
    WireLimits,
    decode_control,
    decode_payload,
    decode_relay,
    decode_signed,
    encode_payload,
    encode_relay,
    encode_signed,
)

LIMITS = WireLimits(peers=3, directions=2)
VECTORS = Path(__file__).parent / "vectors" / "wire.json"


def name(index: int) -> Digest:
    return digest("zpeer/test", number(index))


def signed(payload: bytes = b"anything", stage: Stage = Stage.COMMIT) -> Signed:
    return Signed(stage, name(1), PeerId(name(2)), payload, bytes(range(64)))


def statement(index: int, stage: Stage = Stage.CHECK) -> Statement:
    return Statement(stage, name(1), PeerId(name(2)), name(index), bytes(range(64)))


WITNESS = signed(name(9), Stage.WITNESS)
EQUIVOCATION = Equivocation(statement(7), statement(8))
MISDEED = Misdeed((signed(b"\xc1", Stage.REVEAL), signed(stage=Stage.COMMIT)))
ACCUSATION = Accusation(FaultKind.WRONG_PROJECTION, PeerId(name(1)), name(2), 2, evidence=name(3))
FINDING = Finding(name(1), Guilt.LACKING, (PeerId(name(2)), PeerId(name(3))))
REPORT = Report(PeerId(name(4)), name(5), True, name(6))
MESSAGES: dict[str, Message] = {
    "commit": Commit((name(1), name(2)), name(3)),
    "commit of a validator": Commit((), name(3)),
    "aggregated": Aggregated(name(1), name(2)),
    "aggregated of a validator": Aggregated(name(1), None),
    "reveal": Reveal(name(1), name(2)),
    "projections": Projections(name(1), name(2), ((0.5, -0.0), (1e-300, -3.0)), (1.0, 2.5)),
    "projections that are not finite": Projections(
        name(1), name(2), ((math.inf, -math.inf),), (math.nan,)
    ),
    "check": Check(name(1), name(2), (ACCUSATION,), (FINDING,), (REPORT,), (0.25, 10.0)),
    "check with nothing to say": Check(name(1), name(2)),
    "check with views and proofs": Check(
        name(1),
        name(2),
        views=(signed(b"a view", Stage.VIEW),),
        proofs=(EQUIVOCATION, MISDEED),
    ),
    "verdict": Verdict(name(1), name(2)),
    "view": View(name(1), name(2), name(3), (PeerId(name(4)), PeerId(name(5))), (EQUIVOCATION,)),
    "view with a misdeed": View(proofs=(MISDEED,)),
    "view of who saw nothing": View(),
    "closed": Closed(name(1)),
    "decided": Decided(name(1)),
}
RELAYS: dict[str, Relay] = {
    "set request": SetRequest(name(1), Stage.CHECK),
    "set reply": SetReply(name(1), Stage.COMMIT, (signed(), signed(b""))),
    "proof": ProofReply(EQUIVOCATION),
    "blob request": BlobRequest(name(1)),
    "chain": Chain(signed(b"a view", Stage.VIEW), (WITNESS, WITNESS)),
    "chain of the signer alone": Chain(signed(b"a view", Stage.VIEW), ()),
    "chain under closed views": Chain(signed(b"all", Stage.CLOSED), (WITNESS,)),
    "certificate": Certificate(b"a record", (signed(b"it", Stage.DECIDED),)),
}


def all_vectors() -> dict[str, str]:
    payloads = {key: encode_payload(message).hex() for key, message in MESSAGES.items()}
    relays = {key: encode_relay(relay).hex() for key, relay in RELAYS.items()}
    bare = {"signed": encode_signed(signed()).hex(), "witness": encode_signed(WITNESS).hex()}
    return payloads | relays | bare


def test_the_bytes_of_every_message_are_those_of_the_golden_vectors() -> None:
    assert all_vectors() == json.loads(VECTORS.read_text())


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_a_payload_decodes_to_the_message_it_was_made_of(message: Message) -> None:
    payload = encode_payload(message)
    decoded = decode_payload(stage_of(message), payload, LIMITS)
    assert type(decoded) is type(message)
    assert encode_payload(decoded) == payload
    assert "nan" in repr(message) or decoded == message


@pytest.mark.parametrize("relay", RELAYS.values(), ids=RELAYS)
def test_a_relay_decodes_to_what_it_was_made_of(relay: Relay) -> None:
    data = encode_relay(relay)
    assert decode_relay(data, LIMITS) == relay
    assert decode_control(data, LIMITS) == relay


def test_a_signed_message_decodes_to_what_it_was_made_of() -> None:
    data = encode_signed(signed())
    assert decode_signed(data, LIMITS) == signed()
    assert decode_control(data, LIMITS) == signed()
    assert decode_signed(data, LIMITS).body == signed().body


def test_garbage_in_a_payload_leaves_slot_and_author_readable() -> None:
    decoded = decode_signed(encode_signed(signed(b"\xc1\xc1")), LIMITS)
    assert (decoded.stage, decoded.head, decoded.sender) == (Stage.COMMIT, name(1), PeerId(name(2)))
    with pytest.raises(WireError):
        decode_payload(decoded.stage, decoded.payload, LIMITS)


def test_a_message_is_refused_under_another_stage() -> None:
    for key in ("commit", "projections", "check", "view"):
        message = MESSAGES[key]
        for stage in set(Stage) - {stage_of(message)}:
            with pytest.raises(WireError):
                decode_payload(stage, encode_payload(message), LIMITS)


PACK = msgspec.msgpack.encode
NOT_CANONICAL = {
    "a list of other fields": (Stage.REVEAL, PACK([name(1), name(2), name(3)])),
    "a missing field with a default": (Stage.CHECK, PACK([name(1), name(2)])),
    "an integer where a float belongs": (
        Stage.PROJECTIONS,
        PACK([name(1), name(2), [[1, 0.5]], [1.0]]),
    ),
    "a boolean where a float belongs": (
        Stage.PROJECTIONS,
        PACK([name(1), name(2), [[True, 0.5]], [1.0]]),
    ),
    "a float of single precision": (
        Stage.CHECK,
        b"\x98" + PACK([name(1), name(2), [], [], []])[1:] + b"\x91\xca\x3f\x80\x00\x00\x90\x90",
    ),
    "an integer where a boolean belongs": (
        Stage.CHECK,
        PACK([name(1), name(2), [], [], [[name(1), name(2), 1, name(3)]], [], [], []]),
    ),
    "text where a digest belongs": (Stage.REVEAL, PACK([name(1), name(2).hex()])),
    "a digest of 31 bytes": (Stage.REVEAL, PACK([name(1), name(2)[:31]])),
    "a map": (Stage.REVEAL, PACK({"echo": name(1), "share": name(2)})),
    "a digest with a long header": (
        Stage.REVEAL,
        b"\x92" + PACK(name(1)) + b"\xc5\x00\x20" + name(2),
    ),
    "an array with a long header": (Stage.REVEAL, b"\xdc\x00\x02" + PACK(name(1)) * 2),
    "trailing bytes": (Stage.REVEAL, PACK([name(1), name(2)]) + b"\xc0"),
    "an array that claims four billion items": (Stage.COMMIT, b"\x92\xdd\xff\xff\xff\xff"),
    "bytes that claim four billion": (Stage.COMMIT, b"\x92\x90\xc6\xff\xff\xff\xff"),
    "surplus nested deeper than the interpreter can follow": (
        Stage.CHECK,
        b"\x99" + PACK([name(1), name(2), *([],) * 6])[1:] + b"\x91" * 9000 + b"\x90",
    ),
    "a proof of another kind": (
        Stage.VIEW,
        PACK([NOTHING, NOTHING, NOTHING, [], [["all", [], []]]]),
    ),
    "a witness, which is no message": (Stage.WITNESS, name(1)),
    "nothing": (Stage.COMMIT, b""),
}


@pytest.mark.parametrize(("stage", "payload"), NOT_CANONICAL.values(), ids=NOT_CANONICAL)
def test_what_is_not_the_one_encoding_is_refused(stage: Stage, payload: bytes) -> None:
    with pytest.raises(WireError):
        decode_payload(stage, payload, WireLimits(peers=16, directions=4))


def test_a_field_of_the_wrong_type_is_never_encoded() -> None:
    with pytest.raises(TypeError):
        encode_payload(Projections(name(1), name(2), ((1,),), (2.0,)))


@given(st.sampled_from(Stage), st.binary(max_size=200))
def test_no_bytes_make_the_payload_decoder_raise_anything_else(stage: Stage, data: bytes) -> None:
    try:
        message = decode_payload(stage, data, LIMITS)
    except WireError:
        return
    assert encode_payload(message) == data


@given(st.binary(max_size=400))
def test_no_bytes_make_the_frame_decoder_raise_anything_else(data: bytes) -> None:
    for decode in (decode_signed, decode_relay, decode_control):
        try:
            decode(data, LIMITS)
        except WireError:
            continue


@given(st.sampled_from(sorted(all_vectors().values())), st.data())
def test_a_message_with_bytes_changed_is_refused_or_canonical(
    vector: str, data: st.DataObject
) -> None:
    frame = bytearray.fromhex(vector)
    for _ in range(data.draw(st.integers(1, 3))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(frame[: data.draw(st.integers(0, len(frame)))])
    for stage in Stage:
        for raw in (bytes(frame), cut):
            try:
                assert encode_payload(decode_payload(stage, raw, LIMITS)) == raw
            except WireError:
                continue
    for raw in (bytes(frame), cut):
        try:
            decoded = decode_control(raw, LIMITS)
        except WireError:
            continue
        encoded = encode_signed(decoded) if isinstance(decoded, Signed) else encode_relay(decoded)
        assert encoded == raw


finite = st.floats(allow_nan=False, width=64)
digests = st.binary(min_size=32, max_size=32)
statements = st.builds(statement, st.integers(0, 9), st.sampled_from(list(MESSAGE_TYPES)))
quotes = st.builds(signed, st.binary(max_size=40), st.sampled_from(QUOTED_STAGES))
proofs = st.lists(
    st.one_of(
        st.builds(Equivocation, statements, statements),
        st.builds(Misdeed, st.lists(quotes, min_size=1, max_size=2).map(tuple)),
    ),
    max_size=3,
).map(tuple)


@given(
    st.builds(
        Check,
        digests,
        digests,
        st.lists(
            st.builds(
                Accusation,
                st.sampled_from(FaultKind),
                digests,
                digests,
                st.integers(-1, 2),
                digests,
            ),
            max_size=3,
        ).map(tuple),
        st.lists(
            st.builds(
                Finding, digests, st.sampled_from(Guilt), st.lists(digests, max_size=3).map(tuple)
            ),
            max_size=3,
        ).map(tuple),
        st.lists(st.builds(Report, digests, digests, st.booleans(), digests), max_size=3).map(
            tuple
        ),
        st.lists(finite, max_size=6).map(tuple),
        st.lists(st.builds(signed, st.binary(max_size=40), st.just(Stage.VIEW)), max_size=3).map(
            tuple
        ),
        proofs,
    )
)
def test_any_check_survives_the_round_trip(check: Check) -> None:
    assert decode_payload(Stage.CHECK, encode_payload(check), LIMITS) == check


@given(st.lists(st.tuples(finite, finite), max_size=3).map(tuple), digests, digests)
def test_any_projections_survive_the_round_trip(
    rows: tuple[tuple[float, float], ...], echo: Digest, beacon: Digest
) -> None:
    message = Projections(echo, beacon, rows, tuple(row[0] for row in rows))
    assert decode_payload(Stage.PROJECTIONS, encode_payload(message), LIMITS) == message
