"""What convicts a peer by its own signatures, and what just does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from tests.core.lies import attempt_of, check_caught, check_honest, misstate, saying
from tests.core.pieces import (
    commit_of,
    make_context,
    prove,
    run_to,
    say,
    signed_by,
    silent_once,
    view_of,
    witness,
)
from tests.core.plain import make_signature, peer, sign
from tests.core.toy import Ring, Tamper
from zpeer.core.convict import (
    collect_misdeeds,
    find_fault,
    get_culprit,
    note_proof,
)
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, digest
from zpeer.messages import Aggregated, Check, Commit, Projections, Reveal, Verdict
from zpeer.proofs import QUOTED_STAGES, Equivocation, Misdeed
from zpeer.record import Departure, Outcome
from zpeer.signed import Signed, Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context

A, B = digest("a"), digest("b")


def at_projections(**changes: Any) -> Context:
    """Peer 0 where COMMIT, AGGREGATED and REVEAL of all are in."""
    return run_to(Ring(4, **changes), Stage.PROJECTIONS).core._context


# --- two bodies -----------------------------------------------------------------------------------


def test_two_bodies_of_one_slot_convict_in_whatever_run_or_attempt() -> None:
    context = make_context()
    for head in (context.genesis.run, digest("another run")):
        proof = prove(commit_of(1, head), commit_of(1, head, 1))
        assert find_fault(context, proof) is FaultKind.EQUIVOCATION
        assert get_culprit(proof) == peer(1)


@pytest.mark.parametrize("stage", [s for s in Stage if s is not Stage.WITNESS])
def test_two_bodies_convict_in_every_stage_that_is_a_slot(stage: Stage) -> None:
    proof = prove(signed_by(2, A, stage, b"one"), signed_by(2, A, stage, b"two"))
    assert find_fault(make_context(), proof) is FaultKind.EQUIVOCATION


def test_a_peer_may_stand_under_any_number_of_views() -> None:
    proof = prove(witness(1, view_of(2, A)), witness(1, view_of(3, A)))
    assert find_fault(make_context(), proof) is None


def test_bodies_of_two_slots_or_one_body_or_anothers_signature_prove_nothing() -> None:
    context = make_context()
    first, second = commit_of(1, A), commit_of(1, A, 1)
    reveal = sign(Stage.REVEAL, A, peer(1), second.payload)
    for one, other in (
        (first, first),
        (first, replace(first, signature=make_signature(peer(1), first.body)[::-1])),
        (first, commit_of(2, A, 1)),
        (first, commit_of(1, B, 1)),
        (first, reveal),
        (first, replace(second, signature=bytes(64))),
        (replace(first, signature=bytes(64)), second),
        (first, replace(commit_of(2, A, 1), sender=peer(1))),
    ):
        assert find_fault(context, prove(one, other)) is None
        assert find_fault(context, prove(other, one)) is None
    assert find_fault(context, prove(second, first)) is FaultKind.EQUIVOCATION


# --- misdeeds -------------------------------------------------------------------------------------


def misdeed_of(context: Context, *messages: Signed) -> FaultKind | None:
    """What they prove."""
    return find_fault(context, Misdeed(messages))


@pytest.mark.parametrize("stage", QUOTED_STAGES)
def test_a_body_that_does_not_decode_convicts_its_signer(stage: Stage) -> None:
    context = make_context()
    signed = signed_by(1, context.genesis.run, stage, b"\xc1")
    assert misdeed_of(context, signed) is FaultKind.INVALID_BODY
    assert get_culprit(Misdeed((signed,))) == peer(1)


@pytest.mark.parametrize("stage", [s for s in Stage if s not in QUOTED_STAGES])
def test_bodies_as_large_as_what_carries_proofs_are_not_quoted(stage: Stage) -> None:
    context = make_context()
    assert misdeed_of(context, signed_by(1, context.genesis.run, stage, b"\xc1")) is None


def test_a_body_convicts_only_if_it_is_valid_neither_in_a_void_attempt_nor_in_another() -> None:
    context = make_context()
    head = context.genesis.run
    k = context.genesis.directions

    def judge(message: Any) -> FaultKind | None:
        return misdeed_of(context, say(1, head, message))

    parts = tuple(digest("part", bytes([j])) for j in range(4))
    rows = ((0.0,) * k,) * 4
    for valid in (
        Commit(parts, A),
        Aggregated(A, B),
        Aggregated(A, None),  # in a void attempt
        Reveal(A, B),
        Projections(A, B, rows, (1.0,) * 4),
        Projections(A, B, (), ()),
        Verdict(A, B),
        Check(A, B),
    ):
        assert judge(valid) is None
    for invalid in (
        Commit(parts[:3], A),
        Commit((), A),
        Projections(A, B, rows[:2], (1.0,) * 2),
        Projections(A, B, rows, (1.0, 1.0, 1.0, float("nan"))),
        Projections(A, B, (*rows[:3], (float("inf"),) * k), (1.0,) * 4),
    ):
        assert judge(invalid) is FaultKind.INVALID_BODY


def test_a_validator_that_commits_to_parts_is_convicted_and_a_worker_that_does_not() -> None:
    ring = Ring(5)
    toy = run_to(ring, Stage.COMMIT, records=1)
    context, base = toy.core._context, attempt_of(toy).base
    (validator,) = base.validators
    parts = tuple(digest("part", bytes([j])) for j in range(4))
    guilty = {validator: Commit(parts, A), base.workers[0]: Commit((), A)}
    for who in base.roster:
        message = guilty.get(who, Commit(parts, A))
        found = misdeed_of(context, say(who[0], base.head, message))
        assert (found is FaultKind.INVALID_BODY) == (who in guilty)


def test_a_share_that_does_not_open_its_commitment_convicts() -> None:
    context = at_projections()
    attempt = context.attempt
    commit, reveal = (attempt.messages[s][peer(1)] for s in (Stage.COMMIT, Stage.REVEAL))
    other = attempt.messages[Stage.REVEAL][peer(2)]
    wrong = say(1, attempt.base.head, Reveal(A, B))
    assert misdeed_of(context, commit, reveal) is None
    assert misdeed_of(context, commit, wrong) is FaultKind.WRONG_SHARE
    for messages in (
        (wrong, commit),
        (reveal, wrong),
        (commit, commit),
        (commit, say(2, attempt.base.head, Reveal(A, B))),
        (commit, other),
        (commit, say(1, A, Reveal(A, B))),
        (say(1, A, Commit((), A)), say(1, A, Reveal(A, B))),
        (commit, replace(wrong, signature=bytes(64))),
        (replace(commit, signature=bytes(64)), wrong),
        (commit, wrong, wrong),
        (),
    ):
        assert misdeed_of(context, *messages) is None


def test_of_attempts_that_not_all_know_and_of_strangers_nothing_is_judged() -> None:
    context = make_context()
    assert misdeed_of(context, signed_by(1, digest("never"), Stage.COMMIT, b"\xc1")) is None
    assert misdeed_of(context, signed_by(77, context.genesis.run, Stage.COMMIT, b"\xc1")) is None
    ring = Ring(4)
    toy = run_to(ring, Stage.COMMIT, records=1)
    past = signed_by(1, ring.genesis.run, Stage.COMMIT, b"\xc1")
    assert misdeed_of(toy.core._context, past) is FaultKind.INVALID_BODY


def test_what_honest_peers_sign_convicts_nobody() -> None:
    ring = Ring(5, steps=3, radius=0.5, tampers={2: misstate(0, 100)}).run()
    check_caught(ring, {2: FaultKind.WRONG_PROJECTION})
    context = ring.toys[peer(0)].core._context
    seen = 0
    for past in context.state.past.values():
        for slots in past.messages.values():
            for signed in slots.values():
                assert find_fault(context, Misdeed((signed,))) is None
                seen += 1
        for who, commit in past.messages[Stage.COMMIT].items():
            reveal = past.messages[Stage.REVEAL][who]
            assert find_fault(context, Misdeed((commit, reveal))) is None
    assert seen > 50


# --- proofs in hand -------------------------------------------------------------------------------


def test_the_first_proof_against_a_peer_of_the_roster_is_kept() -> None:
    context = make_context()
    one, other = (prove(commit_of(1, h), commit_of(1, h, 1)) for h in (A, B))
    note_proof(context, one)
    note_proof(context, other)
    note_proof(context, prove(commit_of(77, A), commit_of(77, A, 1)))
    assert context.state.proofs == {peer(1): one}


def test_what_convicts_by_itself_in_an_attempt_is_collected_when_it_is_void() -> None:
    lies = {
        1: saying(Stage.REVEAL, lambda _, m: replace(m, share=A)),
        2: saying(Stage.COMMIT, lambda _, __: b"x"),
        3: saying(Stage.PROJECTIONS, lambda _, m: replace(m, beacon=A)),
    }
    ring = Ring(7, tampers=lies)
    toy = run_to(ring, Stage.CHECK)
    context, attempt = toy.core._context, attempt_of(toy)
    assert [d.fault for d in attempt.departures] == [
        FaultKind.INVALID_BODY,
        FaultKind.WRONG_SHARE,
        FaultKind.WRONG_BEACON,
    ]
    proofs = collect_misdeeds(context, attempt)
    assert {get_culprit(p): find_fault(context, p) for p in proofs} == {
        peer(1): FaultKind.WRONG_SHARE,
        peer(2): FaultKind.INVALID_BODY,
    }
    attempt.departures.append(Departure(peer(4), FaultKind.WRONG_SHARE, NOTHING))
    del attempt.messages[Stage.REVEAL][peer(4)]
    assert collect_misdeeds(context, attempt) == proofs


def reveal_wrongly() -> Tamper:
    return saying(Stage.REVEAL, lambda _, m: replace(m, share=A))


def garble(stage: Stage) -> Tamper:
    return saying(stage, lambda _, __: b"x")


@pytest.mark.parametrize(
    ("lie", "fault", "silent"),
    [
        (reveal_wrongly(), FaultKind.WRONG_SHARE, Stage.PROJECTIONS),
        (reveal_wrongly(), FaultKind.WRONG_SHARE, Stage.REVEAL),
        (garble(Stage.COMMIT), FaultKind.INVALID_BODY, Stage.PROJECTIONS),
        (garble(Stage.AGGREGATED), FaultKind.INVALID_BODY, Stage.PROJECTIONS),
        (garble(Stage.AGGREGATED), FaultKind.INVALID_BODY, Stage.AGGREGATED),
    ],
)
def test_an_accomplice_that_has_the_attempt_voided_hides_nobody(
    lie: Tamper, fault: FaultKind, silent: Stage
) -> None:
    """The misdeed comes back in the next CHECK as a proof, and bans: also where the set that it
    belongs to was never whole."""
    ring = Ring(7, tampers={1: lie, 2: silent_once(silent)}).run()
    records = check_honest(ring, 1, 2)
    assert records[0].outcome is Outcome.VOID
    assert records[0].views
    assert ring.departures(1, 2) == {1: fault.name, 2: "CLAIMED_BY_MOST"}
    for toy in ring.honest(1, 2):
        (evidence,) = toy.evidence
        assert evidence.departure == Departure(peer(1), fault, ring.genesis.run)
        assert all(signed.sender == peer(1) for signed in evidence.messages)
        held = [*evidence.messages, *(signed for each in evidence.sets for signed in each)]
        assert any(signed.sender == peer(1) for signed in held)


def test_a_proof_brought_in_a_check_bans_without_any_call() -> None:
    """Two VIEWs, say, or bodies of another run: no attempt hangs on them."""

    def bring(proof: Equivocation) -> Tamper:
        return saying(Stage.CHECK, lambda _, m: replace(m, proofs=(proof,)))

    elsewhere = prove(commit_of(2, A), commit_of(2, A, 1))
    ring = Ring(5, tampers={1: bring(elsewhere)}).run()
    records = check_caught(ring, {2: FaultKind.EQUIVOCATION})
    assert records[0].outcome is Outcome.COUNTED
    assert [d.peer for d in records[0].departures] == [peer(2)]
    assert not any(toy.warnings for toy in ring.toys.values())


@pytest.mark.parametrize(
    "proof",
    [
        prove(commit_of(2, A), commit_of(2, A)),
        prove(commit_of(77, A), commit_of(77, A, 1)),
        Equivocation(
            commit_of(2, A).statement, replace(commit_of(2, A, 1).statement, signature=bytes(64))
        ),
        Misdeed((signed_by(2, A, Stage.COMMIT, b"\xc1"),)),
        Misdeed((commit_of(2, A),)),
    ],
    ids=["one body", "a stranger", "forged", "unknown attempt", "nothing wrong"],
)
def test_what_proves_nothing_costs_nobody_anything(proof: Any) -> None:
    lie = saying(Stage.CHECK, lambda _, m: replace(m, proofs=(proof,)))
    records = check_honest(Ring(4, tampers={1: lie}).run())
    assert not any(r.departures for r in records)
