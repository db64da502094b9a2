"""Pieces of runs: rings brought to a point, messages of peers, and who signs two bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from tests.core.lies import attempt_of, decode
from tests.core.plain import ByHash, peer, sign, verify
from tests.core.toy import Ring, Tamper, Toy
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.ids import NOTHING, Digest, PeerId, digest
from zpeer.messages import Closed, Commit, Decided, Message, View, stage_of
from zpeer.proofs import Equivocation
from zpeer.signed import Signed, Stage
from zpeer.wire import WireLimits, encode_payload

if TYPE_CHECKING:
    from zpeer.core.context import Context

OTHERWISE = {
    Stage.COMMIT: "commitment",
    Stage.AGGREGATED: "result",
    Stage.REVEAL: "share",
    Stage.PROJECTIONS: "beacon",
    Stage.CHECK: "secret",
    Stage.VERDICT: "record",
    Stage.VIEW: "secret",
    Stage.CLOSED: "views",
    Stage.DECIDED: "record",
}
"""A field of every body in which two may differ."""


# --- rings ----------------------------------------------------------------------------------------


def started(n: int, **changes: Any) -> Ring:
    """A ring whose peers have all just started."""
    ring = Ring(n, **changes)
    for toy in ring.toys.values():
        ring.deliver(toy, ev.Started())
    return ring


def run_to(ring: Ring, stage: Stage, records: int = 0, i: int = 0) -> Toy:
    """Run until peer i is at a stage, with so many records behind it."""
    if not ring.trace:
        for toy in ring.toys.values():
            ring.deliver(toy, ev.Started())
    toy = ring.toys[peer(i)]
    while not (len(toy.records) >= records and attempt_of(toy).stage is stage):
        assert ring.step()
    return toy


def make_context(n: int = 4, **changes: Any) -> Context:
    """Peer 0's context, just after the start, for functions that are tried out alone."""
    context = started(n, **changes).toys[peer(0)].core._context
    context.effects = []
    return context


def fresh(ring: Ring, me: PeerId) -> dict[str, Any]:
    """What a core of that ring is made with."""
    genesis = ring.genesis
    return {
        "genesis": genesis,
        "me": me,
        "aggregator": ring.toys[me].clip,
        "policy": ByHash(),
        "limits": WireLimits(len(genesis.peers), genesis.directions),
        "verify": verify,
    }


def finish(ring: Ring) -> None:
    """Until nothing happens any more."""
    while ring.step():
        pass


def wanted_by(ring: Ring, i: int, kind: type[fx.Effect]) -> list[Any]:
    """What peer i wanted of that kind."""
    return [
        e for _, me, _, done in ring.trace for e in done if isinstance(e, kind) and me == peer(i)
    ]


# --- messages -------------------------------------------------------------------------------------


def signed_by(i: int, head: Digest, stage: Stage, payload: bytes) -> Signed:
    """A body of peer i."""
    return sign(stage, head, peer(i), payload)


def say(i: int, head: Digest, message: Message) -> Signed:
    """A message of peer i."""
    return signed_by(i, head, stage_of(message), encode_payload(message))


def commit_of(i: int, head: Digest, variant: int = 0) -> Signed:
    """A COMMIT of peer i, with parts that nobody has."""
    parts = tuple(digest("part", bytes([i, j, variant])) for j in range(4))
    return say(i, head, Commit(parts, NOTHING))


def view_of(i: int, head: Digest, **fields: Any) -> Signed:
    """A VIEW of peer i."""
    return say(i, head, View(**fields))


def closed_of(i: int, head: Digest, views: Digest) -> Signed:
    """A CLOSED of peer i."""
    return say(i, head, Closed(views))


def decided_of(i: int, head: Digest, record: Digest) -> Signed:
    """A DECIDED of peer i."""
    return say(i, head, Decided(record))


def witness(i: int, view: Signed) -> Signed:
    """Peer i's signature under another's view."""
    return signed_by(i, view.head, Stage.WITNESS, view.body)


def prove(first: Signed, second: Signed) -> Equivocation:
    """Two bodies as a proof."""
    return Equivocation(first.statement, second.statement)


def silent_once(stage: Stage) -> Tamper:
    """Say nothing in a stage of the first attempt."""
    return lambda ring, toy, effects: [
        e
        for e in effects
        if not (isinstance(e, fx.Broadcast) and (e.stage, e.head) == (stage, ring.genesis.run))
    ]


# --- two bodies -----------------------------------------------------------------------------------


def two_stories(stage: Stage, second: int = 3, *, times: int = 1) -> Tamper:
    """Sign one body for most, and another for peer `second`, so many times."""
    left = [times]

    def tamper(ring: Ring, toy: Toy, effects: list[fx.Effect]) -> list[fx.Effect]:
        done: list[fx.Effect] = []
        for effect in effects:
            if not left[0] or not isinstance(effect, fx.Broadcast) or effect.stage is not stage:
                done.append(effect)
                continue
            left[0] -= 1
            other = replace(decode(toy, effect), **{OTHERWISE[stage]: bytes([9]) * 32})
            others = tuple(to for to in effect.to if to != peer(second))
            done.append(replace(effect, to=others))
            signed = ring.sign(toy, replace(effect, payload=encode_payload(other)))
            ring.push(peer(second), ev.MessageReceived(signed))
        return done

    return tamper


def past_of(ring: Ring) -> tuple[Toy, Digest]:
    """Peer 0 after its first record, and the head of the attempt that is over."""
    return run_to(ring, Stage.COMMIT, records=1), ring.genesis.run
