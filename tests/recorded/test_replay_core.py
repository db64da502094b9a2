"""Logs of real cores and of whole peers replay, with the plugins that they name."""

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
from plugins.attacks.silent import Silent
from plugins.attacks.withheld_result import WithheldResult
from tests.core.toy import ByHash, Clip, Ring, Toy, make_genesis, peer
from tests.recorded.logs import make_events, record_counter
from tests.swarms import make_swarm
from zpeer.effects import PassOn, Place
from zpeer.errors import ConfigError, LogError, ZpeerError
from zpeer.ids import NOTHING
from zpeer.inspect import inspect_file
from zpeer.recorded.recording import Recorder, SegmentLimits, choose, digest_core, digest_source
from zpeer.recorded.recording import make_header as make_log_header
from zpeer.recorded.replay import DIFFERENT, EQUAL, CoreMaker, explain, replay_log, replay_with
from zpeer.recorded.zlog import (
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
from zpeer.signed import PROTOCOL_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from zpeer.effects import Effect
    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import Attack
    from zpeer.recorded.rerun import Maker

SMALL = SegmentLimits(events=5)


def replay(path: Path, maker: Maker, **options: object) -> tuple[int, str]:
    """Exit code and everything printed."""
    out = io.StringIO()
    log = read_log(path)
    code = replay_with(log, maker, aggregator=Clip(), cause="?", out=out, **options)  # type: ignore[arg-type]
    return code, out.getvalue()


# --- with the real core ---------------------------------------------------------------------------


class WrongGradient(Toy):
    """Commits to something else than its minibatch gives."""

    def gradient(self, parameters: object, seed: object) -> list[float]:
        return [-x for x in self.honest_gradient(parameters, seed)]  # type: ignore[arg-type]


def make_header(ring: Ring, me: PeerId) -> Header:
    return Header(
        protocol=PROTOCOL_VERSION,
        genesis=ring.genesis,
        me=me,
        keys=(),
        aggregator=Choice("clip", {}, digest_source(Clip())),
        policy=Choice("hash", {}, digest_source(ByHash())),
        core=digest_core(),
    )


def record_ring(ring: Ring, place: int, prefix: Path, limits: SegmentLimits) -> CoreMaker:
    """The log of one peer of a ring, cut as the peer itself would have cut it."""
    header = make_header(ring, peer(place))
    maker = CoreMaker(header, Clip(), ByHash())
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
    maker = CoreMaker(header, Clip(), ByHash())
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
        "from zpeer.recorded.replay import *; from zpeer.recorded.zlog import read_log;"
        "from tests.core.toy import ByHash, Clip;"
        "log = read_log(pathlib.Path(sys.argv[1]));"
        "sys.exit(replay_with(log, CoreMaker(log.header, Clip(), ByHash()),"
        " aggregator=Clip(), cause='?'))"
    )
    root = Path(__file__).parents[2]
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
    changed = CoreMaker(header, Clip(), Backwards())
    code, text = replay(tmp_path, changed, quiet=True)
    assert code == DIFFERENT
    assert "payload.record: recorded" in text


def test_a_state_of_another_core_is_unreadable(attacked: Ring) -> None:
    maker = CoreMaker(make_header(attacked, peer(0)), Clip(), ByHash())
    with pytest.raises(LogError, match="not one of this core"):
        maker.restore(b"\x93\x01\x02\x03")


# --- with a whole swarm, its numerics and the shipped plugins -----------------------------------


def record_swarm(directory: Path, me: int, attack: Attack, **changes: Any) -> Path:
    """The log of the honest peer `me` with payloads; peer 3 attacks."""
    swarm = make_swarm(directory, {3: attack}, peers=5, steps=6, **changes)
    shared, peer_id = swarm.shared, swarm.shared.genesis.peers[me]
    session = swarm.peers[peer_id].session
    header = make_log_header(
        shared.genesis,
        peer_id,
        keys={},
        aggregator=choose("centered_clip", {}, shared.aggregator),
        policy=choose("uniform", {}, shared.policy),
    )
    limits = SegmentLimits(events=60)
    session._recorder = Recorder(directory / "log", header, session._core.snapshot(), limits)
    session._record_payloads = True
    results = swarm.run()
    session._recorder.close()
    assert {each.code for each in results if each.honest} == {0}
    return directory / "log"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another peer flips the sign of its gradient."""
    return record_swarm(tmp_path_factory.mktemp("swarm"), 1, SignFlip())


def test_a_peers_log_replays_by_the_plugins_it_names(recorded: Path) -> None:
    out = io.StringIO()
    assert replay_log(recorded, out=out) == EQUAL
    text = out.getvalue()
    assert "BANNED peer-03" in text
    assert "results computed again, all equal\n" in text
    for segment in read_log(recorded).segments[1:]:
        assert replay_log(segment, quiet=True, out=io.StringIO()) == EQUAL


def list_effects(log: Path) -> list[Effect]:
    """All that a log's owner wanted done."""
    frames = [frame for _, frame in read_log(log)]
    return [each for frame in frames if isinstance(frame, Entry) for each in frame.effects]


def test_a_log_in_which_an_attempt_got_stuck_replays_and_tells_why(tmp_path: Path) -> None:
    log = record_swarm(tmp_path, 1, Silent(), start=2)
    assert any(isinstance(effect, PassOn) for effect in list_effects(log))
    out = io.StringIO()
    assert replay_log(log, out=out) == EQUAL
    assert "decided by the slow path: void, by the views of" in out.getvalue()
    for segment in read_log(log).segments[1:]:
        assert replay_log(segment, quiet=True, out=io.StringIO()) == EQUAL
    why = io.StringIO()
    inspect_file(log, why, why="peer-03")
    text = " ".join(why.getvalue().split())
    assert "left REMOVED peer-03: kept more peers waiting than can be faulty" in text
    assert "removed is whom more than F = 2 of 5 peers wait for" in text
    for name in ("peer-00", "peer-01", "peer-02", "peer-04"):
        assert f"view VIEW from {name}: waits for peer-03" in text


def test_bytes_that_came_from_another_peer_are_computed_with_again(tmp_path: Path) -> None:
    log = record_swarm(tmp_path, 0, WithheldResult(), start=2)
    assert any(isinstance(effect, Place) for effect in list_effects(log))
    out = io.StringIO()
    assert replay_log(log, quiet=True, out=out) == EQUAL
    assert out.getvalue().endswith("results computed again, all equal\n")


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
        me=peer(0),
        keys=(),
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
