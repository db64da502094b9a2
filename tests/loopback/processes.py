"""Makes runs, starts zpeer as a user does, and looks at processes from outside.

`zpeer` runs a command of the command line in this process: its start would cost more than what is
tested. Whatever it does not turn into a message and an exit code fails the test. Peers of a swarm
are real processes all the same; `start` gives a command a process of its own.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import tomlkit

from zpeer.cli import main
from zpeer.observations import Ended, Observation
from zpeer.runs.config import load_run
from zpeer.runs.initialise import init_local
from zpeer.swarm.driver import Swarm, make_board, peer_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zpeer.swarm.scoreboard import Scoreboard

TEMPLATE = """
[run]
name = "loopback"
steps = 3
validators = 2
evaluate_every = 0

[task]
name = "digits_linear"
batch_size = 16

[optimizer]
kind = "sgd"
learning_rate = 0.1
momentum = 0.9
nesterov = true

[aggregator]
name = "centered_clip"
"""
LIMIT_SECONDS = 120.0
STARTED: list[subprocess.Popen[str]] = []


class Done(NamedTuple):
    """A command that has ended."""

    code: int
    output: str
    """Standard output and standard error."""


def make_run(
    directory: Path,
    *,
    peers: int = 3,
    template: str = TEMPLATE,
    attacks: Mapping[str, Mapping[str, Any]] | None = None,
    changes: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    entropy: str | None = None,
) -> Path:
    """A small run of quick steps; `attacks`: sections for peer files, by peer."""
    directory.parent.mkdir(exist_ok=True)
    file = directory.with_name(f"{directory.name}.template.toml")
    file.write_text(template)
    init_local(file, directory, peers, changes=changes, settings=settings, entropy=entropy)
    for name, attack in (attacks or {}).items():
        edit(directory / "peers" / f"{name}.toml", attack=attack)
    return directory


def edit(path: Path, to: Path | None = None, **values: Any) -> Path:
    """Set keys of a TOML file: whole sections, or `section__key`."""
    document: Any = tomlkit.parse(path.read_text())
    for name, value in values.items():
        *sections, key = name.split("__")
        table = document
        for section in sections:
            table = table[section]
        table[key] = value
    target = to or path
    target.write_text(tomlkit.dumps(document))
    return target


def zpeer(*arguments: str | Path) -> Done:
    """Run a command to its end."""
    output = io.StringIO()
    before = sys.argv
    sys.argv = ["zpeer", *(str(each) for each in arguments)]
    try:
        with redirect_stdout(output), redirect_stderr(output):
            main()
    except SystemExit as end:
        return Done(end.code if isinstance(end.code, int) else 0, output.getvalue())
    finally:
        sys.argv = before
    raise AssertionError("a command ends with an exit code")


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start a command in a process, and a session, of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "zpeer", *(str(each) for each in arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    STARTED.append(process)
    return process


def end_all() -> None:
    """Kill whatever a test that failed has left of what it started."""
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def end(process: subprocess.Popen[str]) -> Done:
    """Wait for a process that was started."""
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    return Done(process.returncode, output)


def run_peers(
    directory: Path,
    files: Mapping[str, Path] | None = None,
    *,
    each_turn: Callable[[Scoreboard], object] = lambda _board: None,
) -> Scoreboard:
    """Run the peers of a run, or some files of them, as `zpeer swarm` does; gives what was seen."""
    board = make_board(directory)
    limit = time.monotonic() + LIMIT_SECONDS
    chosen = files or peer_files(directory, load_run(directory))
    with Swarm(directory, chosen, board) as swarm:
        while not swarm.is_over:
            assert time.monotonic() < limit, board.problems()
            swarm.listen()
            each_turn(board)
    return board


def peer_file(run: Path, name: str) -> Path:
    """Where a peer's file lies."""
    return run / "peers" / f"{name}.toml"


def said(run: Path, name: str) -> list[Observation]:
    """All that a peer said."""
    lines = (run / "state" / name / "observations.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Observation) for line in lines]


def last_words(run: Path, name: str) -> Ended:
    """What a peer said at its end."""
    last = said(run, name)[-1]
    assert isinstance(last, Ended), last
    return last


def printed(run: Path, name: str) -> str:
    """What a peer of a swarm printed."""
    return (run / "state" / f"{name}.out").read_text()


def find_processes(run: Path) -> list[int]:
    """Every process that was started for a run: their command lines name its files."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(run) in line:
                found.append(int(entry.name))
    return found


def find_peer(run: Path, name: str) -> int:
    """The process of one peer of a swarm: what it prints goes to its own file."""
    output = run / "state" / f"{name}.out"
    (found,) = [pid for pid in find_processes(run) if prints_to(pid, output)]
    return found


def prints_to(pid: int, output: Path) -> bool:
    """Whether a process has a file as its standard output."""
    try:
        return (Path("/proc") / str(pid) / "fd" / "1").readlink() == output
    except OSError:
        return False


def wait_until(holds: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Look again and again, for a bounded time."""
    limit = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """What a process prints, up to a line with this text in it; it is killed if that takes long."""
    assert process.stdout is not None
    lines = []
    watchdog = threading.Timer(LIMIT_SECONDS, process.kill)
    watchdog.start()
    try:
        for line in process.stdout:
            lines.append(line)
            if text in line:
                return "".join(lines)
    finally:
        watchdog.cancel()
    raise AssertionError(f"{text!r} does not stand in:\n{''.join(lines)}")
