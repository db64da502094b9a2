"""Settling claims: disputes that nobody can judge (protocol, section 5, *Settling claims*; the
paper's ELIMINATE).

An honest peer is only ever in pairs with Byzantine ones, so each of these takes at most one with
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.faults import FaultKind
from zpeer.record import Charge

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from zpeer.ids import PeerId

Pair = tuple["PeerId", "PeerId"]


def order(one: PeerId, other: PeerId) -> Pair:
    """A pair by its ids."""
    return (one, other) if one < other else (other, one)


def find_overclaimed(
    claims: Mapping[PeerId, Collection[PeerId]], faulty_max: int
) -> dict[PeerId, FaultKind]:
    """Who is claimed by more peers than can be faulty, or claims more than can be."""
    claimed = dict.fromkeys(find_claimed(claims, faulty_max), FaultKind.CLAIMED_BY_MOST)
    claiming = dict.fromkeys(find_claiming(claims, faulty_max), FaultKind.CLAIMS_MOST)
    return claimed | {peer: fault for peer, fault in claiming.items() if peer not in claimed}


def find_claimed(
    claims: Mapping[PeerId, Collection[PeerId]], faulty_max: int
) -> tuple[PeerId, ...]:
    """Whom more peers wait for than can be faulty."""
    claimed = [peer for named in claims.values() for peer in named]
    return tuple(peer for peer in dict.fromkeys(claimed) if claimed.count(peer) > faulty_max)


def find_claiming(
    claims: Mapping[PeerId, Collection[PeerId]], faulty_max: int
) -> tuple[PeerId, ...]:
    """Who waits for more peers than can be faulty."""
    return tuple(peer for peer, named in claims.items() if len(named) > faulty_max)


def charge(
    charges: Sequence[Charge],
    claims: Mapping[PeerId, Collection[PeerId]],
    here: Collection[PeerId],
    counted: int,
) -> tuple[Charge, ...]:
    """The charges with one more for every pair of peers still here that a claim names, once
    each."""
    pairs = [
        order(claimant, named)
        for claimant, everyone in claims.items()
        for named in everyone
        if claimant in here and named in here
    ]
    return (*charges, *(Charge(*pair, counted) for pair in dict.fromkeys(pairs)))


def find_eliminated(
    charges: Sequence[Charge], here: Collection[PeerId], charges_max: int
) -> list[Pair]:
    """Pairs over their limit, in order of their first charge: both leave, and each peer with one
    other at most."""
    pairs = [(each.first, each.second) for each in charges]
    found: list[Pair] = []
    for pair in dict.fromkeys(pairs):
        is_free = all(peer in here and not any(peer in each for each in found) for peer in pair)
        if is_free and pairs.count(pair) > charges_max:
            found.append(pair)
    return found


def find_contentious(charges: Sequence[Charge], faulty_max: int) -> list[PeerId]:
    """Who has charges with more peers than can be faulty."""
    pairs = dict.fromkeys((each.first, each.second) for each in charges)
    everyone = [peer for pair in pairs for peer in pair]
    return [peer for peer in dict.fromkeys(everyone) if everyone.count(peer) > faulty_max]


def lapse(
    charges: Sequence[Charge], roster: Collection[PeerId], counted: int, lifetime: int
) -> tuple[Charge, ...]:
    """The charges that are still in force between peers that are still here."""
    return tuple(
        each
        for each in charges
        if each.first in roster and each.second in roster and counted - each.counted <= lifetime
    )
