"""No evidence file frames an honest peer, and no judge trips over what liars sign.

What honest peers wrote in real runs is altered in every way a framer could think of.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cheats import (
    CHEATS,
    Verified,
    first_of,
    run_cheat,
)
from tests.recorded import logs
from zpeer.errors import ZpeerError
from zpeer.faults import FaultKind, is_ban
from zpeer.ids import NOTHING, PeerId, digest
from zpeer.judging.evidence import decode_record
from zpeer.judging.judge import JUDGES, judge
from zpeer.record import Departure, Record
from zpeer.signed import Signed, Stage, body_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zpeer.genesis import Genesis
    from zpeer.ids import Digest

replace = msgspec.structs.replace
pytestmark = pytest.mark.simulation


# --- what is not so is not ------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHEATS)
def test_no_claim_against_an_honest_peer_is_proven_by_any_evidence(name: str) -> None:
    verified = run_cheat(name)
    for evidence in verified.evidence[:1]:
        heads = {each.head for messages in evidence.sets for each in messages}
        for claim in list_claims(verified, heads):
            ruling = judge(replace(evidence, departure=claim), verified.court)
            assert not ruling.proven, (claim, ruling.reason)


def list_claims(verified: Verified, heads: set[Digest]) -> Iterator[Departure]:
    """Everything that could be said of two honest peers on what the evidence is about."""
    for peer, fault, part, head in product(verified.honest[:2], JUDGES, range(-1, 3), heads):
        by_accuser = fault in (FaultKind.FALSE_ACCUSATION, FaultKind.WRONG_REPORT)
        accusers = verified.court.genesis.peers if by_accuser else (PeerId(NOTHING),)
        for accuser in accusers:
            yield Departure(peer, fault, head, accuser, part)


ODD: list[dict[str, object]] = [
    {"step": -1},
    {"step": 1 << 63},
    {"counted": 1 << 62},
    {"typical": float("nan")},
    {"typical": float("inf")},
    {"typical": 0.0},
    {"delta_floor": float("nan")},
    {"roster": ()},
    {"validators": (PeerId(b""),)},
    {"duties": ((), (), (), ())},
    {"seed_beacon": b""},
    {"parameters": b"short"},
    {"sets": ()},
]
"""What no honest peer would agree to."""


@pytest.mark.parametrize("name", ["sign_flip", "wrong_sum", "invalid_body", "lazy_validator"])
@pytest.mark.parametrize("odd", ODD, ids=str)
def test_whatever_liars_agree_on_among_themselves_the_judge_answers(
    name: str, odd: dict[str, object]
) -> None:
    """All of them sign on a record that they made up; no judge trips over it."""
    verified = run_cheat(name)
    evidence = verified.evidence[0]
    genesis = verified.court.genesis
    record = decode_record(evidence.records[0]) if evidence.records else make_record(genesis)
    made_up = msgspec.structs.replace(record, **odd)
    head = made_up.head
    sets = tuple(tuple(rehead(verified, s, head) for s in told) for told in evidence.sets)
    messages = tuple(rehead(verified, signed, head) for signed in evidence.messages)
    claim = replace(evidence.departure, attempt=head)
    records = (msgspec.msgpack.encode(made_up),)
    changed = replace(evidence, departure=claim, records=records, sets=sets, messages=messages)
    try:
        ruling = judge(changed, verified.court)
    except ZpeerError:
        return
    assert isinstance(ruling.reason, str)


def rehead(verified: Verified, signed: Signed, head: Digest) -> Signed:
    """The same on another head, its signature valid."""
    body = body_digest(signed.stage, head, signed.sender, signed.payload)
    signature = verified.swarm._signatures.sign(signed.sender, body)
    return replace(signed, head=head, signature=signature)


def make_record(genesis: Genesis) -> Record:
    """A record of a run, for evidence of its first attempt."""
    return replace(logs.make_record(genesis.run, 0), run=genesis.run, roster=genesis.peers)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_the_accused_signs_the_judge_answers(data: st.DataObject) -> None:
    verified = run_cheat(data.draw(st.sampled_from(sorted(set(CHEATS) - {"equivocation"}))))
    evidence = data.draw(st.sampled_from(verified.evidence))
    accused = evidence.departure.peer
    sets = [list(told) for told in evidence.sets]
    told = data.draw(st.sampled_from([each for each in sets if each]))
    place = next(i for i, signed in enumerate(told) if signed.sender == accused)
    payload = bytearray(told[place].payload)
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    signed = replace(told[place], payload=bytes(payload))
    told[place] = rehead(verified, signed, signed.head)
    fault = data.draw(st.sampled_from(sorted(JUDGES)))
    claim = replace(evidence.departure, fault=fault, part=data.draw(st.integers(-2, 9)))
    changed = replace(evidence, sets=tuple(map(tuple, sets)), departure=claim)
    assert isinstance(judge(changed, verified.court).reason, str)


@pytest.mark.parametrize("name", CHEATS)
def test_evidence_without_what_it_rests_on_proves_nothing(name: str) -> None:
    verified = run_cheat(name)
    evidence = verified.evidence[0]
    fault = evidence.departure.fault
    if fault is FaultKind.EQUIVOCATION:
        assert not judge(replace(evidence, statements=()), verified.court).proven
        assert not judge(
            replace(evidence, statements=evidence.statements[:1]), verified.court
        ).proven
    elif fault is FaultKind.WRONG_REPORT:
        assert not judge(replace(evidence, messages=()), verified.court).proven
    else:
        assert not judge(replace(evidence, sets=()), verified.court).proven
    if evidence.blobs and fault is not FaultKind.WRONG_PROJECTION:
        assert not judge(replace(evidence, blobs=()), verified.court).proven
    if fault in (FaultKind.RESULT_NOT_FINITE, FaultKind.WRONG_SUM, FaultKind.WRONG_AVERAGE):
        assert not judge(replace(evidence, results=()), verified.court).proven
    if evidence.records:
        assert not judge(replace(evidence, records=()), verified.court).proven


@pytest.mark.parametrize("name", [name for name in CHEATS if name != "equivocation"])
def test_a_second_story_signed_afterwards_is_not_believed(name: str) -> None:
    """Whoever is not the accused signs something else for a slot of the set."""
    verified = run_cheat(name)
    evidence = verified.evidence[0]
    accused = evidence.departure.peer
    for place, messages in enumerate(evidence.sets):
        told = [resign(verified, each) if each.sender != accused else each for each in messages]
        sets = (*evidence.sets[:place], tuple(told), *evidence.sets[place + 1 :])
        again = judge(replace(evidence, sets=sets), verified.court)
        before = judge(evidence, verified.court)
        assert not again.proven or again.reason == before.reason


def resign(verified: Verified, signed: Signed) -> Signed:
    """Another message with the same head and stage, its signature valid."""
    payload = signed.payload[:-1] + bytes([signed.payload[-1] ^ 1])
    body = body_digest(signed.stage, signed.head, signed.sender, payload)
    signature = verified.swarm._signatures.sign(signed.sender, body)
    return replace(signed, payload=payload, signature=signature)


def test_what_the_accused_did_not_sign_is_not_held_against_it() -> None:
    for name in ("wrong_share", "invalid_body", "equivocation"):
        verified = run_cheat(name)
        evidence = verified.evidence[0]
        accused = evidence.departure.peer
        forge = [
            tuple(
                replace(each, signature=bytes(64)) if each.sender == accused else each
                for each in messages
            )
            for messages in (*evidence.sets, evidence.messages)
        ]
        unsigned = tuple(replace(each, signature=bytes(64)) for each in evidence.statements)
        forged = replace(evidence, sets=tuple(forge[:-1]), messages=forge[-1], statements=unsigned)
        assert not judge(forged, verified.court).proven


def test_altered_bytes_prove_nothing() -> None:
    for name in ("part_not_finite", "result_not_finite", "wrong_average", "wrong_sum"):
        verified = run_cheat(name)
        evidence = verified.evidence[0]
        altered = replace(
            evidence,
            blobs=tuple(bytes(4) + each[4:] for each in evidence.blobs),
            results=tuple(bytes(4) + each[4:] for each in evidence.results),
        )
        assert not judge(altered, verified.court).proven


def test_a_record_of_another_run_does_not_count() -> None:
    """A key used in two runs is not framed in one by what it signed in the other."""
    evidence, verified = first_of("lazy_validator", FaultKind.WRONG_REPORT)
    genesis = replace(verified.court.genesis, run=digest("another run"))
    court = verified.court._replace(genesis=genesis)
    ruling = judge(replace(evidence, run=genesis.run), court)
    assert not ruling.proven
    assert "record" in ruling.reason


def test_a_record_that_nobody_honest_arrives_at_is_no_base() -> None:
    evidence, verified = first_of("sign_flip", FaultKind.WRONG_GRADIENT)
    head, stage = digest("made up"), Stage.COMMIT
    assert judge(evidence, verified.court).proven
    claim = replace(evidence.departure, attempt=head)
    own = next(each for messages in evidence.sets for each in messages if each.sender == claim.peer)
    body = body_digest(stage, head, own.sender, own.payload)
    signature = verified.swarm._signatures.sign(own.sender, body)
    signed = Signed(stage, head, own.sender, own.payload, signature)
    made_up = replace(evidence, departure=claim, messages=(signed,))
    assert not judge(made_up, verified.court).proven


def test_removals_are_not_for_courts() -> None:
    evidence, verified = first_of("sign_flip", FaultKind.WRONG_GRADIENT)
    for fault in FaultKind:
        if not is_ban(fault):
            claim = replace(evidence.departure, fault=fault)
            ruling = judge(replace(evidence, departure=claim), verified.court)
            assert not ruling.proven
            assert "removal" in ruling.reason
