"""Slots and sets: one body a (head, stage, sender), echoes, and when a set is complete.

A message is in a peer's stage set only when its echo is that peer's own (protocol, section 2). A
second body for a slot is a proof against its signer (`convict.py`); where echoes differ the signer
is asked for the set behind its own (`asking.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.errors import WireError
from zpeer.ids import Digest, digest_of_set
from zpeer.messages import Closed, Commit, Verdict
from zpeer.proofs import Equivocation
from zpeer.signed import STEP_STAGES, Signed, Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.messages import Message

SLOTS = (*STEP_STAGES, Stage.CLOSED, Stage.DECIDED)
"""Stages with one slot a sender; of VIEW two bodies are kept (`slow_path.py`)."""


def compute_set_digest(messages: tuple[Signed, ...]) -> Digest:
    """What an echo is: the digest of the bodies of a stage set, in roster order."""
    return digest_of_set("zpeer/set", [signed.body for signed in messages])


def put(context: Context, attempt: Attempt, signed: Signed) -> Equivocation | None:
    """Put a message into its slot; a second body is proof against its signer.

    The first body stays, but a VERDICT or CLOSED that says what mine says always takes the slot:
    who signs two of these must not keep the others from seeing that they agree.
    """
    slots = attempt.messages.setdefault(signed.stage, {})
    held = slots.setdefault(signed.sender, signed)
    if held is signed or held.body == signed.body:
        return None
    if takes_slot(context, attempt, signed):
        slots[signed.sender] = signed
    return Equivocation(held.statement, signed.statement)


def takes_slot(context: Context, attempt: Attempt, signed: Signed) -> bool:
    """Whether a second body is kept instead of the first."""
    return says_mine(context, attempt, signed)


def says_mine(context: Context, attempt: Attempt, signed: Signed) -> bool:
    """Whether a VERDICT or CLOSED says what I said."""
    mine = attempt.signed(signed.stage, context.me)
    if mine is None or signed.stage not in (Stage.VERDICT, Stage.CLOSED):
        return False
    said, own = read(context, signed), read(context, mine)
    if isinstance(said, Verdict) and isinstance(own, Verdict):
        return said.record == own.record
    return isinstance(said, Closed) and said == own


def read(context: Context, signed: Signed) -> Message | None:
    """The message, or None if it does not decode."""
    try:
        return context.decode(signed)
    except WireError:
        return None


def faulty_max(peers: int) -> int:
    """F: any minority (section 5)."""
    return max(0, -(-peers // 2) - 1)


def stage_before(context: Context, stage: Stage) -> Stage | None:
    """The broadcast stage whose set a message of `stage` echoes; None for COMMIT, whose head says
    it all."""
    return context.stage_before.get(stage)


def get_echo(context: Context, signed: Signed) -> Digest | None:
    """The echo a message carries; None where there is none or the body does not decode."""
    message = read(context, signed)
    return None if message is None or isinstance(message, Commit) else message.echo  # type: ignore[union-attr]


def is_agreed(context: Context, signed: Signed) -> bool:
    """Whether the message belongs to my set: its echo is mine, and a VERDICT names my record, once
    I have one. Any other body that does not decode is judged as it is."""
    if signed.stage is context.stages[-1] and signed.sender != context.me:
        mine = context.attempt.signed(signed.stage, context.me)
        return mine is None or says_mine(context, context.attempt, signed)
    return echoes_mine(context, signed)


def echoes_mine(context: Context, signed: Signed) -> bool:
    """Whether the message's echo is not another set than mine, as far as I have one."""
    before = stage_before(context, signed.stage)
    mine = None if before is None else context.attempt.sets.get(before)
    if mine is None:
        return True
    echo = get_echo(context, signed)
    return echo is None or echo == mine


def is_complete(context: Context, stage: Stage) -> bool:
    """Whether a message of every peer is in, each with my echo."""
    attempt = context.attempt
    slots = attempt.messages.get(stage)
    if slots is None or len(slots) < len(attempt.base.roster):
        return False
    return all(is_agreed(context, signed) for signed in slots.values())
