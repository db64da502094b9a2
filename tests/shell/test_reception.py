"""The door: what decodes and is validly signed becomes an event, all else is dropped."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zpeer import events as ev
from zpeer.compute.worker import Arrival
from zpeer.ids import NOTHING, PeerId, digest
from zpeer.parts import Bulk
from zpeer.proofs import Equivocation
from zpeer.relays import BlobRequest, Certificate, Chain, ProofReply, SetReply, SetRequest
from zpeer.shell.reception import Reception, make_header
from zpeer.signed import Signed, Stage, body_digest
from zpeer.wire import WireLimits, decode_control, encode_relay, encode_signed

if TYPE_CHECKING:
    from zpeer.ids import Digest
    from zpeer.relays import Relay
    from zpeer.signed import Statement

PEERS = 4
ALICE, BOB, CLEO, DAN = (
    PeerId(digest("peer", name)) for name in (b"alice", b"bob", b"cleo", b"dan")
)
HEAD = digest("head")
BYTES_MAX = 1000


class Door:
    """A reception whose signatures are good where they are the body twice."""

    def __init__(self) -> None:
        decode = partial(decode_control, limits=WireLimits(PEERS, 4))
        self.reception = Reception(PEERS, self.verify, decode, BYTES_MAX)

    @staticmethod
    def verify(signed: Signed | Statement) -> bool:
        """Ideal signatures."""
        return signed.signature == bytes(signed.body) * 2

    def receive(self, item: Signed | Relay, sender: PeerId = ALICE) -> ev.Event | None:
        """Something encoded, through the door."""
        data = encode_signed(item) if isinstance(item, Signed) else encode_relay(item)
        return self.reception.control(sender, data)


def sign(
    payload: bytes = b"x",
    sender: PeerId = ALICE,
    stage: Stage = Stage.COMMIT,
    *,
    head: Digest = HEAD,
    good: bool = True,
) -> Signed:
    """A signed message, or a forged one."""
    body = body_digest(stage, head, sender, payload)
    return Signed(stage, head, sender, payload, bytes(body) * 2 if good else bytes(64))


def prove(first: Signed, second: Signed) -> ProofReply:
    """Two bodies of one slot."""
    return ProofReply(Equivocation(first.statement, second.statement))


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
    assert door.receive(prove(sign(), forged)) is None
    assert door.receive(prove(forged, sign())) is None
    assert door.reception.dropped[ALICE] == 3


def test_sound_relays_become_events_that_name_who_asked_or_answered() -> None:
    door = Door()
    first, second = sign(b"1"), sign(b"2")
    reply = SetReply(HEAD, Stage.COMMIT, (first, second))
    assert door.receive(reply) == ev.SetReceived(ALICE, HEAD, Stage.COMMIT, (first, second))
    proof = prove(first, second)
    assert door.receive(proof) == ev.ProofReceived(proof.proof)
    asked = SetRequest(HEAD, Stage.REVEAL)
    assert door.receive(asked, BOB) == ev.SetRequested(BOB, HEAD, Stage.REVEAL)
    assert door.receive(BlobRequest(HEAD), BOB) == ev.BlobRequested(BOB, HEAD)


def test_a_twin_of_a_good_signature_is_none() -> None:
    door = Door()
    assert door.receive(sign()) is not None
    assert door.receive(Signed(Stage.COMMIT, HEAD, ALICE, b"x", b"\1" * 64)) is None


def test_a_peer_may_ask_only_so_often_until_the_next_record() -> None:
    door = Door()
    answers = [door.receive(SetRequest(HEAD, Stage.COMMIT)) for _ in range(200)]
    allowed = sum(answer is not None for answer in answers)
    assert 8 * PEERS + PEERS**2 <= allowed < 100
    assert door.receive(SetRequest(HEAD, Stage.COMMIT), BOB) is not None
    door.reception.decided()
    assert door.receive(SetRequest(HEAD, Stage.COMMIT)) is not None


# --- chains and certificates ----------------------------------------------------------------------

VIEW = sign(b"what alice saw", ALICE, Stage.VIEW)


def witness(sender: PeerId, view: Signed = VIEW) -> Signed:
    """A signature under a view."""
    return sign(view.body, sender, Stage.WITNESS, head=view.head)


def last_of(chain: Chain) -> PeerId:
    """Who passes it on."""
    return (chain.view, *chain.witnesses)[-1].sender


def test_a_chain_of_good_signatures_becomes_an_event() -> None:
    door = Door()
    for witnesses in ((), (witness(BOB),), (witness(CLEO), witness(BOB))):
        chain = Chain(VIEW, witnesses)
        assert door.receive(chain, sender=last_of(chain)) == ev.ChainReceived(VIEW, witnesses)


def test_nobody_passes_on_what_another_signed_last() -> None:
    """What comes for heads to come is kept for who signed last: nobody can take its place."""
    for witnesses in ((), (witness(BOB),), (witness(CLEO), witness(BOB))):
        assert Door().receive(Chain(VIEW, witnesses), sender=DAN) is None


def test_a_closed_set_of_views_travels_like_a_view() -> None:
    closed = sign(b"all of them", ALICE, Stage.CLOSED)
    for witnesses in ((witness(BOB, closed),), (witness(BOB, closed), witness(ALICE, closed))):
        chain = Chain(closed, witnesses)
        assert Door().receive(chain, sender=last_of(chain)) == ev.ChainReceived(closed, witnesses)


OTHER_VIEW = sign(b"what alice also saw", ALICE, Stage.VIEW)
BROKEN_CHAINS = {
    "a forged view": Chain(sign(b"false", ALICE, Stage.VIEW, good=False), ()),
    "a forged witness": Chain(
        VIEW, (witness(BOB), sign(VIEW.body, CLEO, Stage.WITNESS, good=False))
    ),
    "a witness of another view": Chain(VIEW, (witness(BOB), witness(CLEO, OTHER_VIEW))),
    "a witness of another head": Chain(
        VIEW, (sign(VIEW.body, BOB, Stage.WITNESS, head=digest("another")),)
    ),
    "one witness twice": Chain(VIEW, (witness(BOB), witness(CLEO), witness(BOB))),
    "the view's signer as its witness": Chain(VIEW, (witness(BOB), witness(ALICE))),
    "another word for a witness": Chain(VIEW, (sign(VIEW.body, BOB, Stage.CLOSED),)),
    "another word for a view": Chain(sign(b"x", ALICE, Stage.CHECK), ()),
}


@pytest.mark.parametrize("chain", BROKEN_CHAINS.values(), ids=BROKEN_CHAINS)
def test_a_chain_with_one_bad_link_is_dropped(chain: Chain) -> None:
    door = Door()
    assert door.receive(chain, sender=last_of(chain)) is None
    assert door.reception.dropped[last_of(chain)] == 1


def test_a_witness_on_its_own_is_not_heard() -> None:
    assert Door().receive(witness(BOB), sender=BOB) is None


def test_a_view_comes_from_its_signer_as_every_message_does() -> None:
    assert Door().receive(VIEW, sender=ALICE) == ev.MessageReceived(VIEW)


def test_a_certificate_is_as_good_as_its_signatures() -> None:
    door = Door()
    words = tuple(sign(b"it", peer, Stage.DECIDED) for peer in (ALICE, BOB))
    event = door.receive(Certificate(b"record", words), sender=DAN)
    assert event == ev.CertificateReceived(b"record", words)
    forged = sign(b"it", CLEO, Stage.DECIDED, good=False)
    assert door.receive(Certificate(b"record", (*words, forged)), sender=DAN) is None


def test_a_peer_may_pass_on_only_so_much_until_the_next_record() -> None:
    door = Door()
    link, proof = Chain(VIEW, (witness(BOB),)), Certificate(b"", ())
    taken = [door.receive(link if place % 2 else proof, BOB) is not None for place in range(300)]
    assert 4 * PEERS < sum(taken) < 200
    assert door.receive(Chain(VIEW, (witness(CLEO),)), CLEO) is not None
    assert door.receive(SetRequest(HEAD, Stage.COMMIT), BOB) is not None
    door.reception.decided()
    assert door.receive(link, BOB) is not None


# --- bytes and tensors ----------------------------------------------------------------------------


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
