"""Rows for an aggregator to fail on: the cases of the design, and some found since.

Every number comes from BLAKE3, so a case is the same on every machine and in every run.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Float32

RADII = (1e-6, 1e-3, 0.1, 1.0, 10.0, math.inf)
"""Clipping radii, in spreads."""


def uniform(label: str, count: int) -> Float32:
    """Numbers in (0, 1)."""
    words = np.frombuffer(blake3(label.encode()).digest(length=4 * count), "<u4")
    return ((words.astype(np.float64) + 0.5) / 2**32).astype(np.float32)


def normal(label: str, *shape: int) -> Float32:
    """Standard normal numbers, by Box and Muller."""
    count = math.prod(shape)
    size, angle = uniform(label, count), uniform(label + "'", count)
    near = np.minimum(size, np.float32(1 - 2**-24))
    numbers = np.sqrt(-2 * np.log(near)) * np.cos(np.float32(2 * math.pi) * angle)
    shaped: Float32 = numbers.astype(np.float32).reshape(shape)
    return shaped


def spread(rows_ND: Float32) -> float:
    """A typical distance: median over rows of the median distance to the others; 1 if it is 0."""
    wide = rows_ND.astype(np.float64)
    gram = wide @ wide.T
    diagonal = gram.diagonal()
    squares = np.maximum(diagonal[:, None] + diagonal - 2 * gram, 0)
    found = float(np.median(np.sqrt(np.median(squares, axis=1))))
    floor = 1e-12 * math.sqrt(float(diagonal.min()))
    return found if found > floor else max(math.sqrt(float(diagonal.min())), 1.0)


def attack(rows_ND: Float32, attacked: Float32 | float) -> Float32:
    """The rows with those of the largest minority replaced."""
    rows = rows_ND.copy()
    count = attackers(len(rows))
    rows[:count] = attacked
    return rows


def attackers(count: int) -> int:
    """The largest minority."""
    return (count - 1) // 2


def scaled(factor: float) -> Callable[[Float32], Float32]:
    return lambda rows: attack(rows, rows[: attackers(len(rows))] * np.float32(factor))


def opposite_pairs(rows: Float32) -> Float32:
    half = len(rows) // 2
    return np.concatenate([rows[:half], -rows[:half], rows[2 * half :]])


def far_point(rows: Float32) -> Float32:
    return attack(rows, 1000 * rows[-1])


def median_norm_attackers(rows: Float32) -> Float32:
    """Honest rows close together, attackers of the same norm on the other side."""
    honest = rows + 300
    return attack(honest, -honest[: attackers(len(rows))])


def constant(rows: Float32) -> Float32:
    """One number repeated, chosen where a kernel's running sums err most."""
    steps = np.linspace(1.0, 4.0, attackers(len(rows)), dtype=np.float32)
    return attack(rows, (10 * steps)[:, None])


def huge_tail(rows: Float32) -> Float32:
    """Attackers that look tiny at their start."""
    tail = rows[: attackers(len(rows))].copy()
    tail[:, : tail.shape[1] // 2] *= np.float32(1e-6)
    tail[:, tail.shape[1] // 2 :] *= np.float32(1e6)
    return attack(rows, tail)


def spike(rows: Float32) -> Float32:
    """Attackers that are honest but for one number, which no sample of a long row looks at."""
    spiked = rows[: attackers(len(rows))].copy()
    spiked[:, -7] = np.float32(1e30)
    return attack(rows, spiked)


def hidden(rows: Float32) -> Float32:
    """As `spike`, but milder, and so placed that the sample takes an attacker for the medoid."""
    honest = rows + 300
    inside = np.mean(honest, axis=0)
    inside[-7] = np.float32(1e9)
    return attack(honest, inside)


def two_clusters(rows: Float32) -> Float32:
    near = rows * np.float32(1e-3)
    near[::2] += 1
    near[1::2] -= 1
    return near


def collinear(rows: Float32) -> Float32:
    """All near one line, unevenly far along it."""
    places: Float32 = np.linspace(-1, 2, len(rows), dtype=np.float32) ** 3
    line: Float32 = places[:, None] * rows[-1] + rows * np.float32(1e-4)
    return line


def majority_identical(rows: Float32) -> Float32:
    count = attackers(len(rows))
    return np.concatenate([rows[:count], np.repeat(rows[-1:], len(rows) - count, axis=0)])


CASES: dict[str, Callable[[Float32], Float32]] = {
    "clean": lambda rows: rows,
    "x -10^3": scaled(-1e3),
    "x -10^6": scaled(-1e6),
    "x 10^30": scaled(1e30),
    "3.10^38": lambda rows: attack(rows, 3e38),
    "all 3.10^38": lambda rows: np.sign(rows) * np.float32(3e38),
    "opposite pairs": opposite_pairs,
    "one far point": far_point,
    "median norm": median_norm_attackers,
    "huge tail": huge_tail,
    "spike": spike,
    "hidden spike": hidden,
    "constant": constant,
    "spread 10^-3": lambda rows: rows + 1000,
    "spread 10^-5": lambda rows: rows * np.float32(0.1) + 10000,
    "10^-25": lambda rows: rows * np.float32(1e-25),
    "denormal": lambda rows: rows * np.float32(1e-39),
    "identical": lambda rows: np.repeat(rows[:1], len(rows), axis=0),
    "zero": np.zeros_like,
    "two clusters": two_clusters,
    "near-collinear": collinear,
    "majority identical": majority_identical,
}


def make(name: str, count: int, length: int) -> Float32:
    """Rows of a case, shape (count, length)."""
    with np.errstate(all="ignore"):
        return CASES[name](normal(f"{count} {length}", count, length)).astype(np.float32)
