"""COMMIT: everybody fixes its gradient and its two secrets, before anything of the attempt is
known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.faulty import judge_bodies
from zpeer.core.mprng import compute_batch_seed, compute_commitment, compute_share
from zpeer.effects import ComputeParts, DrawSecret, SendPart
from zpeer.ids import NOTHING
from zpeer.messages import Commit
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.messages import Message


class CommitStage:
    """Gradient and secrets in, their digests out; PARTs go out right behind it."""

    stage = Stage.COMMIT

    @staticmethod
    def prepare(context: Context) -> None:
        """Ask for the secret and, as a worker, for the gradient of my minibatch."""
        base = context.attempt.base
        context.request("secret", DrawSecret(base.head, base.place))
        if context.me in base.workers:
            seed = compute_batch_seed(base.seed_beacon, base.step, context.me)
            parts = len(base.workers)
            context.request("parts", ComputeParts(base.head, base.parameters, seed, parts))

    @staticmethod
    def compose(context: Context) -> Message | None:
        """The message, as soon as both are there."""
        attempt = context.attempt
        base = attempt.base
        computed = context.me not in base.workers or attempt.own_parts is not None
        if attempt.secret == NOTHING or not computed:
            return None
        share = compute_share(base.place, context.me, attempt.secret)
        return Commit(attempt.own_parts or (), compute_commitment(base.place, context.me, share))

    @staticmethod
    def on_sent(context: Context) -> None:
        """PARTs may travel at once: they are used only after the hashes that cover them."""
        base = context.attempt.base
        if context.me in base.workers:
            for part, owner in enumerate(base.workers):
                if owner != context.me:
                    context.emit(SendPart(head=base.head, part=part, to=owner))

    @staticmethod
    def on_set(context: Context) -> None:
        """A COMMIT that is not valid makes the attempt void."""
        judge_bodies(context, Stage.COMMIT, voids=True)

    @staticmethod
    def awaited(context: Context) -> list[str]:
        """What of my own is missing."""
        attempt = context.attempt
        lacking = ["my secret"] if attempt.secret == NOTHING else []
        if context.me in attempt.base.workers and attempt.own_parts is None:
            lacking.append("my gradient")
        return lacking
