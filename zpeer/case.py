"""Evidence as a court sees it: what the accused signed, or named by a digest that it signed.

Whoever writes an evidence file may have signed anything itself, afterwards too. So that nobody can
frame an honest peer, nothing counts but (protocol, section 3):

- messages with the accused's own valid signature;
- records whose digest is the head of such a message, or of an attempt that it names: an honest peer
  signs for no head that it has not arrived at, and a record names its run;
- stage sets whose digest the accused signed as the echo in its message of the next stage;
- bytes by digests that stand in those.

From these the core's own rules are run again, stage by stage, as every honest peer ran them.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from zpeer.core.aggregate import AggregatedStage
from zpeer.core.base import make_first_base, make_next_base
from zpeer.core.broadcast import compute_set_digest
from zpeer.core.commit import CommitStage
from zpeer.core.context import Context
from zpeer.core.faulty import judge_bodies
from zpeer.core.reveal import RevealStage
from zpeer.core.state import Arrival, Attempt, State
from zpeer.core.verify import get_result, judge_results
from zpeer.errors import EvidenceError, WireError
from zpeer.events import Projected
from zpeer.evidence import decode_record
from zpeer.faults import FaultKind
from zpeer.genesis import Deadlines, Protection
from zpeer.ids import Digest, digest_bytes
from zpeer.messages import Commit, Message
from zpeer.numerics.dealing import from_bytes, is_finite
from zpeer.numerics.directions import directions
from zpeer.numerics.fixed import norm
from zpeer.parts import Layout
from zpeer.signed import Signed, Stage
from zpeer.wire import WireLimits, decode_payload

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.core.state import Base
    from zpeer.evidence import Evidence
    from zpeer.genesis import Genesis
    from zpeer.interfaces import Aggregator, Float32, ValidatorPolicy
    from zpeer.record import Record

NO_TIME = Deadlines(stage=0.0, heavy=0.0, assembly=0.0)


class Unproven(Exception):  # noqa: N818 - not an error: what a court may well find
    """Why evidence does not prove what it claims."""


class Court(NamedTuple):
    """What a judge knows without the evidence: the run, and how to compute."""

    genesis: Genesis
    aggregator: Aggregator
    policy: ValidatorPolicy
    verify: Callable[[Signed], bool]
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
        self._limits = WireLimits(len(self.genesis.peers), self.genesis.directions)
        self._signed = [each for several in (*evidence.sets, evidence.messages) for each in several]
        self.own = [
            each for each in self._signed if each.sender == self.accused and court.verify(each)
        ]
        self._sets = evidence.sets
        self._records = {record.head: record for record in read_records(evidence, self.genesis)}
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
            return decode_payload(signed.stage, signed.payload, self._limits)
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

    def find_bytes(self, name: Digest, what: str) -> bytes:
        """Bytes by their digest."""
        if name not in self._bytes:
            raise Unproven(f"does not hold the bytes of {what}")
        return self._bytes[name]

    def find_set(self, head: Digest, stage: Stage, expected: Digest) -> tuple[Signed, ...]:
        """The messages of a set, by the digest that names it."""
        for messages in self._sets:
            belong = all((each.head, each.stage) == (head, stage) for each in messages)
            if messages and belong and compute_set_digest(messages) == expected:
                if not all(self.court.verify(each) for each in messages):
                    raise Unproven(f"a signature in its {stage.name} set is not valid")
                return messages
        raise Unproven(f"does not hold the {stage.name} set that the accused echoed")

    def layout(self, base: Base) -> Layout:
        """How that attempt's gradients are dealt."""
        return Layout(self.genesis.dimension, self.genesis.block, len(base.workers))

    # --- the attempt run again -------------------------------------------------------------------

    def run_until(self, head: Digest, stop: Stage, *, whole: bool = True) -> Context:
        """The attempt on a head with all sets before stage `stop` judged, as an honest peer did.

        `whole`: what to assume of aggregates whose bytes are lacking: that they are finite.
        """
        base = self.find_base(head)
        if self.accused not in base.roster:
            raise Unproven("the accused was not in the roster of that attempt")
        context = self._make_context(base)
        for stage in Stage:
            if stage >= stop:
                break
            self._take_set(context, stage)
            if stage is Stage.REVEAL and stop > Stage.REVEAL:
                self._judge_results(context, whole=whole)
        return context

    def _make_context(self, base: Base) -> Context:
        return Context(
            self.genesis,
            self.accused,
            aggregator=self.court.aggregator,
            policy=self.court.policy,
            limits=self._limits,
            deadlines=NO_TIME,
            state=State(attempt=Attempt(base=base)),
        )

    def _take_set(self, context: Context, stage: Stage) -> None:
        """Put a set in, if the accused echoed it, and judge it by the core's rules."""
        attempt = context.attempt
        head = attempt.base.head
        following = self.decode(self.find_own(head, Stage(stage + 1)))
        if following is None or isinstance(following, Commit):
            raise Unproven(f"the accused did not echo the {stage.name} set")
        messages = self.find_set(head, stage, following.echo)
        if tuple(each.sender for each in messages) != attempt.base.roster:
            raise Unproven(f"its {stage.name} set is not one of the whole roster")
        attempt.messages[stage] = {each.sender: each for each in messages}
        attempt.sets[stage] = following.echo
        match stage:
            case Stage.COMMIT:
                CommitStage.on_set(context)
            case Stage.AGGREGATED:
                AggregatedStage.on_set(context)
            case Stage.REVEAL:
                RevealStage.on_set(context)
            case Stage.PROJECTIONS:
                judge_bodies(context, stage, voids=True)
            case _:
                raise Unproven("rests on what follows from a CHECK set, which no evidence does")

    def _judge_results(self, context: Context, *, whole: bool) -> None:
        """Note which aggregates are usable, and the norms of what everybody can compute."""
        attempt = context.attempt
        result_norms = []
        for part, owner in enumerate(attempt.base.workers):
            fixed = get_result(context, attempt, owner)
            arrival, size = self._describe_result(context, part, fixed, whole=whole)
            result_norms.append(size)
            if fixed is not None and arrival is not None:
                attempt.results[owner] = arrival
        judge_results(context)
        if attempt.has_projections:
            direction_norms = self.compute_direction_norms(attempt)
            head = attempt.base.head
            attempt.projected = Projected(head, (), (), tuple(result_norms), direction_norms)

    def _describe_result(
        self, context: Context, part: int, fixed: Digest | None, *, whole: bool
    ) -> tuple[Arrival | None, float]:
        """What the shell would have said of an aggregate's bytes, and its norm (0 if unknown)."""
        if fixed is None:
            return None, 0.0
        data = self._bytes.get(fixed)
        if data is None:
            size_bytes = context.layout(context.attempt).size_bytes(part)
            return Arrival(fixed, size_bytes, whole), 0.0
        vector = read_vector(data)
        return (
            Arrival(fixed, len(data), finite=vector is not None),
            0.0 if vector is None else norm(vector),
        )

    def compute_direction_norms(self, attempt: Attempt) -> tuple[tuple[float, ...], ...]:
        """||z|| by part and direction."""
        layout = self.layout(attempt.base)
        count = self.genesis.directions
        return tuple(
            directions(attempt.beacon, part, layout.length(part), count).norms()
            for part in range(layout.parts)
        )

    def lacks_results(self, context: Context) -> bool:
        """Whether it is not known of every aggregate if it was usable."""
        attempt = context.attempt
        fixed = (get_result(context, attempt, owner) for owner in attempt.base.workers)
        return any(each is not None and each not in self._bytes for each in fixed)


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
    return known and once and drawn and counts and limits


def read_vector(data: bytes) -> Float32 | None:
    """Finite float32 numbers; None where the bytes are not."""
    if len(data) % 4:
        return None
    vector = from_bytes(data)
    return vector if is_finite(vector) else None


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
    if not is_checked and evidence.departure.fault is not FaultKind.EQUIVOCATION:
        raise EvidenceError(
            f"the run has protection {genesis.protection.value!r}: nothing was checked in it, and"
            " nobody was banned"
        )
