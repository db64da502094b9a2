"""What is due when: questions, calls, rounds, or, with `agreement = "stop"`, the end of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core import slow_path
from zpeer.core.asking import ask_ahead, ask_everybody, ask_for_bytes, list_ahead
from zpeer.core.check import find_bytes_end
from zpeer.core.resolve import ASK_EVERY, TRIES_MAX, ask_for_outcome, is_concluding
from zpeer.core.schedule import WITH_BYTES, find_bytes_due, find_due
from zpeer.core.stages import awaits_myself
from zpeer.core.stops import stop_cut_off, stop_waiting
from zpeer.effects import SetTimer
from zpeer.signed import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zpeer.core.context import Context
    from zpeer.core.state import Attempt


def set_timer(context: Context) -> None:
    """Wake when something is due next, if that has changed: what fires too early does no harm."""
    attempt = context.attempt
    if attempt.timer > context.now:
        return
    ahead = [at for at in find_times(context) if at > context.now]
    if ahead:
        attempt.timer = min(ahead)
        context.emit(SetTimer(at=attempt.timer))


def find_times(context: Context) -> Iterator[float]:
    """When something is due: questions, missing bytes, the stage, a round."""
    attempt = context.attempt
    stage, delta = attempt.stage, context.genesis.delta
    if is_concluding(context):
        yield attempt.tried + ASK_EVERY * delta
    if attempt.slow is not None:
        yield from slow_path.list_times(context, attempt.slow)
        return
    yield from list_ahead(context).values()
    if stage in WITH_BYTES:
        due = find_bytes_due(context)
        yield due - 2 * delta
        yield due
    if stage is Stage.CHECK:
        yield find_bytes_end(context)
    due = find_due(context)
    yield due - 2 * delta
    yield due


def on_timer(context: Context) -> None:
    """Something is due: ask, call, or, with `agreement = "stop"`, end the run."""
    attempt = context.attempt
    stage, now, delta = attempt.stage, context.now, context.genesis.delta
    attempt.timer = 0.0
    if attempt.slow is not None or is_concluding(context):
        ask_again(context)
        return
    ask_ahead(context)
    is_unsaid = stage in WITH_BYTES and stage not in attempt.sent
    if is_unsaid and now >= find_bytes_due(context) - 2 * delta:
        ask_for_bytes(context)
    if now >= find_due(context) - 2 * delta:
        ask_everybody(context)
    if context.is_agreeing:
        slow_path.call_late(context)
    elif now >= find_due(context):
        stop_waiting(context)


def ask_again(context: Context) -> None:
    """What the outcome rests on has not come: an honest peer would have answered."""
    attempt = context.attempt
    if not is_concluding(context):
        return
    if awaits_myself(context):
        attempt.tried = context.now
    elif attempt.tries >= TRIES_MAX:
        stop_cut_off(context, explain_lack(attempt))
    elif context.now >= attempt.tried + ASK_EVERY * context.genesis.delta:
        ask_for_outcome(context)


def explain_lack(attempt: Attempt) -> str:
    """What nobody shows me, for people."""
    if attempt.slow is not None and attempt.slow.overslept and attempt.slow.agreed is None:
        return "my clock jumped in the slow path, and nobody shows me what the others decided"
    return "what the others decided rests on messages that nobody shows me"
