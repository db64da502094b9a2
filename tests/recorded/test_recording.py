"""Logs are whole, bounded, private, and used as far as they are whole."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING
from zlib import compress, crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader

from tests.recorded.logs import GENESIS, HEADER, PEERS, CounterCore, make_events, record_counter
from zpeer.effects import Decide, SetTimer, Stop
from zpeer.errors import LogError, ZpeerError
from zpeer.events import MessageReceived, TimerFired
from zpeer.ids import digest
from zpeer.recorded.export import export_mcap
from zpeer.recorded.recording import Recorder, SegmentLimits, digest_core, digest_source, read_log
from zpeer.recorded.zlog import (
    FRAME_BYTES_MAX,
    MAGIC,
    PAYLOAD_BYTES_MAX,
    Crash,
    Entry,
    Header,
    Packed,
    Payload,
    PayloadKind,
    SegmentReader,
    Snapshot,
    encode_effects,
    encode_frame,
    pack_frames,
)
from zpeer.signed import Signed, Stage

if TYPE_CHECKING:
    from pathlib import Path

SMALL = SegmentLimits(events=5)


def read_entries(path: Path) -> list[Entry]:
    return [frame for _, frame in read_log(path) if isinstance(frame, Entry)]


def test_a_log_gives_back_every_event_with_all_its_effects(tmp_path: Path) -> None:
    events = make_events(4)
    record_counter(tmp_path / "ada", events)
    core = CounterCore()
    entries = read_entries(tmp_path / "ada")
    assert [(entry.now, entry.event) for entry in entries] == events
    assert [entry.effects for entry in entries] == [core.handle(e, now) for now, e in events]


def test_a_log_opens_by_directory_by_prefix_and_by_segment(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(6), limits=SMALL)
    whole = read_entries(tmp_path / "ada")
    assert read_entries(tmp_path) == whole
    assert read_entries(tmp_path / "ada.000001.zlog") == whole
    later = read_entries(tmp_path / "ada.000003.zlog")
    assert later == whole[-len(later) :]
    assert len(later) < len(whole)


def test_a_segment_is_cut_only_after_a_record(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(6), limits=SMALL)
    segments = read_log(tmp_path).segments
    assert len(segments) > 2
    for path in segments[:-1]:
        frames = list(SegmentReader(path))
        assert isinstance(frames[0], Header)
        assert isinstance(frames[1], Snapshot)
        assert isinstance(frames[-1], Entry)
        assert any(isinstance(effect, Decide) for effect in frames[-1].effects)


def test_every_segment_opens_with_the_state_after_the_one_before(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(6), limits=SMALL)
    core = CounterCore()
    for _, frame in read_log(tmp_path):
        if isinstance(frame, Snapshot):
            assert frame.state == core.snapshot()
        elif isinstance(frame, Entry):
            core.handle(frame.event, frame.now)


def test_a_segment_is_cut_by_bytes_too(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(6), limits=SegmentLimits(size_bytes=2000))
    sizes = [path.stat().st_size for path in read_log(tmp_path).segments]
    assert len(sizes) > 2
    assert all(2000 <= size < 4000 for size in sizes[:-1])


def test_old_segments_are_pruned_and_the_rest_still_reads(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(8), limits=SegmentLimits(events=5, segments_max=2))
    log = read_log(tmp_path / "ada")
    assert len(log.segments) == 2
    position, first = next(iter(log))
    assert isinstance(first, Snapshot)
    assert position.segment > 2


def test_without_a_limit_no_segment_is_pruned(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(8), limits=SMALL)
    assert read_log(tmp_path).segments[0].name == "ada.000001.zlog"


def test_a_missing_segment_in_the_middle_is_named(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(6), limits=SMALL)
    (tmp_path / "ada.000002.zlog").unlink()
    with pytest.raises(LogError, match="segment 2 of the log is missing"):
        read_log(tmp_path)


@given(cut=st.integers(min_value=1, max_value=4000))
@settings(max_examples=60, deadline=None)
def test_a_torn_tail_is_counted_and_the_rest_is_used(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    directory = tmp_path_factory.mktemp("torn")
    record_counter(directory / "ada", make_events(4))
    path = directory / "ada.000001.zlog"
    whole = read_entries(path)
    data = path.read_bytes()
    ends = frame_ends(data)
    kept = max(ends[1], len(data) - cut)
    path.write_bytes(data[:kept])
    log = read_log(path)
    entries = [frame for _, frame in log if isinstance(frame, Entry)]
    assert entries == whole[: len(entries)]
    last_end = max(end for end in ends if end <= kept)
    assert sum(log.dropped.values()) == kept - last_end
    assert len(entries) == (0, 0, 5, 9, 13, 17)[ends.index(last_end)]


def frame_ends(data: bytes | bytearray) -> list[int]:
    ends, at = [], len(MAGIC)
    while at < len(data):
        at += 8 + int.from_bytes(data[at : at + 4], "little")
        ends.append(at)
    return ends


def test_a_damaged_byte_drops_its_frame_and_what_follows(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(4))
    path = tmp_path / "ada.000001.zlog"
    whole = read_entries(path)
    data = bytearray(path.read_bytes())
    ends = frame_ends(data)
    data[ends[2] + 20] ^= 1
    path.write_bytes(data)
    log = read_log(path)
    assert [frame for _, frame in log if isinstance(frame, Entry)] == whole[:5]
    assert log.dropped == {path: len(data) - ends[2]}


def test_a_length_beyond_the_file_or_the_limit_is_damage_and_allocates_nothing(
    tmp_path: Path,
) -> None:
    record_counter(tmp_path / "ada", make_events(1))
    path = tmp_path / "ada.000001.zlog"
    data = path.read_bytes()
    for length in (1000, FRAME_BYTES_MAX + 1, 0xFFFFFFFF):
        path.write_bytes(data + length.to_bytes(4, "little") + bytes(24))
        log = read_log(path)
        assert len(list(log)) == 6
        assert log.dropped == {path: 28}


@given(st.binary(max_size=300))
def test_whatever_the_bytes_a_log_reads_or_raises_its_own_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "x.000001.zlog"
    body = len(data).to_bytes(4, "little") + crc32(data).to_bytes(4, "little") + data
    for content in (data, MAGIC + data, MAGIC + body, MAGIC + encode_frame(HEADER) + body):
        path.write_bytes(content)
        try:
            list(read_log(path))
        except LogError:
            continue


def test_a_file_of_another_format_says_which_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ada.000001.zlog"
    path.write_bytes(MAGIC[:8] + (7).to_bytes(4, "little"))
    with pytest.raises(
        LogError, match="log format 7, expected 2; read it with the version of zpeer that"
    ):
        read_log(path)
    path.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(LogError, match="not a recorded log"):
        read_log(path)


def test_a_segment_of_another_run_is_refused(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(6), limits=SMALL)
    other = Header(
        protocol=1,
        genesis=GENESIS,
        me=PEERS[1],
        keys=(),
        aggregator=HEADER.aggregator,
        policy=HEADER.policy,
    )
    record_counter(tmp_path / "ben", make_events(6), limits=SMALL, header=other)
    (tmp_path / "ben.000002.zlog").rename(tmp_path / "ada.000002.zlog")
    with pytest.raises(LogError, match="belongs to another log"):
        list(read_log(tmp_path / "ada"))
    with pytest.raises(LogError, match="expected one log in the directory, found ada, ben"):
        read_log(tmp_path)


def test_a_log_is_never_overwritten_or_continued(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(1))
    with pytest.raises(LogError, match="a log of this name exists"):
        record_counter(tmp_path / "ada", make_events(1))


def test_a_log_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(6), limits=SMALL)
    assert {path.stat().st_mode & 0o777 for path in read_log(tmp_path).segments} == {0o600}


def test_a_record_and_the_end_are_on_disk_before_anything_else_happens(tmp_path: Path) -> None:
    core = CounterCore()
    recorder = Recorder(tmp_path / "ada", HEADER, core.snapshot())
    events = [*make_events(2), (9.0, TimerFired())]
    for seen, (now, event) in enumerate(events, start=1):
        effects = core.handle(event, now)
        recorder.entry(now, event, effects)
        if any(isinstance(effect, Decide | Stop) for effect in effects):
            assert len(read_entries(tmp_path)) == seen
    recorder.close()


def test_what_stays_buffered_is_written_by_flush(tmp_path: Path) -> None:
    core = CounterCore()
    recorder = Recorder(tmp_path / "ada", HEADER, core.snapshot())
    now, event = make_events(1)[0]
    recorder.entry(now, event, core.handle(event, now))
    assert read_entries(tmp_path) == []
    recorder.flush()
    assert len(read_entries(tmp_path)) == 1
    recorder.close()


def test_a_closed_log_takes_nothing(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "ada", HEADER, b"")
    recorder.close()
    recorder.close()
    with pytest.raises(LogError, match="the log was closed"):
        recorder.entry(0.0, TimerFired(), [])


def test_an_event_the_core_raised_on_is_in_the_log(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "ada", HEADER, b"")
    recorder.crash(2.0, TimerFired(), AssertionError("never so"))
    frames = [frame for _, frame in read_log(tmp_path)]
    assert frames[1:] == [Crash(2.0, TimerFired(), "AssertionError: never so")]
    recorder.close()


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LogError, match=r"file/ada.000001.zlog: the log cannot be written"):
        Recorder(tmp_path / "file" / "ada", HEADER, b"")


def test_an_attempt_costs_less_than_half_of_its_plain_frames(tmp_path: Path) -> None:
    events = make_events(20)
    record_counter(tmp_path / "ada", events)
    core = CounterCore()
    plain = sum(len(encode_frame(Entry(now, e, core.handle(e, now)))) for now, e in events)
    assert (tmp_path / "ada.000001.zlog").stat().st_size < plain / 2


@pytest.mark.parametrize(
    "packed",
    [
        Packed(10, b"not zlib"),
        Packed(0, compress(b"")),
        Packed(1 << 40, compress(b"x")),
        Packed(7, compress(bytes(8))),
        Packed(9, compress(bytes(8))),
        Packed(8, compress(b"\x01" * 8)),
    ],
)
def test_packed_frames_that_are_none_are_refused(tmp_path: Path, packed: Packed) -> None:
    path = tmp_path / "ada.000001.zlog"
    path.write_bytes(MAGIC + encode_frame(HEADER) + encode_frame(packed))
    with pytest.raises(LogError, match=r"ada\.000001\.zlog: at byte \d+: packed frames"):
        list(read_log(path))


def test_packed_frames_do_not_nest(tmp_path: Path) -> None:
    path = tmp_path / "ada.000001.zlog"
    inner = pack_frames(encode_frame(Snapshot(b"state")))
    path.write_bytes(MAGIC + encode_frame(HEADER) + pack_frames(inner))
    with pytest.raises(LogError, match="packed frames that are none"):
        list(read_log(path))


def test_what_waits_to_be_packed_is_bounded(tmp_path: Path) -> None:
    core = CounterCore()
    recorder = Recorder(tmp_path / "ada", HEADER, core.snapshot())
    event = MessageReceived(Signed(Stage.CHECK, HEADER.genesis.run, PEERS[1], bytes(70_000), b""))
    for _ in range(4):
        recorder.entry(0.0, event, [])
    assert len(read_entries(tmp_path)) == 0
    recorder.flush()
    assert len(read_entries(tmp_path)) == 4
    recorder.close()


def test_payloads_come_back_and_large_ones_are_cut(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "ada", HEADER, b"")
    head = digest("test/head")
    data = bytes(PAYLOAD_BYTES_MAX + 3)
    recorder.payload(PayloadKind.PART, head, PEERS[1], 2, data)
    recorder.payload(PayloadKind.RESULT, head, PEERS[2], 1, memoryview(b"abcd"))
    recorder.close()
    payloads = [frame for _, frame in read_log(tmp_path) if isinstance(frame, Payload)]
    assert [(p.offset, len(p.data), p.size_bytes) for p in payloads] == [
        (0, PAYLOAD_BYTES_MAX, len(data)),
        (PAYLOAD_BYTES_MAX, 3, len(data)),
        (0, 4, 4),
    ]
    assert payloads[2] == Payload(PayloadKind.RESULT, head, PEERS[2], 1, 0, 4, b"abcd")


def test_a_log_holds_no_path_and_no_host(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(3))
    data = (tmp_path / "ada.000001.zlog").read_bytes()
    assert str(tmp_path).encode() not in data
    assert sys.prefix.encode() not in data


def test_effects_are_compared_by_their_bytes() -> None:
    number = float("nan")
    assert encode_effects([SetTimer(number)]) == encode_effects([SetTimer(number)])
    assert encode_effects([SetTimer(0.0)]) != encode_effects([SetTimer(-0.0)])
    assert encode_effects([SetTimer(1)]) == encode_effects([SetTimer(1.0)])


def test_sources_are_told_apart_by_their_digests() -> None:
    assert len(digest_core()) == 32
    assert digest_core() == digest_core()
    assert len(digest_source(CounterCore())) == 32
    assert digest_source(3) == b""


def test_an_export_holds_every_event_and_effect(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(3), limits=SMALL)
    count = export_mcap(tmp_path / "ada", tmp_path / "ada.mcap")
    with (tmp_path / "ada.mcap").open("rb") as file:
        messages = [
            (channel.topic, message.log_time, json.loads(message.data))
            for _, channel, message in make_reader(file).iter_messages()
        ]
    assert len(messages) == count
    entries = read_entries(tmp_path / "ada")
    received = [m for m in messages if m[0] == "/event/MessageReceived"]
    assert len(received) == sum(isinstance(entry.event, MessageReceived) for entry in entries)
    _, at, content = received[0]
    assert at == 1_100_000_000
    assert content["value"]["signed"]["sender"] == "ben"
    assert content["value"]["signed"]["payload"]["type"] == "Reveal"
    assert sum(m[0] == "/effect/Decide" for m in messages) == 3


def test_an_export_does_not_overwrite(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(1))
    (tmp_path / "out.mcap").write_text("mine")
    with pytest.raises(LogError, match=r"out\.mcap: cannot be written"):
        export_mcap(tmp_path / "ada", tmp_path / "out.mcap")
    assert (tmp_path / "out.mcap").read_text() == "mine"


def test_without_mcap_an_export_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_counter(tmp_path / "ada", make_events(1))
    monkeypatch.setitem(sys.modules, "mcap.writer", None)
    with pytest.raises(ZpeerError, match=r"zpeer\[mcap\]"):
        export_mcap(tmp_path / "ada", tmp_path / "out.mcap")
    assert not (tmp_path / "out.mcap").exists()
