"""The multi-party random number generator: Blum's coin toss for n players, with a chain of two
secrets.

Every peer commits to c_i, which hides b_i, which hides a_i. REVEAL opens the b_i: r = H(xor b_i)
gives the directions of this step and the seeds of the next. CHECK opens the a_i: q = H(xor a_i)
makes the draws, which nobody may know before all PROJECTIONS are in (section 2, *The draw is made
last*). Each is uniform if one player is honest.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from typing import TYPE_CHECKING

from zpeer.ids import NOTHING, Digest, PeerId, digest, number, xor

if TYPE_CHECKING:
    from collections.abc import Iterable

EPOCH = 0
"""One more at each resumption from checkpoints, so that no secret is opened twice."""
REMEMBERED = 256
"""Shares, and commitments: those of a roster are looked at in REVEAL, and again in CHECK."""


def compute_place(run: Digest, step: int, attempt: int) -> Digest:
    """What secrets and shares are bound to: run, epoch, step and attempt.

    Not the head: it covers the durations that peers saw, so that with fixed entropy two runs of one
    genesis would draw different beacons.
    """
    return digest("zpeer/place", run, number(EPOCH), number(step), number(attempt))


@lru_cache(maxsize=REMEMBERED)
def compute_share(place: Digest, peer: PeerId, secret: Digest) -> Digest:
    """b_i of a_i."""
    return digest("zpeer/share", place, peer, secret)


@lru_cache(maxsize=REMEMBERED)
def compute_commitment(place: Digest, peer: PeerId, share: Digest) -> Digest:
    """c_i of b_i."""
    return digest("zpeer/commitment", place, peer, share)


def compute_beacon(shares: Iterable[Digest]) -> Digest:
    """r of the shares that open their commitments."""
    return digest("zpeer/beacon", reduce(xor, shares, NOTHING))


def compute_secret_beacon(secrets: Iterable[Digest]) -> Digest:
    """q of the secrets that open their shares."""
    return digest("zpeer/draw", reduce(xor, secrets, NOTHING))


def compute_batch_seed(seed_beacon: Digest, step: int, peer: PeerId) -> Digest:
    """xi_i: the peer's minibatch of a step, the same in every attempt (section 1)."""
    return digest("zpeer/batch", seed_beacon, number(step), peer)
