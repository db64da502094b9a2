"""What a session tells its watchers: values of `observations.py`, made from records and the time
between stages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zpeer.faults import is_ban, sentence
from zpeer.ids import NOTHING, PeerId, short
from zpeer.observations import Ended, Left, StepDecided, Waited
from zpeer.signed import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from zpeer.compute.store import Bytes
    from zpeer.effects import Stop, Warn
    from zpeer.genesis import Genesis
    from zpeer.ids import Digest
    from zpeer.observations import Observation
    from zpeer.record import Departure, Record


class Traffic(NamedTuple):
    """Bytes on the sockets since the start, heartbeats apart."""

    sent: int = 0
    received: int = 0


class Reporter:
    """One peer's voice. Counts are those since the record before."""

    def __init__(
        self,
        name: str,
        genesis: Genesis,
        observe: Callable[[Observation], None],
        *,
        traffic: Callable[[], Traffic],
        loss: Callable[[Digest], float | None],
    ) -> None:
        self.name = name
        self.observe = observe
        self._genesis = genesis
        self._names = dict(zip(genesis.peers, genesis.names, strict=True))
        self._traffic = traffic
        self._loss = loss
        self._before = Traffic()
        self._bulk_bytes_sent = 0
        self._started: float | None = None
        self._mark = 0.0
        self._stages: dict[str, float] = {}

    def name_of(self, peer: PeerId) -> str:
        """A peer as people call it."""
        return "" if peer == PeerId(NOTHING) else self._names.get(peer, short(peer))

    def started(self, now: float) -> None:
        """The run begins."""
        self._started = self._mark = now

    def said(self, stage: Stage, now: float) -> None:
        """My message of a stage is out. DECIDED speaks of a record that is counted already."""
        if stage is Stage.DECIDED:
            return
        self._stages[stage.name.lower()] = now - self._mark
        self._mark = now

    def sent_tensor(self, data: Bytes) -> None:
        """A PART or RESULT is out."""
        self._bulk_bytes_sent += memoryview(data).nbytes

    def decided(self, record: Record, head: Digest, now: float) -> None:
        """A record is final; it decided the attempt on `head`."""
        traffic = self._traffic()
        self._stages["decided"] = now - self._mark
        self.observe(
            StepDecided(
                peer=self.name,
                head=record.head.hex(),
                step=record.step,
                attempt=record.attempt,
                outcome=record.outcome.name.lower(),
                roster=self._all_names(record.roster),
                validators=self._all_names(record.validators),
                departures=[self.describe(each) for each in record.departures],
                parameters=record.parameters.hex(),
                loss=self._loss(head),
                seconds=now - (now if self._started is None else self._started),
                stage_seconds=self._stages,
                bytes_sent=traffic.sent - self._before.sent,
                bytes_received=traffic.received - self._before.received,
                bulk_bytes_sent=self._bulk_bytes_sent,
                open_draws=len(record.draws),
                open_matters=len(record.matters),
            )
        )
        self._before = traffic
        self._bulk_bytes_sent = 0
        self._started = self._mark = now
        self._stages = {}

    def warned(self, effect: Warn, record: Record | None) -> None:
        """Trouble that does not end the run; `record` is the last final one."""
        self.observe(
            Waited(
                peer=self.name,
                stage=effect.stage.name,
                reason=effect.reason,
                waited_for=self._all_names(effect.peers),
                step=record.counted if record else 0,
            )
        )

    def describe(self, departure: Departure) -> Left:
        """A ban or removal, for people."""
        return Left(
            peer=self.name_of(departure.peer),
            fault=departure.fault.name,
            sentence=sentence(departure.fault),
            banned=is_ban(departure.fault),
            accuser=self.name_of(departure.accuser),
        )

    def ended(
        self,
        stop: Stop,
        record: Record | None,
        *,
        model: str = "",
        log: str = "",
        evidence: Iterable[Path] = (),
    ) -> Ended:
        """The last line; returned too, for the driver to print."""
        genesis = self._genesis
        last = Ended(
            peer=self.name,
            code=stop.code,
            reason=stop.reason,
            step=record.counted if record else 0,
            head=(record.head if record else genesis.run).hex(),
            parameters=(record.parameters if record else genesis.parameters).hex(),
            roster=self._all_names(record.roster if record else genesis.peers),
            model=model,
            log=log,
            evidence=[str(path) for path in evidence],
        )
        self.observe(last)
        return last

    def _all_names(self, peers: Iterable[PeerId]) -> list[str]:
        return [self.name_of(peer) for peer in peers]
