"""The ban law: how many steps peers stay that lie about their gradients, measured and by theory.

Only who computes a lied-about gradient again sees the lie. A worker is drawn with probability
m / n_w a step, and whoever validates it is honest with the honest peers' share of the others. So
with n peers, a of them attackers, all lying in every step,

    p(n, a) = m a / n * (n - a) / (n - 1)

of the steps end in a ban, and the time until the last attacker is gone is a sum of geometric times,
one for each, plus the two attempts that an accusation and the findings on it take. Every run is a
whole swarm with the real core and numerics in one process; entropy is its number, so equal options
give equal figures. A second part counts what an honest swarm loses by false bans: nobody.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.attacks.harness import build
from tests.swarms import make_swarm
from zpeer.simulate.sweep import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from zpeer.ids import PeerId

STEPS_MAX = 1000
PROCEDURE = 2
"""Attempts from a cheat's draw to its ban: the validator's CHECK, and the findings in the next."""
ATTACK = "sign_flip"
COLUMNS = 3
QUANTILE = 0.99


class Setting(NamedTuple):
    """A swarm."""

    peers: int
    validators: int
    attackers: int

    @property
    def label(self) -> str:
        """For people."""
        return f"n = {self.peers}, m = {self.validators}, {self.attackers} attackers"


class Run(NamedTuple):
    """One run of a swarm, by its number."""

    setting: Setting
    seed: int
    steps: int


class Measured(NamedTuple):
    """What became of it."""

    last: int | None
    """Attempts until the last attacker was banned; None if one stayed."""
    lost: int
    """Honest peers that were banned or removed."""
    attempts: int


SETTINGS = (
    Setting(4, 1, 1),
    Setting(8, 1, 3),
    Setting(8, 2, 2),
    Setting(12, 1, 5),
    Setting(16, 1, 7),
    Setting(16, 2, 6),
)


def law(setting: Setting, length: int) -> NDArray[np.float64]:
    """Probability that the last attacker is gone after so many attempts, shape (length,)."""
    time = np.zeros(length)
    time[min(PROCEDURE, length - 1)] = 1.0
    for left in range(setting.attackers, 0, -1):
        peers = setting.peers - (setting.attackers - left)
        drawn = min(setting.validators, (peers - 1) // 2) * left / peers
        chance = drawn * (peers - left) / (peers - 1)
        geometric = chance * (1 - chance) ** np.arange(length)
        time = np.convolve(time, np.concatenate([[0.0], geometric]))[:length]
    return np.cumsum(time)


def measure(run: Run) -> Measured:
    """Run a swarm until its attackers are gone; an honest one to its end."""
    torch.set_num_threads(1)
    setting = run.setting
    with tempfile.TemporaryDirectory() as directory:
        swarm = make_swarm(
            Path(directory),
            {place: build(ATTACK, {}) for place in range(setting.attackers)},
            peers=setting.peers,
            steps=run.steps,
            seed=run.seed,
            validators=setting.validators,
        )
        attackers = set(swarm.attackers)
        is_over = (lambda record: attackers.isdisjoint(record.roster)) if attackers else None
        results = swarm.run(until=is_over)
    records = max((result.records for result in results if result.honest), key=len)
    left: dict[PeerId, int] = {}
    for attempts, record in enumerate(records, 1):
        for departure in record.departures:
            left.setdefault(departure.peer, attempts)
    times = [left[peer] for peer in attackers if peer in left]
    return Measured(
        last=max(times) if times and len(times) == len(attackers) else None,
        lost=sum(peer not in attackers for peer in left),
        attempts=len(records),
    )


def measure_all(runs: Sequence[Run], workers: int, console: Console) -> list[Measured]:
    """All of them, in order, on some cores."""
    with ProcessPoolExecutor(workers, get_context("spawn"), end_with_parent) as pool:
        done = track(pool.map(measure, runs), "swarms", len(runs), console=console)
        return list(done)


class Row(NamedTuple):
    """One setting's figures."""

    setting: Setting
    times: list[int]
    """Attempts until the last attacker was gone, sorted."""
    stayed: int
    lost: int

    @property
    def expected(self) -> NDArray[np.float64]:
        """The law's distribution."""
        return law(self.setting, STEPS_MAX)


def tabulate(rows: Sequence[Row], console: Console) -> None:
    """Mean and 99% quantile, measured and by the law."""
    table = Table(title="attempts until the last attacker is banned")
    for name in ("swarm", "runs", "mean", "law", "ratio", "99%", "law 99%", "stayed", "lost"):
        table.add_column(name, justify="left" if name == "swarm" else "right")
    for row in rows:
        mean = float(np.mean(row.times))
        expected = float(np.sum(1 - row.expected))
        table.add_row(
            row.setting.label,
            str(len(row.times)),
            f"{mean:.1f}",
            f"{expected:.1f}",
            f"{mean / expected:.2f}",
            f"{np.quantile(row.times, QUANTILE):.0f}",
            str(np.searchsorted(row.expected, QUANTILE)),
            str(row.stayed),
            str(row.lost),
        )
    console.print(table)


def draw(rows: Sequence[Row], path: Path) -> None:
    """Share of runs without attackers by attempts, measured and by the law."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - half a second
    from matplotlib.figure import Figure  # noqa: PLC0415 - the same

    lines = -(-len(rows) // COLUMNS)
    figure = Figure(figsize=(4.5 * COLUMNS, 3.2 * lines), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(lines, COLUMNS, squeeze=False)
    for place, row in enumerate(rows):
        draw_row(grid[place // COLUMNS][place % COLUMNS], row)
    figure.suptitle("Share of runs in which every attacker is banned, by attempts")
    figure.savefig(path)


def draw_row(axes: Axes, row: Row) -> None:
    """One setting."""
    expected = row.expected
    until = max(row.times[-1], int(np.searchsorted(expected, QUANTILE))) + 5
    axes.plot(expected[:until], color="black", linestyle="--", label="law")
    shares = np.arange(1, len(row.times) + 1) / len(row.times)
    axes.step(row.times, shares, where="post", color="C0", label=f"{len(row.times)} runs")
    axes.set_xlim(0, until)
    axes.set_ylim(0, 1.02)
    axes.set_title(row.setting.label, fontsize=10)
    axes.set_xlabel("attempts")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=100, help="of each swarm")
    parser.add_argument("--seed", type=int, default=0, help="number of the first run")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--honest-steps", type=int, default=2000, help="of 8 honest peers")
    parser.add_argument("--figure", type=Path, default=Path("ban_law.png"))
    asked = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120)
    seeds = range(asked.seed, asked.seed + asked.runs)
    runs = [Run(setting, seed, STEPS_MAX) for setting in SETTINGS for seed in seeds]
    honest = Run(Setting(8, 1, 0), asked.seed, asked.honest_steps)
    *measured, calm = measure_all([*runs, honest], asked.workers, console)
    rows = []
    for place, setting in enumerate(SETTINGS):
        found = measured[place * asked.runs : (place + 1) * asked.runs]
        times = sorted(each.last for each in found if each.last is not None)
        stayed = sum(each.last is None for each in found)
        rows.append(Row(setting, times, stayed, sum(each.lost for each in found)))
    tabulate(rows, console)
    draw(rows, asked.figure)
    console.print(f"{calm.attempts} attempts of 8 honest peers: {calm.lost} lost their place")
    console.print(f"the figure is {asked.figure}")
    return 1 if calm.lost or any(row.stayed or row.lost for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
