"""The door: what decodes and is validly signed becomes an event, all else is dropped."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from zpeer import events as ev
from zpeer.ids import NOTHING, PeerId, digest
from zpeer.parts import Bulk
from zpeer.reception import SIGNATURES_REMEMBERED, Reception, make_header
from zpeer.relays import BlobRequest, Proof, SetReply, SetRequest
from zpeer.signed import Signed, Stage, body_digest
from zpeer.wire import WireLimits, decode_control, encode_relay, encode_signed
from zpeer.worker import Arrival

if TYPE_CHECKING:
    from zpeer.relays import Relay

PEERS = 4
ALICE, BOB = (PeerId(digest("peer", name)) for name in (b"alice", b"bob"))
HEAD = digest("head")
BYTES_MAX = 1000


class Door:
    """A reception whose signatures are good where they are the body twice."""

    def __init__(self) -> None:
        self.verified = 0
        decode = partial(decode_control, limits=WireLimits(PEERS, 4))
        self.reception = Reception(PEERS, self.verify, decode, BYTES_MAX)

    def verify(self, signed: Signed) -> bool:
        """Ideal signatures."""
        self.verified += 1
        return signed.signature == bytes(signed.body) * 2

    def receive(self, item: Signed | Relay, sender: PeerId = ALICE) -> ev.Event | None:
        """Something encoded, through the door."""
        data = encode_signed(item) if isinstance(item, Signed) else encode_relay(item)
        return self.reception.control(sender, data)


def sign(payload: bytes = b"x", sender: PeerId = ALICE, *, good: bool = True) -> Signed:
    """A signed message, or a forged one."""
    body = body_digest(Stage.COMMIT, HEAD, sender, payload)
    return Signed(Stage.COMMIT, HEAD, sender, payload, bytes(body) * 2 if good else bytes(64))


def test_a_signed_message_becomes_an_event_whoever_passes_it_on() -> None:
    door = Door()
    signed = sign()
    assert door.receive(signed, sender=signed.sender) == ev.MessageReceived(signed)
    passed_on = ev.SetReceived(BOB, signed.head, signed.stage, (signed,))
    assert door.receive(signed, sender=BOB) == passed_on  # good for the present head alone


def test_a_forged_message_is_dropped_and_counted_by_who_sent_it() -> None:
    door = Door()
    assert door.receive(sign(good=False), sender=BOB) is None
    assert dict(door.reception.dropped) == {BOB: 1}


def test_one_forged_message_spoils_the_set_or_proof_it_comes_in() -> None:
    door = Door()
    forged = sign(b"y", good=False)
    assert door.receive(SetReply(HEAD, Stage.COMMIT, (sign(), forged))) is None
    assert door.receive(Proof(sign(), forged)) is None
    assert door.receive(Proof(forged, sign())) is None
    assert door.reception.dropped[ALICE] == 3


def test_sound_relays_become_events_that_name_who_asked_or_answered() -> None:
    door = Door()
    first, second = sign(b"1"), sign(b"2")
    reply = SetReply(HEAD, Stage.COMMIT, (first, second))
    assert door.receive(reply) == ev.SetReceived(ALICE, HEAD, Stage.COMMIT, (first, second))
    assert door.receive(Proof(first, second)) == ev.ProofReceived(first, second)
    asked = SetRequest(HEAD, Stage.REVEAL)
    assert door.receive(asked, BOB) == ev.SetRequested(BOB, HEAD, Stage.REVEAL)
    assert door.receive(BlobRequest(HEAD), BOB) == ev.BlobRequested(BOB, HEAD)


def test_a_signature_is_verified_once_but_a_good_one_vouches_for_no_other() -> None:
    door = Door()
    for _ in range(5):
        assert door.receive(sign()) is not None
    assert door.verified == 1
    twin = Signed(Stage.COMMIT, HEAD, ALICE, b"x", b"\1" * 64)
    assert door.receive(twin) is None


def test_signatures_are_remembered_by_a_fixed_number() -> None:
    door = Door()
    for place in range(SIGNATURES_REMEMBERED + 10):
        assert door.receive(sign(place.to_bytes(4, "little"))) is not None
    assert len(door.reception._good) == SIGNATURES_REMEMBERED


def test_a_peer_may_ask_only_so_often_until_the_next_record() -> None:
    door = Door()
    answers = [door.receive(SetRequest(HEAD, Stage.COMMIT)) for _ in range(200)]
    allowed = sum(answer is not None for answer in answers)
    assert PEERS**2 <= allowed < 100
    assert door.receive(SetRequest(HEAD, Stage.COMMIT), BOB) is not None
    door.reception.decided()
    assert door.receive(SetRequest(HEAD, Stage.COMMIT)) is not None


@given(st.binary(max_size=300))
def test_no_bytes_raise_at_the_door(data: bytes) -> None:
    door = Door()
    event = door.reception.control(ALICE, data)
    arrival = door.reception.bulk(ALICE, data, b"frame", 5)
    assert door.reception.dropped[ALICE] == (event is None) + (arrival is None)


def test_a_tensor_becomes_a_job_with_kind_and_head() -> None:
    door = Door()
    header = make_header(Bulk.RESULT, HEAD)
    assert door.reception.bulk(ALICE, header, b"frame", 5) == Arrival(
        Bulk.RESULT, HEAD, ALICE, b"frame", 5
    )
    blob = door.reception.bulk(ALICE, make_header(Bulk.BLOB), b"frame", 5)
    assert blob is not None
    assert (blob.kind, blob.head) == (Bulk.BLOB, NOTHING)


def test_bytes_that_wait_for_the_worker_are_bounded_by_sender() -> None:
    door = Door()
    header = make_header(Bulk.PART, HEAD)
    taken = [door.reception.bulk(ALICE, header, b"", 300) for _ in range(5)]
    assert [arrival is not None for arrival in taken] == [True] * 3 + [False] * 2
    assert door.reception.bulk(BOB, header, b"", 300) is not None
    first = taken[0]
    assert first is not None
    door.reception.opened(first)
    assert door.reception.bulk(ALICE, header, b"", 300) is not None


def test_a_header_with_an_unknown_kind_or_a_wrong_length_is_dropped() -> None:
    door = Door()
    for header in (b"", b"\1", b"\x09" + HEAD, b"\1" + HEAD + b"x"):
        assert door.reception.bulk(ALICE, header, b"frame", 5) is None
    assert door.reception.dropped[ALICE] == 4
