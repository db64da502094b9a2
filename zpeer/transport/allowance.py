"""How often something may happen: a few times at once, then once in a while for ever."""

from __future__ import annotations


class Allowance:
    """Tokens: `burst` at most, a new one every `every_s`."""

    def __init__(self, burst: int, every_s: float) -> None:
        """Start with all of them."""
        self._burst = burst
        self._every_s = every_s
        self._left = float(burst)
        self._since = 0.0

    def take(self, now: float) -> bool:
        """Use one up; False if there is none."""
        gained = max(0.0, now - self._since) / self._every_s
        self._left = min(float(self._burst), self._left + gained)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
