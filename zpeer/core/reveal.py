"""REVEAL: the shares b_i are opened, and with them the beacon r (see `mprng.py`).

A share that does not fit its commitment is proven by the two messages; it makes the attempt void,
and r is that of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.faulty import get_valid, judge_bodies, note
from zpeer.core.mprng import compute_beacon, compute_commitment, compute_share
from zpeer.faults import FaultKind
from zpeer.messages import Commit, Reveal
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.ids import Digest, PeerId
    from zpeer.messages import Message


def get_share(context: Context, attempt: Attempt, peer: PeerId) -> Digest | None:
    """b_i if the peer opened it and it fits c_i."""
    commit = get_valid(context, attempt, Stage.COMMIT, peer)
    reveal = get_valid(context, attempt, Stage.REVEAL, peer)
    if not isinstance(commit, Commit) or not isinstance(reveal, Reveal):
        return None
    return reveal.share if opens_commitment(attempt, peer, reveal.share, commit) else None


def opens_commitment(attempt: Attempt, peer: PeerId, share: Digest, commit: Commit) -> bool:
    """Whether a share b_i is the one that c_i hides."""
    return compute_commitment(attempt.base.place, peer, share) == commit.commitment


def opens_share(attempt: Attempt, peer: PeerId, secret: Digest, share: Digest) -> bool:
    """Whether a secret a_i is the one that b_i hides."""
    return compute_share(attempt.base.place, peer, secret) == share


class RevealStage:
    """Shares in, beacon out."""

    stage = Stage.REVEAL

    @staticmethod
    def prepare(context: Context) -> None:
        """Nothing to compute."""

    @staticmethod
    def compose(context: Context) -> Message | None:
        """Open my share: every aggregate is fixed now."""
        attempt = context.attempt
        share = compute_share(attempt.base.place, context.me, attempt.secret)
        return Reveal(attempt.sets[Stage.AGGREGATED], share)

    @staticmethod
    def on_sent(context: Context) -> None:
        """Nothing follows it."""

    @staticmethod
    def on_set(context: Context) -> None:
        """Find wrong shares; the beacon is that of the right ones."""
        attempt = context.attempt
        judge_bodies(context, Stage.REVEAL, voids=True)
        shares = []
        for peer in attempt.base.roster:
            share = get_share(context, attempt, peer)
            if share is not None:
                shares.append(share)
            elif get_valid(context, attempt, Stage.COMMIT, peer) is not None:
                note(context, peer, FaultKind.WRONG_SHARE, voids=True)
        attempt.beacon = compute_beacon(shares)

    @staticmethod
    def awaited(context: Context) -> list[str]:  # noqa: ARG004 - the protocol's shape
        """Only messages are awaited here."""
        return []
