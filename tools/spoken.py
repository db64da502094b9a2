"""What the logs of a run tell about messages, and about attempts that got stuck."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from zpeer import effects as fx
from zpeer.core.broadcast import faulty_max
from zpeer.core.schedule import compute_allowance
from zpeer.core.slow_path import CLOSED_BY, HOP, ROUND
from zpeer.events import Started
from zpeer.record import Outcome
from zpeer.recorded.zlog import Entry, read_log
from zpeer.signed import STEP_STAGES, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zpeer.genesis import Genesis
    from zpeer.ids import PeerId
    from zpeer.record import Record

SINGLE = fx.SendSetRequest | fx.SendSet
MANY = fx.Broadcast | fx.SendProof | fx.SendBlobRequest | fx.PassOn | fx.SendCertificate


class Stuck(NamedTuple):
    """An attempt that a peer called for, or was called to, and what it cost that peer."""

    stage: Stage
    """In which it stood."""
    deadline: float
    """Seconds from the attempt's start to when that stage was due."""
    waited: float
    """Seconds from its start to this peer's view."""
    agreeing: float
    """Seconds from there to the record."""
    agreeing_max: float
    """What the rounds may take."""

    @property
    def lost(self) -> float:
        """Seconds from the start of the attempt to its end."""
        return self.waited + self.agreeing

    @property
    def bound(self) -> float:
        """Most that may be lost."""
        return self.deadline + self.agreeing_max


def read_entries(log: Path) -> Iterator[Entry]:
    """Every event of a log, with what followed."""
    for _, frame in read_log(log):
        if isinstance(frame, Entry):
            yield frame


def find_stuck(log: Path) -> list[Stuck]:
    """The attempts of a peer that got stuck, in order."""
    genesis = read_log(log).header.genesis
    found: list[Stuck] = []
    record: Record | None = None
    started, joined, stage = 0.0, None, Stage.COMMIT
    for entry in read_entries(log):
        started = entry.now if isinstance(entry.event, Started) else started
        for effect in entry.effects:
            if isinstance(effect, fx.Warn):
                stage = effect.stage
            elif isinstance(effect, fx.Broadcast) and effect.stage is Stage.VIEW:
                joined = entry.now
            elif isinstance(effect, fx.Decide):
                if joined is not None:
                    deadline = compute_deadline(genesis, record.durations if record else (), stage)
                    rounds = compute_rounds(genesis, record.roster if record else genesis.peers)
                    waited, agreeing = joined - started, entry.now - joined
                    found.append(Stuck(stage, deadline, waited, agreeing, rounds))
                started, joined, record = entry.now, None, effect.record
    return found


def compute_deadline(genesis: Genesis, durations: tuple[float, ...], stage: Stage) -> float:
    """Seconds from the start of an attempt to when a stage is due (protocol, section 5)."""
    upto = STEP_STAGES[: STEP_STAGES.index(stage) + 1]
    return sum(compute_allowance(genesis, durations, each) for each in upto)


def compute_rounds(genesis: Genesis, roster: Sequence[PeerId]) -> float:
    """Most that the slow path takes: F + 1 rounds, or until no closed set can come any more."""
    signatures = faulty_max(len(roster)) + 1
    return max(ROUND * signatures, CLOSED_BY + HOP * signatures) * genesis.delta


def count_messages(log: Path, skipped: int) -> tuple[int, Counter[str]]:
    """Counted steps after the first few, and the control messages that a peer sent in them, by
    kind: stage of a broadcast, else what it is."""
    steps, sent, pending = 0, Counter[str](), Counter[str]()
    for entry in read_entries(log):
        for effect in entry.effects:
            if isinstance(effect, MANY):
                pending[name_kind(effect)] += len(effect.to)
            elif isinstance(effect, SINGLE):
                pending[name_kind(effect)] += 1
            elif isinstance(effect, fx.Decide):
                if is_measured(effect.record, skipped):
                    steps += 1
                    sent += pending
                pending = Counter()
    return steps, sent


def is_measured(record: Record, skipped: int) -> bool:
    """Whether it counts, and is none of the first."""
    return record.outcome is Outcome.COUNTED and record.counted > skipped


def name_kind(effect: fx.Effect) -> str:
    """What a message is, for people."""
    return effect.stage.name if isinstance(effect, fx.Broadcast) else type(effect).__name__
