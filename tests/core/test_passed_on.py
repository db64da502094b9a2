"""What is passed on, each to its place: proofs, chains, certificates, and what was kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from tests.core.lies import attempt_of, check_honest, check_stopped, saying
from tests.core.pieces import (
    closed_of,
    commit_of,
    decided_of,
    finish,
    make_context,
    past_of,
    prove,
    run_to,
    say,
    signed_by,
    started,
    view_of,
    wanted_by,
    witness,
)
from tests.core.plain import peer
from tests.core.toy import Ring
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.early import KIND_PART
from zpeer.core.receive import on_certificate, on_chain, take_early
from zpeer.core.state import Arrival, Early
from zpeer.faults import FaultKind
from zpeer.genesis import Agreement
from zpeer.ids import Digest, PeerId, digest
from zpeer.messages import Verdict
from zpeer.proofs import Misdeed
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.record import Record

A, B = digest("a"), digest("b")
STOPPING: dict[str, Any] = {"agreement": Agreement.STOP}


# --- proofs ---------------------------------------------------------------------------------------


def test_proofs_that_prove_nothing_are_ignored() -> None:
    ring = started(4, **STOPPING)
    toy = ring.toys[peer(0)]
    head = ring.genesis.run
    said, unknown = commit_of(1, head), digest("a head that never was")
    for other in (
        commit_of(2, head, 1),  # two signers
        commit_of(1, digest("another"), 1),  # two heads
        replace(commit_of(1, head, 1), stage=Stage.REVEAL),  # two stages
        replace(commit_of(1, head, 1), signature=bytes(64)),
        said,
    ):
        assert toy.tell(ev.ProofReceived(prove(said, other)), 0.0) == []
    for i, where in ((1, unknown), (77, head)):
        proof = prove(commit_of(i, where), commit_of(i, where, 1))
        assert toy.tell(ev.ProofReceived(proof), 0.0) == []
    proof = prove(said, commit_of(1, head, 1))
    effects = toy.tell(ev.ProofReceived(proof), 0.0)
    assert [type(e) for e in effects] == [fx.WriteEvidence, fx.SendProof, fx.Stop]
    assert effects[0].statements == (proof.first, proof.second)
    assert effects[1] == fx.SendProof((peer(2), peer(3)), proof)


def test_equivocation_about_a_past_attempt_is_proven_all_the_same() -> None:
    ring = Ring(4, **STOPPING)
    toy, head = past_of(ring)
    first = toy.core._context.state.past[head].messages[Stage.COMMIT][peer(1)]
    effects = toy.tell(ev.ProofReceived(prove(first, commit_of(1, head, 3))), ring.now)
    assert isinstance(effects[-1], fx.Stop)
    ring = Ring(4)
    toy, head = past_of(ring)
    effects = toy.tell(ev.ProofReceived(prove(first, commit_of(1, head, 3))), ring.now)
    assert effects == []
    assert attempt_of(toy).slow is None
    finish(ring)
    records = check_honest(ring, 1)
    assert ring.departures(1) == {1: "EQUIVOCATION"}
    assert [d.attempt for r in records for d in r.departures] == [head]


def test_where_nobody_agrees_a_verdict_that_does_not_decode_stops_the_run_with_proof() -> None:
    lie = saying(Stage.VERDICT, lambda _, __: b"\xc1")
    ring = Ring(4, tampers={1: lie}, **STOPPING).run()
    (reason,) = check_stopped(ring, 1)
    assert reason.startswith("peer-1 signed a VERDICT that does not decode; with agreement")
    for toy in ring.honest(1):
        (evidence,) = toy.evidence
        assert evidence.departure.fault is FaultKind.INVALID_BODY
        assert [signed.payload for signed in evidence.messages] == [b"\xc1"]
    assert not wanted_by(ring, 0, fx.SendProof)


# --- chains and certificates ----------------------------------------------------------------------


def test_a_chain_of_my_attempt_is_taken_and_one_of_the_next_head_kept() -> None:
    context = make_context()
    head = context.genesis.run
    view, ahead = view_of(1, head, claims=(peer(2),)), view_of(1, A)
    on_chain(context, ev.ChainReceived(ahead, (witness(3, ahead),)))
    assert not context.attempt.sent
    assert [c.view for c in context.state.early_chains[peer(3)]] == [ahead]
    on_chain(context, ev.ChainReceived(view, (witness(3, view),)))
    assert context.attempt.sent == {Stage.VIEW}
    assert context.attempt.views == {peer(1): (view,)}


def test_a_closed_set_of_the_next_head_is_no_news_and_one_of_mine_takes_its_slot() -> None:
    context = make_context()
    head = context.genesis.run
    for closed in (closed_of(1, head, A), closed_of(1, A, A)):
        on_chain(context, ev.ChainReceived(closed, (witness(3, closed),)))
    assert context.attempt.messages[Stage.CLOSED] == {peer(1): closed_of(1, head, A)}
    assert not context.state.early_chains


def test_what_else_is_passed_on_fills_no_slot() -> None:
    context = make_context()
    commit = commit_of(1, context.genesis.run)
    on_chain(context, ev.ChainReceived(commit, (witness(3, commit),)))
    assert not context.attempt.messages
    assert not context.attempt.views


def test_a_chain_of_a_decided_attempt_is_answered_to_the_views_signer() -> None:
    ring = Ring(4)
    toy, head = past_of(ring)
    context = toy.core._context
    context.effects = []
    view = view_of(1, head, claims=(peer(2),))
    on_chain(context, ev.ChainReceived(view, (witness(3, view),)))
    assert [(e.to, e.stage) for e in context.effects] == [(peer(1), Stage.VERDICT)]  # type: ignore[union-attr]
    assert context.state.past[head].views == {peer(1): (view,)}


def test_a_certificate_fills_slots_and_shows_a_record_that_must_be_wanted() -> None:
    context = make_context()
    head = context.genesis.run
    record = make_record_on(head)
    encoded = msgspec.msgpack.encode(record)
    two = tuple(decided_of(i, head, record.head) for i in (1, 2))
    on_certificate(context, ev.CertificateReceived(encoded, two))
    assert set(context.attempt.messages[Stage.DECIDED]) == {peer(1), peer(2)}
    assert not context.attempt.candidates  # half of the roster is no majority
    third = (decided_of(3, head, record.head), commit_of(3, head), say(2, head, Verdict(A, A)))
    on_certificate(context, ev.CertificateReceived(encoded, third))
    assert context.attempt.candidates == {record.head: encoded}
    assert Stage.COMMIT not in context.attempt.messages
    assert peer(2) in context.attempt.messages[Stage.VERDICT]


def make_record_on(head: Digest) -> Record:
    """A record that could follow a head."""
    (record, *_) = run_to(Ring(4), Stage.COMMIT, records=1).records
    assert record.previous == head
    return record


def test_before_the_start_nothing_is_certified_and_calls_are_kept() -> None:
    toy = Ring(4).toys[peer(0)]
    head = toy.core.head
    assert toy.tell(ev.CertificateReceived(b"", (decided_of(1, head, A),)), 0.0) == []
    closed = closed_of(1, head, A)
    assert toy.tell(ev.ChainReceived(closed, (witness(2, closed),)), 0.0) == []
    assert not toy.core._context.state.early_chains


# --- what was kept --------------------------------------------------------------------------------


def test_what_was_kept_is_delivered_in_a_fixed_order_and_forgotten() -> None:
    context = make_context()
    head = context.genesis.run
    signed, arrival = commit_of(1, head), Arrival(A, 8, finite=True)
    context.state.early = {
        bytes([KIND_PART]) + peer(2): Early(head, PeerId(peer(2)), KIND_PART, arrival=arrival),
        bytes([1]) + peer(1): Early(head, peer(1), 1, signed=signed),
    }
    take_early(context)
    assert context.attempt.messages[Stage.COMMIT] == {peer(1): signed}
    assert context.attempt.parts == {peer(2): arrival}
    assert not context.state.early


def test_a_misdeed_names_the_head_and_stage_of_what_it_quotes() -> None:
    ring = started(4)
    toy, head = ring.toys[peer(0)], ring.genesis.run
    bad = signed_by(1, head, Stage.VERDICT, b"\xc1")
    toy.tell(ev.MessageReceived(bad), 0.0)
    assert toy.core._context.state.proofs == {peer(1): Misdeed((bad,))}
    assert attempt_of(toy).slow is not None
