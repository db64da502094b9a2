"""A run to which something is done while it runs: real processes, and a script that meddles.

A script is a generator that is turned with the swarm: it yields how many seconds to wait, or what
to wait for. Who drives it looks at the swarm meanwhile, so nothing is decided by sleeping.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tools.kernel import find_peers
from tools.namespaces import Switch, move_into
from tools.relay import Relay, lead_through
from zpeer.observations import StepDecided
from zpeer.runs.config import load_run
from zpeer.runs.initialise import init_local
from zpeer.runs.renewal import STATE
from zpeer.swarm.driver import Swarm, make_board, peer_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.experiment import Plan
    from zpeer.swarm.scoreboard import Scoreboard
    from zpeer.swarm.view import View

Wait = float | Callable[[], bool]
Script = Callable[["Scene"], Iterator[Wait]]
SECONDS_MAX = 240.0
"""A run that takes longer hangs."""


class Span(NamedTuple):
    """How many records each peer had told of, when it began and when it was over."""

    begin: dict[str, int]
    end: dict[str, int]


class Scene:
    """What a script sees and does."""

    def __init__(self, board: Scoreboard, network: Relay | Switch | None) -> None:
        self.board = board
        self._network = network
        self._begin: dict[str, int] = {}
        self._end: dict[str, int] = {}
        self._pids: dict[str, int] = {}

    # --- what a script waits for ------------------------------------------------------------------

    def at_step(self, step: int) -> Callable[[], bool]:
        """So many steps are done."""
        return lambda: self.board.counted >= step

    def someone_waits(self) -> bool:
        """An attempt has got stuck, and peers say so."""
        return bool(self.board.stuck)

    def has_left(self, name: str) -> Callable[[], bool]:
        """The others go on without it."""
        return lambda: any(ban.left.peer == name for ban in self.board.bans)

    # --- what it does -----------------------------------------------------------------------------

    def begin(self) -> None:
        """From now on it is the fault that is seen."""
        self._begin = self._count_records()

    def end(self) -> None:
        """It is over; else it was a moment."""
        self._end = self._count_records()

    def kill(self, *names: str) -> None:
        """End processes at once, without a word."""
        self._signal(names, signal.SIGKILL)

    def freeze(self, *names: str) -> None:
        """Stop processes where they are; their sockets stay open."""
        self._signal(names, signal.SIGSTOP)

    def thaw(self, *names: str) -> None:
        """Let them go on."""
        self._signal(names, signal.SIGCONT)

    @property
    def relay(self) -> Relay:
        """The relay that all connections lead through."""
        assert isinstance(self._network, Relay), "the scene was set without a relay"
        return self._network

    @property
    def network(self) -> Relay | Switch:
        """What carries what the peers send: pieces of connections, or packets."""
        assert self._network is not None, "the scene was set without a network"
        return self._network

    @property
    def span(self) -> Span:
        """When what was done began and ended."""
        return Span(self._begin, self._end or self._begin)

    def _count_records(self) -> dict[str, int]:
        return {name: member.steps for name, member in self.board.members.items()}

    def _signal(self, names: Sequence[str], number: signal.Signals) -> None:
        for name in names:
            with suppress(ProcessLookupError):
                os.kill(self._pid(name), number)

    def _pid(self, name: str) -> int:
        if name not in self._pids:
            self._pids = {peer: pid for pid, peer in name_peers().items()}
        return self._pids[name]


class Outcome(NamedTuple):
    """A run that is over."""

    directory: Path
    board: Scoreboard
    span: Span
    seconds: float
    is_played: bool
    """Whether the script came to its end before the run did."""
    hanging: list[str]
    """Peers that had to be ended."""

    def records(self, name: str) -> list[StepDecided]:
        """All records that a peer told of."""
        lines = (self.directory / "state" / name / "observations.jsonl").read_bytes().splitlines()
        said = [msgspec.json.decode(line) for line in lines]
        return [msgspec.convert(each, StepDecided) for each in said if each["type"] == "step"]

    def lost_seconds(self, name: str) -> float:
        """What the script cost a peer, until the first counted step that began after it: attempts
        that came to nothing, and what steps took beyond the usual.
        """
        records = self.records(name)
        begin, end = self.span.begin[name], self.span.end[name]
        lost = 0.0
        for place, record in enumerate(records[begin:], begin):
            is_counted = record.outcome == "counted"
            lost += record.seconds
            if is_counted:
                like = [each for each in records if len(each.roster) == len(record.roster)]
                lost -= typical_seconds(like)
            if is_counted and place > end:
                break
        return lost

    def void_attempts(self, name: str) -> int:
        """Attempts that came to nothing."""
        return sum(record.outcome == "void" for record in self.records(name))


def typical_seconds(records: Sequence[StepDecided]) -> float:
    """Median of the counted steps but the first, which carries the start."""
    counted = [record.seconds for record in records if record.outcome == "counted"]
    return median(counted[1:] or counted)


def name_peers() -> dict[int, str]:
    """The peers' processes of this process's swarm: what each prints goes to NAME.out."""
    found = {}
    for pid in find_peers():
        with suppress(OSError):
            output = Path(f"/proc/{pid}/fd/1").readlink()
            if output.suffix == ".out" and output.parent.name == STATE:
                found[pid] = output.name.removesuffix(".out")
    return found


def make_network(kind: type[Relay | Switch] | None, run: Path) -> Relay | Switch | None:
    """Change a run's files so that its peers call each other through a network of that kind."""
    if kind is Switch:
        switch = Switch([peer.name for peer in load_run(run).peers])
        move_into(run, switch)
        return switch
    return lead_through(run, name_peers) if kind is Relay else None


def play(
    plan: Plan,
    directory: Path,
    script: Script,
    view: View,
    *,
    kind: type[Relay | Switch] | None = None,
    change: Callable[[Path], None] = lambda _run: None,
) -> Outcome:
    """Make a run anew, run it, and do to it what the script says.

    `change` may change the run's files before it starts.
    """
    shutil.rmtree(directory, ignore_errors=True)
    init_local(plan.template, directory, plan.peers, changes=plan.changes, settings=plan.settings)
    change(directory)
    network = make_network(kind, directory)
    board = make_board(directory)
    scene = Scene(board, network)
    began = time.monotonic()
    with ExitStack() as stack:
        if network is not None:
            stack.enter_context(network)
        stack.enter_context(view)
        swarm = stack.enter_context(
            Swarm(directory, peer_files(directory, load_run(directory)), board)
        )
        is_played = drive(swarm, board, Player(script(scene)), view, began + SECONDS_MAX)
        swarm.require_started()
        hanging = [each.name for each in board.members.values() if each.is_running]
    return Outcome(directory, board, scene.span, time.monotonic() - began, is_played, hanging)


class Player:
    """Turns a script."""

    def __init__(self, script: Iterator[Wait]) -> None:
        self._script = script
        self._wait: Wait = 0.0
        self._since = 0.0
        self.is_over = False

    def turn(self, now: float) -> None:
        """Go on, if what it waits for has come."""
        while not self.is_over and self._has_come(now):
            following = next(self._script, None)
            self.is_over = following is None
            self._wait, self._since = following or 0.0, now

    def _has_come(self, now: float) -> bool:
        if isinstance(self._wait, (int, float)):
            return now >= self._since + self._wait
        return self._wait()


def drive(swarm: Swarm, board: Scoreboard, player: Player, view: View, limit: float) -> bool:
    """Until the last peer has ended, or time is up; whether the script came to its end."""
    while not swarm.is_over and time.monotonic() < limit:
        swarm.listen()
        player.turn(time.monotonic())
        view.update(board, time.monotonic())
    return player.is_over
