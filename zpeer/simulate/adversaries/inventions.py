"""What a mutator makes up: calls at odd moments, chains, votes, old words, floods, garbage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from zpeer.conduct import After, SendSigned
from zpeer.effects import PassOn, SendBlobRequest, SendSetRequest
from zpeer.ids import NOTHING, Digest, PeerId
from zpeer.messages import Closed, Decided, View
from zpeer.proofs import Equivocation
from zpeer.signed import STEP_STAGES, Signed, Stage
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from zpeer.conduct import Outgoing
    from zpeer.interfaces import AttackContext
    from zpeer.simulate.adversaries.mutator import Mutating
    from zpeer.simulate.streams import Stream

FLOOD = 40


def invent(mutator: Mutating, context: AttackContext, stream: Stream) -> list[Outgoing]:
    """Something nobody asked for."""
    return stream.pick(INVENTIONS)(mutator, context, stream)


def others_of(context: AttackContext) -> tuple[PeerId, ...]:
    """The roster without me."""
    return tuple(peer for peer in context.roster if peer != context.me)


def draw_receivers(context: AttackContext, stream: Stream) -> tuple[PeerId, ...]:
    """All others, half of them, or one."""
    others = others_of(context)
    count = stream.pick((len(others), len(others) // 2, 1))
    return tuple(stream.some(others, count))


def draw_view(mutator: Mutating, context: AttackContext, stream: Stream) -> Signed:
    """A view with claims, a proof, or nothing; of this attempt or of one that is over."""
    known = [each.head for each in mutator.heard]
    claims = stream.some(context.roster, stream.below(len(context.roster) + 1))
    proofs: tuple[Equivocation, ...] = ()
    if mutator.heard and stream.chance(0.3):
        proofs = (
            Equivocation(
                stream.pick(mutator.heard).statement, stream.pick(mutator.heard).statement
            ),
        )
    view = View(
        record=stream.pick([NOTHING, *known[-2:]]),
        commits=stream.pick([NOTHING, *known[-2:]]),
        secret=Digest(bytes([stream.below(2)]) * 32),
        claims=tuple(claims),
        proofs=proofs,
    )
    head = stream.pick(known) if known and stream.chance(0.2) else context.head
    return mutator.cabal.signed(context.me, Stage.VIEW, head, encode_payload(view))


def call(mutator: Mutating, context: AttackContext, stream: Stream) -> list[Outgoing]:
    """A view out of the blue, to all or to few."""
    return [SendSigned(draw_receivers(context, stream), draw_view(mutator, context, stream))]


def chain(mutator: Mutating, context: AttackContext, stream: Stream) -> list[Outgoing]:
    """A view under which accomplices have signed, shown late and to few."""
    view = draw_view(mutator, context, stream)
    helpers = [peer for peer in mutator.cabal.members if peer != context.me]
    signers = stream.some(helpers, stream.below(len(helpers) + 1))
    witnesses = tuple(
        mutator.cabal.signed(peer, Stage.WITNESS, view.head, view.body) for peer in signers
    )
    passed = PassOn(view=view, witnesses=witnesses, to=draw_receivers(context, stream))
    return [After(mutator.draw_delay(stream), passed)]


def vote(mutator: Mutating, context: AttackContext, stream: Stream) -> list[Outgoing]:
    """A CLOSED or DECIDED about something that others have named."""
    named = [each.body for each in mutator.heard] + [each.head for each in mutator.heard]
    digest = stream.pick([NOTHING, *named])
    kind, stage = stream.pick(((Closed, Stage.CLOSED), (Decided, Stage.DECIDED)))
    signed = context.sign(stage, msgspec.msgpack.encode(kind(digest)))
    return [SendSigned(draw_receivers(context, stream), signed)]


def bring_up(mutator: Mutating, context: AttackContext, stream: Stream) -> list[Outgoing]:
    """Old words of anybody, said again."""
    old = [stream.pick(mutator.heard) for _ in range(4)] if mutator.heard else []
    return [SendSigned(draw_receivers(context, stream), each) for each in old]


def flood(mutator: Mutating, context: AttackContext, stream: Stream) -> list[Outgoing]:
    """More questions than anybody needs answered."""
    heads = [each.head for each in mutator.heard] or [context.head]
    victim = stream.pick(others_of(context))
    questions: list[Outgoing] = [
        SendSetRequest(victim, stream.pick(heads), stream.pick(STEP_STAGES)) for _ in range(FLOOD)
    ]
    return [*questions, SendBlobRequest(stream.pick(heads), (victim,))]


def garbage(mutator: Mutating, context: AttackContext, stream: Stream) -> list[Outgoing]:
    """Bytes that are no message, thrown at the door."""
    data = bytes(stream.below(256) for _ in range(stream.below(64)))
    for peer in draw_receivers(context, stream):
        mutator.cabal.throw(peer, data)
    return []


INVENTIONS = (call, call, call, chain, chain, chain, vote, bring_up, flood, garbage)
