"""Every ban is proven to a stranger by its file, and no file frames an honest peer.

Real runs in one process, in each of which a peer cheats; what honest peers wrote is judged, then
altered in every way a framer could think of.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.attacks.wrong_sum import WrongSum
from tests import recorded
from tests.swarm import Softmax, make_swarm
from zpeer import effects as fx
from zpeer.attacker import HonestAttack
from zpeer.case import Court
from zpeer.errors import EvidenceError, ZpeerError
from zpeer.evidence import Evidence, decode_record, read_evidence
from zpeer.faults import FaultKind, is_ban
from zpeer.genesis import Protection
from zpeer.ids import NOTHING, PeerId, digest
from zpeer.judge import JUDGES, judge
from zpeer.messages import Accusation, Check, Signed, Stage, body_digest
from zpeer.plugins import load_plugins
from zpeer.record import Departure, Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zpeer.conduct import Outgoing
    from zpeer.genesis import Genesis
    from zpeer.ids import Digest
    from zpeer.interfaces import Attack, AttackContext, Float32
    from zpeer.messages import Message
    from zpeer.parameters import ParameterFiles
    from zpeer.simulation import LocalSwarm

replace = msgspec.structs.replace
pytestmark = pytest.mark.simulation


class UnpublishedShield(WrongSum):
    """Excuses its failed sum by an accusation whose bytes it never publishes."""

    def __init__(self) -> None:
        super().__init__(shield=True)

    def effects(self, context: AttackContext, effects: list[fx.Effect]) -> list[Outgoing]:
        told = super().effects(context, effects)
        return [effect for effect in told if not isinstance(effect, fx.SendBlob)]


class InventedReport(HonestAttack):
    """Accuses a report on itself that nobody made."""

    def message(self, context: AttackContext, message: Message) -> Message | bytes:
        if not isinstance(message, Check) or context.step != 2:
            return message
        invented = Accusation(
            FaultKind.WRONG_REPORT,
            next(peer for peer in context.roster if peer != context.me),
            context.head,
            about=context.me,
            evidence=digest("made up"),
        )
        return replace(message, accusations=(*message.accusations, invented))


class Verified(NamedTuple):
    """A run with a cheat, the evidence of one honest peer, and a court of that run."""

    swarm: LocalSwarm
    evidence: tuple[Evidence, ...]
    court: Court
    honest: tuple[PeerId, ...]


CHEATS: dict[str, tuple[tuple[int, ...], dict[str, object]]] = {
    "concealed_projection": ((1, 2), {}),
    "equivocation": ((1,), {}),
    "false_accusation": ((1,), {}),
    "false_report": ((1, 2, 3), {}),
    "invalid_body": ((1,), {"mode": "nan"}),
    "lazy_validator": ((1, 2, 3), {}),
    "part_not_finite": ((1,), {}),
    "result_not_finite": ((1,), {}),
    "sign_flip": ((1,), {}),
    "wrong_average": ((1, 2, 3), {}),
    "wrong_beacon": ((1,), {}),
    "wrong_projection": ((1,), {}),
    "wrong_secret": ((1,), {}),
    "wrong_share": ((1,), {}),
    "wrong_sum": ((1,), {}),
}
"""At least one for every fault that is a ban."""

MORE: list[tuple[str, dict[str, object], FaultKind]] = [
    ("false_accusation", {"of": "part"}, FaultKind.FALSE_ACCUSATION),
    ("false_accusation", {"of": "report"}, FaultKind.FALSE_ACCUSATION),
    ("false_report", {"of": "projection"}, FaultKind.FALSE_ACCUSATION),
    ("false_report", {"of": "concealed"}, FaultKind.FALSE_ACCUSATION),
    ("invalid_body", {"stage": "COMMIT"}, FaultKind.INVALID_BODY),
    ("invalid_body", {"stage": "AGGREGATED", "mode": "wrong_counts"}, FaultKind.INVALID_BODY),
    ("invalid_body", {"stage": "PROJECTIONS", "mode": "wrong_counts"}, FaultKind.INVALID_BODY),
    ("invalid_body", {"mode": "impossible_projection"}, FaultKind.INVALID_BODY),
    ("invalid_body", {"stage": "CHECK", "mode": "wrong_counts"}, FaultKind.INVALID_BODY),
    ("part_not_finite", {"mode": "short"}, FaultKind.PART_NOT_FINITE),
    ("result_not_finite", {"mode": "short"}, FaultKind.RESULT_NOT_FINITE),
    ("wrong_norm", {}, FaultKind.WRONG_PROJECTION),
    ("equivocation", {"stage": "CHECK"}, FaultKind.EQUIVOCATION),
]


def run_attacks(attacks: dict[int, Attack]) -> Verified:
    swarm = make_swarm(Path(mkdtemp()), attacks, peers=7, steps=8)
    genesis = swarm.shared.genesis
    witness = 0
    files = swarm.peers[genesis.peers[witness]].files
    keep_parameters(files)
    results = swarm.run()
    trainer = Softmax()

    def gradient(parameters: Digest, seed: Digest) -> Float32:
        return trainer.gradient(files.load(parameters), seed)[0]

    court = Court(
        genesis,
        swarm.shared.aggregator,
        swarm.shared.policy,
        swarm._signatures.verify,
        gradient,
    )
    evidence = tuple(read_evidence(path) for path in results[witness].evidence)
    honest = tuple(
        peer for peer, result in zip(genesis.peers, results, strict=True) if result.honest
    )
    assert evidence, "the cheat was not caught"
    return Verified(swarm, evidence, court, honest)


def keep_parameters(files: ParameterFiles) -> None:
    """Claims against honest peers are judged, too, for which no peer keeps parameters."""

    class Everything(set[bytes]):
        def __contains__(self, name: object) -> bool:
            return True

    files._pinned = Everything()  # type: ignore[assignment]


@cache
def run_cheat(name: str) -> Verified:
    places, parameters = CHEATS[name]
    plugins = load_plugins()
    attacks = {place: plugins.build("attack", name, parameters) for place in places}
    return run_attacks(attacks)  # type: ignore[arg-type]


def first_of(name: str, fault: FaultKind) -> tuple[Evidence, Verified]:
    verified = run_cheat(name)
    return next(each for each in verified.evidence if each.departure.fault is fault), verified


def test_an_accusation_of_a_report_that_nobody_made_is_proven_by_the_reports() -> None:
    verified = run_attacks({1: InventedReport()})
    evidence = verified.evidence[0]
    assert evidence.departure.fault is FaultKind.INVALID_BODY
    ruling = judge(evidence, verified.court)
    assert ruling.proven, ruling.reason
    assert "makes an accusation (WRONG_REPORT) that is not its to make" in ruling.reason
    assert evidence.sets[0][0].head != evidence.departure.attempt
    assert not judge(replace(evidence, sets=evidence.sets[1:]), verified.court).proven


# --- what is so is proven -------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHEATS)
def test_every_ban_of_a_run_is_proven_by_its_file(name: str) -> None:
    verified = run_cheat(name)
    for evidence in verified.evidence:
        ruling = judge(evidence, verified.court)
        assert ruling.proven, (evidence.departure, ruling.reason)
        assert evidence.departure.peer not in verified.honest


def test_every_fault_that_is_a_ban_was_proven() -> None:
    proven = {each.departure.fault for name in CHEATS for each in run_cheat(name).evidence}
    assert proven == {fault for fault in FaultKind if is_ban(fault)} == set(JUDGES)


@pytest.mark.parametrize(("name", "parameters", "fault"), MORE)
def test_every_variant_is_proven_too(
    name: str, parameters: dict[str, object], fault: FaultKind
) -> None:
    attack = load_plugins().build("attack", name, parameters)
    places = (1, 2, 3) if name == "false_report" else (1,)
    verified = run_attacks(dict.fromkeys(places, attack))  # type: ignore[arg-type]
    assert verified.evidence[0].departure.fault is fault
    for evidence in verified.evidence:
        ruling = judge(evidence, verified.court)
        assert ruling.proven, ruling.reason


def test_a_sum_whose_excuse_fell_is_proven_by_the_record_that_its_owner_signed() -> None:
    verified = run_attacks({1: UnpublishedShield()})
    evidence = verified.evidence[0]
    assert evidence.departure.fault is FaultKind.WRONG_SUM
    ruling = judge(evidence, verified.court)
    assert ruling.proven, ruling.reason
    assert "fell, as a record says that it signed itself" in ruling.reason
    for lacking in (
        replace(evidence, messages=()),
        replace(evidence, records=evidence.records[:-1]),
    ):
        without = judge(lacking, verified.court)
        assert not without.proven
        assert "nothing shows that it fell" in without.reason


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
    return replace(recorded.make_record(genesis.run, 0), run=genesis.run, roster=genesis.peers)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_the_accused_signs_the_judge_answers(data: st.DataObject) -> None:
    verified = run_cheat(data.draw(st.sampled_from(sorted(CHEATS))))
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
    own_words = (FaultKind.EQUIVOCATION, FaultKind.WRONG_REPORT)
    if fault not in own_words:
        assert not judge(replace(evidence, sets=()), verified.court).proven
    if fault in own_words:
        assert not judge(replace(evidence, messages=()), verified.court).proven
    if evidence.blobs and fault is not FaultKind.WRONG_PROJECTION:
        assert not judge(replace(evidence, blobs=()), verified.court).proven
    if fault in (FaultKind.RESULT_NOT_FINITE, FaultKind.WRONG_SUM, FaultKind.WRONG_AVERAGE):
        assert not judge(replace(evidence, results=()), verified.court).proven
    if evidence.records:
        assert not judge(replace(evidence, records=()), verified.court).proven


def test_a_projection_whose_bytes_are_gone_is_judged_by_the_gradient() -> None:
    evidence, verified = first_of("wrong_projection", FaultKind.WRONG_PROJECTION)
    ruling = judge(replace(evidence, blobs=()), verified.court)
    assert ruling.proven, ruling.reason


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
        forged = replace(evidence, sets=tuple(forge[:-1]), messages=forge[-1])
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


# --- what cannot be judged ------------------------------------------------------------------------


def test_evidence_of_another_run_version_or_stranger_is_refused() -> None:
    evidence, verified = first_of("sign_flip", FaultKind.WRONG_GRADIENT)
    stranger = replace(evidence.departure, peer=PeerId(digest("nobody")))
    genesis = verified.court.genesis
    unprotected = replace(genesis, protection=Protection.CLIP)
    for wrong, court, why in (
        (replace(evidence, run=NOTHING), verified.court, "the evidence is of run 0000"),
        (replace(evidence, protocol=99), verified.court, "protocol version 99"),
        (replace(evidence, departure=stranger), verified.court, "who is not of this run"),
        (evidence, verified.court._replace(genesis=unprotected), "the run has protection 'clip'"),
    ):
        with pytest.raises(EvidenceError, match=why):
            judge(wrong, court)


def test_two_bodies_are_proven_without_protection_too() -> None:
    evidence, verified = first_of("equivocation", FaultKind.EQUIVOCATION)
    genesis = replace(verified.court.genesis, protection=Protection.NONE)
    assert judge(evidence, verified.court._replace(genesis=genesis)).proven


def test_a_record_that_does_not_decode_is_an_error() -> None:
    evidence, verified = first_of("sign_flip", FaultKind.WRONG_GRADIENT)
    with pytest.raises(EvidenceError, match="a record in it does not decode"):
        judge(replace(evidence, records=(b"\xc1",)), verified.court)
