"""Runs all peers of a run on this machine and shows them: `zpeer swarm`.

The peers are processes forked by `nursery.py`; each tells what it does over a pipe, which this
driver folds into a scoreboard and shows. When it returns, or raises, no process it started is left;
if it is killed, the nursery ends them.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, NamedTuple, Self

from rich.console import Console

from zpeer.core.schedule import SPACIOUS, compute_allowance
from zpeer.errors import ConfigError, StartError
from zpeer.ids import short
from zpeer.runs.config import genesis, load_peer, load_run
from zpeer.runs.renewal import renew
from zpeer.signed import STEP_STAGES
from zpeer.swarm.figure import curve_of, draw
from zpeer.swarm.pipes import GRACE_SECONDS, ExitInbox, Inbox
from zpeer.swarm.scoreboard import CODE_BANNED, CODE_REMOVED, Member, Scoreboard
from zpeer.swarm.summary import summarize
from zpeer.swarm.view import make_view

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from zpeer.genesis import Genesis
    from zpeer.runs.config import RunFile
    from zpeer.swarm.view import View

CODE_INTERRUPTED = 130
READ_BYTES = 1 << 16
POLL_SECONDS = 0.1
SLACK_SECONDS = 30.0
"""How long a peer may take to end when nothing keeps it."""
SINGLE_THREADED = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""No import may start threads before the fork; a peer sets its own number afterwards."""
FIGURE_NAME = "figure.png"


def run_swarm(
    run: Path, *, plain: bool = False, fresh: bool = True, console: Console | None = None
) -> int:
    """Start a run's peers, show them, sum up; gives the exit code.

    `fresh`: with a new nonce, so that the keys are not used twice in one run. 0 if every peer ended
    as the protocol wants it and those that finished agree; 130 after Ctrl-C; else 1.
    """
    console = console or Console()
    directory = run if run.is_dir() else run.parent
    if fresh:
        renew(directory)
    board = make_board(directory)
    try:
        watch(directory, board, make_view(console, plain=plain))
    except KeyboardInterrupt:
        console.print("interrupted: all peers of this swarm were ended")
        return CODE_INTERRUPTED
    picture = directory / FIGURE_NAME if board.leader else None
    if picture:
        draw(picture, [curve_of(board, board.run)], board.run)
    summarize(console, board, picture)
    return 1 if board.problems() else 0


def make_board(directory: Path) -> Scoreboard:
    """An empty scoreboard of the run in a directory."""
    run = load_run(directory)
    marks = {peer.name: short(peer.identity.peer) for peer in run.peers}
    members = [
        Member(name, attack=attack_of(file), mark=marks[name])
        for name, file in peer_files(directory, run).items()
    ]
    return Scoreboard(
        members, run=run.run.name, steps=run.run.steps, protection=run.run.protection.value
    )


def attack_of(file: Path) -> str:
    """Name of the attack a peer file asks for, or nothing."""
    attack = load_peer(file).attack
    return attack.name if attack else ""


def peer_files(directory: Path, run: RunFile) -> dict[str, Path]:
    """The peer files of a run, by name, in the run's order; ConfigError if one is missing."""
    files = {peer.name: directory / "peers" / f"{peer.name}.toml" for peer in run.peers}
    missing = [str(file) for file in files.values() if not file.is_file()]
    if missing:
        raise ConfigError(
            f"{directory}: no peer file {', '.join(missing)}; `zpeer swarm` needs those of all "
            "peers of the run. Make a run of your own with `zpeer init`, or start the peers whose "
            "files you have with `zpeer run`"
        )
    return files


def watch(directory: Path, board: Scoreboard, view: View) -> None:
    """Start all peers of a run and fold what they say into the board until the last one ended."""
    run = load_run(directory)
    attempt = compute_attempt_seconds(genesis(run))
    with Swarm(directory, peer_files(directory, run), board) as swarm, view:
        heard = time.monotonic()
        while not swarm.is_over:
            if swarm.listen():
                heard = time.monotonic()
            view.update(board, time.monotonic())
            patience = compute_patience(board, attempt)
            if has_ended(board) and time.monotonic() - heard > patience:
                return
        swarm.require_started()


def has_ended(board: Scoreboard) -> bool:
    """Whether a peer ended of itself: then the others go on, or end, or hang."""
    leaving = (None, CODE_BANNED, CODE_REMOVED)
    return any(each.code not in leaving for each in board.members.values())


def compute_attempt_seconds(genesis: Genesis) -> float:
    """Most that an attempt may last before anything was measured, the slow path included: 4 Delta
    a round, and twice the patience to end it and to fetch what its record rests on (protocol,
    section 5).
    """
    rounds = (len(genesis.peers) - 1) // 2 + 1
    stages = sum(compute_allowance(genesis, (), stage) for stage in STEP_STAGES)
    return stages + rounds * 4 * genesis.delta + 2 * genesis.patience


def compute_patience(board: Scoreboard, attempt_seconds: float) -> float:
    """How long nothing may be heard of a swarm of which a peer has ended: an attempt, whose
    deadlines grow with what steps took; none where all that still run have left the roster.
    """
    if not any(each.is_running and not each.has_left for each in board.members.values()):
        return SLACK_SECONDS
    return SLACK_SECONDS + attempt_seconds + SPACIOUS * board.longest_seconds


class Pipe(NamedTuple):
    """One way, from a child to us."""

    read: int
    write: int


class Swarm:
    """The processes. A context manager: on leaving it none of them is left."""

    def __init__(self, directory: Path, files: Mapping[str, Path], board: Scoreboard) -> None:
        self._output = directory / "nursery.out"
        self._files = files
        self._board = board
        self._stack = ExitStack()
        self._selector = selectors.DefaultSelector()
        self._exits = ExitInbox()
        self._codes: dict[str, int] = {}
        """Exit codes that the board does not know yet."""
        self._inboxes: dict[int, Inbox] = {}
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        control = self._open_pipe()
        pipes = {name: self._open_pipe() for name in self._files}
        try:
            self._process = self._start(control, pipes)
        except BaseException:
            self._stack.close()
            raise
        finally:
            for pipe in (control, *pipes.values()):
                os.close(pipe.write)
        self._inboxes = {pipe.read: Inbox(name) for name, pipe in pipes.items()}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ask the nursery to end all, wait a bounded time, then kill the whole group."""
        try:
            self._ask()
        finally:
            self._kill()
            self._stack.close()

    @property
    def is_over(self) -> bool:
        """Whether all has been heard: every pipe is closed."""
        return not self._selector.get_map()

    def listen(self) -> bool:
        """Wait a moment for what the peers say, and tell the board; whether anything was said."""
        ready = self._selector.select(POLL_SECONDS)
        for key, _ in ready:
            data = os.read(key.fd, READ_BYTES)
            inbox = self._inboxes.get(key.fd)
            if not data:
                self._selector.unregister(key.fd)
            if inbox:
                for observation in inbox.take(data):
                    self._board.hear(inbox.name, observation)
            else:
                self._codes |= {each.name: each.code for each in self._exits.take(data)}
        self._settle()
        return bool(ready)

    def _settle(self) -> None:
        """Tell the board of ends, but of none before its peer's last word was heard."""
        talking = {self._inboxes[fd].name for fd in self._selector.get_map() if fd in self._inboxes}
        for name in sorted(self._codes.keys() - talking):
            self._board.exited(name, self._codes.pop(name))

    def require_started(self) -> None:
        """StartError with what the nursery printed, if it ended without having started any."""
        if all(each.code is None for each in self._board.members.values()):
            said = self._output.read_text(errors="replace").strip() or "nothing"
            raise StartError(f"the peers could not be started; {self._output} says: {said}")

    def _open_pipe(self) -> Pipe:
        pipe = Pipe(*os.pipe())
        self._stack.callback(os.close, pipe.read)
        self._selector.register(pipe.read, selectors.EVENT_READ)
        return pipe

    def _start(self, control: Pipe, pipes: Mapping[str, Pipe]) -> subprocess.Popen[bytes]:
        cradles = [f"{name}={pipes[name].write}={file}" for name, file in self._files.items()]
        command = [sys.executable, "-P", "-m", "zpeer.swarm.nursery", str(os.getpid())]
        with self._output.open("wb") as output:
            return subprocess.Popen(  # noqa: S603 - our own module
                [*command, str(control.write), *cradles],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=[control.write, *(pipe.write for pipe in pipes.values())],
                env={**os.environ, **SINGLE_THREADED},
                start_new_session=True,  # Ctrl-C is ours to hear, and ours to pass on
            )

    def _ask(self) -> None:
        """Close the nursery's input, and hear out what the peers still say."""
        assert self._process.stdin is not None, "it was opened with a pipe"
        self._process.stdin.close()
        limit = time.monotonic() + 2 * GRACE_SECONDS
        while not self.is_over and time.monotonic() < limit:
            self.listen()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)

    def _kill(self) -> None:
        """Whatever is left of the nursery's group; it was not waited for, so the id is its own."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
