"""What every driver shares: one peer's core, and the carrying out of its effects.

A driver moves bytes, time and finished jobs in; the session hands events to the core one by one in
the order they came, writes them to the log, and carries out what comes back. What comes in passes
`reception.py` first, what goes out passes the peer's conduct. There is no socket, clock or thread
in here.
"""

from __future__ import annotations

import heapq
from collections import deque
from math import inf
from typing import TYPE_CHECKING, Protocol, assert_never

from zpeer import effects as fx
from zpeer import events as ev
from zpeer.compute.worker import Adopt, Arrival, Evaluate, LetGo
from zpeer.conduct import After, Hear, Outgoing, SendBytes, SendSigned
from zpeer.observations import Evaluated
from zpeer.parts import Bulk
from zpeer.record import Outcome
from zpeer.recorded.zlog import PayloadKind
from zpeer.relays import (
    BlobRequest,
    Certificate,
    Chain,
    ProofReply,
    Relay,
    SetReply,
    SetRequest,
)
from zpeer.shell.reception import make_header
from zpeer.signed import Stage
from zpeer.wire import encode_relay, encode_signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from zpeer.compute.store import Bytes, TensorStore
    from zpeer.compute.worker import Answer, Job
    from zpeer.conduct import Conduct
    from zpeer.core.machine import Core
    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.genesis import Genesis
    from zpeer.ids import Digest, PeerId
    from zpeer.record import Departure, Record
    from zpeer.recorded.recording import Recorder
    from zpeer.shell.reception import Reception
    from zpeer.shell.reporting import Reporter
    from zpeer.signed import Signed


class Network(Protocol):
    """What moves bytes to peers; it never blocks, and loses rather than waits."""

    def send_control(self, to: PeerId, data: bytes, /) -> object:
        """Send a control message."""
        ...

    def send_bulk(self, to: PeerId, header: bytes, data: Bytes, /) -> object:
        """Send a tensor under a header."""
        ...


class Session:
    """One peer of a run, without its sockets."""

    def __init__(
        self,
        me: PeerId,
        genesis: Genesis,
        core: Core,
        *,
        reception: Reception,
        network: Network,
        submit: Callable[[Job], None],
        store: TensorStore,
        conduct: Conduct,
        sign: Callable[[Stage, Digest, bytes], Signed],
        write_evidence: Callable[[fx.WriteEvidence], Path],
        reporter: Reporter,
        recorder: Recorder | None = None,
        record_payloads: bool = False,
        evaluate_every: int = 0,
        on_record: Callable[[Record], None] | None = None,
    ) -> None:
        self._me = me
        self._genesis = genesis
        self._core = core
        self._reception = reception
        self._network = network
        self._submit = submit
        self._store = store
        self._conduct = conduct
        self._sign = sign
        self._write_evidence = write_evidence
        self._reporter = reporter
        self._recorder = recorder
        self._record_payloads = record_payloads and recorder is not None
        self._evaluate_every = evaluate_every
        self._on_record = on_record

        self._head = genesis.run
        self._now = 0.0
        self._events: deque[Event | Hear] = deque()
        self._is_turning = False
        self._timer = inf
        self._later: list[tuple[float, int, Outgoing]] = []
        self._later_count = 0
        self._told = 0

        self.record: Record | None = None
        """The last final one."""
        self.departures: list[Departure] = []
        """All bans and removals so far."""
        self.evidence: list[Path] = []
        """Files written."""
        self.stopped: fx.Stop | None = None
        """Set when the core is done."""

    # --- what drivers call ------------------------------------------------------------------------

    def feed(self, event: Event, now: float) -> None:
        """Hand an event to the core, and after it everything that follows from it in this peer."""
        if isinstance(event, ev.Started):
            self._reporter.started(now)
        self._now = now
        self._events.append(event)
        self._drain()

    def receive_control(self, sender: PeerId, data: bytes, now: float) -> None:
        """A control message."""
        event = self._reception.control(sender, data)
        if event is not None:
            self.feed(event, now)

    def receive_bulk(self, sender: PeerId, header: bytes, frame: object, size_bytes: int) -> None:
        """A tensor as it came; the worker opens and hashes it."""
        arrival = self._reception.bulk(sender, header, frame, size_bytes)
        if arrival is not None:
            self._submit(arrival)

    def answer(self, job: Job, answer: Answer, now: float) -> None:
        """What the worker answered to a job."""
        if isinstance(job, Arrival):
            self._reception.opened(job)
        if isinstance(answer, Evaluated):
            self._reporter.observe(answer)
        elif answer is not None:
            self.feed(answer, now)

    @property
    def deadline(self) -> float:
        """When `tick` is to be called next, on the driver's clock."""
        return min(self._timer, self._later[0][0]) if self._later else self._timer

    def tick(self, now: float) -> None:
        """Time has passed: carry out what was put off, and let the core's timer fire."""
        self._now = now
        while self._later and self._later[0][0] <= now:
            self._carry_out(heapq.heappop(self._later)[2])
        if self._timer <= now:
            self._timer = inf
            self._events.append(ev.TimerFired())
        self._drain()

    # --- one event --------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Turn the core until nothing is left to tell it; not again where that is under way."""
        if self._is_turning:
            return
        self._is_turning = True
        try:
            while self._events:
                self._hear(self._events.popleft())
        finally:
            self._is_turning = False

    def _hear(self, event: Event | Hear) -> None:
        """Tell the core, when the conduct wants it to be told."""
        if isinstance(event, Hear):
            self._turn(event.event)
            return
        seconds, reaction = self._conduct.hear(self._head, event, self._now)
        for outgoing in reaction:
            self._carry_out(outgoing)
        if seconds > 0:
            self._put_off(seconds, Hear(event))
        else:
            self._turn(event)

    def _put_off(self, seconds: float, effect: Outgoing) -> None:
        """Carry something out later; never, if that is what infinitely late comes to."""
        if seconds < inf:
            self._later_count += 1
            heapq.heappush(self._later, (self._now + seconds, self._later_count, effect))

    def _turn(self, event: Event) -> None:
        if isinstance(event, ev.BlobArrived):
            self._told += 1
        effects = self._handle(event)
        if not effects:  # as of most: messages of which a set still lacks others
            return
        for group in split_at_decisions(effects):
            for outgoing in self._conduct.effects(self._head, group):
                self._carry_out(outgoing)
            last = group[-1]
            if isinstance(last, fx.Decide):
                self._head = last.record.head
                self._conduct.decided(last.record)

    def _handle(self, event: Event) -> list[Effect]:
        """The core's effects, with event and effects in the log."""
        recorder = self._recorder
        if recorder is None:
            return self._core.handle(event, self._now)
        if self._record_payloads:
            self._record_tensors(recorder, event)
        try:
            effects = self._core.handle(event, self._now)
        except Exception as problem:
            recorder.crash(self._now, event, problem)
            raise
        recorder.entry(self._now, event, effects)
        if recorder.wants_cut:
            recorder.cut(self._core.snapshot())
        return effects

    def _record_tensors(self, recorder: Recorder, event: Event) -> None:
        """The bytes an event tells of, before it."""
        match event:
            case ev.PartArrived(head=head, sender=sender, digest=name):
                recorder.payload(PayloadKind.PART, head, sender, -1, self._find(name))
            case ev.ResultArrived(head=head, sender=sender, digest=name):
                recorder.payload(PayloadKind.RESULT, head, sender, -1, self._find(name))
            case ev.BlobArrived(digest=name):
                recorder.payload(PayloadKind.BLOB, name, self._me, -1, self._find(name))
            case ev.PartsComputed(head=head, digests=digests):
                for part, name in enumerate(digests):
                    recorder.payload(PayloadKind.PART, head, self._me, part, self._find(name))
            case ev.PartAggregated(head=head, digest=name):
                recorder.payload(PayloadKind.RESULT, head, self._me, -1, self._find(name))
            case _:
                pass

    # --- effects ----------------------------------------------------------------------------------

    def _carry_out(self, effect: Outgoing) -> None:  # noqa: C901, PLR0912 - one table, one line an effect
        match effect:
            case fx.Broadcast():
                self._broadcast(effect)
            case SendSigned(to=to, signed=signed):
                self._send_all(to, encode_signed(signed))
            case SendBytes(to=to, data=data, header=header):
                for peer in to:
                    self._send_bytes(peer, header, data)
            case Hear():
                self._events.append(effect)
            case fx.SendPart():
                self._send_part(effect)
            case fx.SendResult(head=head, to=to):
                self._send_result(head, to)
            case fx.SendBlob(digest=name, to=to):
                for peer in to:
                    self._network.send_bulk(peer, make_header(Bulk.BLOB), self._find(name))
            case fx.SendSetRequest(to=peer, head=head, stage=stage):
                self._relay((peer,), SetRequest(head, stage))
            case fx.SendSet(to=peer, head=head, stage=stage, messages=messages):
                self._relay((peer,), SetReply(head, stage, messages))
            case fx.SendProof(to=to, proof=proof):
                self._relay(to, ProofReply(proof))
            case fx.SendBlobRequest(digest=name, to=to):
                self._relay(to, BlobRequest(name))
            case fx.PassOn():
                self._pass_on(effect)
            case fx.SendCertificate(to=to, record=record, messages=messages):
                self._relay(to, Certificate(record, messages))
            case After(seconds=seconds, effect=late):
                self._put_off(seconds, late)
            case fx.SetTimer(at=at):
                self._timer = at
            case fx.Decide(record=decided):
                self._decide(decided)
            case fx.Release():
                self._submit(LetGo(effect, self._told))
            case fx.Warn():
                self._reporter.warned(effect, self.record)
            case fx.WriteEvidence():
                self.evidence.append(self._write_evidence(effect))
            case fx.Stop():
                self.stopped = effect
                self._timer = inf
            case (
                fx.DrawSecret()
                | fx.ComputeParts()
                | fx.AggregatePart()
                | fx.Project()
                | fx.Recompute()
                | fx.ProjectBlob()
                | fx.TestAverage()
                | fx.Place()
                | fx.Update()
            ):
                self._submit(effect)
            case _:
                assert_never(effect)

    def _broadcast(self, effect: fx.Broadcast) -> None:
        """What is signed is journalled first; one's own core hears it like everybody."""
        signed = self._sign(effect.stage, effect.head, effect.payload)
        self._reporter.said(effect.stage, self._now)
        self._send_all(effect.to, encode_signed(signed))
        self._events.append(ev.MessageReceived(signed))

    def _pass_on(self, effect: fx.PassOn) -> None:
        """One signature more under a view. Any number may be signed, so none is journalled."""
        view = effect.view
        mine = self._sign(Stage.WITNESS, view.head, view.body)
        self._relay(effect.to, Chain(view, (*effect.witnesses, mine)))

    def _send_part(self, effect: fx.SendPart) -> None:
        committed = self._store.own(effect.head, effect.part).data
        data = self._conduct.sent_part(effect.head, effect.part, committed)
        self._network.send_bulk(effect.to, make_header(Bulk.PART, effect.head), data)
        self._reporter.sent_tensor(data)

    def _send_result(self, head: Digest, to: Sequence[PeerId]) -> None:
        held = self._store.result(head, self._me)
        data = held.data
        for peer in to:
            if peer == self._me:  # only an attack that lies to itself as well as to others
                finite = held.numbers is not None
                event = ev.ResultArrived(head, peer, held.digest, held.size_bytes, finite)
                self._events.append(event)
                continue
            self._network.send_bulk(peer, make_header(Bulk.RESULT, head), data)
            self._reporter.sent_tensor(data)

    def _send_all(self, to: Sequence[PeerId], data: bytes) -> None:
        for peer in to:
            self._network.send_control(peer, data)

    def _send_bytes(self, to: PeerId, header: bytes, data: bytes) -> None:
        if header:
            self._network.send_bulk(to, header, data)
        else:
            self._network.send_control(to, data)

    def _relay(self, to: Sequence[PeerId], relay: Relay) -> None:
        self._send_all(to, encode_relay(relay))

    def _decide(self, record: Record) -> None:
        self.record = record
        self.departures += record.departures
        if self._on_record:
            self._on_record(record)
        self._submit(Adopt(record))
        self._reception.decided()
        self._reporter.decided(record, self._head, self._now)
        counted = record.outcome is Outcome.COUNTED
        is_last = record.counted == self._genesis.steps
        if (
            counted
            and self._evaluate_every
            and (is_last or record.counted % self._evaluate_every == 0)
        ):
            self._submit(Evaluate(record.counted))

    def _find(self, name: Digest) -> Bytes:
        data = self._store.find(name)
        assert data is not None, "the core speaks only of bytes that are held"
        return data


def split_at_decisions(effects: list[Effect]) -> Iterator[list[Effect]]:
    """Effects in groups that each speak of one attempt: a group ends with a decision."""
    group: list[Effect] = []
    for effect in effects:
        group.append(effect)
        if isinstance(effect, fx.Decide):
            yield group
            group = []
    if group:
        yield group
