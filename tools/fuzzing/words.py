"""Words that decode, of every stage and kind, drawn from what is known: true pieces, put together
by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from tests.core.plain import sign
from tools.fuzzing.trees import FLOATS
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, Digest, PeerId, digest
from zpeer.messages import (
    Accusation,
    Aggregated,
    Check,
    Closed,
    Commit,
    Decided,
    Finding,
    Guilt,
    Message,
    Projections,
    Report,
    Reveal,
    Verdict,
    View,
)
from zpeer.proofs import QUOTED_STAGES, Equivocation, Misdeed, Proof
from zpeer.relays import BlobRequest, Certificate, Chain, ProofReply, Relay, SetReply, SetRequest
from zpeer.signed import STEP_STAGES, Signed, Stage, Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zpeer.simulate.streams import Stream

T = TypeVar("T")

encode = msgspec.msgpack.Encoder().encode
SLOTS = tuple(stage for stage in Stage if stage is not Stage.WITNESS)
FAULTS, GUILTS = tuple(FaultKind), tuple(Guilt)
SMALL = (0, 0, 0, 1, 1, 2, 3)
"""How many of something there are."""


class Pool(NamedTuple):
    """What words are made of."""

    heads: Sequence[Digest]
    """Of attempts, the present one first."""
    digests: Sequence[Digest]
    """Everything that has a name: parts, results, sets, records, and nothing."""
    peers: Sequence[PeerId]
    liars: Sequence[PeerId]
    """In whose names anything can be signed."""
    said: Sequence[Signed]
    """By anybody; at least one word."""
    heard: Mapping[Stage, Sequence[Signed]]
    """The same by stage."""
    chains: Sequence[tuple[Signed, tuple[Signed, ...]]]
    records: Sequence[bytes]


class Speaker:
    """Draws words."""

    def __init__(self, pool: Pool, stream: Stream) -> None:
        self.pool = pool
        self.stream = stream

    def several(self, draw: Callable[[], T], counts: Sequence[int] = SMALL) -> tuple[T, ...]:
        """Some of these."""
        return tuple(draw() for _ in range(self.stream.pick(counts)))

    # --- leaves -----------------------------------------------------------------------------------

    def head(self) -> Digest:
        """Mostly the present one."""
        heads = self.pool.heads
        return heads[0] if self.stream.below(8) else self.stream.pick(heads)

    def name(self) -> Digest:
        """Of anything."""
        return self.stream.pick(self.pool.digests)

    def peer(self) -> PeerId:
        """Of the run; seldom of nobody."""
        return self.stream.pick(self.pool.peers) if self.stream.below(20) else PeerId(NOTHING)

    def liar(self) -> PeerId:
        """Somebody who signs anything."""
        return self.stream.pick(self.pool.liars)

    def scalar(self) -> float:
        """Small, or odd."""
        return self.stream.pick(FLOATS) if self.stream.below(4) == 0 else self.stream.share()

    def signed(self, stage: Stage) -> Signed:
        """A word of a liar on that stage, or of anybody who said one."""
        heard = self.pool.heard.get(stage, ())
        if heard and self.stream.below(3) == 0:
            return self.stream.pick(heard)
        return sign(stage, self.head(), self.liar(), self.payload(stage))

    def payload(self, stage: Stage) -> bytes:
        """What a body of that stage holds."""
        return self.name() if stage is Stage.WITNESS else encode(self.message(stage))

    # --- messages ---------------------------------------------------------------------------------

    def message(self, stage: Stage) -> Message:  # noqa: PLR0911 - one table
        """A message of that stage."""
        match stage:
            case Stage.COMMIT:
                n = len(self.pool.peers)
                return Commit(self.several(self.name, (0, n, n - 1, n - 1, n - 2)), self.name())
            case Stage.AGGREGATED:
                return Aggregated(self.name(), self.name() if self.stream.below(4) else None)
            case Stage.REVEAL:
                return Reveal(self.name(), self.name())
            case Stage.PROJECTIONS:
                return self.projections()
            case Stage.CHECK:
                return self.check()
            case Stage.VERDICT:
                return Verdict(self.name(), self.name())
            case Stage.VIEW:
                proofs = self.several(self.proof, (0, 0, 1))
                claims = tuple(dict.fromkeys(self.several(self.peer)))
                return View(self.name(), self.name(), self.name(), claims, proofs)
            case Stage.CLOSED:
                return Closed(self.name())
            case _:
                return Decided(self.name())

    def projections(self) -> Projections:
        """As many rows as there are parts, or a few more or less."""
        n = max(0, len(self.pool.peers) - self.stream.below(3))
        rows = tuple((self.scalar(), self.scalar()) for _ in range(n))
        return Projections(self.name(), self.name(), rows, tuple(self.scalar() for _ in range(n)))

    def check(self) -> Check:
        """With some of everything."""
        return Check(
            self.name(),
            self.name(),
            self.several(self.accusation),
            self.several(self.finding),
            self.several(self.report),
            tuple(self.scalar() for _ in STEP_STAGES),
            self.several(lambda: self.signed(Stage.VIEW), (0, 0, 1, 2)),
            self.several(self.proof, (0, 0, 1, 2)),
        )

    def accusation(self) -> Accusation:
        """Of anybody, over anything."""
        return Accusation(
            self.stream.pick(FAULTS),
            self.peer(),
            self.head(),
            self.stream.below(len(self.pool.peers) + 1) - 1,
            self.peer() if self.stream.below(2) else PeerId(NOTHING),
            self.name() if self.stream.below(2) else NOTHING,
        )

    def finding(self) -> Finding:
        """On anything."""
        return Finding(self.name(), self.stream.pick(GUILTS), self.several(self.peer))

    def report(self) -> Report:
        """On anybody."""
        return Report(self.peer(), self.head(), self.stream.chance(0.5), self.name())

    # --- proofs -----------------------------------------------------------------------------------

    def proof(self) -> Proof:
        """Of two bodies, or of bodies of one."""
        if self.stream.below(2):
            return self.equivocation()
        stages = self.several(lambda: self.stream.pick(QUOTED_STAGES), (1, 1, 2))
        return Misdeed(tuple(self.quoted(stage) for stage in stages))

    def quoted(self, stage: Stage) -> Signed:
        """Of a stage that may be quoted; now and then junk."""
        if self.stream.below(4):
            return self.signed(stage)
        junk = digest("junk", self.name())[: self.stream.below(33)]
        return sign(stage, self.head(), self.liar(), junk)

    def equivocation(self) -> Equivocation:
        """A true one, or two statements that only look like it."""
        stage = self.stream.pick(SLOTS)
        first = self.signed(stage).statement
        if self.stream.below(3) == 0:
            return Equivocation(first, self.statement())
        liar = self.liar()
        head = self.stream.pick((first.head, self.head(), self.name()))
        bodies = (sign(stage, head, liar, bytes([place])).statement for place in range(2))
        return Equivocation(*bodies)

    def statement(self) -> Statement:
        """Of any stage but a witness's."""
        return self.signed(self.stream.pick(SLOTS)).statement

    # --- relays -----------------------------------------------------------------------------------

    def relay(self) -> Relay:
        """A control message that is no slot."""
        match self.stream.below(7):
            case 0:
                return SetRequest(self.head(), self.stream.pick(SLOTS))
            case 1:
                return self.set_reply()
            case 2:
                return ProofReply(self.equivocation())
            case 3:
                return BlobRequest(self.name())
            case 4 | 5:
                return Chain(*self.chain())
            case _:
                return self.certificate()

    def set_reply(self) -> SetReply:
        """A whole set that was said, some of it, or with other words among it."""
        stage, head = self.stream.pick(SLOTS), self.head()
        heard = self.pool.heard.get(stage, ())
        true = {signed.sender: signed for signed in heard if signed.head == head}
        messages = [each for each in true.values() if self.stream.below(8)]
        if self.stream.below(3) == 0:
            messages.append(self.signed(self.stream.pick((stage, stage, self.stream.pick(SLOTS)))))
        return SetReply(head, stage, tuple(messages[: len(self.pool.peers)]))

    def chain(self) -> tuple[Signed, tuple[Signed, ...]]:
        """One that was passed on, with more signatures or fewer; or a new one."""
        chains = self.pool.chains
        if chains and self.stream.below(3):
            view, witnesses = self.stream.pick(chains)
            witnesses = witnesses[: self.stream.below(len(witnesses) + 1)]
        else:
            view = self.signed(self.stream.pick((Stage.VIEW, Stage.VIEW, Stage.CLOSED)))
            witnesses = ()
        known = {view.sender, *(witness.sender for witness in witnesses)}
        more = [liar for liar in self.pool.liars if liar not in known and self.stream.below(2)]
        body = view.body if self.stream.below(12) else self.name()
        signatures = (sign(Stage.WITNESS, view.head, liar, body) for liar in more)
        return view, (*witnesses, *signatures)

    def certificate(self) -> Certificate:
        """A record that was made, or junk, with words of liars and others."""
        record = self.stream.pick(self.pool.records) if self.pool.records else b""
        stage = self.stream.pick((Stage.DECIDED, Stage.VERDICT))
        return Certificate(record, self.several(lambda: self.signed(stage), (0, 1, 2, 3)))
