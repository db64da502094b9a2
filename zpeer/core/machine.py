"""The core: events and a time go in, a flat ordered list of effects comes out. Nothing else
happens.

The table says who takes what. After every event `advance` goes as far as what has come in allows,
so no handler has to think of what might follow from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import msgspec

from zpeer import events
from zpeer.core import due, early, published, receive, step
from zpeer.core.asking import on_set_requested
from zpeer.core.context import Context, encode
from zpeer.core.state import Arrival, State
from zpeer.ids import number

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.genesis import Genesis
    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import Aggregator, ValidatorPolicy
    from zpeer.signed import Signed, Statement
    from zpeer.wire import WireLimits


class Core:
    """One peer's protocol. Deterministic: equal events at equal times give equal effects."""

    def __init__(
        self,
        genesis: Genesis,
        me: PeerId,
        *,
        aggregator: Aggregator,
        policy: ValidatorPolicy,
        limits: WireLimits,
        verify: Callable[[Signed | Statement], bool],
    ) -> None:
        self._context = Context(
            genesis,
            me,
            aggregator=aggregator,
            policy=policy,
            limits=limits,
            verify=verify,
            state=State(),
        )

    @classmethod
    def restore(
        cls,
        snapshot: bytes,
        genesis: Genesis,
        me: PeerId,
        *,
        aggregator: Aggregator,
        policy: ValidatorPolicy,
        limits: WireLimits,
        verify: Callable[[Signed | Statement], bool],
    ) -> Core:
        """A core that goes on from a snapshot; raises msgspec.ValidationError or DecodeError."""
        core = cls(genesis, me, aggregator=aggregator, policy=policy, limits=limits, verify=verify)
        state = msgspec.msgpack.decode(snapshot, type=State)
        if state.attempt is not None:  # the last attempt of a core that stopped is a past one, too
            state.attempt = state.past.get(state.attempt.base.head, state.attempt)
        core._context.resume(state)
        return core

    def snapshot(self) -> bytes:
        """The whole state, canonical; valid between any two events."""
        return encode(self._context.state)

    @property
    def head(self) -> Digest:
        """The head the present attempt builds on; the run id before the start."""
        attempt = self._context.state.attempt
        return attempt.base.head if attempt else self._context.genesis.run

    @property
    def is_stopped(self) -> bool:
        """Whether the core is done."""
        return self._context.state.stopped

    def handle(self, event: Event, now: float) -> list[Effect]:
        """What is to be done about an event, in order."""
        context = self._context
        if context.state.stopped:
            return self._after_the_end(event)
        context.now = now
        context.effects = []
        if context.state.attempt is not None:
            dispatch(context, event)
        elif isinstance(event, events.Started):
            step.start(context)
        else:
            keep_before_the_start(context, event)
            return []
        step.advance(context)
        return context.effects

    def _after_the_end(self, event: Event) -> list[Effect]:
        """Even a stopped peer shows its sets and how it ended: others may need that to end, too."""
        context = self._context
        context.effects = []
        if context.state.attempt is None:
            return []
        if isinstance(event, events.SetRequested):
            on_set_requested(context, event)
        elif isinstance(event, events.MessageReceived):
            receive.answer_after_the_end(context, event.signed)
        return context.effects


def keep_before_the_start(context: Context, event: Event) -> None:
    """Others may be ready earlier than I: their first words are not lost."""
    match event:
        case events.MessageReceived(signed=signed):
            receive.on_message(context, signed)
        case events.ChainReceived():
            receive.on_chain(context, event)
        case events.PartArrived(head=head, sender=sender):
            early.take_arrival(context, head, sender, early.KIND_PART, arrival_of(event))
        case _:
            pass


def dispatch(context: Context, event: Event) -> None:  # noqa: C901, PLR0912, PLR0915 - one table
    """Hand an event to whom it concerns."""
    attempt = context.attempt
    match event:
        case events.Started():
            pass
        case events.MessageReceived(signed=signed):
            receive.on_message(context, signed)
        case events.SetRequested():
            on_set_requested(context, event)
        case events.SetReceived():
            receive.on_set_received(context, event)
        case events.ProofReceived():
            receive.on_proof_received(context, event)
        case events.ChainReceived():
            receive.on_chain(context, event)
        case events.CertificateReceived():
            receive.on_certificate(context, event)
        case events.PartArrived(head=head, sender=sender):
            early.take_arrival(context, head, sender, early.KIND_PART, arrival_of(event))
        case events.ResultArrived(head=head, sender=sender):
            early.take_arrival(context, head, sender, early.KIND_RESULT, arrival_of(event))
        case events.BlobArrived():
            published.on_blob(context, event.digest, arrival_of(event))
        case events.BlobRequested():
            published.on_blob_requested(context, event)
        case events.SecretDrawn():
            if event.head == attempt.base.head:
                attempt.secret = event.secret
        case events.PartsComputed():
            if event.head == attempt.base.head:
                attempt.own_parts = event.digests
        case events.PartAggregated():
            if event.head == attempt.base.head:
                attempt.own_result = event.digest
        case events.Projected():
            if event.head == attempt.base.head:
                attempt.projected = event
        case events.Updated():
            if event.head == attempt.base.head:
                attempt.parameters_after = event.parameters
                attempt.optimizer_after = event.optimizer
        case events.Recomputed():
            attempt.recomputed[event.head + event.target] = event
        case events.BlobProjected():
            attempt.blobs_projected[event.blob] = event
        case events.AverageTested():
            attempt.averages_tested[event.head + number(event.part)] = event
        case events.TimerFired():
            due.on_timer(context)
        case _:  # pragma: no cover - the table is whole, which mypy proves
            assert_never(event)


def arrival_of(event: events.PartArrived | events.ResultArrived | events.BlobArrived) -> Arrival:
    """What the shell said about bytes."""
    return Arrival(event.digest, event.size_bytes, event.finite)
