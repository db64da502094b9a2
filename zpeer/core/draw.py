"""Who validates next, whom, and which draws stay open (section 2, *The draw is made last* and
*report*).

A draw stays open until a report on it stands in a record and no accusation from it is open. m
validators a step against m fresh draws is critical load, so a validator takes a second draw while
there are any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.faults import FaultKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.ids import PeerId
    from zpeer.record import Draw, Matter

DUTIES = 2
"""Draws that a validator takes at most: one each, or the queue would be at critical load."""
LIFETIME = 2
"""A draw lapses after this many times n counted steps, and the record says so."""
VALIDATION_FAULTS = (FaultKind.WRONG_GRADIENT, FaultKind.WRONG_PROJECTION)


def validators_in_force(wanted: int, peers: int) -> int:
    """m in force: workers stay the majority."""
    return max(0, min(wanted, (peers - 1) // 2))


def is_suspended(draw: Draw, matters: Sequence[Matter]) -> bool:
    """Whether an accusation that came out of the draw is still open."""
    return any(
        matter.accusation.fault in VALIDATION_FAULTS
        and (matter.accusation.accused, matter.accusation.attempt) == (draw.target, draw.attempt)
        for matter in matters
    )


def split_lapsed(
    draws: Sequence[Draw], counted: int, peers: int
) -> tuple[tuple[Draw, ...], tuple[Draw, ...]]:
    """Open draws, and those whose time is over."""
    lapsed = tuple(draw for draw in draws if counted - draw.opened > LIFETIME * peers)
    return tuple(draw for draw in draws if draw not in lapsed), lapsed


def may_take(validator: PeerId, draw: Draw) -> bool:
    """Whether a draw is not on the validator itself."""
    return draw.target != validator


def assign_duties(
    validators: Sequence[PeerId], draws: Sequence[Draw], matters: Sequence[Matter]
) -> tuple[tuple[Draw, ...], ...]:
    """For each validator in drawn order the oldest open draws not on itself: one each, then a
    second."""
    free = [draw for draw in draws if not is_suspended(draw, matters)]
    duties: dict[PeerId, list[Draw]] = {validator: [] for validator in validators}
    for _ in range(DUTIES):
        for validator in validators:
            mine = next((draw for draw in free if may_take(validator, draw)), None)
            if mine is not None:
                free.remove(mine)
                duties[validator].append(mine)
    return tuple(tuple(duties[validator]) for validator in validators)
