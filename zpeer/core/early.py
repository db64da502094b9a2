"""What comes before its head is known: one slot a (sender, kind), so memory stays bounded
(protocol, section 8).

An honest peer is at most one head ahead, since every head needs my VERDICT, or my view. What comes
for a head of the past is late; what comes for a head that never will be is overwritten or dropped
with the next. Before the start the next head is the run's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.state import Early, EarlyChain

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.core.state import Arrival
    from zpeer.ids import Digest, PeerId
    from zpeer.signed import Signed

KIND_PART = 20
KIND_RESULT = 21
HEADS_REMEMBERED = 64


def keep_early(
    context: Context,
    head: Digest,
    sender: PeerId,
    kind: int,
    *,
    signed: Signed | None = None,
    arrival: Arrival | None = None,
) -> bool:
    """Keep what builds on the next head; whether it may be one."""
    attempt = context.state.attempt
    roster = attempt.base.roster if attempt else context.genesis.peers
    if head in context.state.known_heads or sender not in roster:
        return False
    key = bytes([kind]) + sender
    context.state.early[key] = Early(head, sender, kind, signed, arrival)
    return True


def keep_early_chain(context: Context, view: Signed, witnesses: tuple[Signed, ...]) -> None:
    """Keep a view that was passed on, for who passed it on: of one head, two of each origin."""
    attempt = context.state.attempt
    roster = attempt.base.roster if attempt else context.genesis.peers
    if view.head in context.state.known_heads or not witnesses or view.sender not in roster:
        return
    relayer = witnesses[-1].sender
    held = context.state.early_chains.get(relayer, ())
    same = tuple(each for each in held if each.view.head == view.head)
    if relayer in roster and len(same) < 2 * len(roster):
        context.state.early_chains[relayer] = (*same, EarlyChain(view, witnesses))


def take_arrival(
    context: Context, head: Digest, sender: PeerId, kind: int, arrival: Arrival
) -> None:
    """Put bulk bytes into their slot: the first delivery counts."""
    attempt = context.state.attempt
    if attempt is None or head != attempt.base.head:
        keep_early(context, head, sender, kind, arrival=arrival)
    elif sender in attempt.base.workers:
        slots = attempt.parts if kind == KIND_PART else attempt.results
        slots.setdefault(sender, arrival)
