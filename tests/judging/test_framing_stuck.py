"""Nothing that honest peers sign in calls and in the slow path frames them.

Liars hold all that was ever sent, and sign with their own keys what they like; what an honest peer
did not sign they cannot make.
"""

from __future__ import annotations

from itertools import combinations, product
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.cheats import read, sign
from tests.judging.test_framing import list_claims
from tests.judging.test_judge_stuck import last_of
from tests.stuck import run_plot
from zpeer.errors import WireError
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, PeerId, digest
from zpeer.judging.evidence import Evidence
from zpeer.judging.judge import judge
from zpeer.messages import (
    Closed,
    Decided,
    Projections,
    View,
)
from zpeer.record import Departure
from zpeer.signed import PROTOCOL_VERSION, STEP_STAGES, Signed, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.cheats import Verified
    from zpeer.ids import Digest
    from zpeer.messages import Message
    from zpeer.signed import Statement

replace = msgspec.structs.replace
pytestmark = pytest.mark.simulation

STUCK = ("view secret", "two checks", "invented report", "false gradient")
VARIANTS_MAX = 4


def find_word(verified: Verified, stage: Stage, peer: PeerId | None = None) -> Signed:
    """The first word of a stage, of an honest peer."""
    peers = verified.honest if peer is None else (peer,)
    words = verified.swarm.list_words()
    return next(each for each in words if each.stage is stage and each.sender in peers)


def find_slot(verified: Verified, stage: Stage, other: Signed) -> Signed:
    """What the same peer signed in the same attempt."""
    for word in verified.swarm.list_words():
        if (word.stage, word.head, word.sender) == (stage, other.head, other.sender):
            return word
    raise AssertionError("it signed nothing there")


def accuse(
    verified: Verified,
    fault: FaultKind,
    peer: PeerId,
    head: Digest,
    *messages: Signed,
    statements: tuple[Statement, ...] = (),
) -> Evidence:
    """What a liar writes about a peer."""
    return Evidence(
        protocol=PROTOCOL_VERSION,
        run=verified.court.genesis.run,
        departure=Departure(peer, fault, head),
        records=tuple(map(msgspec.msgpack.encode, verified.records)),
        sets=(),
        messages=messages,
        statements=statements,
        blobs=(),
        results=(),
        parameters=NOTHING,
        witnesses=(),
    )


# --- everything at once ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", STUCK)
def test_all_that_was_ever_said_proves_nothing_against_who_is_honest(name: str) -> None:
    verified = run_plot(name)
    everything = collect_everything(verified)
    for claim in list_claims(verified, find_stuck(verified)):
        ruling = judge(replace(everything, departure=claim), verified.court)
        assert not ruling.proven, (claim, ruling.reason)


@pytest.mark.parametrize("name", STUCK)
def test_all_that_was_ever_said_proves_the_bans_that_need_no_more(name: str) -> None:
    """Else the test above would show nothing."""
    verified = run_plot(name)
    everything = collect_everything(verified)
    for evidence in verified.evidence:
        claim = replace(everything, departure=evidence.departure, statements=evidence.statements)
        assert judge(claim, verified.court).proven


def collect_everything(verified: Verified) -> Evidence:
    """Every record, word and tensor of a run in one file."""
    words = verified.swarm.list_words()
    tensors = tuple(map(bytes, verified.swarm.tensors))
    bare = accuse(verified, FaultKind.SILENT, verified.honest[0], NOTHING, *words)
    return replace(bare, sets=tuple(list_sets(verified, words)), blobs=tensors, results=tensors)


def list_sets(verified: Verified, words: Iterable[Signed]) -> Iterator[tuple[Signed, ...]]:
    """Every stage set that anybody could have seen, in roster order."""
    said: dict[tuple[Digest, Stage], dict[PeerId, list[Signed]]] = {}
    for word in words:
        said.setdefault((word.head, word.stage), {}).setdefault(word.sender, []).append(word)
    rosters = {record.head: record.roster for record in verified.records}
    for (head, stage), slots in said.items():
        roster = rosters.get(head, verified.court.genesis.peers)
        if stage in (*STEP_STAGES, Stage.DECIDED) and set(slots) >= set(roster):
            choices = [slots[peer][:VARIANTS_MAX] for peer in roster]
            yield from product(*choices)


def find_stuck(verified: Verified) -> set[Digest]:
    """The attempts in which anybody called, and those after them."""
    called = {w.head for w in verified.swarm.list_words() if w.stage is Stage.VIEW}
    return called | {record.head for record in verified.records if record.previous in called}


@pytest.mark.parametrize("name", STUCK)
def test_no_two_words_of_an_honest_peer_convict_it(name: str) -> None:
    """It signs any number of words as a WITNESS, and one for each slot."""
    verified = run_plot(name)
    slots: dict[tuple[Stage, Digest, PeerId], dict[Digest, Signed]] = {}
    for word in verified.swarm.list_words():
        if word.sender in verified.honest:
            slot = (word.stage, word.head, word.sender)
            slots.setdefault(slot, {})[word.body] = word
    several = {slot for slot, words in slots.items() if len(words) > 1}
    assert {stage for stage, _, _ in several} == {Stage.WITNESS}
    for stage, head, peer in several:
        for one, two in combinations(slots[stage, head, peer].values(), 2):
            pair = (one.statement, two.statement)
            claim = accuse(verified, FaultKind.EQUIVOCATION, peer, head, statements=pair)
            ruling = judge(claim, verified.court)
            assert not ruling.proven
            assert ruling.reason == "a WITNESS is no slot: any number may be signed"


# --- two bodies -----------------------------------------------------------------------------------


def test_two_signatures_prove_nothing_unless_they_are_of_one_slot_and_of_the_accused() -> None:
    evidence, verified = last_of("two views")
    first, second = evidence.statements
    honest = find_word(verified, Stage.VIEW).statement
    elsewhere = replace(second, head=digest("elsewhere"))
    for pair, why in (
        ((), "does not hold the two signatures"),
        ((first,), "does not hold the two signatures"),
        ((first, second, honest), "does not hold the two signatures"),
        ((first, first), "the same body twice"),
        ((first, replace(first, signature=bytes(64))), "the same body twice"),
        ((first, replace(second, signature=bytes(64))), "is not valid"),
        ((first, replace(second, stage=Stage.CHECK)), "of different slots"),
        ((first, elsewhere), "of different slots"),
        ((first, honest), "another peer's"),
    ):
        ruling = judge(replace(evidence, statements=pair), verified.court)
        assert not ruling.proven
        assert why in ruling.reason
    claim = replace(evidence.departure, peer=verified.honest[0])
    assert not judge(replace(evidence, departure=claim), verified.court).proven


@pytest.mark.parametrize("stage", [Stage.VIEW, Stage.CLOSED, Stage.DECIDED])
def test_two_words_of_the_slow_path_convict_whoever_signs_them(stage: Stage) -> None:
    verified = run_plot("view secret")
    peer, head = verified.honest[0], verified.court.genesis.run
    said: dict[Stage, tuple[Message, Message]] = {
        Stage.VIEW: (View(), View(claims=(verified.honest[1],))),
        Stage.CLOSED: (Closed(NOTHING), Closed(digest("other"))),
        Stage.DECIDED: (Decided(NOTHING), Decided(digest("other"))),
    }
    one, two = (sign(peer, head, message).statement for message in said[stage])
    evidence = accuse(verified, FaultKind.EQUIVOCATION, peer, head, statements=(one, two))
    ruling = judge(evidence, verified.court)
    assert ruling.proven
    assert f"two different bodies as its {stage.name} on head" in ruling.reason


# --- bodies and secrets ---------------------------------------------------------------------------


def test_a_signature_under_the_view_of_another_is_no_body_that_does_not_decode() -> None:
    verified = run_plot("view secret")
    witness = find_word(verified, Stage.WITNESS)
    with pytest.raises(WireError):
        read(verified, witness)
    invalid = accuse(verified, FaultKind.INVALID_BODY, witness.sender, witness.head, witness)
    assert not judge(invalid, verified.court).proven


@pytest.mark.parametrize("stage", [*STEP_STAGES, Stage.VIEW, Stage.CLOSED, Stage.DECIDED])
def test_no_body_of_an_honest_peer_is_invalid_alone(stage: Stage) -> None:
    verified = run_plot("view secret")
    for word in verified.swarm.list_words():
        if word.stage is stage and word.sender in verified.honest:
            evidence = accuse(verified, FaultKind.INVALID_BODY, word.sender, word.head, word)
            assert not judge(evidence, verified.court).proven


def test_a_worker_whose_row_is_the_aggregate_itself_said_nothing_impossible() -> None:
    """An owner that copies a row makes its norm and projections zero; that is no invalid body."""
    verified = run_plot("share")
    word = find_word(verified, Stage.PROJECTIONS)
    said = read(verified, word)
    assert isinstance(said, Projections)
    zeros = tuple(0.0 for _ in said.projections[0])
    copied = replace(
        said,
        projections=(zeros, *said.projections[1:]),
        norms=(0.0, *said.norms[1:]),
    )
    signed = sign(word.sender, word.head, copied)
    evidence = accuse(verified, FaultKind.INVALID_BODY, word.sender, word.head, signed)
    assert not judge(evidence, verified.court).proven


def test_commitment_share_and_secrets_of_an_honest_peer_fit_wherever_it_opened_them() -> None:
    verified = run_plot("share")
    for peer in verified.honest:
        own = [word for word in verified.swarm.list_words() if word.sender == peer]
        for head in {word.head for word in own}:
            words = [word for word in own if word.head == head]
            for fault in (FaultKind.WRONG_SHARE, FaultKind.WRONG_SECRET):
                evidence = accuse(verified, fault, peer, head, *words)
                assert not judge(evidence, verified.court).proven


def test_a_view_without_a_secret_proves_nothing_and_one_with_another_does() -> None:
    """Who had drawn none yet, or kept it, is removed at most."""
    verified = run_plot("view secret")
    word = find_word(verified, Stage.VIEW)
    commit = find_slot(verified, Stage.COMMIT, word)
    view = read(verified, word)
    assert isinstance(view, View)
    outcomes = {}
    for secret in (NOTHING, digest("another"), view.secret):
        said = sign(word.sender, word.head, replace(view, secret=secret))
        evidence = accuse(verified, FaultKind.WRONG_SECRET, word.sender, word.head, commit, said)
        outcomes[secret] = judge(evidence, verified.court).proven
    assert list(outcomes.values()) == [False, True, False]


def test_a_view_of_another_attempt_is_not_held_against_a_commitment() -> None:
    verified = run_plot("view secret")
    word = find_word(verified, Stage.VIEW)
    commit = next(
        each
        for each in verified.swarm.list_words()
        if (each.stage, each.sender) == (Stage.COMMIT, word.sender) and each.head != word.head
    )
    for head in (word.head, commit.head):
        evidence = accuse(verified, FaultKind.WRONG_SECRET, word.sender, head, commit, word)
        assert not judge(evidence, verified.court).proven
