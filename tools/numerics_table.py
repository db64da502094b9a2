"""Shows that CenteredClip and the sum check hold their bounds; exits with 1 where one is broken.

Bounds: an honest sum of projections is at most half of the tolerance. A projection computed in two
ways differs by less than 20 u * min(norm, tau), u = 2^-24. A shift of 10^-4 max(tau, mean force /
lambda) is caught in at least 99% of beacons, unless most of the tolerance is for the rounding of
the aggregate, 32 lambda n ||v||, or for numbers too small for relative rounding (such shares are
shown in brackets).
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.numerics.cases import CASES, RADII, make, normal, spread
from zpeer.core.thresholds import HONEST, SUM_PULL, UNIT, compute_sum_tolerance
from zpeer.ids import digest_bytes, number
from zpeer.numerics.centered_clip import solve
from zpeer.numerics.clipping import clip_weight
from zpeer.numerics.directions import CHUNK, Directions, directions
from zpeer.numerics.fixed import norm
from zpeer.numerics.projections import column, residual

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from zpeer.interfaces import Float32

    Float64 = NDArray[np.float64]

K = 4
CAUGHT = 0.99
SHAPES = ("one coordinate", "two equal", "rank one", "dense")
LENGTHS = {64: 3000}
LENGTH = 40_000
"""Long enough for the float32 path; 64 rows are short, to be quick."""


class Line(NamedTuple):
    """What a case gives at one radius. Shares of NaN: nothing to catch."""

    rows: int
    case: str
    radius: float
    steps: int
    residual: float
    used: float
    difference: float
    caught: tuple[float, ...]
    mostly_rounding: bool


def beacons(count: int, length: int) -> Iterator[Directions]:
    return (directions(digest_bytes(number(i)), 0, length, K) for i in range(count))


def measure(count: int, case: str, share: float, trials: int) -> Line:
    rows = make(case, count, LENGTHS.get(count, LENGTH))
    radius = share * spread(rows)
    solution = solve(rows, radius)
    vector = solution.vector
    left, norms = residual(rows, vector, radius, clip_weight)
    weights = [clip_weight(size, radius) for size in norms]
    pull = math.fsum(weight * size for weight, size in zip(weights, norms, strict=True))
    tolerance = compute_sum_tolerance(norms, radius, norm(vector), clip_weight)
    reach = max(radius if radius < math.inf else 0.0, pull / math.fsum(weights))
    shifts = [1e-4 * reach * make_shape(shape, len(vector)) for shape in SHAPES]
    return Line(
        count,
        case,
        share,
        solution.iterations,
        left / pull if pull else 0.0,
        find_largest_sum(rows, vector, radius, tolerance),
        find_difference(rows, vector),
        tuple(catch(rows, vector, radius, shift, trials) for shift in shifts),
        tolerance > 2 * UNIT * SUM_PULL * pull,
    )


def find_largest_sum(rows: Float32, vector: Float32, radius: float, tolerance: float) -> float:
    """Largest honest |sum of s| over some beacons, as a share of the tolerance."""
    largest = 0.0
    for made in beacons(4, len(vector)):
        stated = column(rows, vector, radius, clip_weight, made)
        sums = [math.fsum(values) for values in zip(*(s.projections for s in stated), strict=True)]
        largest = max(largest, *map(abs, sums))
    return largest / tolerance if largest else 0.0


def find_difference(rows: Float32, vector: Float32) -> float:
    """Largest difference of a projection from torch's and from double's, in u * norm."""
    largest = 0.0
    made = next(beacons(1, len(vector)))
    for row in rows[:: max(1, len(rows) // 8)]:
        stated = column((row,), vector, math.inf, clip_weight, made)[0]
        wide = row.astype(np.float64) - vector
        exact = np.array(made.project(wide))
        others = [exact]
        if 1e-10 < stated.norm < 1e15:  # where squares have the range of float32
            others.append(project_with_torch(made, row, vector))
        for other in others:
            gap = float(np.abs(np.array(stated.projections) - other).max())
            largest = max(largest, gap / (UNIT * stated.norm) if gap else 0.0)
    return largest


def project_with_torch(made: Directions, row: Float32, vector: Float32) -> Float64:
    """The specification once more, by another library."""
    side = made.left.shape[1]
    difference = torch.zeros(side * side)
    difference[: made.length] = torch.from_numpy(row.copy()) - torch.from_numpy(vector)
    sums = torch.zeros(K, side, dtype=torch.float64)
    for start in range(0, side, CHUNK):
        left = torch.from_numpy(made.left[:, start : start + CHUNK].copy())
        sums += (left @ difference.reshape(side, side)[start : start + CHUNK]).double()
    found: Float64 = (sums * torch.from_numpy(made.right.copy()).double()).sum(1).numpy()
    return found


def catch(rows: Float32, vector: Float32, radius: float, shift: Float64, trials: int) -> float:
    """Share of beacons whose sums fail when the vector is shifted."""
    moved = (vector + shift).astype(np.float32)
    if not shift.any() or not np.isfinite(moved).all():
        return math.nan
    differences = rows.astype(np.float64) - moved
    norms = [norm(difference) for difference in differences]
    weights = np.array([clip_weight(each, radius) for each in norms])
    tolerance = compute_sum_tolerance(norms, radius, norm(moved), clip_weight)
    total = weights @ differences
    caught = [
        max(map(abs, made.project(total))) > tolerance for made in beacons(trials, len(vector))
    ]
    return sum(caught) / trials


def make_shape(name: str, length: int) -> Float64:
    """A shift of norm 1."""
    shape = np.zeros(length)
    if name == "one coordinate":
        shape[length // 3] = 1
    elif name == "two equal":
        shape[[length // 5, length // 2]] = 1
    elif name == "rank one":
        side = math.isqrt(length - 1) + 1
        shape[:] = np.outer(normal("left", side), normal("right", side)).ravel()[:length]
    else:
        shape[:] = normal("dense", length)
    found: Float64 = shape / np.linalg.norm(shape)
    return found


def find_faults(line: Line) -> list[str]:
    faults = []
    if not line.used <= 0.5:
        faults.append(f"an honest sum is {line.used:.2f} of the tolerance (bound 0.5)")
    if not line.difference < HONEST:
        faults.append(f"projections differ by {line.difference:.1f} u (bound {HONEST})")
    for shape, share in zip(SHAPES, line.caught, strict=True):
        if share < CAUGHT and not line.mostly_rounding:
            faults.append(f"{share:.1%} of shifts in {shape} are caught (bound {CAUGHT:.0%})")
    return [f"n = {line.rows}, {line.case}, tau = {line.radius:g}: {fault}" for fault in faults]


def summarise(lines: list[Line]) -> Line:
    """The worst of a case over its radii; the radius shown is that of the largest sum."""
    worst = max(lines, key=lambda line: line.used)
    plain = [line for line in lines if not line.mostly_rounding] or lines
    caught = [[line.caught[s] for line in plain] for s in range(len(SHAPES))]
    return worst._replace(
        steps=max(line.steps for line in lines),
        residual=max(line.residual for line in lines),
        difference=max(line.difference for line in lines),
        caught=tuple(min(shares) for shares in caught),
        mostly_rounding=all(line.mostly_rounding for line in lines),
    )


def show_cases(lines: list[Line], console: Console) -> None:
    title = "CenteredClip and the sum check (tau in spreads; differences in u min(norm, tau))"
    table = Table(title=title, title_justify="left")
    for name in ("n", "case", "tau", "steps", "residual/force", "|sum s|/tol", "diff", *SHAPES):
        table.add_column(name, justify="left" if name == "case" else "right")
    for line in lines:
        shares = (f"{share:.1%}" if not math.isnan(share) else "-" for share in line.caught)
        shown = (f"({share})" if line.mostly_rounding else share for share in shares)
        style = "red" if find_faults(line) else None
        table.add_row(
            str(line.rows),
            line.case,
            f"{line.radius:g}",
            str(line.steps),
            f"{line.residual:.0e}",
            f"{line.used:.3f}",
            f"{line.difference:.1f}",
            *shown,
            style=style,
        )
    console.print(table)


# --- time -----------------------------------------------------------------------------------------


def plain_iteration(rows: Float32, radius: float, passes: int = 50) -> tuple[Float32, int]:
    """CenteredClip as it is usually written: whole passes from the mean until the step is small."""
    vector: Float32 = rows.mean(axis=0)
    done = 0
    while done < passes:
        done += 1
        differences = rows - vector
        sizes = np.linalg.norm(differences, axis=1)
        step = (np.minimum(1, radius / sizes) / len(rows)).astype(np.float32) @ differences
        vector = vector + step
        if float(np.linalg.norm(step)) < 1e-6 * radius:
            break
    return vector, done


def time_ms(work: Callable[[], object], repeats: int) -> float:
    """Shortest of some runs: the machine is shared."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def show_times(count: int, length: int, console: Console) -> None:
    table = Table(title=f"Time, {count} x {length} float32, one thread", title_justify="left")
    for name in (
        "case",
        "mean",
        "CenteredClip",
        "residual/force",
        "plain",
        "passes",
        "residual/force",
    ):
        table.add_column(name, justify="left" if name == "case" else "right")
    for case in ("clean", "x -10^3", "spread 10^-3", "constant", "x 10^30"):
        rows = make(case, count, length)
        radius = 0.5 * spread(rows)
        with np.errstate(all="ignore"):
            mean = time_ms(lambda rows=rows: rows.mean(axis=0), 5)  # type: ignore[misc]
            start = time.perf_counter()
            plain, passes = plain_iteration(rows, radius)
            plain_ms = 1e3 * (time.perf_counter() - start)
        mine = time_ms(lambda rows=rows, radius=radius: solve(rows, radius), 5)  # type: ignore[misc]
        table.add_row(
            case,
            f"{mean:.1f} ms",
            f"{mine:.1f} ms",
            show_residual(rows, solve(rows, radius).vector, radius),
            f"{plain_ms:.0f} ms",
            str(passes),
            show_residual(rows, plain, radius),
        )
    console.print(table)


def show_residual(rows: Float32, vector: Float32, radius: float) -> str:
    if not np.isfinite(vector).all():
        return "not finite"
    left, norms = residual(rows, vector, radius, clip_weight)
    return f"{left / math.fsum(min(size, radius) for size in norms):.0e}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--full", action="store_true", help="more rows and beacons, a line a radius"
    )
    full: bool = parser.parse_args().full
    torch.set_num_threads(1)
    console = Console(width=None if sys.stdout.isatty() else 150)
    grid = [(n, case) for n in ((1, 2, 3, 16, 64) if full else (3, 16)) for case in CASES]
    trials = 300 if full else 100
    lines: list[Line] = []
    faults: list[str] = []
    for count, case in track(grid, "cases", console=Console(stderr=True), transient=True):
        found = [measure(count, case, share, trials) for share in RADII]
        faults += [fault for line in found for fault in find_faults(line)]
        lines += found if full else [summarise(found)]
    show_cases(lines, console)
    show_times(16, 700_000, console)
    for fault in faults:
        console.print(f"[red]broken:[/] {fault}")
    console.print(f"{len(faults)} bounds broken" if faults else "all bounds hold")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
