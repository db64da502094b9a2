"""How a running swarm is shown: a live picture on a terminal, plain lines elsewhere.

Both show the same scoreboard: progress, loss, accuracy, who is in and what became of whom,
traffic. A run without full protection says so in red. No thread: the picture is drawn when
`update` is called.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Protocol

from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from zpeer.genesis import WARNINGS
from zpeer.swarm.scoreboard import Condition

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.console import Console, RenderableType

    from zpeer.swarm.scoreboard import Member, Scoreboard

LINES_OF_NEWS = 8
STEPS_A_LINE = 10
REDRAW_SECONDS = 0.125
ASSEMBLING_SECONDS = 2.0
"""Between lines that say who is there."""

STYLES: dict[Condition, str] = {
    Condition.STARTING: "dim",
    Condition.ASSEMBLING: "dim",
    Condition.WORKING: "green",
    Condition.CHECKING: "cyan",
    Condition.BANNED: "bold red",
    Condition.REMOVED: "yellow",
    Condition.FINISHED: "bold green",
    Condition.STOPPED: "bold yellow",
    Condition.DIED: "bold red",
}


class View(Protocol):
    """What the swarm's driver shows itself with; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def update(self, board: Scoreboard, now: float) -> None:
        """Show where things stand; cheap to call often."""
        ...


def make_view(console: Console, *, plain: bool) -> View:
    """The live one on a terminal, unless plain lines are asked for."""
    return PlainView(console) if plain or not console.is_terminal else LiveView(console)


class PlainView:
    """Lines: every piece of news, and where things stand every few steps."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown = 0
        self._assembled = ""
        self._assembled_at = -inf
        self._warned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to tidy up."""

    def update(self, board: Scoreboard, now: float) -> None:
        """Print what is new."""
        if not self._warned and board.protection in WARNINGS:
            self._console.print(Text(WARNINGS[board.protection], style="bold red"))
        self._warned = True
        if now - self._assembled_at >= ASSEMBLING_SECONDS:
            self._show_assembling(board, now)
        while board.news:
            self._console.print(Text(board.news.popleft(), style="bold"), soft_wrap=True)
        if board.counted // STEPS_A_LINE > self._shown // STEPS_A_LINE:
            self._shown = board.counted
            self._console.print(Text(say_progress(board)), soft_wrap=True)

    def _show_assembling(self, board: Scoreboard, now: float) -> None:
        line = "" if board.leader else say_assembling(board)
        if line and line != self._assembled:
            self._assembled, self._assembled_at = line, now
            self._console.print(Text(line), soft_wrap=True)


class LiveView:
    """A picture that is drawn again and again in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, redirect_stderr=False)
        self._news: deque[str] = deque(maxlen=LINES_OF_NEWS)
        self._board: Scoreboard | None = None
        self._drawn = 0.0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last picture standing."""
        if self._board is not None:
            self._draw(self._board)
        self._live.stop()

    def update(self, board: Scoreboard, now: float) -> None:
        """Draw, if the last time is long enough ago."""
        self._board = board
        if now - self._drawn >= REDRAW_SECONDS:
            self._drawn = now
            self._draw(board)

    def _draw(self, board: Scoreboard) -> None:
        while board.news:
            self._news.append(board.news.popleft())
        self._live.update(render(board, self._news), refresh=True)


def render(board: Scoreboard, news: deque[str]) -> RenderableType:
    """The whole picture."""
    rows: list[RenderableType] = []
    if board.protection in WARNINGS:
        rows.append(Text(WARNINGS[board.protection], style="bold red"))
    rows.append(render_progress(board))
    rows.append(Text(say_progress(board) if board.leader else say_assembling(board)))
    rows.append(render_roster(board))
    rows += [Text(line, style="bold", overflow="ellipsis", no_wrap=True) for line in news]
    return Panel(Group(*rows), title=f"zpeer swarm: {board.run}", title_align="left")


def render_progress(board: Scoreboard) -> RenderableType:
    """The bar, with counted steps beside it."""
    line = Table.grid(expand=True, padding=(0, 1))
    line.add_column(ratio=1)
    line.add_column(justify="right", no_wrap=True)
    closing = board.leader is not None and board.leader.outcome == "closing"
    beside = f"step {board.counted} of {board.steps}" + (", closing checks" if closing else "")
    line.add_row(ProgressBar(total=board.steps, completed=board.counted), Text(beside))
    return line


def render_roster(board: Scoreboard) -> RenderableType:
    """A line a peer."""
    table = Table(expand=True, box=None, header_style="dim", pad_edge=False)
    for header in ("peer", "status", "step", "loss"):
        table.add_column(header, no_wrap=True)
    table.add_column("sent a step", no_wrap=True, justify="right")
    table.add_column("why", ratio=1, no_wrap=True, overflow="ellipsis")
    for member in board.members.values():
        table.add_row(*render_member(member))
    return table


def render_member(member: Member) -> tuple[Text, ...]:
    """The cells of one peer."""
    last = member.last
    step = f"{last.step}.{last.attempt}" if last else ""
    loss = f"{last.loss:.3f}" if last and last.loss is not None else ""
    sent = say_bytes(last.bytes_sent) if last else ""
    name = f"{member.name} ({member.attack})" if member.attack else member.name
    return (
        Text(name, style="" if member.is_honest else "red"),
        Text(member.condition, style=STYLES[member.condition]),
        Text(step),
        Text(loss),
        Text(sent),
        Text(member.why.splitlines()[0] if member.why else "", style="dim"),
    )


def say_progress(board: Scoreboard) -> str:
    """Where things stand, in one line."""
    leader = board.leader
    if leader is None:
        return ""
    parts = [f"step {board.counted}/{board.steps}"]
    if leader.attempt:
        parts.append(f"attempt {leader.attempt}")
    if board.losses:
        parts.append(f"loss {board.losses[-1][1]:.3f}")
    accuracy = board.series("accuracy")
    if accuracy:
        parts.append(f"accuracy {accuracy[-1][1]:.1%}")
    sent, tensors = board.traffic()
    parts += [
        f"{len(leader.roster)} peers",
        f"checking: {', '.join(leader.validators) or 'nobody'}",
        f"open draws {leader.open_draws}, matters {leader.open_matters}",
        f"{board.step_seconds:.2f} s a step",
        f"sent {say_bytes(sent)} a step and peer ({say_bytes(tensors)} tensors)",
    ]
    return " · ".join(parts)


def say_assembling(board: Scoreboard) -> str:
    """How many peers are there yet, as the last to know sees it."""
    waiting = [each for each in board.members.values() if each.condition is Condition.ASSEMBLING]
    starting = sum(each.condition is Condition.STARTING for each in board.members.values())
    if not waiting:
        return f"starting {starting} peers" if starting else ""
    return f"assembling: {len(waiting)} peers up, {waiting[-1].name}: {waiting[-1].why}"


def say_bytes(count: float) -> str:
    """An amount of bytes in the unit that fits."""
    for unit in ("B", "KB", "MB"):
        if count < 1000:  # noqa: PLR2004 - the unit's own
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"
