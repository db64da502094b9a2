"""Mutated inputs at every door, in small; and whether the fuzzer would find what it looks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.core.plain import peer
from tools import fuzz
from tools.fuzzing import core, decoder, records
from tools.fuzzing.bounds import count_sends
from tools.fuzzing.core import CoreDoor
from tools.fuzzing.decoder import DecoderDoor, make_corpus
from tools.fuzzing.doors import FoundError, Tally, make_stream
from tools.fuzzing.files import FilesDoor
from tools.fuzzing.scenes import STORIES, Story, tell
from tools.fuzzing.world import World
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.machine import Core
from zpeer.ids import NOTHING
from zpeer.messages import Reveal
from zpeer.signed import Stage
from zpeer.wire import WireLimits, decode_control, encode_payload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.fuzzing.doors import Door
    from zpeer.effects import Effect
    from zpeer.ids import PeerId

INPUTS = 20_000
SMALL = (Story("well", 4), Story("two bodies", 4, liars=(1,), deed="two"))


def run(door: Door, inputs: int, seed: int = 0) -> tuple[Tally, list[fuzz.Failure]]:
    """So many inputs, in this process."""
    cases = -(-inputs // door.case_inputs)
    return fuzz.run_cases(door, fuzz.Chunk(door.name, seed, 0, cases))


@pytest.fixture(scope="module")
def core_door() -> CoreDoor:
    """Of two runs only."""
    return CoreDoor(SMALL)


@pytest.fixture(scope="module")
def whole_door() -> CoreDoor:
    """Of all runs."""
    return CoreDoor(STORIES)


# --- nothing is found -----------------------------------------------------------------------------


def test_no_mutated_bytes_make_a_decoder_raise_anything_else() -> None:
    tally, failures = run(DecoderDoor(), INPUTS)
    assert failures == []
    assert tally.inputs >= INPUTS
    assert 0.1 < tally.read / tally.inputs < 0.6, "neither true nor wild enough"


def test_no_lie_makes_a_core_raise_grow_or_say_more_than_it_may(whole_door: CoreDoor) -> None:
    tally, failures = run(whole_door, INPUTS)
    assert failures == []
    assert tally.inputs >= INPUTS
    assert tally.read > 0.8 * tally.inputs
    assert tally.sums["effects"] > 0.05 * tally.inputs
    assert tally.sums["restored"] >= 5


def test_no_altered_file_or_greeting_raises_anything_but_its_own_error(tmp_path: Path) -> None:
    tally, failures = run(FilesDoor(tmp_path, real=False), 2_000)
    assert failures == []
    assert set(tally.sums) == {"evidence", "logs", "settings and keys", "greetings"}
    assert 0.1 < tally.read / tally.inputs < 0.6


def test_all_doors_are_tried_in_processes_of_their_own(capfd: pytest.CaptureFixture[str]) -> None:
    asked = ["--inputs", "1000", "--workers", "1", "--door", "decoder", "--seed", "3"]
    assert fuzz.main(asked) == 0
    assert "1,000" in capfd.readouterr().out


# --- what it throws -------------------------------------------------------------------------------


def test_every_stage_and_relay_is_among_what_is_changed() -> None:
    corpus = make_corpus()
    assert {each.stage for each in corpus} >= set(Stage) - {Stage.WITNESS}
    assert len({each.data for each in corpus}) > 500


def test_scenes_show_every_stage_of_a_run_and_of_its_slow_path(whole_door: CoreDoor) -> None:
    labels = [scene.label for scenes in whole_door.stories for scene in scenes]
    for word in (*(stage.name for stage in Stage if stage <= Stage.VERDICT), "new", "stopped"):
        assert any(word in label for label in labels), word
    for word in ("closing", "called", "closed", "agreed", "matters", "void", "early"):
        assert any(word in label for label in labels), word


def test_a_case_is_a_function_of_its_seed_and_number(core_door: CoreDoor) -> None:
    def figures(seed: int) -> dict[str, Any]:
        tally = Tally()
        for case in range(3):
            core_door.run(case, make_stream(seed, "core", case), tally)
        most = {what: size for what, size in tally.most.items() if what != "slowest ms"}
        return {"inputs": tally.inputs, "read": tally.read, **tally.sums, **most}

    assert figures(1) == figures(1)
    assert figures(1) != figures(2)


# --- what it would find ---------------------------------------------------------------------------


def find(door: Door, cases: range) -> Iterator[FoundError]:
    for case in cases:
        try:
            door.run(case, make_stream(0, door.name, case), Tally())
        except FoundError as found:
            yield found


def test_an_error_that_a_decoder_lets_out_is_found_with_its_input(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    true = decode_control

    def careless(data: bytes, limits: WireLimits) -> Any:
        if data[-1:] == b"\x00":
            raise IndexError("no such part")
        return true(data, limits)

    door = DecoderDoor()
    monkeypatch.setattr(decoder, "decode_control", careless)
    found = next(find(door, range(60)))
    assert found.what.startswith("IndexError: no such part")
    assert "careless" in found.what
    assert found.data[-1:] == b"\x00"


def test_two_encodings_of_one_message_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def lenient(_stage: Stage, data: bytes, _limits: WireLimits) -> Reveal:
        decoded = msgspec.msgpack.decode(data, type=list[Any])
        return Reveal(*decoded[:2]) if len(decoded) > 1 else Reveal(NOTHING, NOTHING)

    door = DecoderDoor()
    monkeypatch.setattr(decoder, "decode_payload", lenient)
    assert any("two encodings" in found.what for found in find(door, range(60)))


def broken(monkeypatch: pytest.MonkeyPatch, core_door: CoreDoor, what: str) -> FoundError:
    """What is found in a core that does something wrong at every hundredth event."""
    true, count = Core.handle, [0]

    def handle(self: Core, event: ev.Event, now: float) -> list[Effect]:
        effects = true(self, event, now)
        count[0] += 1
        return effects if count[0] % 100 else change(what, effects)

    monkeypatch.setattr(Core, "handle", handle)
    return next(find(core_door, range(20)))


def change(what: str, effects: list[Effect]) -> list[Effect]:
    match what:
        case "raises":
            raise KeyError("a peer that is gone")
        case "floods":
            return [*effects, fx.SendBlobRequest(NOTHING, (peer(1),) * 500)]
        case "sends nothing it has":
            return [*effects, fx.SendBlob(b"\x77" * 32, (peer(1),))]  # type: ignore[arg-type]
        case _:
            payload = encode_payload(Reveal(NOTHING, NOTHING))
            second = fx.Broadcast(NOTHING, Stage.REVEAL, payload, ())
            return [*effects, second, msgspec.structs.replace(second, payload=b"otherwise")]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("raises", "KeyError: 'a peer that is gone'"),
        ("floods", "messages after one event"),
        ("sends nothing it has", "sends bytes that it does not hold"),
        ("signs twice", "signs REVEAL twice"),
    ],
)
def test_a_core_that_does_what_it_must_not_is_found(
    monkeypatch: pytest.MonkeyPatch, core_door: CoreDoor, what: str, said: str
) -> None:
    found = broken(monkeypatch, core_door, what)
    assert said in found.what
    assert "of an episode from '" in found.what
    assert found.data


def test_a_state_that_does_not_come_back_whole_is_found(
    monkeypatch: pytest.MonkeyPatch, core_door: CoreDoor
) -> None:
    true = World.restore

    def forgetful(self: World, me: PeerId, state: bytes) -> Core:
        restored = true(self, me, state)
        restored._context.state.durations = [0.0] * 6
        return restored

    monkeypatch.setattr(World, "restore", forgetful)
    whats = [found.what for found in find(core_door, range(30))]
    assert any("a snapshot of a restored core differs" in what for what in whats)


def test_a_state_beyond_its_bound_is_found(
    monkeypatch: pytest.MonkeyPatch, core_door: CoreDoor
) -> None:
    monkeypatch.setattr(core, "bound_state", lambda _limits: 1000)
    found = next(find(core_door, range(1)))
    assert "a state of" in found.what


def test_a_judge_that_raises_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def hasty(*_: object) -> None:
        raise StopIteration

    door = FilesDoor(tmp_path, real=False)
    monkeypatch.setattr(records, "judge", hasty)
    assert "StopIteration" in next(find(door, range(0, 4, 4))).what


def test_a_failure_prints_the_command_that_repeats_it_and_its_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def raise_always(*_: object) -> None:
        raise IndexError("planted")

    door = DecoderDoor()
    monkeypatch.setattr(decoder, "decode_control", raise_always)
    monkeypatch.setattr(fuzz, "_open", {"decoder": door})
    case = run(door, 5_000, seed=5)[1][0].case
    assert fuzz.main(["--door", "decoder", "--seed", "5", "--case", str(case)]) == 1
    said = capsys.readouterr().out
    assert f"tools/fuzz --door decoder --seed 5 --case {case}" in said
    assert "IndexError: planted" in said
    assert "input (" in said


def test_memory_that_grows_is_a_problem() -> None:
    def result(warm: int, end: int) -> fuzz.Result:
        return fuzz.Result("core", Tally(), [], 1.0, (warm, end))

    assert fuzz.find_problems([result(10**8, 10**8 + 10**6)]) == []
    (problem,) = fuzz.find_problems([result(10**8, 2 * 10**8)])
    assert "memory at core grew" in problem


def test_sends_are_counted_by_receiver() -> None:
    to = (peer(1), peer(2), peer(3))
    effects: list[Effect] = [
        fx.SendBlob(NOTHING, to),
        fx.SendPart(NOTHING, 0, peer(1)),
        fx.SetTimer(1.0),
    ]
    assert count_sends(effects) == 4


# --- what it found --------------------------------------------------------------------------------


def test_a_core_that_stopped_goes_on_alike_from_its_snapshot() -> None:
    scene = tell(Story("well", 4))[-1]
    assert "stopped" in scene.label
    world = scene.thaw()
    stopped = world.hosts[peer(0)].core
    again = world.restore(peer(0), stopped.snapshot())
    for request in (ev.SetRequested(peer(1), stopped.head, stage) for stage in Stage):
        assert again.handle(request, world.now) == stopped.handle(request, world.now)
    assert again.snapshot() == stopped.snapshot()
