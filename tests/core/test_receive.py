"""What comes in, each to its place: messages, those of other heads, and sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.core.lies import attempt_of, check_caught, saying
from tests.core.pieces import (
    closed_of,
    commit_of,
    decided_of,
    make_context,
    past_of,
    prove,
    say,
    signed_by,
    started,
    view_of,
    witness,
)
from tests.core.plain import peer
from tests.core.toy import Ring
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.receive import on_certificate, on_chain, on_message
from zpeer.faults import FaultKind
from zpeer.genesis import Agreement, Protection
from zpeer.ids import NOTHING, digest
from zpeer.messages import Reveal, Verdict, View
from zpeer.signed import Signed, Stage
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from zpeer.core.context import Context

A, B = digest("a"), digest("b")
STOPPING: dict[str, Any] = {"agreement": Agreement.STOP}


def hear(context: Context, signed: Signed) -> list[Any]:
    """What a message makes a peer do, before it goes on by itself."""
    context.effects = []
    on_message(context, signed)
    return context.effects


# --- messages -------------------------------------------------------------------------------------


def test_messages_fill_the_slots_of_the_stages_that_the_run_has() -> None:
    context = make_context()
    head = context.genesis.run
    slots = [stage for stage in Stage if stage is not Stage.WITNESS]
    for stage in Stage:
        hear(context, signed_by(1, head, stage, b"" if stage is not Stage.VERDICT else NOTHING))
    assert set(context.attempt.messages) == set(slots)
    assert not context.attempt.views  # that one did not decode


def test_two_bodies_of_a_view_convict_though_one_of_them_does_not_decode() -> None:
    context = make_context()
    head = context.genesis.run
    hear(context, signed_by(1, head, Stage.VIEW, b"garbage"))
    assert not context.state.proofs
    hear(context, signed_by(1, head, Stage.VIEW, encode_payload(View())))
    assert list(context.state.proofs) == [peer(1)]
    assert list(context.attempt.views) == [peer(1)]


def test_two_bodies_of_a_view_convict_though_one_of_them_came_through_others() -> None:
    context = make_context()
    head = context.genesis.run
    hear(context, signed_by(1, head, Stage.VIEW, b"garbage"))
    view = signed_by(1, head, Stage.VIEW, encode_payload(View()))
    on_chain(context, ev.ChainReceived(view, (witness(2, view),)))
    assert list(context.state.proofs) == [peer(1)]


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        (STOPPING, {Stage(k) for k in range(1, 7)}),
        ({"protection": Protection.NONE}, {Stage.COMMIT, Stage.AGGREGATED, Stage.VERDICT}),
    ],
)
def test_where_nobody_agrees_the_words_of_the_slow_path_are_not_heard(
    changes: dict[str, Any], stages: set[Stage]
) -> None:
    context = make_context(**changes)
    head = context.genesis.run
    good = [say(1, head, Verdict(A, A)), view_of(1, head, claims=(peer(2),))]
    good += [closed_of(1, head, A), decided_of(1, head, A)]
    good += [signed_by(1, head, Stage(k), b"") for k in range(1, 6)]
    for signed in good:
        hear(context, signed)
    assert set(context.attempt.messages) == stages
    assert not context.attempt.views
    view = view_of(1, head, claims=(peer(2),))
    on_chain(context, ev.ChainReceived(view, (witness(2, view),)))
    on_certificate(context, ev.CertificateReceived(b"", (decided_of(1, head, A),)))
    assert (context.attempt.slow, context.attempt.views) == (None, {})
    assert Stage.DECIDED not in context.attempt.messages


def test_a_verdict_that_does_not_decode_convicts_its_signer() -> None:
    """No set ever holds it."""
    ring = Ring(4, tampers={1: saying(Stage.VERDICT, lambda _, __: b"\xc1")}).run()
    records = check_caught(ring, {1: FaultKind.INVALID_BODY})
    assert not records[0].departures
    assert [d.peer for d in records[1].departures] == [peer(1)]
    (evidence,) = ring.toys[peer(0)].evidence
    (quoted,) = evidence.messages
    assert (quoted.stage, quoted.payload) == (Stage.VERDICT, b"\xc1")


def test_a_second_body_is_a_reason_to_call_and_the_proof_is_in_the_view() -> None:
    ring = started(4)
    toy, head = ring.toys[peer(0)], ring.genesis.run
    first, second = commit_of(1, head), commit_of(1, head, 1)
    assert toy.tell(ev.MessageReceived(first), 0.0) == []
    effects = toy.tell(ev.MessageReceived(second), 0.0)
    warning, broadcast = effects[:2]
    assert warning == fx.Warn(Stage.COMMIT, "I call: peer-1 signed what convicts it", ())
    assert broadcast.stage is Stage.VIEW
    view = toy.core._context.decode(ring.sign(toy, broadcast))
    assert view.proofs == (prove(first, second),)  # type: ignore[union-attr]
    assert toy.core._context.state.proofs == {peer(1): prove(first, second)}
    third = ev.MessageReceived(commit_of(1, head, 2))
    assert not [e for e in toy.tell(third, 0.0) if isinstance(e, fx.Broadcast)]


@pytest.mark.parametrize("stage", [Stage.CLOSED, Stage.DECIDED])
def test_two_bodies_of_the_slow_path_call_for_nothing_but_are_kept(stage: Stage) -> None:
    context = make_context()
    head = context.genesis.run
    for payload in (b"one", b"two"):
        assert hear(context, signed_by(1, head, stage, payload)) == []
    assert context.attempt.slow is None
    assert set(context.state.proofs) == {peer(1)}


def test_with_a_proof_in_hand_nobody_calls_where_it_is_clear_how_the_attempt_ends() -> None:
    context = make_context()
    head = context.genesis.run
    for i in (1, 2, 3):
        hear(context, decided_of(i, head, A))
    for variant in (0, 1):
        assert hear(context, commit_of(1, head, variant)) == []
    assert context.attempt.slow is None
    assert set(context.state.proofs) == {peer(1)}


# --- other heads ----------------------------------------------------------------------------------


def test_who_builds_on_the_next_head_is_ahead_of_me() -> None:
    context = make_context()
    hear(context, commit_of(1, A))
    assert context.attempt.ahead == {peer(1): 7}
    hear(context, commit_of(77, A))
    assert set(context.attempt.ahead) == {peer(1)}
    stopping = make_context(**STOPPING)
    hear(stopping, commit_of(1, A))
    assert stopping.attempt.ahead == {}
    assert len(stopping.state.early) == 1


def test_a_call_for_an_attempt_that_is_decided_is_kept_and_answered() -> None:
    ring = Ring(4)
    toy, head = past_of(ring)
    context = toy.core._context
    past = context.state.past[head]
    views = [view_of(1, head, secret=digest("s", bytes([k]))) for k in range(4)]
    for k, view in enumerate(views):
        shown = [e for e in hear(context, view) if isinstance(e, fx.SendSet)]
        assert [(e.to, e.stage) for e in shown] == [(peer(1), Stage.VERDICT)] * (k < 2)
    assert past.views == {peer(1): tuple(views[:2])}
    assert hear(context, views[0]) == []
    assert hear(context, view_of(77, head)) == []
    assert set(past.views) == {peer(1)}


def test_what_else_comes_for_a_decided_attempt_is_dropped_but_its_certificate() -> None:
    ring = Ring(4)
    toy, head = past_of(ring)
    context = toy.core._context
    past = context.state.past[head]
    assert hear(context, say(1, head, Reveal(A, B))) == []
    assert hear(context, decided_of(1, head, A)) == []
    assert hear(context, decided_of(1, head, B)) == []
    assert past.messages[Stage.DECIDED] == {peer(1): decided_of(1, head, A)}
    assert past.signed(Stage.REVEAL, peer(1)) != say(1, head, Reveal(A, B))


# --- sets -----------------------------------------------------------------------------------------


def test_a_shown_set_for_another_head_or_stage_is_not_looked_at() -> None:
    ring = started(4)
    toy, head = ring.toys[peer(0)], ring.genesis.run
    reveal = say(2, head, Reveal(NOTHING, NOTHING))
    for event in (
        ev.SetReceived(peer(1), digest("other"), Stage.COMMIT, (commit_of(2, head),)),
        ev.SetReceived(peer(1), head, Stage.COMMIT, (reveal, commit_of(2, A))),
    ):
        assert toy.tell(event, 0.0) == []
        assert not attempt_of(toy).messages


def test_a_shown_set_fills_slots_and_brings_two_bodies_to_light() -> None:
    ring = started(4)
    toy, head = ring.toys[peer(0)], ring.genesis.run
    toy.tell(ev.SetReceived(peer(1), head, Stage.COMMIT, (commit_of(2, head),)), 0.0)
    assert attempt_of(toy).signed(Stage.COMMIT, peer(2)) == commit_of(2, head)
    shown = (commit_of(2, head, 1), commit_of(3, head))
    toy.tell(ev.SetReceived(peer(1), head, Stage.COMMIT, shown), 0.0)
    assert attempt_of(toy).slow is not None
    assert set(toy.core._context.state.proofs) == {peer(2)}
    assert attempt_of(toy).signed(Stage.COMMIT, peer(3)) == commit_of(3, head)


def test_where_nobody_agrees_the_rest_of_a_set_is_not_looked_at_after_the_end() -> None:
    ring = started(4, **STOPPING)
    toy, head = ring.toys[peer(0)], ring.genesis.run
    toy.tell(ev.MessageReceived(commit_of(2, head)), 0.0)
    shown = (commit_of(2, head, 1), commit_of(3, head))
    effects = toy.tell(ev.SetReceived(peer(1), head, Stage.COMMIT, shown), 0.0)
    assert [type(e) for e in effects] == [fx.WriteEvidence, fx.SendProof, fx.Stop]
    assert attempt_of(toy).signed(Stage.COMMIT, peer(3)) is None
