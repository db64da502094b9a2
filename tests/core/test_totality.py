"""No event raises, whatever a peer may cause, and none takes room without bound."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.lies import BadParts, attempt_of
from tests.core.pieces import (
    commit_of,
    fresh,
    prove,
    run_to,
    signed_by,
    silent_once,
    started,
    two_stories,
)
from tests.core.plain import peer, sign
from tests.core.toy import Ring, Toy
from zpeer import events as ev
from zpeer.core.machine import Core
from zpeer.core.slow_path import compute_views_digest, list_views
from zpeer.ids import NOTHING, PeerId, digest
from zpeer.messages import (
    Aggregated,
    Check,
    Closed,
    Commit,
    Decided,
    Projections,
    Reveal,
    Verdict,
    View,
)
from zpeer.proofs import QUOTED_STAGES, Misdeed, Proof
from zpeer.signed import Signed, Stage
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# --- points at which garbage comes in -------------------------------------------------------------


def before_the_start() -> Ring:
    """Nobody has started."""
    return Ring(7, radius=0.6)


def halfway() -> Ring:
    """In the middle of the second step, with a matter open."""
    ring = Ring(7, radius=0.6, toys={1: BadParts})
    toy = run_to(ring, Stage.PROJECTIONS, records=1)
    assert attempt_of(toy).base.matters
    return ring


def judging() -> Ring:
    """In CHECK, with a matter open and bytes at hand."""
    ring = Ring(7, radius=0.6, toys={1: BadParts})
    run_to(ring, Stage.CHECK, records=1)
    return ring


def voting() -> Ring:
    """With VERDICTs under way."""
    ring = Ring(7, radius=0.6)
    toy = run_to(ring, Stage.VERDICT, records=1)
    while not attempt_of(toy).verdict:
        assert ring.step()
    return ring


def stuck() -> Ring:
    """In the first round of the slow path."""
    ring = started(7, radius=0.6, tampers={1: silent_once(Stage.REVEAL)})
    toy = ring.toys[peer(0)]
    while attempt_of(toy).slow is None:
        assert ring.step()
    return ring


def closed() -> Ring:
    """After the first round."""
    ring = stuck()
    slow = attempt_of(ring.toys[peer(0)]).slow
    while slow is not None and slow.closed is None:
        assert ring.step()
    return ring


class Unanswered(Ring):
    """Nobody shows peer 0 a COMMIT set or how an attempt ended."""

    def push(self, to: PeerId, event: ev.Event, delay: float = 0.001) -> None:
        is_set = isinstance(event, ev.SetReceived) and event.stage is Stage.COMMIT
        is_outcome = isinstance(event, ev.CertificateReceived) or (
            isinstance(event, ev.MessageReceived) and event.signed.stage is Stage.DECIDED
        )
        if to != peer(0) or not (is_set or is_outcome):
            super().push(to, event, delay)


def lacking() -> Ring:
    """With the views agreed on, and the COMMIT set that they name not at hand."""
    ring = Unanswered(7, radius=0.6, tampers={1: two_stories(Stage.COMMIT, 0)})
    toy = run_to(ring, Stage.COMMIT)
    while not (slow := attempt_of(toy).slow) or slow.agreed is None:
        assert ring.step()
    assert not toy.records
    return ring


def behind() -> Ring:
    """In the second attempt, after a slow path."""
    ring = Ring(7, radius=0.6, tampers={1: silent_once(Stage.CHECK)})
    run_to(ring, Stage.COMMIT, records=1)
    return ring


def over() -> Ring:
    """All have ended."""
    return Ring(7, steps=2, radius=0.6).run()


POINTS = [before_the_start, halfway, judging, voting, stuck, closed, lacking, behind, over]


@cache
def point(make: Callable[[], Ring]) -> Ring:
    """The ring at that point."""
    return make()


# --- garbage --------------------------------------------------------------------------------------

POOL = [peer(i) for i in range(7)] + [NOTHING, digest("nobody")]
peers = st.sampled_from([PeerId(p) for p in POOL])
junk = st.binary(max_size=40)


class Garbage:
    """Events that the shell lets through, with anything in them."""

    def __init__(self, data: st.DataObject, toy: Toy) -> None:
        state = toy.core._context.state
        self.data = data
        heads = [toy.core.head, toy.genesis.run, digest("a head that never was"), NOTHING]
        self.heads = st.sampled_from([*heads, *state.past])
        known = [NOTHING, digest("unknown"), *state.blobs]
        self.real: list[Signed] = []
        self.record = toy.records[-1] if toy.records else None
        attempts = [state.attempt, *state.past.values()] if state.attempt else []
        for attempt in attempts:
            for slots in attempt.messages.values():
                self.real += slots.values()
            self.real += [view for views in attempt.views.values() for view in views]
            known += [*attempt.sets.values(), *(attempt.own_parts or ())]
            known += [draw.attempt for draw in attempt.base.draws]
            known += [matter.name for matter in attempt.base.matters]
            known += [compute_views_digest(view.body for view in list_views(attempt))]
            known += [a.digest for a in (*attempt.parts.values(), *attempt.results.values())]
        known += [record.head for record in toy.records]
        self.digests = st.sampled_from(known)

    def draw(self, strategy: st.SearchStrategy[T]) -> T:
        """One of them."""
        return self.data.draw(strategy)

    def many(self, make: Callable[[], Any], most: int = 3) -> tuple[Any, ...]:
        """A few."""
        return tuple(make() for _ in range(self.draw(st.integers(0, most))))

    def proof(self) -> Proof:
        """Real or not."""
        head, who = self.draw(self.heads), self.draw(st.integers(0, 8))
        if self.draw(st.booleans()):
            variant = self.draw(st.integers(0, 1))
            return prove(commit_of(who, head), commit_of(who, head, variant))
        quoted = [signed for signed in self.real if signed.stage in QUOTED_STAGES]
        messages = [signed_by(who, head, Stage.REVEAL, self.draw(junk)), *quoted]
        return Misdeed(
            tuple(self.draw(st.lists(st.sampled_from(messages), min_size=1, max_size=2)))
        )

    def view(self) -> View:
        """A view of anything."""
        record, commits, secret = (self.draw(self.digests) for _ in range(3))
        claims = tuple(self.draw(st.lists(peers, max_size=4)))
        return View(record, commits, secret, claims, self.many(self.proof, 1))

    def payload(self, stage: Stage) -> bytes:
        """Something that decodes, or not."""
        one, other = self.draw(self.digests), self.draw(self.digests)
        message: Any = {
            Stage.COMMIT: Commit((one, other), one),
            Stage.AGGREGATED: Aggregated(one, other),
            Stage.REVEAL: Reveal(one, other),
            Stage.PROJECTIONS: Projections(one, other, (), ()),
            Stage.CHECK: Check(one, other),
            Stage.VERDICT: Verdict(one, other),
            Stage.CLOSED: Closed(one),
            Stage.DECIDED: Decided(one),
        }.get(stage)
        if stage is Stage.WITNESS:
            return one
        if self.draw(st.integers(0, 3)) == 0:
            return self.draw(junk)
        if stage is Stage.CHECK:
            views = tuple(s for s in self.real if s.stage is Stage.VIEW)[:7]
            message = Check(one, other, views=views, proofs=self.many(self.proof))
        return encode_payload(message or self.view())

    def signed(self, *stages: Stage) -> Signed:
        """A word of anybody, or one that was really said."""
        stage = self.draw(st.sampled_from(stages or list(Stage)))
        said = [signed for signed in self.real if signed.stage is stage]
        is_real = self.draw(st.booleans())
        if said and is_real:
            return self.draw(st.sampled_from(said))
        return sign(stage, self.draw(self.heads), self.draw(peers), self.payload(stage))

    def chain(self) -> ev.Event:
        """A view or a CLOSED, with witnesses under just that."""
        view = self.signed(Stage.VIEW, Stage.CLOSED)
        signers = self.draw(st.lists(peers, unique=True, max_size=5))
        witnesses = [
            sign(Stage.WITNESS, view.head, each, view.body)
            for each in signers
            if each != view.sender or view.stage is Stage.CLOSED
        ]
        return ev.ChainReceived(view, tuple(witnesses))

    def certificate(self) -> ev.Event:
        """A record, or none."""
        record, is_real = self.draw(st.binary(max_size=9)), self.draw(st.booleans())
        if self.record and is_real:
            record = msgspec.msgpack.encode(self.record)
        messages = self.many(lambda: self.signed(Stage.DECIDED, Stage.VERDICT), 7)
        return ev.CertificateReceived(record, messages)

    def event(self) -> ev.Event:
        """Anything."""
        draw, heads = self.draw, self.heads
        arrival = (draw(self.digests), draw(st.integers(0, 2**40)), draw(st.booleans()))
        stages = st.sampled_from([s for s in Stage if s is not Stage.WITNESS])
        makers: list[Callable[[], ev.Event]] = [
            lambda: ev.MessageReceived(self.signed()),
            lambda: ev.MessageReceived(self.signed(Stage.VIEW, Stage.CLOSED, Stage.DECIDED)),
            lambda: ev.SetRequested(draw(peers), draw(heads), draw(stages)),
            lambda: ev.SetReceived(draw(peers), draw(heads), draw(stages), self.many(self.signed)),
            lambda: ev.ProofReceived(prove(self.signed(), self.signed())),
            lambda: ev.PartArrived(draw(heads), draw(peers), *arrival),
            lambda: ev.ResultArrived(draw(heads), draw(peers), *arrival),
            lambda: ev.BlobArrived(*arrival),
            lambda: ev.BlobRequested(draw(peers), draw(self.digests)),
            self.chain,
            self.certificate,
            ev.TimerFired,
            ev.Started,
        ]
        return draw(st.sampled_from(makers))()


@pytest.mark.parametrize("make", POINTS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_garbage_raises_nothing_and_takes_no_room(
    make: Callable[[], Ring], data: st.DataObject
) -> None:
    ring = point(make)
    toy = ring.toys[peer(0)]
    core = Core.restore(toy.core.snapshot(), **fresh(ring, peer(0)))
    before, now = len(core.snapshot()), ring.now
    garbage = Garbage(data, toy)
    for _ in range(data.draw(st.integers(1, 30))):
        now += data.draw(st.sampled_from([0.0, 0.001, 1.0, 7.0, 31.0]))
        core.handle(garbage.event(), now)
    snapshot = core.snapshot()
    assert len(snapshot) < before + 60_000
    assert Core.restore(snapshot, **fresh(ring, peer(0))).snapshot() == snapshot
