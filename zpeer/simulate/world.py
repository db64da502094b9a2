"""Virtual time: what happens next, in one process and one thread, without a sleep.

Things happen in the order of their times; of those at one time the order is drawn from the seed.
`count` numbers them: "after event k" means the same in every run of a plan.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.simulate.streams import Entropy

Action = "Callable[..., None]"


class World:
    """The clock and what is to come."""

    def __init__(self, entropy: Entropy) -> None:
        self.now = 0.0
        self.count = 0
        """Things that have happened."""
        self._ties = entropy.stream("order")
        self._coming: list[tuple[float, int, int, Callable[..., None], tuple[object, ...]]] = []
        self._pushed = 0

    def at(self, time: float, action: Callable[..., None], *args: object) -> None:
        """Let something happen at a time, or now if that has passed."""
        self._pushed += 1
        entry = (max(time, self.now), self._ties.word(), self._pushed, action, args)
        heapq.heappush(self._coming, entry)

    def after(self, seconds: float, action: Callable[..., None], *args: object) -> None:
        """Let something happen so much later."""
        self.at(self.now + seconds, action, *args)

    def step(self) -> bool:
        """Let the next thing happen; False if there is none."""
        if not self._coming:
            return False
        time, _, _, action, args = heapq.heappop(self._coming)
        self.now = time
        self.count += 1
        action(*args)
        return True
