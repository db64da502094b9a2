"""Pictures of runs: loss and accuracy over the steps, bans marked where they happened.

Drawn with matplotlib's Agg into a PNG: no display, no window.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from zpeer.swarm.scoreboard import Scoreboard

COLORS = ("#1b6ca8", "#c0392b", "#7f8c8d", "#27ae60", "#8e44ad", "#d68910")
INCHES = (8.0, 7.0)
DOTS_PER_INCH = 130
HIGHEST, LINE, LINES = 0.7, 0.06, 8
"""Where the names of banned peers stand: shares of the height, where few curves pass."""
LATE = 0.7
"""Beyond this share of the width a name stands left of its line."""
NAME_POINTS = 24


class Curve(msgspec.Struct, frozen=True):
    """One run in a picture: series of (step, value), and who left as (step, what)."""

    label: str
    losses: list[tuple[int, float]]
    accuracies: list[tuple[int, float]]
    bans: list[tuple[int, str]]


def curve_of(board: Scoreboard, label: str) -> Curve:
    """A run as it was watched."""
    return Curve(
        label=label,
        losses=board.series("loss") or board.losses,
        accuracies=board.series("accuracy"),
        bans=[
            (ban.step, f"{ban.left.peer} {'banned' if ban.left.banned else 'removed'}")
            for ban in board.bans
        ],
    )


def draw(path: Path, curves: Sequence[Curve], title: str, attack_start: int | None = None) -> None:
    """Write the picture; `attack_start` is marked if it is given."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - half a second
    from matplotlib.figure import Figure  # noqa: PLC0415 - the same

    figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    accuracy, loss = figure.subplots(2, 1, sharex=True)
    for index, curve in enumerate(curves):
        color = COLORS[index % len(COLORS)]
        draw_series(accuracy, curve.accuracies, color, curve.label)
        diverged = " (diverged)" if any(not isfinite(value) for _, value in curve.losses) else ""
        draw_series(loss, curve.losses, color, curve.label + diverged)
    for index, curve in enumerate(curves):  # now that the width is known
        mark_bans(accuracy, curve.bans, COLORS[index % len(COLORS)])
    if attack_start is not None:
        for axes in (accuracy, loss):
            axes.axvline(attack_start, color="black", linestyle=":", linewidth=1)
        accuracy.annotate("attack starts", (attack_start, 0.02), fontsize=8)
    if any(isfinite(value) and value > 0 for curve in curves for _, value in curve.losses):
        loss.set_yscale("log")
    finish_axes(accuracy, loss, title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def draw_series(axes: Axes, series: list[tuple[int, float]], color: str, label: str) -> None:
    """One line; where a value is not finite (the run diverged) it stops."""
    finite = [(step, value) for step, value in series if isfinite(value)]
    axes.plot(
        [step for step, _ in finite],
        [value for _, value in finite],
        color=color,
        label=label,
        marker=".",
        linewidth=1.5,
    )


def mark_bans(axes: Axes, bans: list[tuple[int, str]], color: str) -> None:
    """A dashed line at each step somebody left in, the names one below the other."""
    start, end = axes.get_xlim()
    for place, (step, what) in enumerate(bans):
        axes.axvline(step, color=color, linestyle="--", linewidth=1)
        is_late = step - start > LATE * (end - start)
        axes.annotate(
            f"{what}, step {step}",
            xy=(step, HIGHEST - LINE * (place % LINES)),
            xytext=(-NAME_POINTS if is_late else NAME_POINTS, 0),
            textcoords="offset points",
            ha="right" if is_late else "left",
            va="center",
            fontsize=8,
            color=color,
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.8},
        )


def finish_axes(accuracy: Axes, loss: Axes, title: str) -> None:
    """Limits, scales and words."""
    accuracy.set_title(title)
    accuracy.set_ylim(0, 1)
    accuracy.set_ylabel("accuracy on held-out samples")
    loss.set_ylabel("loss")
    loss.set_xlabel("step")
    for axes in (accuracy, loss):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, loc="best")
