"""What a core may keep and say whatever it is told, computed from the limits of its messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer import effects as fx
from zpeer.core.retain import ATTEMPTS_REMEMBERED
from zpeer.core.slow_path import VIEWS_MAX
from zpeer.signed import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zpeer.wire import WireLimits

HEADER = 160
"""Head, sender, stage and signature of a message; more than a digest and a number in a dictionary.
"""
SMALL = 20_000
"""The rest of an attempt: its base, what it asked for, what was computed. For each peer."""


def bound_attempt(limits: WireLimits) -> int:
    """Bytes of one attempt: a body a slot, two views a peer, a chain for each of these."""
    n = limits.peers
    slots = n * sum(HEADER + limits.payload_bytes(stage) for stage in Stage)
    witness = HEADER + limits.payload_bytes(Stage.WITNESS)
    views = VIEWS_MAX * n * (HEADER + limits.payload_bytes(Stage.VIEW) + n * witness)
    return slots + 2 * views + 2 * limits.record_bytes + n * SMALL


def bound_state(limits: WireLimits) -> int:
    """Bytes of a core's state: remembered attempts, those that draws and matters rest on, and for
    each peer what came early."""
    n = limits.peers
    attempts = ATTEMPTS_REMEMBERED + 4 * n
    early = n * sum(HEADER + limits.payload_bytes(stage) for stage in Stage) + 2 * n * HEADER
    witness = HEADER + limits.payload_bytes(Stage.WITNESS)
    chains = n * VIEWS_MAX * n * (HEADER + limits.payload_bytes(Stage.VIEW) + n * witness)
    return attempts * bound_attempt(limits) + early + chains


def bound_sends(peers: int) -> int:
    """Messages, one for each receiver, that one event may lead to: an attempt ends with all its
    views, closed sets and verdicts, and the next one with those that came early."""
    an_attempt = VIEWS_MAX * peers + 12
    return 2 * an_attempt * peers


def count_sends(effects: Iterable[fx.Effect]) -> int:
    """Messages that effects lead to."""
    count = 0
    for effect in effects:
        match effect:
            case fx.SendPart() | fx.SendSet() | fx.SendSetRequest():
                count += 1
            case (
                fx.Broadcast(to=to)
                | fx.SendResult(to=to)
                | fx.SendBlob(to=to)
                | fx.SendBlobRequest(to=to)
                | fx.SendProof(to=to)
                | fx.PassOn(to=to)
                | fx.SendCertificate(to=to)
            ):
                count += len(to)
            case _:
                pass
    return count
