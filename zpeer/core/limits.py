"""Limits that fit themselves (section 3): tau and Delta_max from agreed history, the same at
everybody.

The typical norm is the median over parts of the median over workers of the reported norms per
square root of a part's length. Not one pooled median: f liars own f rows *and* f columns of the
norms, together more than half from f/n = 29% on. It follows the median of a window of counted
steps, and moves at most a little a step.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.parts import Layout


def lower_median(values: Sequence[float]) -> float:
    """The median; of an even count the lower one."""
    return sorted(values)[(len(values) - 1) // 2]


def scale(limit: float, layout: Layout) -> tuple[float, ...]:
    """A limit per square root of length, for every part."""
    return tuple(limit * sqrt(layout.length(part)) for part in range(layout.parts))


def measure_typical(norms: Sequence[Sequence[float]], layout: Layout) -> float:
    """Typical norm of one attempt; `norms` has shape (workers, parts)."""
    parts = [part for part in range(layout.parts) if layout.length(part)]
    medians = [
        lower_median([row[part] for row in norms]) / sqrt(layout.length(part)) for part in parts
    ]
    return lower_median(medians)


def follow(typical: float, window: Sequence[float], growth: float) -> float:
    """The next typical norm: towards the window's median, at most `growth` of itself a step."""
    target = lower_median(window)
    return min(max(target, typical * (1 - growth)), typical * (1 + growth))
