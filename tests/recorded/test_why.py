"""Why a peer left is told from one log: who called, who waited for whom, which rule decided."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import msgspec
import pytest
from typer.testing import CliRunner

from tests.recorded.logs import GENESIS, HEADER, PEERS, RUN, CounterCore, make_events, make_record
from tests.recorded.logs import record_counter as record_plain
from zpeer.cli import app
from zpeer.effects import Decide, Effect, Stop, Warn, WriteEvidence
from zpeer.errors import ZpeerError
from zpeer.events import ChainReceived, Event, MessageReceived, SetReceived, TimerFired
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, Digest, PeerId, digest
from zpeer.inspect import inspect_file
from zpeer.messages import Accusation, Check, Finding, Guilt, Message, View, stage_of
from zpeer.narrator import NOBODY
from zpeer.record import Charge, Departure, Matter, Outcome, Record
from zpeer.recorded.recording import Recorder
from zpeer.recorded.why import RULES, new_charges
from zpeer.signed import Signed, Stage
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from pathlib import Path

ADA, BEN, CLEO, DAN = PEERS


def sign(sender: PeerId, message: Message, head: Digest = RUN) -> Signed:
    return Signed(stage_of(message), head, sender, encode_payload(message), bytes(64))


def write_log(directory: Path, *entries: tuple[Event, list[Effect]]) -> Path:
    recorder = Recorder(directory / "ada", HEADER, CounterCore().snapshot())
    for place, (event, effects) in enumerate(entries):
        recorder.entry(float(place), event, effects)
    recorder.close()
    return directory / "ada"


def why(path: Path, peer: str) -> list[str]:
    """The lines that are printed, spaces squeezed."""
    out = io.StringIO()
    assert inspect_file(path, out, why=peer) == 0
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def make_void(*departures: Departure, charges: tuple[Charge, ...] = ()) -> Record:
    left = {departure.peer for departure in departures}
    return msgspec.structs.replace(
        make_record(RUN, 0),
        outcome=Outcome.VOID,
        counted=0,
        roster=tuple(peer for peer in PEERS if peer not in left),
        departures=departures,
        charges=charges,
        views=(NOTHING, RUN, NOTHING),
    )


def gone(fault: FaultKind, other: PeerId = NOBODY) -> Departure:
    return Departure(DAN, fault, RUN, other)


def test_a_removal_by_the_slow_path_names_callers_claims_and_rule(tmp_path: Path) -> None:
    mine = sign(ADA, View(claims=(DAN,)))
    path = write_log(
        tmp_path,
        (TimerFired(), [Warn(Stage.CHECK, "I call: CHECK from dan", (DAN,))]),
        (MessageReceived(mine), []),
        (ChainReceived(sign(BEN, View(claims=(DAN,), record=NOTHING)), ()), []),
        (MessageReceived(sign(CLEO, View(commits=digest("set")))), []),
        (MessageReceived(mine), []),
        (TimerFired(), [Decide(make_void(gone(FaultKind.CLAIMED_BY_MOST)), ())]),
    )
    said = why(path, "dan")
    assert said[0] == "ada: why dan left"
    assert f"peer dan {DAN.hex()}" in said
    assert "left REMOVED dan: kept more peers waiting than can be faulty (CLAIMED_BY_MOST)" in said
    place = f"(head {RUN[:4].hex()}, step 0.0)"
    when = "in the record of step 0.0 VOID, for what it did in the attempt"
    assert f"when {when} {place}" in said
    assert "decided by the slow path: void, by the views of 3 peers (rule 2)" in said
    assert "rule removed is whom more than F = 1 of 4 peers wait for: one of them is honest" in said
    assert f"call {place} CHECK: I call: CHECK from dan" in said
    commits = digest("set")[:4].hex()
    views = [line for line in said if line.startswith("view ")]
    assert views == [
        f"view VIEW from ada: waits for dan {place}",
        f"view VIEW from ben: waits for dan {place}",
        f"view VIEW from cleo: joins a call; holds the COMMIT set {commits} {place}",
    ]
    assert "claimed by ada, ben" in said


@pytest.mark.parametrize("fault", [f for f in FaultKind if f in RULES])
def test_every_rule_that_removes_is_told(tmp_path: Path, fault: FaultKind) -> None:
    path = write_log(tmp_path, (TimerFired(), [Decide(make_void(gone(fault)), ())]))
    (rule,) = [line for line in why(path, "dan") if line.startswith("rule ")]
    assert len(rule) > 30
    assert "{" not in rule


def test_every_removal_has_a_rule() -> None:
    assert {fault for fault in FaultKind if fault >= FaultKind.ACCUSATION_FELL} <= set(RULES)


def test_who_was_charged_with_whom_is_told_when_it_happened(tmp_path: Path) -> None:
    ours, theirs = Charge(BEN, DAN, 0), Charge(ADA, CLEO, 0)
    first = make_void(charges=(ours, theirs))
    second = msgspec.structs.replace(
        make_void(gone(FaultKind.PAIR_ELIMINATED, BEN), charges=(ours, theirs, ours)),
        previous=first.head,
        attempt=1,
    )
    path = write_log(
        tmp_path,
        (TimerFired(), [Decide(first, ())]),
        (SetReceived(CLEO, first.head, Stage.VIEW, (sign(BEN, View(claims=(DAN,))),)), []),
        (TimerFired(), [Decide(second, ())]),
    )
    said = why(path, "dan")
    charges = [line for line in said if line.startswith("charge ")]
    assert charges == [
        "charge step 0.0: charged with ben",
        "charge step 0.1: charged with ben",
    ]
    assert any("(PAIR_ELIMINATED, with ben)" in line for line in said)
    assert any("a pair may have 3 disputes" in line for line in said)
    assert any(line.startswith("view VIEW from ben: waits for dan") for line in said)


def test_views_that_a_check_settles_are_told_too(tmp_path: Path) -> None:
    check = Check(RUN, RUN, views=(sign(DAN, View(claims=(ADA,))),))
    path = write_log(tmp_path, (MessageReceived(sign(BEN, check, digest("next"))), []))
    for peer in ("ada", "dan"):
        said = why(path, peer)
        assert "left not as far as this log goes" in said
        assert any(line.startswith("view VIEW from dan: waits for ada") for line in said)
    assert "claimed by dan" in why(path, "ada")
    assert not any(line.startswith("view") for line in why(path, "ben"))


def test_a_flood_of_views_is_told_by_two(tmp_path: Path) -> None:
    flood = [sign(DAN, View(claims=(ADA,), secret=digest("x", bytes([k])))) for k in range(9)]
    path = write_log(tmp_path, *((ChainReceived(view, ()), []) for view in flood))
    assert sum(line.startswith("view VIEW from dan") for line in why(path, "dan")) == 2


def test_a_ban_names_accuser_findings_and_evidence(tmp_path: Path) -> None:
    matter = Matter(BEN, Accusation(FaultKind.WRONG_GRADIENT, DAN, RUN), RUN)
    record = msgspec.structs.replace(make_record(RUN, 0), matters=(matter,))
    ban = Departure(DAN, FaultKind.WRONG_GRADIENT, RUN, BEN)
    after = msgspec.structs.replace(
        make_record(record.head, 1), departures=(ban,), roster=PEERS[:3]
    )
    words = tuple(Signed(Stage.VERDICT, record.head, peer, b"", bytes(64)) for peer in PEERS)

    def find(guilt: Guilt) -> Check:
        return Check(RUN, RUN, findings=(Finding(matter.name, guilt),))

    evidence = WriteEvidence(ban, (), (), (), (), (), (), NOTHING)
    path = write_log(
        tmp_path,
        (TimerFired(), [Decide(record, words)]),
        (MessageReceived(sign(ADA, find(Guilt.GUILTY), record.head)), []),
        (MessageReceived(sign(BEN, find(Guilt.GUILTY), record.head)), []),
        (MessageReceived(sign(DAN, find(Guilt.INNOCENT), record.head)), []),
        (TimerFired(), [evidence, Decide(after, words)]),
    )
    said = why(path, "dan")
    assert any("WRONG_GRADIENT, accused by ben" in line for line in said)
    assert "decided by 4 equal VERDICTs" in said
    assert "rule it was accused, and more than half of the roster found it guilty" in said
    assert "findings innocent: dan; guilty: ada, ben" in said
    assert any(line.startswith("note evidence of WRONG_GRADIENT was written") for line in said)


def test_a_removed_peer_s_own_log_tells_its_last_word(tmp_path: Path) -> None:
    path = write_log(tmp_path, (TimerFired(), [Stop(4, "removed: was not heard")]))
    assert "note its own last word: removed: was not heard (code 4)" in why(path, "ada")
    assert not any(line.startswith("note") for line in why(path, "ben"))


def test_equal_charges_are_counted_not_merged() -> None:
    one, other = Charge(ADA, BEN, 1), Charge(ADA, CLEO, 1)
    assert new_charges((one,), (one, one, other)) == [one, other]
    assert new_charges((one, one), (one,)) == []


def test_a_log_says_what_got_stuck_and_who_was_charged(tmp_path: Path) -> None:
    record = make_void(gone(FaultKind.SILENT), charges=(Charge(ADA, BEN, 0),))
    path = write_log(tmp_path, (TimerFired(), [Warn(Stage.CHECK, "?", ()), Decide(record, ())]))
    out = io.StringIO()
    inspect_file(path, out)
    text = " ".join(out.getvalue().split())
    assert "step 0.0: by the slow path: void, by the views of 3 peers (rule 2)" in text
    assert "REMOVED dan: was not heard when an attempt got stuck (SILENT)" in text
    assert "step 0.0: charged ada and ben 1" in text
    assert "warnings 1," in text
    assert "agreement full, patience 10 s" in text
    assert "signatures ideal: a simulation" in text


def test_the_command_takes_names_and_ids_and_refuses_what_is_no_log(tmp_path: Path) -> None:
    record_plain(tmp_path / "ada", make_events(1))
    for wanted in ("dan", DAN.hex()[:10]):
        done = CliRunner().invoke(app, ["inspect", str(tmp_path), "--why", wanted])
        assert done.exit_code == 0
        assert DAN.hex() in done.output
    with pytest.raises(ZpeerError, match="--why eve: expected one of ada, ben, cleo, dan"):
        inspect_file(tmp_path, io.StringIO(), why="eve")
    (tmp_path / "x.pub").write_text("")
    with pytest.raises(ZpeerError, match=r"x\.pub: found a public identity, expected a recorded"):
        inspect_file(tmp_path / "x.pub", io.StringIO(), why="dan")


def test_the_rule_counts_the_roster_of_the_attempt_in_question(tmp_path: Path) -> None:
    small = msgspec.structs.replace(make_record(RUN, 0), roster=PEERS[1:])
    after = msgspec.structs.replace(
        make_record(small.head, 1),
        departures=(Departure(DAN, FaultKind.CLAIMS_MOST, small.head),),
        views=(NOTHING, RUN),
    )
    path = write_log(
        tmp_path, (TimerFired(), [Decide(small, ())]), (TimerFired(), [Decide(after, ())])
    )
    assert any("F = 1 of 3 peers" in line for line in why(path, "dan"))
    assert GENESIS.charges_max == 3
