"""When a failure became inevitable: from which event on every future fails.

A run is a function of its plan. With everything drawn otherwise after event k it has another
future; the least k whose futures all fail is where to look in the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.simulate.running import Branch

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.simulate.running import Failure, Outcome

FUTURES = 5


def find_turning_point(run: Callable[[Branch], Outcome], failure: Failure) -> int:
    """The event after which all futures that were tried fail for the same reason.

    By bisection: so the last such point, if there are several.
    """
    least, most = 0, failure.event
    while least < most:
        middle = (least + most) // 2
        if is_doomed(run, failure, middle):
            most = middle
        else:
            least = middle + 1
    return most


def is_doomed(run: Callable[[Branch], Outcome], failure: Failure, event: int) -> bool:
    """Whether every future after an event fails."""
    for future in range(1, FUTURES + 1):
        found = run(Branch(event, future)).failure
        if found is None or found.check != failure.check:
            return False
    return True
