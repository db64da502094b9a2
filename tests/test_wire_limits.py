"""How much of what a message may hold: more than a run of that many peers needs is no message."""

from __future__ import annotations

import msgspec
import pytest

from tests.test_wire import (
    ACCUSATION,
    EQUIVOCATION,
    LIMITS,
    MESSAGES,
    MISDEED,
    REPORT,
    WITNESS,
    name,
    signed,
    statement,
)
from zpeer.errors import WireError
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, Digest, PeerId
from zpeer.messages import (
    Check,
    Closed,
    Commit,
    Decided,
    Finding,
    Guilt,
    Message,
    Projections,
    View,
    stage_of,
)
from zpeer.proofs import QUOTED_STAGES, Equivocation, Misdeed
from zpeer.record import Charge, Departure, Draw, Matter, Outcome, Record
from zpeer.relays import Certificate, Chain, ProofReply, Relay, SetReply, SetRequest
from zpeer.runs.settings import CHARGES_MOST
from zpeer.signed import STEP_STAGES, Signed, Stage
from zpeer.wire import (
    CHARGES_MAX,
    TYPICAL_WINDOW_MAX,
    WireLimits,
    decode_payload,
    decode_relay,
    decode_signed,
    encode_payload,
    encode_relay,
    encode_signed,
)
from zpeer.wire_checks import REPORTS_MAX


def over_the_limits() -> dict[str, Message]:
    check = MESSAGES["check with nothing to say"]
    row = (1.0,) * LIMITS.directions
    return {
        "parts": Commit((name(1),) * 4, name(2)),
        "rows": Projections(name(1), name(2), (row,) * 4, ()),
        "directions": Projections(name(1), name(2), ((*row, 1.0),), ()),
        "norms": Projections(name(1), name(2), (), (1.0,) * 4),
        "accusations": msgspec.structs.replace(
            check, accusations=(ACCUSATION,) * (LIMITS.accusations_max + 1)
        ),
        "findings": msgspec.structs.replace(
            check, findings=(Finding(name(1), Guilt.GUILTY),) * (LIMITS.findings_max + 1)
        ),
        "reports": msgspec.structs.replace(check, reports=(REPORT,) * (REPORTS_MAX + 1)),
        "durations": msgspec.structs.replace(check, durations=(1.0,) * 7),
        "lacking": msgspec.structs.replace(
            check, findings=(Finding(name(1), Guilt.LACKING, (PeerId(name(2)),) * 4),)
        ),
        "part too large": msgspec.structs.replace(
            check, accusations=(msgspec.structs.replace(ACCUSATION, part=3),)
        ),
        "part negative": msgspec.structs.replace(
            check, accusations=(msgspec.structs.replace(ACCUSATION, part=-2),)
        ),
        "views": msgspec.structs.replace(check, views=(signed(stage=Stage.VIEW),) * 4),
        "a view that is none": msgspec.structs.replace(check, views=(signed(stage=Stage.CHECK),)),
        "proofs": msgspec.structs.replace(check, proofs=(EQUIVOCATION,) * 4),
        "proofs in a view": View(proofs=(EQUIVOCATION, MISDEED)),
        "claims": View(claims=(PeerId(name(1)),) * 4),
        "a proof that quotes nothing": View(proofs=(Misdeed(()),)),
        "quoted messages": View(proofs=(Misdeed((signed(),) * 3),)),
        "a quoted message of a stage that is large": View(
            proofs=(Misdeed((signed(stage=Stage.CHECK),)),)
        ),
        "a quoted message that no honest peer has read": View(
            proofs=(Misdeed((signed(bytes(LIMITS.payload_bytes(Stage.COMMIT) + 1)),)),)
        ),
        "two witnesses as a proof": View(
            proofs=(Equivocation(statement(1, Stage.WITNESS), statement(2, Stage.WITNESS)),)
        ),
        "a claim that is no name": View(claims=(PeerId(b"me"),)),
        "a statement with a short signature": View(
            proofs=(
                Equivocation(
                    statement(1), msgspec.structs.replace(statement(2), signature=bytes(63))
                ),
            )
        ),
        "digest of views": Closed(Digest(b"short")),
        "digest of a record": Decided(Digest(bytes(33))),
    }


@pytest.mark.parametrize("message", over_the_limits().values(), ids=over_the_limits())
def test_more_than_the_genesis_allows_is_refused(message: Message) -> None:
    with pytest.raises(WireError):
        decode_payload(stage_of(message), encode_payload(message), LIMITS)


def test_the_largest_allowed_messages_fit_the_limit_of_bytes() -> None:
    row = (1.0,) * LIMITS.directions
    peers = (PeerId(name(1)),) * LIMITS.peers
    findings = tuple(
        Finding(name(index), Guilt.LACKING, peers if index < 4 * LIMITS.peers else peers[:1])
        for index in range(LIMITS.findings_max)
    )
    quoted = max(map(LIMITS.payload_bytes, QUOTED_STAGES))
    stage = next(stage for stage in QUOTED_STAGES if LIMITS.payload_bytes(stage) == quoted)
    misdeed = Misdeed((signed(bytes(quoted), stage),) * 2)
    view = View(name(1), name(2), name(3), peers, (misdeed,))
    largest: list[Message] = [
        Commit((name(1),) * LIMITS.peers, name(2)),
        Projections(name(1), name(2), (row,) * LIMITS.peers, (1.0,) * LIMITS.peers),
        view,
        Check(
            name(1),
            name(2),
            (ACCUSATION,) * LIMITS.accusations_max,
            findings,
            (REPORT,) * REPORTS_MAX,
            (1.0,) * len(STEP_STAGES),
            (signed(bytes(LIMITS.payload_bytes(Stage.VIEW)), Stage.VIEW),) * LIMITS.peers,
            (misdeed,) * LIMITS.peers,
        ),
    ]
    for message in largest:
        payload = encode_payload(message)
        assert decode_payload(stage_of(message), payload, LIMITS) == message
    fullest = bytes(LIMITS.payload_bytes(Stage.CHECK))
    view_bytes = bytes(LIMITS.payload_bytes(Stage.VIEW))
    relays: list[Relay] = [
        SetReply(name(1), Stage.CHECK, (signed(fullest, Stage.CHECK),) * LIMITS.peers),
        Chain(signed(view_bytes, Stage.VIEW), (WITNESS,) * LIMITS.peers),
        Certificate(
            bytes(LIMITS.record_bytes),
            (signed(bytes(LIMITS.payload_bytes(Stage.VERDICT)), Stage.VERDICT),) * LIMITS.peers,
        ),
    ]
    for relay in relays:
        assert decode_relay(encode_relay(relay), LIMITS) == relay


def make_largest_record(limits: WireLimits) -> Record:
    """All that a record can hold."""
    big, peers = 2**40, (PeerId(name(1)),) * limits.peers
    draw = Draw(peers[0], name(2), big, True, big)
    accusation = msgspec.structs.replace(ACCUSATION, part=limits.peers - 1)
    pairs = limits.peers * (limits.peers - 1) // 2
    return Record(
        version=1,
        run=name(1),
        previous=name(2),
        step=big,
        attempt=big,
        outcome=Outcome.VOID,
        counted=big,
        parameters=name(3),
        optimizer=name(4),
        roster=peers,
        seed_beacon=name(5),
        draw_beacon=name(6),
        beacon=name(7),
        secret_beacon=name(8),
        validators=peers,
        duties=((draw, draw),) * limits.peers,
        draws=(draw,) * limits.draws_max,
        matters=(Matter(peers[0], accusation, name(9), 3, True),) * limits.findings_max,
        typical=0.5,
        typical_window=(0.5,) * TYPICAL_WINDOW_MAX,
        delta_floor=0.5,
        sets=(name(1),) * 5,
        departures=(Departure(peers[0], FaultKind.SILENT, name(1), peers[0], 2),) * limits.peers,
        lapsed=(draw,) * limits.draws_max,
        checked=name(1),
        charges=(Charge(peers[0], peers[0], big),) * (pairs * CHARGES_MAX),
        durations=(0.5,) * len(STEP_STAGES),
        views=(name(1),) * limits.peers,
    )


@pytest.mark.parametrize("peers", [3, 5, 16])
def test_the_largest_record_fits_a_certificate(peers: int) -> None:
    limits = WireLimits(peers, 4)
    record = msgspec.msgpack.encode(make_largest_record(limits))
    assert len(record) <= limits.record_bytes < 1.2 * len(record)
    assert CHARGES_MAX > CHARGES_MOST, "a pair over its limit stands in one record"
    proof = Certificate(record, (signed(b"it", Stage.DECIDED),) * peers)
    assert decode_relay(encode_relay(proof), limits) == proof


def test_a_word_longer_than_its_stage_can_be_is_not_readable() -> None:
    for stage in Stage:
        most = LIMITS.payload_bytes(stage)
        assert decode_signed(encode_signed(signed(bytes(most), stage)), LIMITS).stage is stage
        with pytest.raises(WireError):
            decode_signed(encode_signed(signed(bytes(most + 1), stage)), LIMITS)


def test_a_body_with_a_few_too_many_can_be_read_and_convicts() -> None:
    for peers in (3, 16, 40):
        limits = WireLimits(peers, 4)
        payload = encode_payload(Commit((name(1),) * (peers + 3), name(2)))
        assert decode_signed(encode_signed(signed(payload)), limits).payload == payload
        with pytest.raises(WireError, match="parts"):
            decode_payload(Stage.COMMIT, payload, limits)


def test_a_witness_signs_a_digest_and_nothing_else() -> None:
    assert decode_signed(encode_signed(WITNESS), LIMITS) == WITNESS
    with pytest.raises(WireError):
        decode_signed(encode_signed(signed(bytes(31), Stage.WITNESS)), LIMITS)


OUT_OF_PLACE: dict[str, Relay] = {
    "a set of witnesses asked for": SetRequest(name(1), Stage.WITNESS),
    "a set of witnesses": SetReply(name(1), Stage.WITNESS, ()),
    "a witness in a set": SetReply(name(1), Stage.COMMIT, (WITNESS,)),
    "a chain under another word": Chain(signed(stage=Stage.VERDICT), ()),
    "a chain of other words": Chain(signed(stage=Stage.VIEW), (signed(stage=Stage.VIEW),)),
    "a chain of too many": Chain(signed(stage=Stage.VIEW), (WITNESS,) * 4),
    "a certificate of other words": Certificate(b"", (signed(stage=Stage.CLOSED),)),
    "a certificate of too many": Certificate(b"", (signed(stage=Stage.DECIDED),) * 4),
    "a record too long": Certificate(bytes(LIMITS.record_bytes + 1), ()),
    "two witnesses as a proof": ProofReply(
        Equivocation(statement(1, Stage.WITNESS), statement(2, Stage.WITNESS))
    ),
    "a proof without a digest": ProofReply(
        Equivocation(statement(1), msgspec.structs.replace(statement(2), content=b""))
    ),
}


@pytest.mark.parametrize("relay", OUT_OF_PLACE.values(), ids=OUT_OF_PLACE)
def test_what_a_relay_has_no_business_to_carry_is_refused(relay: Relay) -> None:
    with pytest.raises(WireError):
        decode_relay(encode_relay(relay), LIMITS)


def test_too_many_bytes_are_refused_before_they_are_decoded() -> None:
    for stage in Stage:
        with pytest.raises(WireError, match="at most"):
            decode_payload(stage, bytes(LIMITS.payload_bytes(stage) + 1), LIMITS)
    with pytest.raises(WireError, match="at most"):
        decode_signed(bytes(LIMITS.signed_bytes_max + 1), LIMITS)
    with pytest.raises(WireError, match="at most"):
        decode_relay(bytes(LIMITS.control_bytes_max + 1), LIMITS)


@pytest.mark.parametrize(
    "broken",
    [
        msgspec.structs.replace(signed(), signature=bytes(63)),
        msgspec.structs.replace(signed(), head=Digest(NOTHING[:31])),
        msgspec.structs.replace(signed(), sender=PeerId(b"")),
        msgspec.structs.replace(signed(), payload=bytes(LIMITS.payload_bytes_max + 1)),
        msgspec.structs.replace(signed(), stage=11),
    ],
)
def test_a_header_that_is_not_sound_is_refused_alone_and_inside_a_relay(broken: Signed) -> None:
    with pytest.raises(WireError):
        decode_signed(encode_signed(broken), LIMITS)
    with pytest.raises(WireError):
        decode_relay(encode_relay(SetReply(name(1), Stage.COMMIT, (broken,))), LIMITS)
    with pytest.raises(WireError):
        decode_relay(encode_relay(Certificate(b"", (broken,))), LIMITS)
