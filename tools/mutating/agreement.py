"""Patches for how attempts in trouble end (`zpeer/core/rules_of_agreement.py`)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tools.mutating.patches import Patch, replaces, returns, skips, turns
from zpeer.core.broadcast import echoes_mine, stage_before
from zpeer.core.resolve import is_concluding
from zpeer.core.slow_path import is_closed, is_voice
from zpeer.ids import NOTHING
from zpeer.signed import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.ids import Digest, PeerId
    from zpeer.messages import Closed
    from zpeer.signed import Signed

YES, NO = returns(value=True), returns(value=False)


def count_from_entry(_result: float, context: Context) -> float:
    """Each stage from when I entered it."""
    attempt = context.attempt
    return attempt.entered + attempt.base.allowances[attempt.stage - 1]


def find_third(_result: Digest | None, named: Iterable[Digest], attempt: Attempt) -> Digest | None:
    """What a third of the roster names. Just half would do: one of so many is honest, since a
    minority lies; and of two records that each half names honest peers take the same."""
    counts = Counter(name for name in named if name != NOTHING)
    n = len(attempt.base.roster)
    return next((name for name, count in counts.items() if 3 * count >= n), None)


def has_closed(
    original: Callable[..., Any], context: Context, signed: Signed | None, mine: Closed
) -> bool:
    """Whether I have closed what I hold: then it does not matter who else has."""
    closed = context.attempt.signed(Stage.CLOSED, context.me)
    return closed is not None or bool(original(context, signed, mine))


def is_unknown_echo(context: Context, signed: Signed) -> bool:
    """Whether a message echoes another set than mine."""
    return stage_before(context, signed.stage) is not None and not echoes_mine(context, signed)


def is_for_outcome(
    context: Context, peer: PeerId, stage: Stage, _messages: tuple[Signed, ...]
) -> bool:
    """Whether a set that is shown may be what the outcome rests on."""
    attempt = context.attempt
    is_of_roster = stage in (Stage.COMMIT, Stage.CHECK) and peer in attempt.base.roster
    return is_of_roster and (attempt.slow is not None or is_concluding(context))


def only_count(_original: Callable[..., Any], context: Context) -> None:
    """Nobody is asked."""
    context.attempt.tries += 1
    context.attempt.tried = context.now
    context.attempt.timer = 0.0


AGREEMENT: dict[str, Patch] = {
    "fixed times": turns(count_from_entry, "counted from when a peer enters a stage"),
    "ask who is ahead": skips("nobody is asked"),
    "ask everybody": skips("nobody is asked"),
    "ask for bytes": skips("nobody is asked"),
    "ask about echoes": skips("nobody is asked", is_unknown_echo),
    "late verdicts": turns(
        lambda _result, *_args, is_stuck: not is_stuck, "not once a call was joined"
    ),
    "show who waits": NO,
    "show who leaves": NO,
    "answer calls": skips("nothing is answered"),
    "my verdict": returns(value=False, says="the first one stays"),
    "valid views": returns(value=True, says="any view is taken"),
    "call with proofs": skips("it is kept"),
    "join": returns(value=False, says="nobody joins another's call"),
    "no more stages": returns(value=True, says="it goes on signing"),
    "rounds": turns(lambda result, *_args: result - 1, "one round less"),
    "chains in time": returns(value=True, says="any chain is taken at any time"),
    "all voices": replaces(
        has_closed,
        "nobody else need have closed",
        lambda context, *args: (
            not is_voice(context, *args) and has_closed(is_voice, context, *args)
        ),
    ),
    "closed in time": turns(lambda _result, *args: is_closed(*args), "at any time"),
    "sleepers": NO,
    "cut off": NO,
    "rule 1": returns(None, "no vote counts"),
    "q of views": returns(NOTHING, "it has none"),
    "misdeeds return": returns([], "they are forgotten"),
    "quoted bodies": NO,
    "quoted shares": NO,
    "brought proofs": returns((), "none is brought"),
    "fetch the outcome": replaces(only_count, "nobody is asked"),
    "shown sets": skips("none is kept", is_for_outcome),
    "late views": returns((), "they are forgotten"),
    "majority of the signed": turns(find_third, "a third is enough"),
    "show who departed": skips("nobody is shown anything"),
}
