"""What is said when a swarm has ended: who did what, what came of it, where the files are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from zpeer.genesis import WARNINGS
from zpeer.swarm.scoreboard import TAIL, Condition
from zpeer.swarm.view import STYLES, say_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from zpeer.swarm.scoreboard import Member, Scoreboard


def summarize(console: Console, board: Scoreboard, picture: Path | None) -> None:
    """Print it all; what is wrong comes last, in red."""
    console.print(peer_table(board))
    for line in result_lines(board):
        console.print(Text(line), soft_wrap=True)
    for line in file_lines(board, picture):
        console.print(Text(line), soft_wrap=True)
    if board.protection in WARNINGS:
        console.print(Text(WARNINGS[board.protection], style="bold red"), soft_wrap=True)
    for problem in board.problems():
        console.print(Text(f"problem: {problem}", style="bold red"), soft_wrap=True)


def peer_table(board: Scoreboard) -> Table:
    """A line a peer: name, status, why, step, evidence."""
    table = Table(title=f"{board.run}: what became of the peers", title_justify="left")
    table.add_column("peer", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("step", justify="right")
    table.add_column("why", overflow="fold")
    table.add_column("evidence", overflow="fold")
    steps = {ban.left.peer: ban.step for ban in board.bans}
    evidence = board.evidence
    for member in board.members.values():
        table.add_row(
            Text(f"{member.name} ({member.attack})" if member.attack else member.name),
            Text(member.condition, style=STYLES[member.condition]),
            Text(str(steps.get(member.name, last_step(member)))),
            Text("" if member.condition is Condition.FINISHED else member.why),
            Text(evidence.get(member.name, "").rpartition("/")[2]),
        )
    return table


def last_step(member: Member) -> int:
    """Counted steps when it ended, or the last it told of."""
    if member.ended:
        return member.ended.step
    return member.last.step if member.last else 0


def result_lines(board: Scoreboard) -> list[str]:
    """Figures, agreement, traffic."""
    lines = []
    for name in ("accuracy", "loss"):
        series, mean = board.series(name), board.figure(name)
        if series and mean is not None:
            show = f"{series[-1][1]:.1%}" if name == "accuracy" else f"{series[-1][1]:.4f}"
            average = f"{mean:.1%}" if name == "accuracy" else f"{mean:.4f}"
            lines.append(f"{name}: {show} at the end, {average} over the last {TAIL} evaluations")
    finished = board.finished
    if finished and finished[0].ended and not board.disagreement():
        last = finished[0].ended
        lines.append(
            f"the {len(finished)} finished peers agree: head {last.head[:16]}, "
            f"parameters {last.parameters[:16]}, roster of {len(last.roster)}"
        )
    if board.stuck:
        lines.append(
            f"attempts that got stuck: {len(board.stuck)}; `zpeer inspect LOG --why PEER` tells "
            "who waited for whom"
        )
    sent, tensors = board.traffic()
    lines.append(
        f"sent by a peer in a step: {say_bytes(sent)}, of it {say_bytes(tensors)} tensors; "
        f"median step {board.step_seconds:.2f} s"
    )
    return lines


def file_lines(board: Scoreboard, picture: Path | None) -> list[str]:
    """Where model, picture, logs and evidence lie."""
    lines = []
    model = next((each.ended.model for each in board.finished if each.ended), "")
    if model:
        lines.append(f"model: {model}")
    if picture:
        lines.append(f"figure: {picture}")
    log = next((each.ended.log for each in board.finished if each.ended), "")
    if log:
        lines.append(f"log of {board.finished[0].name}: {log}")
    lines += [f"evidence against {name}: {path}" for name, path in board.evidence.items()]
    return lines
