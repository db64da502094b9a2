"""A small real state machine with a core's face, and logs made with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from zpeer.effects import Broadcast, Decide, DrawSecret, SetTimer, Stop
from zpeer.events import MessageReceived, SecretDrawn, Started, TimerFired
from zpeer.genesis import Genesis
from zpeer.ids import NOTHING, Digest, PeerId, digest
from zpeer.messages import Reveal
from zpeer.record import Outcome, Record
from zpeer.recorded.recording import Recorder, SegmentLimits
from zpeer.recorded.zlog import Choice, Header
from zpeer.signed import PROTOCOL_VERSION, Signed, Stage
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zpeer.effects import Effect
    from zpeer.events import Event

PEERS = tuple(PeerId(digest("test/peer", bytes([i]))) for i in range(4))
NAMES = ("ada", "ben", "cleo", "dan")
RUN = digest("test/run")

GENESIS = Genesis(
    run=RUN,
    peers=PEERS,
    names=NAMES,
    dimension=1000,
    block=16,
    steps=5,
    validators=1,
    parameters=digest("test/parameters"),
    typical_norm=1.0,
    delta_multiple=4.0,
)
HEADER = Header(
    protocol=PROTOCOL_VERSION,
    genesis=GENESIS,
    me=PEERS[0],
    keys=(),
    aggregator=Choice("counting", {"pace": 3}),
    policy=Choice("beacon"),
)


class Tally(msgspec.Struct):
    """The counter's state."""

    head: Digest = RUN
    decided: int = 0
    seen: int = 0
    now: float = 0.0


class CounterCore:
    """Decides a record after every `pace` messages. Everything it does follows from its events."""

    def __init__(self, pace: int = 3, tally: Tally | None = None) -> None:
        self.pace = pace
        self.tally = tally or Tally()

    @property
    def head(self) -> Digest:
        return self.tally.head

    def handle(self, event: Event, now: float) -> list[Effect]:
        self.tally.now = now
        match event:
            case Started():
                return [DrawSecret(self.head), SetTimer(at=now + 10)]
            case SecretDrawn(secret=secret):
                payload = encode_payload(Reveal(echo=NOTHING, share=secret))
                return [Broadcast(self.head, Stage.REVEAL, payload, PEERS[1:])]
            case MessageReceived(signed=signed):
                return self._count(signed)
            case TimerFired():
                return [Stop(code=5, reason="too late", peers=PEERS[2:3])]
            case _:
                raise TypeError(f"{type(event).__name__} is not for a counter")

    def _count(self, signed: Signed) -> list[Effect]:
        self.tally.seen += 1
        if self.tally.seen % self.pace:
            return []
        record = make_record(previous=self.head, step=self.tally.decided)
        self.tally.decided += 1
        self.tally.head = record.head
        return [Decide(record, (signed,)), DrawSecret(self.head), SetTimer(at=self.tally.now + 10)]

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self.tally)


class CounterMaker:
    """Makes counters for a replay."""

    def __init__(self, pace: int = 3) -> None:
        self.pace = pace

    def fresh(self) -> CounterCore:
        return CounterCore(self.pace)

    def restore(self, snapshot: bytes) -> CounterCore:
        return CounterCore(self.pace, msgspec.msgpack.decode(snapshot, type=Tally))

    def place(self, snapshot: bytes) -> tuple[Digest, int, int] | None:
        tally = msgspec.msgpack.decode(snapshot, type=Tally)
        return tally.head, tally.decided, 0


def make_record(previous: Digest, step: int) -> Record:
    return Record(
        version=PROTOCOL_VERSION,
        run=RUN,
        previous=previous,
        step=step,
        attempt=0,
        outcome=Outcome.COUNTED,
        counted=step + 1,
        parameters=digest("test/parameters", bytes([step])),
        optimizer=NOTHING,
        roster=PEERS,
        seed_beacon=NOTHING,
        draw_beacon=NOTHING,
        beacon=NOTHING,
        secret_beacon=NOTHING,
        validators=PEERS[1:2],
        duties=((),),
        draws=(),
        matters=(),
        typical=1.0,
        typical_window=(1.0,),
        delta_floor=0.0,
        sets=(),
    )


def make_signed(sender: PeerId, head: Digest, stage: Stage = Stage.REVEAL) -> Signed:
    payload = encode_payload(Reveal(echo=NOTHING, share=digest("test/share", sender)))
    return Signed(stage, head, sender, payload, bytes(64))


def make_events(rounds: int) -> list[tuple[float, Event]]:
    """What a counter of pace 3 sees: start, then a secret and three messages a round."""
    events: list[tuple[float, Event]] = [(0.5, Started())]
    core = CounterCore()
    for turn in range(rounds):
        secret = digest("test/secret", bytes([turn]))
        events.append((turn + 1.0, SecretDrawn(core.head, secret)))
        for place, peer in enumerate(PEERS[1:]):
            event = MessageReceived(make_signed(peer, core.head))
            events.append((turn + 1.1 + place / 10, event))
            core.handle(event, 0.0)
    return events


def record_counter(
    prefix: Path,
    events: Iterable[tuple[float, Event]],
    *,
    limits: SegmentLimits | None = None,
    header: Header = HEADER,
) -> CounterCore:
    """Run a counter as a peer would, with its log."""
    core = CounterCore()
    recorder = Recorder(prefix, header, core.snapshot(), limits)
    for now, event in events:
        recorder.entry(now, event, core.handle(event, now))
        if recorder.wants_cut:
            recorder.cut(core.snapshot())
    recorder.close()
    return core
