"""A log gives back, bit for bit, what came out; and where it does not, one is told what and why."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from plugins.attacks.sign_flip import SignFlip
from tests.core.toy import ByHash, Clip, Ring, Toy, make_genesis, peer
from tests.recorded import (
    GENESIS,
    HEADER,
    PEERS,
    CounterCore,
    CounterMaker,
    make_events,
    record_counter,
)
from tests.swarm import make_swarm
from zpeer.effects import Decide
from zpeer.errors import ConfigError, LogError, ZpeerError
from zpeer.events import BlobArrived, TimerFired
from zpeer.genesis import Deadlines
from zpeer.ids import NOTHING, digest
from zpeer.messages import PROTOCOL_VERSION
from zpeer.recording import Recorder, SegmentLimits, choose, digest_core, digest_source
from zpeer.recording import make_header as make_log_header
from zpeer.replay import DIFFERENT, EQUAL, CoreMaker, explain, replay_log, replay_with
from zpeer.selection import Selection, find_peer
from zpeer.zlog import (
    MAGIC,
    Choice,
    Entry,
    Header,
    Payload,
    PayloadKind,
    Snapshot,
    encode_frame,
    read_log,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.effects import Effect
    from zpeer.ids import Digest, PeerId
    from zpeer.rerun import Maker

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


# --- with the real core ---------------------------------------------------------------------------


class WrongGradient(Toy):
    """Commits to something else than its minibatch gives."""

    def gradient(self, parameters: object, seed: object) -> list[float]:
        return [-x for x in self.honest_gradient(parameters, seed)]  # type: ignore[arg-type]


def make_header(ring: Ring, me: PeerId) -> Header:
    return Header(
        protocol=PROTOCOL_VERSION,
        genesis=ring.genesis,
        deadlines=Deadlines(10.0, 10.0, 10.0),
        me=me,
        aggregator=Choice("clip", {}, digest_source(Clip())),
        policy=Choice("hash", {}, digest_source(ByHash())),
        core=digest_core(),
    )


def record_ring(ring: Ring, place: int, prefix: Path, limits: SegmentLimits) -> CoreMaker:
    """The log of one peer of a ring, cut as the peer itself would have cut it."""
    header = make_header(ring, peer(place))
    maker = CoreMaker(header, Clip(), ByHash())  # type: ignore[arg-type]
    core = maker.fresh()
    recorder = Recorder(prefix, header, core.snapshot(), limits)
    for now, who, event, _ in ring.trace:
        if who == peer(place):
            recorder.entry(now, event, core.handle(event, now))
            if recorder.wants_cut:
                recorder.cut(core.snapshot())
    recorder.close()
    return maker


@pytest.fixture(scope="module")
def attacked() -> Ring:
    return Ring(5, 6, toys={3: WrongGradient}).run()


def test_a_run_with_a_ban_replays_equal_from_every_segment(tmp_path: Path, attacked: Ring) -> None:
    maker = record_ring(attacked, 0, tmp_path / "p", SegmentLimits(events=40))
    log = read_log(tmp_path)
    assert len(log.segments) > 4
    recorded = [frame.effects for _, frame in log if isinstance(frame, Entry)]
    assert recorded == [done for _, who, _, done in attacked.trace if who == peer(0)]
    code, text = replay(tmp_path, maker)
    assert code == EQUAL, text
    assert "BANNED peer-3: committed to a gradient that is not that of its minibatch" in text
    assert "write evidence: BANNED peer-3" in text
    for segment in log.segments:
        assert replay(segment, maker, quiet=True)[0] == EQUAL


def test_a_restored_core_goes_on_as_the_first_one_does(attacked: Ring) -> None:
    header = make_header(attacked, peer(1))
    maker = CoreMaker(header, Clip(), ByHash())  # type: ignore[arg-type]
    core, twin = maker.fresh(), maker.fresh()
    for now, who, event, _ in attacked.trace:
        if who == peer(1):
            core.handle(event, now)
            twin.handle(event, now)
            twin = maker.restore(twin.snapshot())
            assert core.snapshot() == twin.snapshot()


def test_a_log_replays_in_a_process_that_hashes_text_differently(
    tmp_path: Path, attacked: Ring
) -> None:
    record_ring(attacked, 0, tmp_path / "p", SegmentLimits(events=40))
    script = (
        "import sys, pathlib;"
        "from zpeer.replay import *; from zpeer.zlog import read_log;"
        "from tests.core.toy import ByHash, Clip;"
        "log = read_log(pathlib.Path(sys.argv[1]));"
        "sys.exit(replay_with(log, CoreMaker(log.header, Clip(), ByHash()),"
        " aggregator=Clip(), cause='?'))"
    )
    root = Path(__file__).parent.parent
    for seed in "12":
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == EQUAL, done.stdout[-2000:] + done.stderr


def test_another_policy_shows_what_it_would_have_drawn(tmp_path: Path, attacked: Ring) -> None:
    record_ring(attacked, 0, tmp_path / "p", SegmentLimits())

    class Backwards(ByHash):
        def validators(
            self, beacon: Digest, roster: Sequence[PeerId], count: int
        ) -> tuple[PeerId, ...]:
            return super().validators(beacon, roster, len(roster))[::-1][:count]

    header = make_header(attacked, peer(0))
    changed = CoreMaker(header, Clip(), Backwards())  # type: ignore[arg-type]
    code, text = replay(tmp_path, changed, quiet=True)
    assert code == DIFFERENT
    assert "payload.record: recorded" in text


def test_a_state_of_another_core_is_unreadable(attacked: Ring) -> None:
    maker = CoreMaker(make_header(attacked, peer(0)), Clip(), ByHash())  # type: ignore[arg-type]
    with pytest.raises(LogError, match="not one of this core"):
        maker.restore(b"\x93\x01\x02\x03")


# --- with a whole swarm, its numerics and the shipped plugins -----------------------------------


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of one peer with payloads; another peer flips the sign of its gradient."""
    directory = tmp_path_factory.mktemp("swarm")
    swarm = make_swarm(directory, {3: SignFlip()}, peers=5, steps=6)
    me = swarm.shared.genesis.peers[1]
    session = swarm.peers[me].session
    header = make_log_header(
        swarm.shared.genesis,
        swarm.shared.deadlines,
        me,
        aggregator=choose("centered_clip", {}, swarm.shared.aggregator),
        policy=choose("uniform", {}, swarm.shared.policy),
    )
    limits = SegmentLimits(events=60)
    session._recorder = Recorder(directory / "log", header, session._core.snapshot(), limits)
    session._record_payloads = True
    results = swarm.run()
    session._recorder.close()
    assert {each.code for each in results if each.honest} == {0}
    return directory / "log"


def test_a_peers_log_replays_by_the_plugins_it_names(recorded: Path) -> None:
    out = io.StringIO()
    assert replay_log(recorded, out=out) == EQUAL
    text = out.getvalue()
    assert "BANNED peer-03" in text
    assert "results computed again, all equal\n" in text
    for segment in read_log(recorded).segments[1:]:
        assert replay_log(segment, quiet=True, out=io.StringIO()) == EQUAL


def test_bytes_that_give_another_result_are_found(recorded: Path, tmp_path: Path) -> None:
    log = read_log(recorded)
    recorder = None
    for _, frame in log:
        match frame:
            case Snapshot(state=state) if recorder is None:
                recorder = Recorder(tmp_path / "x", log.header, state)
            case Payload(kind=PayloadKind.PART, data=data) if recorder is not None:
                changed = bytes(4) + data[4:]
                recorder.payload(frame.kind, frame.head, frame.peer, frame.part, changed)
            case Payload() if recorder is not None:
                recorder.payload(frame.kind, frame.head, frame.peer, frame.part, frame.data)
            case Entry() if recorder is not None:
                recorder.entry(frame.now, frame.event, frame.effects)
    assert recorder is not None
    recorder.close()
    out = io.StringIO()
    assert replay_log(tmp_path / "x", quiet=True, out=out) == DIFFERENT
    assert "part aggregated" in out.getvalue()
    assert "numerics.digest: recorded" in out.getvalue()


def test_a_changed_aggregator_shows_what_it_would_have_done(recorded: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "clip.py"
    plugin.write_text(
        "from zpeer_plugins.aggregators.centered_clip import CenteredClip\n"
        "from zpeer.hookspecs import hookimpl\n"
        "class Tight(CenteredClip):\n"
        "    def radius(self, typical: float) -> float:\n"
        "        return 0.5 * super().radius(typical)\n"
        "@hookimpl\n"
        "def zpeer_aggregators():\n"
        "    return {'tight': Tight}\n"
    )
    log = read_log(recorded)
    named = msgspec.structs.replace(log.header.aggregator, name="tight")
    header = msgspec.structs.replace(log.header, aggregator=named)
    for path in log.segments:
        data = path.read_bytes().removeprefix(MAGIC + encode_frame(log.header))
        (tmp_path / path.name).write_bytes(MAGIC + encode_frame(header) + data)
    out = io.StringIO()
    assert replay_log(tmp_path / "log", plugin_files=[plugin], quiet=True, out=out) == DIFFERENT
    text = out.getvalue()
    assert "radius: recorded " in text
    assert "likely cause: the aggregator 'tight' has changed" in text


def test_a_plugin_that_is_not_here_is_named(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(1))
    with pytest.raises(ConfigError, match="no plugin is called 'counting'"):
        replay_log(tmp_path)


def test_a_kind_that_nothing_is_of_is_refused(recorded: Path) -> None:
    with pytest.raises(ZpeerError, match="--kind nonsense: expected one of COMMIT"):
        replay_log(recorded, kind="nonsense")


# --- the likely cause -----------------------------------------------------------------------------


def changed_header(**changes: object) -> Header:
    header = Header(
        protocol=PROTOCOL_VERSION,
        genesis=make_genesis(4),
        deadlines=HEADER.deadlines,
        me=peer(0),
        aggregator=Choice("clip", {}, digest_source(Clip())),
        policy=Choice("hash", {}, digest_source(ByHash())),
        core=digest_core(),
    )
    return msgspec.structs.replace(header, **changes)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"protocol": 99}, "the log is of protocol version 99"),
        ({"aggregator": Choice("clip", {}, NOTHING)}, "the aggregator 'clip' has changed"),
        ({"policy": Choice("hash", {}, NOTHING)}, "the validator policy 'hash' has changed"),
        ({"core": NOTHING}, "the core or its vocabulary has changed"),
        ({}, "the log was altered"),
    ],
)
def test_the_likely_cause_is_what_has_changed(changes: dict[str, object], cause: str) -> None:
    assert cause in explain(changed_header(**changes), Clip(), ByHash())
