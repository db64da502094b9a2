"""Every event, effect and record has words, and differences are named down to the field."""

from __future__ import annotations

import json
from typing import get_args

import msgspec
import pytest

from tests.recorded.logs import GENESIS, NAMES, PEERS, RUN, make_record, make_signed
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.describe import ABSENT, describe, list_differences
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, digest
from zpeer.messages import (
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
from zpeer.narrator import Narrator, printable
from zpeer.parts import Bulk
from zpeer.proofs import Equivocation, Misdeed
from zpeer.record import Charge, Departure, Draw, Matter, Outcome
from zpeer.recorded.timeline import render_effect, render_event
from zpeer.signed import Signed, Stage
from zpeer.wire import encode_payload

HEAD = RUN
SECRET = digest("secret")
SIGNED = make_signed(PEERS[2], HEAD)
ACCUSATION = Accusation(FaultKind.WRONG_PROJECTION, PEERS[3], HEAD, 2, evidence=SECRET)
TWO = Equivocation(SIGNED.statement, SIGNED.statement)
VIEW = Signed(
    Stage.VIEW, HEAD, PEERS[2], encode_payload(View(claims=PEERS[3:], secret=SECRET)), bytes(64)
)
WITNESS = Signed(Stage.WITNESS, HEAD, PEERS[1], VIEW.body, bytes(64))
DECIDED = Signed(Stage.DECIDED, HEAD, PEERS[0], encode_payload(Decided(SECRET)), bytes(64))
VERDICTS = tuple(
    Signed(Stage.VERDICT, HEAD, peer, encode_payload(Verdict(HEAD, SECRET)), bytes(64))
    for peer in PEERS
)
RECORD = msgspec.msgpack.encode(make_record(HEAD, 3))

MESSAGES: list[tuple[Message, str]] = [
    (Commit((SECRET, SECRET), SECRET), "COMMIT from cleo: 2 parts"),
    (Commit((), SECRET), "COMMIT from cleo: secrets alone"),
    (Aggregated(HEAD, SECRET), "AGGREGATED from cleo: result "),
    (Aggregated(HEAD, None), "AGGREGATED from cleo: no result"),
    (Reveal(HEAD, SECRET), "REVEAL from cleo: share "),
    (Projections(HEAD, SECRET, ((0.5,),), (2.0,)), "PROJECTIONS from cleo: norms 2 to 2"),
    (Projections(HEAD, SECRET, (), ()), "PROJECTIONS from cleo: none"),
    (Check(HEAD, SECRET), "CHECK from cleo  ("),
    (
        Check(
            HEAD,
            SECRET,
            (ACCUSATION,),
            (Finding(SECRET, Guilt.GUILTY),),
            (Report(PEERS[1], HEAD, True, SECRET), Report(PEERS[3], HEAD, False, SECRET)),
        ),
        "CHECK from cleo: accuses dan of WRONG_PROJECTION over part 2 (head ",
    ),
    (
        Check(HEAD, SECRET, views=(VIEW,), proofs=(TWO, Misdeed((SIGNED,)))),
        (
            "CHECK from cleo: settles the VIEW of cleo: waits for dan; "
            "proves that cleo signed two REVEAL bodies; proves by its REVEAL what cleo did"
        ),
    ),
    (Verdict(HEAD, SECRET), "VERDICT from cleo: record "),
    (View(claims=PEERS[:2]), "VIEW from cleo: waits for ada, ben  ("),
    (View(proofs=(TWO,)), "VIEW from cleo: proves that cleo signed two REVEAL bodies  ("),
    (
        View(record=SECRET, commits=HEAD),
        (
            f"VIEW from cleo: joins a call; voted for record {SECRET[:4].hex()}; "
            f"holds the COMMIT set {HEAD[:4].hex()}"
        ),
    ),
    (Closed(SECRET), "CLOSED from cleo: holds the views "),
    (Decided(SECRET), "DECIDED from cleo: record "),
]

EVENTS: list[tuple[ev.Event, str]] = [
    (ev.Started(), "all peers are connected"),
    (ev.MessageReceived(SIGNED), "REVEAL from cleo"),
    (ev.MessageReceived(WITNESS), f"WITNESS from ben: under the view {VIEW.body[:4].hex()}"),
    (ev.SetRequested(PEERS[1], HEAD, Stage.COMMIT), "ben asks for COMMIT messages"),
    (ev.SetReceived(PEERS[1], HEAD, Stage.COMMIT, (SIGNED,)), "1 COMMIT messages from ben"),
    (ev.ProofReceived(TWO), "somebody proves that cleo signed two REVEAL bodies  (head"),
    (ev.ChainReceived(VIEW, (WITNESS,)), "passed on by ben: VIEW from cleo: waits for dan"),
    (
        ev.CertificateReceived(RECORD, (DECIDED,)),
        "step 3.0 COUNTED, DECIDED by ada",
    ),
    (ev.CertificateReceived(b"?", ()), "bytes that are no record, DECIDED by nobody"),
    (ev.PartArrived(HEAD, PEERS[1], SECRET, 8, False), "PART from ben: 8 bytes"),
    (ev.ResultArrived(HEAD, PEERS[1], SECRET, 8, True), "RESULT from ben: 8 bytes"),
    (ev.BlobArrived(SECRET, 8, True), "bytes by their digest: 8 bytes"),
    (ev.BlobRequested(PEERS[1], SECRET), "ben asks for the bytes"),
    (ev.SecretDrawn(HEAD, SECRET), "secret drawn"),
    (ev.PartsComputed(HEAD, (SECRET,)), "gradient computed, 1 parts"),
    (ev.PartAggregated(HEAD, SECRET), "part aggregated"),
    (ev.Projected(HEAD, (), (), (), ()), "residuals projected"),
    (ev.Recomputed(HEAD, PEERS[3], (), (), ()), "gradient of dan computed again"),
    (ev.BlobProjected(HEAD, 1, SECRET, None), "published part 1 projected: unusable"),
    (ev.AverageTested(HEAD, 1, 0.25, ()), "averaging of part 1 tested: residual 0.25"),
    (ev.Updated(HEAD, SECRET, NOTHING), "parameters updated"),
    (ev.TimerFired(), "timer"),
]

EFFECTS: list[tuple[fx.Effect, str]] = [
    (
        fx.Broadcast(HEAD, Stage.REVEAL, SIGNED.payload, PEERS[1:]),
        "broadcast REVEAL: share ",
    ),
    (fx.SendPart(HEAD, 3, PEERS[1]), "send part 3 to ben"),
    (fx.SendResult(HEAD, PEERS[1:3]), "send result to ben, cleo"),
    (fx.SendSetRequest(PEERS[1], HEAD, Stage.COMMIT), "ask ben for COMMIT messages"),
    (fx.SendSet(PEERS[1], HEAD, Stage.COMMIT, ()), "send ben 0 COMMIT messages"),
    (
        fx.SendProof(PEERS[:1], TWO),
        "show ada what proves that cleo signed two REVEAL bodies",
    ),
    (fx.SendBlob(SECRET, ()), "to nobody"),
    (
        fx.PassOn(VIEW, (WITNESS,), PEERS[:1]),
        "pass on to ada: VIEW from cleo: waits for dan",
    ),
    (
        fx.SendCertificate(PEERS[1:2], RECORD, (DECIDED,)),
        "show ben the certificate: record ",
    ),
    (
        fx.Place(HEAD, Bulk.RESULT, PEERS[1], SECRET),
        f"take bytes {SECRET[:4].hex()} as the RESULT of ben",
    ),
    (
        fx.Warn(Stage.CHECK, "I call: CHECK from dan", PEERS[3:]),
        "WARN at CHECK: I call: CHECK from dan [dan]",
    ),
    (fx.SendBlobRequest(SECRET, PEERS[:1]), "ask ada for bytes"),
    (fx.DrawSecret(HEAD), "draw a secret"),
    (fx.ComputeParts(HEAD, SECRET, SECRET, 4), "compute my gradient, 4 parts"),
    (
        fx.AggregatePart(HEAD, 0, 4, (PEERS[1], None), 0.5),
        "aggregate part 0 of ben, -, radius 0.5",
    ),
    (fx.Project(HEAD, SECRET, (), -1, (), ()), "project residuals along"),
    (
        fx.Recompute(HEAD, PEERS[3], SECRET, SECRET, (), SECRET, (), ()),
        "compute the gradient of dan again",
    ),
    (
        fx.ProjectBlob(HEAD, 2, PEERS[1], 4, SECRET, SECRET, 1.0),
        "project published part 2",
    ),
    (fx.TestAverage(HEAD, 2, PEERS[1], 4, (), 1.0), "test the averaging of part 2"),
    (fx.Update(HEAD, 3, (), SECRET, False), "by step 3"),
    (fx.SetTimer(12.5), "set timer to 12.500s"),
    (fx.Decide(make_record(HEAD, 3), ()), "RECORD "),
    (fx.Release((), ()), "release parameters"),
    (
        fx.WriteEvidence(
            Departure(PEERS[3], FaultKind.WRONG_SUM, HEAD), (), (), (), (), (), (), HEAD
        ),
        "write evidence: BANNED dan",
    ),
    (fx.Stop(3, "banned", None, PEERS[3:]), "STOP with code 3: banned [dan]"),
]


@pytest.fixture
def narrator() -> Narrator:
    return Narrator.of(GENESIS)


def test_nothing_of_the_vocabulary_is_missing_here() -> None:
    assert {type(event) for event, _ in EVENTS} == set(get_args(ev.Event))
    assert {type(effect) for effect, _ in EFFECTS} == set(get_args(fx.Effect))
    assert {type(message) for message, _ in MESSAGES} == set(get_args(Message))


@pytest.mark.parametrize(("event", "words"), EVENTS, ids=lambda each: type(each).__name__)
def test_every_event_has_words(narrator: Narrator, event: ev.Event, words: str) -> None:
    line = render_event(narrator, 12.345, event)
    assert line.startswith("    12.345s  ")
    assert words in line
    if hasattr(event, "head"):
        assert "step 0.0)" in line


@pytest.mark.parametrize(("effect", "words"), EFFECTS, ids=lambda each: type(each).__name__)
def test_every_effect_has_words(narrator: Narrator, effect: fx.Effect, words: str) -> None:
    text = render_effect(narrator, effect)
    assert text.startswith("            -> ")
    assert words in text


@pytest.mark.parametrize(("message", "words"), MESSAGES)
def test_every_message_has_words(narrator: Narrator, message: Message, words: str) -> None:
    signed = Signed(stage_of(message), HEAD, PEERS[2], encode_payload(message), bytes(64))
    assert words in narrator.say_signed(signed)


def test_a_check_says_findings_and_reports(narrator: Narrator) -> None:
    message = next(each for each, _ in MESSAGES if isinstance(each, Check) and each.reports)
    said = narrator.gist(Stage.CHECK, encode_payload(message))
    assert f"finds {SECRET[:4].hex()} GUILTY" in said
    assert "reports on ben: follows" in said
    assert "reports on dan: DOES NOT FOLLOW" in said


def test_a_body_that_does_not_decode_is_said_so(narrator: Narrator) -> None:
    signed = Signed(Stage.CHECK, HEAD, PEERS[2], b"garbage", bytes(64))
    assert "CHECK from cleo: DOES NOT DECODE" in narrator.say_signed(signed)


def test_a_record_is_a_paragraph(narrator: Narrator) -> None:
    draw = Draw(PEERS[2], HEAD, 3, False, 3)
    record = msgspec.structs.replace(
        make_record(HEAD, 3),
        departures=(Departure(PEERS[3], FaultKind.WRONG_SUM, HEAD, PEERS[1], 2),),
        duties=((draw,),),
        draws=(draw,),
        lapsed=(draw,),
        matters=(Matter(PEERS[1], ACCUSATION, HEAD, 2),),
    )
    text = "\n".join(narrator.record(record))
    assert "step 3.0 COUNTED, 4 counted" in text
    assert "BANNED dan: aggregated a part whose projections do not sum to zero" in text
    assert "(WRONG_SUM, part 2, accused by ben)" in text
    assert "roster of 4: ada, ben, cleo, dan" in text
    assert "validator ben: cleo of step 3 (void)" in text
    assert "open draws: cleo of step 3 (void)" in text
    assert "LAPSED draws: cleo" in text
    assert "ben accuses dan of WRONG_PROJECTION over part 2" in text
    assert "age 2" in text
    assert narrator.place(record.head) == f"(head {record.head[:4].hex()}, step 4.0)"


def test_a_removal_is_no_ban(narrator: Narrator) -> None:
    said = narrator.say_departure(Departure(PEERS[3], FaultKind.ACCUSATION_FELL, HEAD))
    assert said.startswith("REMOVED dan")


def test_a_proof_without_words_proves_nothing(narrator: Narrator) -> None:
    assert narrator.say_proof(Misdeed(())) == "proves nothing"


def test_an_eliminated_pair_is_no_accusation(narrator: Narrator) -> None:
    pair = Departure(PEERS[3], FaultKind.PAIR_ELIMINATED, HEAD, PEERS[1])
    assert narrator.say_departure(pair).endswith("(PAIR_ELIMINATED, with ben)")


def test_a_record_by_views_says_so_and_who_is_charged(narrator: Narrator) -> None:
    record = msgspec.structs.replace(
        make_record(HEAD, 3),
        outcome=Outcome.VOID,
        views=(SECRET, HEAD, NOTHING),
        charges=(
            *(Charge(PEERS[0], PEERS[3], 1), Charge(PEERS[1], PEERS[3], 1)),
            Charge(PEERS[0], PEERS[3], 2),
        ),
        durations=(0.5, 0.01),
    )
    text = render_effect(narrator, fx.Decide(record, (DECIDED,)))
    assert "decided by the slow path: void, by the views of 3 peers (rule 2)" in text
    assert "charged pairs: ada and dan 2, ben and dan 1" in text
    assert "stages take COMMIT 0.5 s, AGGREGATED 0.01 s" in text


def test_how_a_record_became_final_is_told_by_what_it_was_decided_with(narrator: Narrator) -> None:
    record = make_record(HEAD, 3)
    for words, said in (
        (VERDICTS, "by 4 equal VERDICTs"),
        ((DECIDED,), "by the slow path: more than half had voted for it (rule 1)"),
        ((), "by the slow path: more than half had voted for it (rule 1)"),
    ):
        assert f"decided {said}" in render_effect(narrator, fx.Decide(record, words))


def test_a_certificate_is_described_by_its_record(narrator: Narrator) -> None:
    plain = describe(ev.CertificateReceived(RECORD, (DECIDED,)), narrator)
    assert isinstance(plain, dict)
    record = plain["record"]
    assert isinstance(record, dict)
    assert (record["type"], record["step"]) == ("Record", 3)
    other = describe(ev.CertificateReceived(b"?", ()), narrator)
    assert isinstance(other, dict)
    assert other["record"] == b"?".hex()


def test_control_characters_are_not_shown() -> None:
    assert printable("a\x1b[2Jb\nc\u202e") == "a\ufffd[2Jb\nc\ufffd"


def test_descriptions_name_every_field_and_are_json(narrator: Narrator) -> None:
    for value, _ in [*EVENTS, *EFFECTS]:
        plain = describe(value, narrator)
        assert isinstance(plain, dict)
        assert plain["type"] == type(value).__name__
        assert set(plain) == {"type", *value.__struct_fields__}
        json.dumps(plain, allow_nan=False)
    assert describe(float("nan"), narrator) == "nan"
    assert describe(PEERS[0], narrator) == NAMES[0]
    with pytest.raises(TypeError, match="object is no value of the vocabulary"):
        describe(object(), narrator)


def test_differences_are_named_down_to_the_field(narrator: Narrator) -> None:
    left = [fx.SetTimer(1.0), fx.SendPart(HEAD, 1, PEERS[1])]
    right = [fx.SetTimer(float("nan")), fx.SendPart(HEAD, 2, PEERS[2]), fx.DrawSecret(HEAD)]
    lines = list_differences(describe(left, narrator), describe(right, narrator), "effects")
    assert lines[:3] == [
        "effects[0].at: recorded 1.0, replayed nan",
        "effects[1].part: recorded 1, replayed 2",
        "effects[1].to: recorded ben, replayed cleo",
    ]
    assert lines[3].startswith(f"effects[2]: recorded {ABSENT}, replayed DrawSecret(head=")
    same = describe(right, narrator)
    assert list_differences(same, same, "effects") == []
