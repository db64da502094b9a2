"""Patches for what only some see and all judge, and for who is drawn
(`zpeer/core/rules_of_matters.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.mutating.patches import Patch, replaces, returns, skips, turns
from zpeer.core.adjudicate import older
from zpeer.faults import FaultKind, is_ban
from zpeer.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zpeer.core.adjudicate import Judgement
    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.ids import Digest, PeerId
    from zpeer.record import Draw, Matter, Record

YES, NO = returns(value=True), returns(value=False)
SIXTH = 1 / 6


def keep_unpublished(
    _original: Callable[..., Any], judgement: Judgement, matter: Matter, _lacking: list[PeerId]
) -> None:
    """Nobody leaves, and the matter stays."""
    judgement.matters.append(older(matter))


def is_questioned(context: Context) -> bool:
    """Whether the averaging of a part is to be checked."""
    matters = context.attempt.base.matters
    return any(each.accusation.fault is FaultKind.WRONG_AVERAGE for each in matters)


def most_lack(judgement: Judgement, _matter: Matter, lacking: list[PeerId]) -> bool:
    """Whether somebody would leave."""
    return any(2 * lacking.count(peer) > len(judgement.base.roster) for peer in lacking)


def draw_by_r(result: Digest, attempt: Attempt) -> Digest:
    """The beacon of the shares draws."""
    return attempt.beacon if attempt.outcome is Outcome.COUNTED else result


def draw_anew(_result: Digest, attempt: Attempt) -> Digest:
    """Every attempt draws validators."""
    return attempt.secret_beacon if any(attempt.secret_beacon) else attempt.base.draw_beacon


def lapse_never(
    _result: Any,
    draws: Sequence[Draw],
    *_rest: Any,
) -> tuple[tuple[Draw, ...], tuple[Draw, ...]]:
    """Draws stay open."""
    return tuple(draws), ()


def removes(judgement: Judgement) -> bool:
    """Whether anybody is removed."""
    return any(not is_ban(departure.fault) for departure in judgement.departures)


def end_at_once(_result: bool, context: Context, record: Record) -> bool:
    """After the last step, whatever is open."""
    return record.counted >= context.genesis.steps


def fails_any(judgement: Judgement) -> bool:
    """Whether a sum failed."""
    return bool(judgement.attempt.failed_sums)


MATTERS: dict[str, Patch] = {
    "V1": NO,
    "accused beyond": turns(lambda _result, far: far > 25, "from 25 units on"),
    "upheld beyond": turns(lambda _result, far: far > 1000, "from 1000 units on"),
    "uphold": skips(),
    "reject": skips(),
    "majority of findings": turns(lambda _result, voices, _n: voices > 0, "one voice decides"),
    "fall": returns(value=False, says="it stays open"),
    "evidence": YES,
    "queue of a pair": turns(lambda _result, matters: tuple(matters), "all are judged at once"),
    "moot": NO,
    "V2": NO,
    "tolerance of sums": turns(lambda result, *_args: result * SIXTH, "a sixth of it"),
    "blame of sums": skips(when=fails_any),
    "shield": NO,
    "fallen shield": returns(FaultKind.ACCUSATION_FELL, "it costs the place"),
    "V3": NO,
    "residual": turns(
        lambda result, *_args: None if result is None else False, "every average is right"
    ),
    "publishing": skips(when=is_questioned),
    "unpublished rows": replaces(keep_unpublished, "nobody leaves", most_lack),
    "looser limit": returns(0.0, "the limit stays"),
    "reporters drawn": returns([], "nobody is drawn"),
    "gradient": YES,
    "own statements": returns([], "nobody looks"),
    "quiet owners": NO,
    "blamed beyond": turns(lambda _result, far: far > 25, "from 25 units on"),
    "blame upheld beyond": turns(lambda _result, far: far > 1000, "from 1000 units on"),
    "report": NO,
}

DRAWS: dict[str, Patch] = {
    "draw by q": turns(draw_by_r, "r draws"),
    "draws of void attempts": turns(
        lambda result, attempt: result and attempt.outcome is Outcome.COUNTED, "none is drawn"
    ),
    "validators of void attempts": turns(draw_anew, "a void attempt draws new ones"),
    "duties": YES,
    "suspended draws": NO,
    "closing reports": returns(value=True, says="any report closes"),
    "fallen reports": skips(),
    "lapsing": turns(lapse_never, "draws stay open"),
    "removed are drawn": skips(when=removes),
    "last checks": turns(end_at_once, "the run ends after the last step"),
}
