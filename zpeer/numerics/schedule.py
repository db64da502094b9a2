"""Step sizes from + - * / alone, so that every machine computes the same bits.

A library's cosine differs from another's in the last place, and then parameters differ. Here the
cosine is a polynomial: with x in [0, 1] the share of the run that is over,

    (1 + cos(pi x)) / 2 = cos(pi x / 2)^2,

and cos t = 1 - t^2/(1*2) (1 - t^2/(3*4) (1 - t^2/(5*6) (...))), evaluated from the inside, its
first TERMS factors. For t <= pi/4 what is left out is below 2^-60; for larger t sin(pi/2 - t) is
taken, the same with factors (2*3), (4*5), ... Python evaluates each operation for itself, in
double precision, never fused with the next.
"""

from __future__ import annotations

from zpeer.errors import ConfigError

PI = 3.141592653589793
TERMS = 10
KINDS = ("constant", "cosine")


def learning_rate(kind: str, base: float, step: int, total: int, warmup: int = 0) -> float:
    """Step size of step number `step`, counted from 0, in a run of `total` steps.

    `warmup` steps rise in a straight line to `base`, which the first step after them has. `cosine`
    falls from there to 0, which the step after the last would have. Raises ConfigError for a kind
    that does not exist.
    """
    if kind not in KINDS:
        raise ConfigError(f"schedule {kind!r} does not exist; choose one of {', '.join(KINDS)}")
    if step < warmup:
        return base * (step + 1) / warmup
    if kind == "constant":
        return base
    if step >= total:
        return 0.0
    root = _quarter_cosine((step - warmup) / (total - warmup))
    return base * (root * root)


def _quarter_cosine(share: float) -> float:
    """cos(pi share / 2) for a share in [0, 1]."""
    if 2 * share <= 1:
        return _nest(PI / 2 * share, 1)
    rest = PI / 2 * (1 - share)
    return rest * _nest(rest, 2)


def _nest(angle: float, first: int) -> float:
    """1 - a^2/(f(f+1)) (1 - a^2/((f+2)(f+3)) (...)): cosine, or sine divided by the angle."""
    square = angle * angle
    value = 1.0
    for lower in range(first + 2 * (TERMS - 1), first - 1, -2):
        value = 1.0 - square / (lower * (lower + 1)) * value
    return value
