"""A log gives back, bit for bit, what came out; and where it does not, one is told what and why."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.core.toy import Clip
from tests.recorded.logs import (
    GENESIS,
    HEADER,
    NAMES,
    PEERS,
    RUN,
    CounterCore,
    CounterMaker,
    make_events,
    make_record,
    make_signed,
    record_counter,
)
from zpeer.crypto import SigningKey
from zpeer.effects import Decide, Warn
from zpeer.errors import LogError, ZpeerError
from zpeer.events import (
    BlobArrived,
    CertificateReceived,
    ChainReceived,
    ProofReceived,
    TimerFired,
)
from zpeer.ids import digest
from zpeer.messages import Decided, View
from zpeer.narrator import Narrator
from zpeer.proofs import Equivocation
from zpeer.recorded.log_keys import IDEAL, make_verify
from zpeer.recorded.recording import Recorder, SegmentLimits, make_header
from zpeer.recorded.replay import DIFFERENT, EQUAL, replay_with
from zpeer.recorded.rerun import Turn
from zpeer.recorded.selection import Selection, find_peer
from zpeer.recorded.zlog import Position, read_log
from zpeer.signed import Signed, Stage, body_digest
from zpeer.simulation import Signatures
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.recorded.rerun import Maker

SMALL = SegmentLimits(events=5)


def replay(path: Path, maker: Maker, **options: object) -> tuple[int, str]:
    """Exit code and everything printed."""
    out = io.StringIO()
    log = read_log(path)
    code = replay_with(log, maker, aggregator=Clip(), cause="?", out=out, **options)  # type: ignore[arg-type]
    return code, out.getvalue()


# --- with a small machine -------------------------------------------------------------------------


def test_a_log_replays_equal(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(6), limits=SMALL)
    code, text = replay(tmp_path, CounterMaker())
    assert code == EQUAL
    assert "25 events replayed, all effects equal" in text


def test_any_segment_replays_by_itself(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(6), limits=SMALL)
    for segment in read_log(tmp_path).segments:
        assert replay(segment, CounterMaker())[0] == EQUAL


def test_the_first_difference_is_shown_with_event_and_fields(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(6))
    code, text = replay(tmp_path, CounterMaker(pace=2), quiet=True)
    assert code == DIFFERENT
    lines = text.splitlines()
    assert lines[0].startswith("DIFFERENCE at segment 1, event 3 (head ")
    assert "step 0.0): 1.200s  REVEAL from cleo" in lines[0]
    assert (
        lines[1] == "    effects[0]: recorded (nothing), replayed " + lines[1].split("played ")[1]
    )
    assert "replayed Decide(record=Record(" in lines[1]
    assert lines[-1] == "likely cause: ?"


def test_a_changed_field_is_named_down_to_its_place(tmp_path: Path) -> None:
    events = make_events(2)
    core = CounterCore()
    recorder = Recorder(tmp_path / "ada", HEADER, core.snapshot())
    for now, event in events:
        effects = core.handle(event, now)
        recorder.entry(now, event, [tweak(effect) for effect in effects])
    recorder.close()
    code, text = replay(tmp_path, CounterMaker(), quiet=True)
    assert code == DIFFERENT
    assert "effects[0].record.typical: recorded 1.5, replayed 1.0" in text


def tweak(effect: Effect) -> Effect:
    if not isinstance(effect, Decide):
        return effect
    record = msgspec.structs.replace(effect.record, typical=1.5)
    return msgspec.structs.replace(effect, record=record)


def test_going_on_shows_each_segment_anew(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(6), limits=SMALL)
    first, _ = replay(tmp_path, CounterMaker(pace=2), quiet=True)
    code, text = replay(tmp_path, CounterMaker(pace=2), quiet=True, go_on=True)
    assert first == code == DIFFERENT
    assert text.count("DIFFERENCE at segment 1,") >= 1
    assert text.count("DIFFERENCE at segment 3,") >= 1
    assert "25 events replayed; " in text


def test_a_state_that_differs_at_a_cut_is_told(tmp_path: Path) -> None:
    events = make_events(4)
    core = CounterCore()
    recorder = Recorder(tmp_path / "ada", HEADER, core.snapshot(), SMALL)
    for now, event in events:
        recorder.entry(now, event, core.handle(event, now))
        if recorder.wants_cut:
            core.tally.seen += 3
            recorder.cut(core.snapshot())
    recorder.close()
    code, text = replay(tmp_path, CounterMaker(), quiet=True)
    assert code == DIFFERENT
    assert "DIFFERENCE at the start of segment 2\n    state: recorded " in text


def test_a_first_state_that_is_not_fresh_is_told(tmp_path: Path) -> None:
    core = CounterCore()
    core.tally.seen = 3
    Recorder(tmp_path / "ada", HEADER, core.snapshot()).close()
    assert "at the start of segment 1" in replay(tmp_path, CounterMaker())[1]


def test_a_crash_of_the_core_replays_as_a_crash(tmp_path: Path) -> None:
    core = CounterCore()
    recorder = Recorder(tmp_path / "ada", HEADER, core.snapshot())
    event = BlobArrived(digest("x"), 4, True)
    with pytest.raises(TypeError) as problem:
        core.handle(event, 1.0)
    recorder.crash(1.0, event, problem.value)
    recorder.close()
    assert replay(tmp_path, CounterMaker())[0] == EQUAL


def test_a_crash_that_does_not_come_again_is_a_difference(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "ada", HEADER, CounterCore().snapshot())
    recorder.crash(1.0, TimerFired(), ValueError("gone wrong"))
    recorder.close()
    code, text = replay(tmp_path, CounterMaker())
    assert code == DIFFERENT
    assert "core: recorded ValueError: gone wrong, replayed no error" in text


def test_a_crash_in_the_replay_alone_is_a_difference(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "ada", HEADER, CounterCore().snapshot())
    recorder.entry(1.0, BlobArrived(digest("x"), 4, True), [])
    recorder.close()
    code, text = replay(tmp_path, CounterMaker())
    assert code == DIFFERENT
    assert "core: recorded no error, replayed TypeError: BlobArrived is not for a counter" in text


def test_a_torn_tail_is_mentioned_and_the_rest_replays(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(6))
    path = tmp_path / "ada.000001.zlog"
    path.write_bytes(path.read_bytes()[:-7])
    code, text = replay(tmp_path, CounterMaker(), quiet=True)
    assert code == EQUAL
    assert "bytes of ada.000001.zlog are torn and were left out" in text
    assert "21 events replayed" in text


def test_the_timeline_is_filtered_by_step_peer_kind_and_time(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(4), limits=SMALL)
    maker = CounterMaker()
    whole = replay(tmp_path, maker)[1]
    assert whole.count("REVEAL from") == 12
    assert replay(tmp_path, maker, selection=Selection(step=2))[1].count("REVEAL from") == 3
    of_ben = replay(tmp_path, maker, selection=Selection(peer=PEERS[1]))[1]
    assert of_ben.count("REVEAL from ben") == 4
    assert of_ben.count("REVEAL from") == 4
    decided = replay(tmp_path, maker, selection=Selection(kind="decide"))[1]
    assert decided.count("RECORD") == 4
    assert "draw a secret" not in decided
    assert replay(tmp_path, maker, selection=Selection(kind="REVEAL"))[1].count("REVEAL from") == 12
    early = replay(tmp_path, maker, selection=Selection(until=2.05))[1]
    assert early.count("REVEAL from") == 3
    assert "6 events" not in early
    assert replay(tmp_path, maker, quiet=True)[1].count("\n") == 1


def test_the_slow_path_is_filtered_by_whom_it_is_about_and_by_stage_and_step() -> None:
    narrator = Narrator.of(GENESIS)
    record = make_record(RUN, 4)
    narrator.record(record)
    view = Signed(Stage.VIEW, record.head, PEERS[1], encode_payload(View()), b"")
    witness = Signed(Stage.WITNESS, record.head, PEERS[2], view.body, b"")
    word = Signed(Stage.DECIDED, RUN, PEERS[3], encode_payload(Decided(record.head)), b"")
    chain = ChainReceived(view, (witness,))
    two = ProofReceived(Equivocation(view.statement, view.statement))
    certificate = CertificateReceived(msgspec.msgpack.encode(record), (word,))
    events: tuple[Event, ...] = (chain, two, certificate, TimerFired())
    turns = [
        Turn(Position(1, place), 0.0, event, [], [Warn(Stage.CHECK, "?", ())], RUN)
        for place, event in enumerate(events)
    ]

    def choose(**wanted: Any) -> list[int]:
        selection = Selection(**wanted)
        return [t.position.number for t in turns if selection.choose(t, narrator) is not None]

    assert choose(step=5) == [0, 1]
    assert choose(step=0) == [2, 3]
    assert choose(peer=PEERS[1]) == [0, 1]
    assert choose(peer=PEERS[2]) == [0]
    assert choose(peer=PEERS[3]) == [2]
    assert choose(kind="view") == choose(kind="WITNESS") == [0]
    assert choose(kind="decided") == [2]
    assert choose(kind="proofreceived") == [1]
    assert choose(kind="check") == choose(kind="Warn") == [0, 1, 2, 3]


def test_a_certificate_of_no_record_belongs_to_the_present_attempt() -> None:
    event = CertificateReceived(b"?", ())
    turn = Turn(Position(1, 0), 0.0, event, [], [], RUN)
    assert Selection(step=0).choose(turn, Narrator.of(GENESIS)) == []


# --- signatures inside messages -------------------------------------------------------------------


def test_a_log_of_real_peers_checks_signatures_by_the_keys_in_its_header() -> None:
    keys = [SigningKey.generate(digest("test", bytes([place]))) for place in range(3)]
    peers = tuple(key.public.peer for key in keys)
    genesis = msgspec.structs.replace(GENESIS, peers=peers, names=NAMES[:3])
    compressed = {key.public.peer: key.public.compressed for key in keys}
    header = make_header(
        genesis, peers[0], keys=compressed, aggregator=HEADER.aggregator, policy=HEADER.policy
    )
    assert header.keys == tuple(compressed[peer] for peer in peers)
    verify = make_verify(header)
    body = body_digest(Stage.REVEAL, RUN, peers[1], b"x")
    good = Signed(Stage.REVEAL, RUN, peers[1], b"x", keys[1].sign(body))
    assert verify(good)
    assert verify(good.statement)
    assert not verify(msgspec.structs.replace(good, sender=peers[2]))
    assert not verify(msgspec.structs.replace(good, signature=keys[2].sign(body)))
    assert not verify(msgspec.structs.replace(good, signature=digest(IDEAL, peers[1], body) * 2))
    assert not verify(msgspec.structs.replace(good, sender=PEERS[0]))


def test_a_log_of_a_simulation_checks_its_ideal_signatures() -> None:
    verify = make_verify(HEADER)
    signed = make_signed(PEERS[1], RUN)
    assert not verify(signed)
    good = msgspec.structs.replace(signed, signature=Signatures.sign(PEERS[1], signed.body))
    assert verify(good)
    assert verify(good.statement)
    assert not verify(msgspec.structs.replace(good, sender=PEERS[2]))
    assert not verify(msgspec.structs.replace(good, payload=b"x"))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ((b"x",) * 4, "holds a key that is none"),
        (
            tuple(
                SigningKey.generate(digest("test", bytes([place]))).public.compressed
                for place in range(4)
            ),
            "expected those of its run's peers",
        ),
    ],
)
def test_a_header_with_the_keys_of_others_is_refused(keys: tuple[bytes, ...], said: str) -> None:
    with pytest.raises(LogError, match=said):
        make_verify(msgspec.structs.replace(HEADER, keys=keys))


def test_a_step_is_known_also_where_a_later_segment_is_opened(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(6), limits=SMALL)
    later = read_log(tmp_path).segments[2]
    assert "step 3.0)" in replay(later, CounterMaker())[1]


def test_a_peer_is_found_by_name_or_by_the_start_of_its_id() -> None:
    assert find_peer(GENESIS, "cleo") == PEERS[2]
    assert find_peer(GENESIS, PEERS[2].hex()[:12].upper()) == PEERS[2]
    for wrong in ("nobody", ""):
        with pytest.raises(ZpeerError, match="expected one of ada, ben, cleo, dan"):
            find_peer(GENESIS, wrong)
