"""What all shipped attacks have in common: the step they start at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.attacker import HonestAttack

if TYPE_CHECKING:
    from zpeer.attacker import Situation


class FromStep(HonestAttack):
    """Honest in every step before `start`."""

    def __init__(self, start: int = 0) -> None:
        self.start = start

    def is_on(self, context: Situation) -> bool:
        """Whether the attack has begun."""
        return context.step >= self.start
