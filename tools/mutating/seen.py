"""Patches for what all see, and for who is removed without a proof (`zpeer/core/rules.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.mutating.patches import Patch, replaces, returns, turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zpeer.core.adjudicate import Judgement
    from zpeer.core.state import Attempt
    from zpeer.record import Charge
    from zpeer.signed import Signed

FINE = returns("", "nothing is wrong with it")
YES, NO = returns(value=True), returns(value=False)


def list_single(views: Sequence[Signed]) -> list[Signed]:
    """The views of those who signed one."""
    senders = [each.sender for each in views]
    return [each for each in views if senders.count(each.sender) == 1]


def settle_single(
    original: Callable[..., Any], judgement: Judgement, past: Attempt, views: Sequence[Signed]
) -> Any:
    """Of who signed two nothing is heard."""
    return original(judgement, past, list_single(views))


def has_double(judgement: Judgement, past: Attempt, views: Sequence[Signed]) -> bool:  # noqa: ARG001 - as the rule's
    """Whether anybody signed two."""
    return len(list_single(views)) < len(views)


def note_only(original: Callable[..., Any], *args: Any, **named: Any) -> None:
    """The fault is noted, and the attempt goes on."""
    original(*args, **(named | {"voids": False}))


def keep_charges(_result: Any, charges: Sequence[Charge], *_rest: Any) -> tuple[Charge, ...]:
    """Those there were."""
    return tuple(charges)


SEEN: dict[str, Patch] = {
    "two bodies": turns(lambda _result, *_args: None, "a second body proves nothing"),
    "shown bodies": NO,
    "two views": replaces(settle_single, "who signs two is as if unheard", has_double),
    "unreadable body": NO,
    "unreadable verdict": NO,
    "COMMIT": FINE,
    "AGGREGATED": FINE,
    "PROJECTIONS": FINE,
    "scalars": FINE,
    "impossible scalars": NO,
    "findings": FINE,
    "reports": FINE,
    "report and accusation": NO,
    "durations": FINE,
    "one accusation a deed": NO,
    "may accuse": YES,
    "owners accuse": YES,
    "validators accuse": YES,
    "targets accuse": YES,
    "void": replaces(note_only, "no fault voids", lambda *_args, **named: named["voids"]),
    "PART": YES,
    "charges": turns(keep_charges, "none is added"),
    "elimination": returns([], "no pair leaves"),
    "contentious": returns([], "nobody"),
    "RESULT": YES,
    "claimed by most": returns((), "nobody"),
    "claims most": returns((), "nobody"),
    "whole PART": YES,
    "whole RESULT": YES,
    "share": YES,
    "secret": YES,
    "secret of a view": YES,
    "beacon": NO,
    "head": YES,
    "silence": returns((), "nobody"),
}
