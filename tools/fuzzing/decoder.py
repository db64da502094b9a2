"""The decoders of messages: whatever the bytes, a message or `WireError`, and nothing else.

Bytes start as true ones of every stage and kind. What decodes encodes to the same bytes again, and
all that the shell then does with it without looking further is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, get_args

import msgspec

from tests.core.plain import sign
from tools.fuzzing.bytes import garble
from tools.fuzzing.doors import Tally, expect_only, require
from tools.fuzzing.scenes import Story, tell
from tools.fuzzing.trees import Tree, alter
from tools.fuzzing.words import Pool, Speaker
from zpeer.errors import WireError
from zpeer.ids import NOTHING, digest
from zpeer.messages import MESSAGE_TYPES
from zpeer.relays import Certificate, Chain, ProofReply, Relay, SetReply
from zpeer.shell.reception import is_chain
from zpeer.signed import Signed, Stage
from zpeer.simulate.streams import Stream
from zpeer.wire import (
    WireLimits,
    decode_control,
    decode_payload,
    decode_relay,
    decode_signed,
    encode_payload,
    encode_relay,
    encode_signed,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.fuzzing.world import Known

CASE = 250
SOURCES = (
    Story("accusing", 5, liars=(2,), deed="accuse"),
    Story("told some", 5, liars=(1,), deed="some"),
    Story("two bodies", 5, liars=(1,), deed="two"),
)
LIMITS = WireLimits(peers=5, directions=2)
PER_STAGE = 24
RELAYS = 400
CONFUSION = 0.3
OTHER_DECODER = 8
"""One of so many inputs is tried on another decoder, too."""
_ENCODER = msgspec.msgpack.Encoder()


class Specimen(NamedTuple):
    """Bytes that decode."""

    stage: Stage | None
    """A payload of that stage; None: a whole frame."""
    data: bytes
    tree: Tree


class DecoderDoor:
    """See the module."""

    name = "decoder"
    case_inputs = CASE

    def __init__(self) -> None:
        self._corpus = make_corpus()
        self._names = [NOTHING, *{digest("name", bytes([place])): 0 for place in range(20)}]

    def run(self, case: int, stream: Stream, tally: Tally) -> None:  # noqa: ARG002 - the stream knows
        """Change some true bytes in many ways."""
        base, other = stream.pick(self._corpus), stream.pick(self._corpus)
        for _ in range(CASE):
            data = self._change(base, other, stream)
            tally.inputs += 1
            stage = base.stage
            if stream.below(OTHER_DECODER) == 0:
                stage = stream.pick(tuple(Stage))
                tally.read += decode_otherwise(data, stage)
            elif stage is None:
                tally.read += take_frame(data)
            else:
                tally.read += take_payload(stage, data)
            tally.measure("bytes of an input", len(data))

    def _change(self, base: Specimen, other: Specimen, stream: Stream) -> bytes:
        way = stream.below(16)
        if way < 8:
            return garble(base.data, stream, other.data)
        tree = alter(base.tree, stream, self._names, CONFUSION)
        if way < 10:
            tree = alter(tree, stream, self._names, CONFUSION)
        data = _ENCODER.encode(tree)
        return garble(data, stream, other.data) if way > 13 else data


# --- decoders -------------------------------------------------------------------------------------


def take_payload(stage: Stage, data: bytes) -> bool:
    """A payload by its stage."""

    def decode() -> None:
        message = decode_payload(stage, data, LIMITS)
        require(_ENCODER.encode(message) == data, "decodes from two encodings", data)
        require(encode_payload(message) == data, "is not encoded as it was decoded", data)

    return expect_only((WireError,), decode, stage.name.encode() + b" " + data)


def take_frame(data: bytes) -> bool:
    """A control frame, and all that is in it."""

    def decode() -> None:
        message = decode_control(data, LIMITS)
        again = encode_signed(message) if isinstance(message, Signed) else encode_relay(message)
        require(again == data, "decodes from two encodings", data)
        for signed in find_signed(message):
            _ = signed.body, signed.statement.body
            if signed.stage in MESSAGE_TYPES:
                take_payload(signed.stage, signed.payload)
        if isinstance(message, Chain):
            is_chain(message.view, message.witnesses)

    return expect_only((WireError,), decode, data)


def decode_otherwise(data: bytes, stage: Stage) -> bool:
    """The same bytes as something else."""
    frames = [
        expect_only((WireError,), lambda: decode_signed(data, LIMITS), data),
        expect_only((WireError,), lambda: decode_relay(data, LIMITS), data),
    ]
    return take_payload(stage, data) or any(frames)


def find_signed(message: Signed | Relay) -> Iterable[Signed]:
    """Signed words in a control message."""
    match message:
        case Signed():
            return (message,)
        case SetReply(messages=messages) | Certificate(messages=messages):
            return messages
        case Chain(view=view, witnesses=witnesses):
            return (view, *witnesses)
        case ProofReply(proof=proof):
            _ = proof.first.body, proof.second.body
            return ()
        case _:
            return ()


# --- what there is to change ----------------------------------------------------------------------


def make_corpus() -> list[Specimen]:
    """True bytes of every stage and kind, as said in runs and as drawn."""
    known = [tell(story)[-1].known for story in SOURCES]
    speaker = Speaker(make_pool(known), Stream(digest("fuzz", b"corpus")))
    corpus: list[Specimen] = []
    for stage in Stage:
        said = [s.payload for each in known for s in each.said if s.stage is stage]
        drawn = [speaker.payload(stage) for _ in range(PER_STAGE)]
        for payload in (*said[-PER_STAGE:], *drawn):
            if stage in MESSAGE_TYPES:
                corpus.append(make_specimen(stage, payload))
            frame = encode_signed(sign(stage, speaker.head(), speaker.peer(), payload))
            corpus.append(make_specimen(None, frame))
    relays: list[Relay] = [speaker.relay() for _ in range(RELAYS)]
    assert {type(relay) for relay in relays} == set(get_args(Relay)), "a kind of relay is missing"
    corpus += [make_specimen(None, encode_relay(relay)) for relay in relays]
    return [each for each in corpus if is_sound(each)]


def make_pool(known: list[Known]) -> Pool:
    """What words are drawn from."""
    said = [signed for each in known for signed in each.said]
    records = [record for each in known for record in each.records]
    peers = tuple(dict.fromkeys(signed.sender for signed in said))
    heard = {stage: [signed for signed in said if signed.stage is stage] for stage in Stage}
    return Pool(
        heads=tuple(dict.fromkeys(record.head for record in reversed(records))),
        digests=(NOTHING, *dict.fromkeys(name for each in known for name in each.digests)),
        peers=peers,
        liars=peers[:2],
        said=said,
        heard=heard,
        chains=[chain for each in known for chain in each.chains],
        records=[msgspec.msgpack.encode(record) for record in records],
    )


def make_specimen(stage: Stage | None, data: bytes) -> Specimen:
    """With the tree that it encodes."""
    tree = data if stage is Stage.WITNESS else msgspec.msgpack.decode(data)
    return Specimen(stage, data, tree)


def is_sound(each: Specimen) -> bool:
    """Whether it decodes: drawn words may have too many of something."""
    return take_frame(each.data) if each.stage is None else take_payload(each.stage, each.data)
