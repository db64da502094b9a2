"""Evidence as a court sees it: what the accused signed, or named by a digest that it signed.

Whoever writes an evidence file may have signed anything itself, afterwards too. So that nobody can
frame an honest peer, nothing counts but (protocol, section 3):

- the accused's own words, with its valid signature. A WITNESS is none: it stands under another's;
- records whose digest is the head of such a message, or of an attempt that it names: an honest peer
  signs for no head that it has not arrived at, and a record names its run;
- stage sets whose digest the accused signed as the echo in its message of the next stage;
- bytes by digests that stand in those.

What an attempt came to is another matter than what the accused saw of it. After the slow path the
agreed sets need not be those that it echoed, and its VERDICT is no more than a vote (section 5). So
where it answers for what was agreed, the record must be shown that it went on from: by a message on
that head, by its DECIDED, or by what proves a record to anybody: n VERDICTs, or DECIDED of more
than half of the roster, each from a head that the accused signed on.

From these the core's own rules are run again, stage by stage (`retrial.py`).
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from zpeer.core.base import make_first_base, make_next_base
from zpeer.core.broadcast import compute_set_digest
from zpeer.errors import EvidenceError, WireError
from zpeer.faults import FaultKind
from zpeer.genesis import Protection
from zpeer.ids import Digest, digest_bytes
from zpeer.judging.evidence import decode_record
from zpeer.messages import (
    Decided,
    Message,
    Verdict,
    View,
)
from zpeer.parts import Layout
from zpeer.signed import STEP_STAGES, Signed, Stage, Statement
from zpeer.wire import WireLimits, decode_payload

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.core.state import Base
    from zpeer.genesis import Genesis
    from zpeer.ids import PeerId
    from zpeer.interfaces import Aggregator, Float32, ValidatorPolicy
    from zpeer.judging.evidence import Evidence
    from zpeer.record import Record

CHECKS = STEP_STAGES.index(Stage.CHECK)
"""Where a record that holds the digest of a CHECK set has it among its sets."""


NAMING = (Stage.VERDICT, Stage.VIEW, Stage.DECIDED)
"""Where a peer names the record that it arrived at."""
ALWAYS_SEEN = (FaultKind.EQUIVOCATION, FaultKind.INVALID_BODY)
"""Bans that there are without protection, too."""


class Unproven(Exception):  # noqa: N818 - not an error: what a court may well find
    """Why evidence does not prove what it claims."""


class Court(NamedTuple):
    """What a judge knows without the evidence: the run, and how to compute."""

    genesis: Genesis
    aggregator: Aggregator
    policy: ValidatorPolicy
    verify: Callable[[Signed | Statement], bool]
    """Whether the sender is of the run and signed exactly this."""
    gradient: Callable[[Digest, Digest], Float32]
    """Of (parameters by digest, batch seed); EvidenceError where the parameters are not at hand."""


class Case:
    """One evidence file before a court. Every method raises Unproven for what it does not hold."""

    def __init__(self, evidence: Evidence, court: Court) -> None:
        self.court = court
        self.genesis = court.genesis
        self.departure = evidence.departure
        self.accused = evidence.departure.peer
        self.limits = WireLimits(len(self.genesis.peers), self.genesis.directions)
        signed = [each for several in (*evidence.sets, evidence.messages) for each in several]
        self._words: dict[tuple[Digest, Stage], list[Signed]] = {}
        for each in signed:
            self._words.setdefault((each.head, each.stage), []).append(each)
        self.own = [
            each
            for each in signed
            if each.sender == self.accused
            and each.stage is not Stage.WITNESS
            and court.verify(each)
        ]
        self.statements = evidence.statements
        self._sets = evidence.sets
        self.records = read_records(evidence, self.genesis)
        self._records = {record.head: record for record in self.records}
        everything = (*evidence.blobs, *evidence.results)
        self._bytes = {digest_bytes(data): data for data in everything}

    # --- what it holds ---------------------------------------------------------------------------

    def find_own(self, head: Digest, stage: Stage) -> Signed:
        """The accused's message of a slot."""
        for signed in self.own:
            if (signed.head, signed.stage) == (head, stage):
                return signed
        raise Unproven(f"holds no {stage.name} that the accused signed on that head")

    def decode(self, signed: Signed) -> Message | None:
        """The typed message; None if it does not decode."""
        try:
            return decode_payload(signed.stage, signed.payload, self.limits)
        except WireError:
            return None

    def find_base(self, head: Digest) -> Base:
        """What the attempt on a head starts from."""
        if head == self.genesis.run:
            return make_first_base(self.genesis, self.court.aggregator)
        if head not in self._records:
            raise Unproven("does not hold the record that the attempt builds on")
        return make_next_base(self.genesis, self.court.aggregator, self._records[head])

    def find_record(self, head: Digest) -> Record:
        """A record by its digest."""
        if head not in self._records:
            raise Unproven("does not hold a record that it rests on")
        return self._records[head]

    def get_bytes(self, name: Digest) -> bytes | None:
        """Bytes by their digest, if they are held."""
        return self._bytes.get(name)

    def find_bytes(self, name: Digest, what: str) -> bytes:
        """Bytes by their digest."""
        data = self._bytes.get(name)
        if data is None:
            raise Unproven(f"does not hold the bytes of {what}")
        return data

    def find_set(self, head: Digest, stage: Stage, expected: Digest) -> tuple[Signed, ...]:
        """The messages of a set, by the digest that names it."""
        for messages in self._sets:
            belong = all((each.head, each.stage) == (head, stage) for each in messages)
            if messages and belong and compute_set_digest(messages) == expected:
                if not all(self.court.verify(each) for each in messages):
                    raise Unproven(f"a signature in its {stage.name} set is not valid")
                return messages
        raise Unproven(f"does not hold the {stage.name} set that it rests on")

    def find_checks(self, head: Digest) -> tuple[Signed, ...]:
        """The CHECK set by which the attempt on a head was decided."""
        sets = self.find_decision(head).sets
        require(len(sets) > CHECKS, "the record of that attempt rests on no CHECK set")
        return self.find_set(head, Stage.CHECK, sets[CHECKS])

    def layout(self, base: Base) -> Layout:
        """How that attempt's gradients are dealt."""
        return Layout(self.genesis.dimension, self.genesis.block, len(base.workers))

    # --- how attempts were decided ---------------------------------------------------------------

    def find_decision(self, head: Digest) -> Record:
        """The record that decided the attempt on a head, if the accused went on from it."""
        for record in self.records:
            if record.previous == head and self.is_trusted(record.head):
                return record
        raise Unproven("does not show which record decided an attempt that it rests on")

    def is_trusted(self, head: Digest) -> bool:
        """Whether an honest peer in the accused's place arrived, or would have, at that head.

        Back to one that it signed on every record must be proven by the roster before it: a roster
        that liars made up proves nothing.
        """
        known = {self.genesis.run} | {each.head for each in self.own}
        while head not in known:
            record = self._records.get(head)
            if record is None or not self._is_certified(record):
                return False
            head = record.previous
        return True

    def _is_certified(self, record: Record) -> bool:
        """Whether a record is proven by who had to agree; the accused's own DECIDED is enough."""
        decided = self._find_voices(record, Stage.DECIDED)
        if self.accused in decided:
            return True
        roster = set(self._find_roster(record.previous))
        return self._is_most(decided, roster) or (
            bool(roster) and roster <= self._find_voices(record, Stage.VERDICT)
        )

    def is_attested(self, record: Record) -> bool:
        """Whether the accused itself arrived at a record, or more than half of its roster did: one
        of them is honest. It need not have become final."""
        if self.has_signed(record):
            return True
        voices = self._find_voices(record, *NAMING)
        roster = set(self._find_roster(record.previous))
        return self._is_most(voices, roster) and self.is_trusted(record.previous)

    def has_signed(self, record: Record) -> bool:
        """Whether the accused itself said that it arrived at a record."""
        return self.accused in self._find_voices(record, *NAMING)

    def _find_voices(self, record: Record, *stages: Stage) -> set[PeerId]:
        """Who names a record, in the attempt that it decides."""
        said = [each for stage in stages for each in self._words.get((record.previous, stage), ())]
        return {each.sender for each in said if self._names(each, record)}

    def _names(self, signed: Signed, record: Record) -> bool:
        message = self.decode(signed)
        if not isinstance(message, Verdict | View | Decided) or message.record != record.head:
            return False
        return self.court.verify(signed)

    def _find_roster(self, head: Digest) -> tuple[PeerId, ...]:
        """Of the attempt on a head; nobody where its record is not held."""
        try:
            return self.find_base(head).roster
        except Unproven:
            return ()

    @staticmethod
    def _is_most(voices: set[PeerId], roster: set[PeerId]) -> bool:
        return 2 * len(voices & roster) > len(roster)


def read_records(evidence: Evidence, genesis: Genesis) -> list[Record]:
    """The records of this very run that an honest peer could have arrived at."""
    records = [decode_record(data) for data in evidence.records]
    return [record for record in records if record.run == genesis.run and is_sane(record, genesis)]


def is_sane(record: Record, genesis: Genesis) -> bool:
    """Whether all that follows from a record can be computed; nobody honest signs another."""
    peers = [*record.roster, *record.validators]
    known = set(peers) <= set(genesis.peers) and set(record.validators) <= set(record.roster)
    once = len(set(record.roster)) == len(record.roster)
    drawn = len(set(record.validators)) == len(record.validators) == len(record.duties)
    numbers = (record.step, record.attempt, record.counted)
    counts = all(0 <= value < 1 << 63 for value in numbers)
    limits = 0 < record.typical < inf and 0 <= record.delta_floor < inf
    times = not record.durations or len(record.durations) == len(STEP_STAGES)
    return known and once and drawn and counts and limits and times


def require(condition: object, reason: str) -> None:
    """Find Unproven unless the condition holds."""
    if not condition:
        raise Unproven(reason)


def require_run(evidence: Evidence, genesis: Genesis) -> None:
    """Raise EvidenceError for evidence of another run, or about nobody of it."""
    if evidence.run != genesis.run:
        raise EvidenceError(
            f"the evidence is of run {evidence.run.hex()}, the run file's id is"
            f" {genesis.run.hex()}; give the run file that all peers had"
        )
    if evidence.departure.peer not in genesis.peers:
        raise EvidenceError(
            f"the evidence is about peer {evidence.departure.peer.hex()}, who is not of this run"
        )
    is_checked = genesis.protection is Protection.FULL
    if not is_checked and evidence.departure.fault not in ALWAYS_SEEN:
        raise EvidenceError(
            f"the run has protection {genesis.protection.value!r}: nothing was checked in it, and"
            " nobody was banned but for what cannot be read"
        )
