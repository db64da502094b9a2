"""Whom each of two twins is shown to (Bano et al., *Twins: BFT Systems Made Robust*, 2021).

Two honest processes with one key make most of what a Byzantine peer can do: they say two things
for one slot, forget what they said, vote for both sides. The split is drawn anew at each stage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.ids import PeerId, number

if TYPE_CHECKING:
    from zpeer.simulate.plan import Twins
    from zpeer.simulate.streams import Entropy

SIDES = 2
KEPT = 8192
ALL = 26
"""Of 256: how often a peer is shown both."""
ALONE = 64
"""Of 256: how often one peer alone is shown the second twin."""


class Split:
    """The splits of one pair of twins."""

    def __init__(self, entropy: Entropy, peer: PeerId, plan: Twins) -> None:
        self._entropy = entropy
        self._peer = peer
        self._plan = plan
        self._drawn: dict[tuple[tuple[int, str], PeerId], tuple[bool, bool]] = {}

    def shows(self, side: int, stage: tuple[int, str], other: PeerId) -> bool:
        """Whether the twin of that side, at that stage, is shown to another peer."""
        key = (stage, other)
        if key not in self._drawn:
            if len(self._drawn) >= KEPT:
                self._drawn.clear()
            self._drawn[key] = self._draw(stage, other)
        return self._drawn[key][side]

    def hears(self, side: int, stage: tuple[int, str], other: PeerId) -> bool:
        """Whether it hears that peer."""
        return not (self._plan.deaf and self._is_split(stage)) or self.shows(side, stage, other)

    def _is_split(self, stage: tuple[int, str]) -> bool:
        step, name = stage
        style = self._entropy.key("twins", self._peer, number(step + 1), name.encode())
        return step >= self._plan.start and style[1] < 256 * self._plan.rate

    def _draw(self, stage: tuple[int, str], other: PeerId) -> tuple[bool, bool]:
        """By hashes, so that it does not depend on who asks first."""
        if not self._is_split(stage):
            return True, False
        step, name = stage
        place = (self._peer, number(step + 1), name.encode())
        style = self._entropy.key("twins", *place)
        mine = self._entropy.key("twins", *place, other)
        if mine[1] < ALL:
            return True, True
        first = mine[0] >= 16 if style[0] < ALONE else mine[0] < 128  # noqa: PLR2004 - of 256
        return first, not first
