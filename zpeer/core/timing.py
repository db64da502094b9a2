"""How long stages take, as deadlines are made of it (protocol, section 3, *Limits that fit
themselves*): only honest peers may be able to make that long.

Of a stage in which nobody waits for bytes it is the time until the (n-f)-th message. Where a
peer's word rests on the bytes of others, a single one that sends its own at the last moment holds
up every message: there it is the time until all but f of them are in, and from the last of them to
one's own word. In CHECK it is the time of one's own recomputations: who keeps evidence back must
not lengthen what is waited for it. Every peer reports what it saw, and the median over peers
counts.

Of first attempts alone: a repeated one needs no new gradient, and a void one has little to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.draw import validators_in_force
from zpeer.signed import STEP_STAGES, Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context

BY_MESSAGES = (Stage.COMMIT, Stage.REVEAL, Stage.VERDICT)


def byzantine_max(peers: int, validators: int) -> int:
    """f: fewer than half of the workers even when every validator drawn is honest (section 1)."""
    return max(0, -(-(peers - validators) // 2) - 1)


def get_byzantine_max(context: Context) -> int:
    """f of the present roster."""
    n = len(context.attempt.base.roster)
    return byzantine_max(n, validators_in_force(context.genesis.validators, n))


def note_message(context: Context, stage: Stage) -> None:
    """A message came: perhaps the (n-f)-th."""
    attempt = context.attempt
    if stage is not attempt.stage or stage not in BY_MESSAGES or stage in attempt.timed:
        return
    needed = len(attempt.base.roster) - get_byzantine_max(context)
    if len(attempt.messages[stage]) >= needed:
        note_duration(context, context.now - attempt.entered)


def note_missing(context: Context, missing: int) -> None:
    """So many PARTs or RESULTs are missing: perhaps only those of f, perhaps none."""
    attempt = context.attempt
    if missing <= get_byzantine_max(context):
        attempt.mostly_in.setdefault(attempt.stage, context.now)
    if not missing:
        attempt.all_in.setdefault(attempt.stage, context.now)


def note_word(context: Context) -> None:
    """My word of a stage with bytes is said."""
    attempt = context.attempt
    stage = attempt.stage
    if stage in attempt.all_in and not attempt.void:
        waited = attempt.mostly_in[stage] - attempt.entered
        note_duration(context, waited + context.now - attempt.all_in[stage])


def note_duration(context: Context, seconds: float) -> None:
    """Remember how long the present stage took, once."""
    attempt = context.attempt
    if attempt.base.attempt == 0 and attempt.stage not in attempt.timed:
        attempt.timed.add(attempt.stage)
        context.state.durations[STEP_STAGES.index(attempt.stage)] = max(0.0, seconds)
