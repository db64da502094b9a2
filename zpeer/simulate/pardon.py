"""Bans and removals that everybody ignores: a patch of the core, for simulations alone.

A liar that is banned at once does no harm any more, and whatever comes later is never tried. With a
pardon the record of an attempt leaves out most departures of Byzantine peers, at all honest peers
alike (it depends on the attempt's head and the peer alone). What is to be punished counts as
punished when it would have been. The share is below one, so a liar goes in the end, and the run
gets on. Eliminated pairs leave: half of one is honest.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from zpeer.core import resolve, verdict
from zpeer.faults import FaultKind
from zpeer.ids import digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zpeer.core.adjudicate import Judgement
    from zpeer.core.context import Context
    from zpeer.ids import Digest, PeerId
    from zpeer.record import Departure, Record

PATCHED = (verdict, resolve)
"""Where records are made."""


class Pardons:
    """Who is pardoned what."""

    def __init__(self, share: float, byzantine: frozenset[PeerId]) -> None:
        self._share = share
        self._byzantine = byzantine
        self._granted: set[tuple[Digest, PeerId]] = set()

    def is_granted(self, head: Digest, peer: PeerId) -> bool:
        """Whether a departure in the attempt on `head` was left out."""
        return (head, peer) in self._granted

    @property
    def count(self) -> int:
        """Departures left out so far."""
        return len(self._granted)

    def any_granted(self, head: Digest) -> bool:
        """Whether any departure was."""
        return any(each == head for each, _ in self._granted)

    def spares(self, head: Digest, departure: Departure) -> bool:
        """Whether to leave out a departure."""
        peer = departure.peer
        lucky = digest("zpeer/simulate/pardon", head, peer)[0] < 256 * self._share
        paired = departure.fault is FaultKind.PAIR_ELIMINATED
        if paired or not lucky or peer not in self._byzantine:
            return False
        self._granted.add((head, peer))
        return True


@contextmanager
def pardoning(pardons: Pardons) -> Iterator[None]:
    """Patch the core while a run goes on."""
    make_record = verdict.make_record

    def make_lenient_record(
        context: Context, judgement: Judgement, views: tuple[Digest, ...] = ()
    ) -> Record:
        head = judgement.base.head
        spared = [each for each in judgement.departures if pardons.spares(head, each)]
        judgement.departures = [each for each in judgement.departures if each not in spared]
        for each in spared:
            context.state.proofs.pop(each.peer, None)
        return make_record(context, judgement, views)

    try:
        for module in PATCHED:
            setattr(module, "make_record", make_lenient_record)  # noqa: B010 - a patch, not a field
        yield
    finally:
        for module in PATCHED:
            setattr(module, "make_record", make_record)  # noqa: B010 - likewise
