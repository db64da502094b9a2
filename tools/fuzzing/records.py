"""Recorded logs and evidence, as somebody altered them: they are read, or refused by name.

What is read is put into words, and evidence is judged: a court finds what it finds, and raises
nothing but `EvidenceError`. Whoever alters evidence is taken to hold all keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import msgspec
import numpy as np

from tests.core.lies import BadParts, Flipping, Shifting, misstate
from tests.core.pieces import two_stories
from tests.core.plain import ByHash, Clip, sign, verify
from tests.core.toy import Ring, peer
from tools.fuzzing.bytes import garble
from tools.fuzzing.doors import expect_only
from tools.fuzzing.trees import Tree, alter, alter_encoded
from zpeer.errors import EvidenceError, LogError
from zpeer.ids import NOTHING, digest_bytes
from zpeer.judging.case import Court
from zpeer.judging.evidence import (
    MAGIC,
    Evidence,
    collect_evidence,
    decode_evidence,
    encode_evidence,
    render_evidence,
)
from zpeer.judging.judge import judge
from zpeer.narrator import Narrator
from zpeer.recorded.replay import CoreMaker
from zpeer.recorded.timeline import render_effect, render_event
from zpeer.recorded.zlog import MAGIC as LOG_MAGIC
from zpeer.recorded.zlog import (
    Choice,
    Crash,
    Entry,
    Frame,
    Header,
    LogReader,
    Payload,
    PayloadKind,
    Snapshot,
    encode_frame,
    pack_frames,
)
from zpeer.signed import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import Float32
    from zpeer.signed import Signed
    from zpeer.simulate.streams import Stream

CONFUSION = 0.15
ENTRIES = 40
ENCODE = msgspec.msgpack.encode


def make_rings() -> list[Ring]:
    """Runs in which peer 1 or 2 is banned, for one reason each."""
    rings = [
        Ring(5, 3, radius=0.6, toys={1: BadParts}),
        Ring(5, 3, toys={1: Flipping}),
        Ring(5, 3, toys={1: Shifting}),
        Ring(5, 3, radius=0.6, tampers={1: misstate(0, 1e4)}),
        Ring(5, 3, tampers={1: two_stories(Stage.REVEAL)}),
    ]
    return [ring.run() for ring in rings]


# --- evidence -------------------------------------------------------------------------------------


class Exhibit(NamedTuple):
    """Evidence, who judges it, and how words in it are signed."""

    evidence: Evidence
    court: Court
    sign: Callable[[PeerId, Digest, Stage, bytes], Signed]


class EvidenceFiles:
    """Evidence, true and altered."""

    def __init__(self, exhibits: Sequence[Exhibit]) -> None:
        self._exhibits = exhibits

    def try_one(self, stream: Stream) -> bool:
        """Whether it was read."""
        exhibit = stream.pick(self._exhibits)
        data = self._alter(exhibit, stream)

        def read() -> None:
            found = decode_evidence(data, "it")
            expect_only((EvidenceError,), lambda: render_evidence(found), data)
            expect_only((EvidenceError,), lambda: judge(found, exhibit.court), data)

        return expect_only((EvidenceError,), read, data)

    def _alter(self, exhibit: Exhibit, stream: Stream) -> bytes:
        evidence = exhibit.evidence
        names = [*(witness.peer for witness in evidence.witnesses), NOTHING, evidence.run]
        way = stream.below(8)
        if way == 0:
            whole = encode_evidence(evidence)
            return garble(whole, stream, whole)
        tree: Tree = msgspec.to_builtins(evidence, builtin_types=(bytes,))
        if way < 5:
            sign_again(tree, stream, names, exhibit)
        for _ in range(stream.below(3) if way < 5 else 1):
            tree = alter(tree, stream, names, CONFUSION)
        body = ENCODE(tree)
        data = MAGIC + (garble(body, stream, body) if way == 7 else body)
        return data + digest_bytes(data)


def sign_again(tree: Tree, stream: Stream, names: Sequence[bytes], exhibit: Exhibit) -> None:
    """Change what was said in one of the messages, and sign that."""
    said = [each for messages in (*tree[4], tree[5]) for each in messages]
    if not said:
        return
    changed = stream.pick(said)
    changed[3] = alter_encoded(changed[3], stream, names)
    stage, head, sender, payload, _ = changed
    changed[4] = exhibit.sign(sender, head, Stage(stage), payload).signature


def make_toy_exhibits(rings: Sequence[Ring]) -> list[Exhibit]:
    """What toy peers wrote down: quick to judge, but their directions are not those of a court."""

    def sign_toy(sender: PeerId, head: Digest, stage: Stage, payload: bytes) -> Signed:
        return sign(stage, head, sender, payload)

    exhibits = [
        Exhibit(evidence, make_court(ring), sign_toy)
        for ring in rings
        for evidence in collect_all(ring)
    ]
    assert len(exhibits) >= len(rings), "a run ended without a ban"
    return exhibits


def make_real_exhibits() -> list[Exhibit]:
    """What peers with real numerics wrote down, of every fault that is a ban."""
    from tests.cheats import CHEATS, run_cheat, sign_bytes  # noqa: PLC0415 - slow to import

    runs = [run_cheat(name) for name in CHEATS]
    return [Exhibit(each, run.court, sign_bytes) for run in runs for each in run.evidence]


def collect_all(ring: Ring) -> list[Evidence]:
    """What the first peer wrote down."""
    toy = ring.toys[peer(0)]
    keys = {each: b"\x02" + each for each in ring.genesis.peers}

    def find(name: Digest) -> bytes | None:
        try:
            return toy.find_blob(name)
        except StopIteration:
            return None

    return [collect_evidence(effect, ring.genesis, keys, find) for effect in toy.evidence]


def make_court(ring: Ring) -> Court:
    """Whoever has the run file."""
    toy = ring.toys[peer(0)]

    def gradient(parameters: Digest, seed: Digest) -> Float32:
        return np.asarray(toy.honest_gradient(parameters, seed), dtype=np.float32)

    return Court(ring.genesis, Clip(0.6), ByHash(), verify, gradient)


# --- logs -----------------------------------------------------------------------------------------


class LogFiles:
    """Logs, true and altered."""

    def __init__(self, rings: Sequence[Ring], directory: Path) -> None:
        self._path = directory / "log.000001.zlog"
        self._frames = [make_frames(ring) for ring in rings]

    def try_one(self, stream: Stream) -> bool:
        """Whether it was read to its end."""
        frames = stream.pick(self._frames)
        data = self._alter(frames, stream)
        self._path.write_bytes(data)
        return expect_only((LogError,), self._read, data)

    def _read(self) -> None:
        reader = LogReader((self._path,))
        maker = CoreMaker(reader.header, Clip(0.6), ByHash())
        narrator = Narrator.of(reader.header.genesis)
        for _, frame in reader:
            if isinstance(frame, Snapshot):
                maker.restore(frame.state)
                maker.place(frame.state)
            elif isinstance(frame, Entry):
                render_event(narrator, frame.now, frame.event)
                for effect in frame.effects:
                    render_effect(narrator, effect)

    def _alter(self, frames: Sequence[Frame], stream: Stream) -> bytes:
        chosen = [*frames[:2], *stream.some(frames[2:], 4)]
        encoded = [encode_frame(frame) for frame in chosen]
        way = stream.below(8)
        if way < 5:
            place = stream.below(len(encoded))
            encoded[place] = alter_frame(chosen[place], stream)
        packed = b"".join(encoded[2:])
        if stream.below(3) == 0:
            packed = pack_frames(packed)
        elif way == 5:
            packed = frame_of(ENCODE(alter_packed(packed, stream)))
        data = LOG_MAGIC + b"".join(encoded[:2]) + packed
        return garble(data, stream, data) if way > 5 else data


def alter_frame(frame: Frame, stream: Stream) -> bytes:
    """A frame that is whole, of something else."""
    body = ENCODE(frame)
    if stream.below(4) == 0:
        return frame_of(garble(body, stream, body))
    names = [peer(0), peer(1), NOTHING]
    if isinstance(frame, Snapshot) and stream.below(2):
        state = msgspec.msgpack.decode(frame.state)
        changed = ENCODE(alter_map(state, stream, names))
        return encode_frame(Snapshot(changed))
    tree = msgspec.to_builtins(frame, builtin_types=(bytes,))
    if isinstance(frame, Header) and stream.below(2):
        tree[2] = alter_map(tree[2], stream, names)
        return frame_of(ENCODE(tree))
    return frame_of(ENCODE(alter(tree, stream, names, CONFUSION)))


def alter_map(tree: Any, stream: Stream, names: Sequence[bytes]) -> Any:
    """Another value for one key, some levels down."""
    if not isinstance(tree, dict) or not tree:
        return alter(tree, stream, names, CONFUSION)
    key = stream.pick(tuple(tree))
    return {**tree, key: alter_map(tree[key], stream, names)}


def alter_packed(frames: bytes, stream: Stream) -> Tree:
    """Packed frames that are not what they say."""
    true: Tree = msgspec.msgpack.decode(pack_frames(frames)[8:])
    return alter(true, stream, (), CONFUSION)


def frame_of(body: bytes) -> bytes:
    """Any body, whole."""
    return len(body).to_bytes(4, "little") + crc32(body).to_bytes(4, "little") + body


def make_frames(ring: Ring) -> list[Frame]:
    """A log of the first peer: header, state, and what happened last."""
    me = peer(0)
    genesis = ring.genesis
    frames: list[Frame] = [
        Header(1, genesis, me, (), Choice("clip", {"tau": 0.6}), Choice("uniform")),
        Snapshot(ring.toys[me].core.snapshot()),
    ]
    told = [(now, event, effects) for now, who, event, effects in ring.trace if who == me]
    step = max(1, len(told) // ENTRIES)
    frames += [Entry(now, event, effects) for now, event, effects in told[::step]]
    now, event, _ = told[0]
    frames.append(Crash(now, event, "it broke"))
    frames.append(Payload(PayloadKind.PART, genesis.run, me, 0, 0, 4, b"data"))
    return frames
