"""Where a swarm's peers are forked: a process that has imported torch once and has neither thread
nor zmq context when it forks (neither survives a fork).

    python -m zpeer.swarm.nursery PARENT CONTROL NAME=PIPE=PEERFILE ...

Each child runs one peer and writes its observations to its pipe; what it prints goes to `NAME.out`
beside its state. The nursery writes to CONTROL which child ended, and how. Nothing outlives it: it
ends its children when its standard input closes (the swarm's driver is gone, however it went) or
when it is told to (SIGTERM), and the kernel ends them if it is killed itself.
"""

from __future__ import annotations

import ctypes
import gc
import os
import selectors
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from zpeer.errors import StartError, ZpeerError
from zpeer.observations import Ended
from zpeer.peer import run_peer
from zpeer.plugins import load_plugins
from zpeer.runs.config import load_peer
from zpeer.swarm.pipes import GRACE_SECONDS, Exit, make_observer, write_exit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.05
CODE_BUG = 1
ASKING = (signal.SIGINT, signal.SIGTERM)


class Cradle(NamedTuple):
    """A peer to be started."""

    name: str
    pipe: int
    """Its observations are written here."""
    file: Path


def main(arguments: Sequence[str]) -> int:
    """Start the peers and wait for all of them."""
    parent, control, *texts = arguments
    nursery = Nursery(int(control))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, nursery.tell_to_end)
    die_with(int(parent), signal.SIGTERM)
    import_plugins()
    gc.collect()
    gc.freeze()  # shared pages stay shared
    try:
        nursery.fork_all([parse_cradle(text) for text in texts])
        nursery.watch()
    finally:
        nursery.end_all()
    return 0


def parse_cradle(text: str) -> Cradle:
    """NAME=PIPE=PEERFILE"""
    name, pipe, file = text.split("=", 2)
    return Cradle(name, int(pipe), Path(file))


def die_with(parent: int, number: signal.Signals) -> None:
    """Have the kernel send us a signal when the parent dies; end now if it is dead already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def import_plugins() -> None:
    """What every child would import by itself. A plugin that cannot be is for the peers to report,
    in whose words the user knows it; one that starts threads must not be in this process."""
    with suppress(ZpeerError):
        load_plugins()
    tasks = Path("/proc/self/task")
    if tasks.is_dir():
        count = len(list(tasks.iterdir()))
        if count > 1:  # a lock that another thread holds would stay locked in the children for ever
            raise StartError(
                f"importing the installed plugins started {count - 1} threads, and a process with "
                "threads cannot be forked safely: a plugin should start them when it is used"
            )


# --- the children --------------------------------------------------------------------------------


def be_born(cradle: Cradle, others: Sequence[Cradle], control: int, nursery: int) -> NoReturn:
    """A child's whole life, from right after the fork."""
    code = CODE_BUG
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKING)
        die_with(nursery, signal.SIGKILL)
        for other in others:
            os.close(other.pipe)
        os.close(control)
        code = live(cradle)
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except BaseException:  # noqa: BLE001 - the outermost frame of a process
        traceback.print_exc()
    finally:
        flush()
        os._exit(code)


def flush() -> None:
    """Bring out what was printed; `os._exit` does not."""
    sys.stdout.flush()
    sys.stderr.flush()


def live(cradle: Cradle) -> int:
    """Run the peer; if it cannot go on, say why like a peer's own last word."""
    observe = make_observer(cradle.pipe)
    output = Path()
    try:
        output = load_peer(cradle.file).state_path.resolve().parent / f"{cradle.name}.out"
        redirect(output)
        return run_peer(cradle.file, observe=observe)
    except ZpeerError as problem:
        code, reason = problem.exit_code, str(problem)
    except Exception as problem:  # noqa: BLE001 - the outermost frame of a process
        traceback.print_exc()
        code, reason = (
            CODE_BUG,
            f"a bug of zpeer: {type(problem).__name__}: {problem}; see {output}",
        )
    print(reason, file=sys.stderr)  # noqa: T201 - its own output file
    observe(Ended(cradle.name, code, reason, 0, "", "", []))
    return code


def redirect(path: Path) -> None:
    """Send standard output and error to a file, and read from nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flush()
    with path.open("ab") as file, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


# --- the nursery ---------------------------------------------------------------------------------


class Nursery:
    """Forks the peers, and knows which of them still live."""

    def __init__(self, control: int) -> None:
        self._control = control
        self._children: dict[int, str] = {}
        """Names by process id, until they are waited for: so long no other process has that id."""
        self._told = False

    def tell_to_end(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler
        """Handler of SIGTERM; `watch` looks at it often."""
        self._told = True

    def fork_all(self, cradles: Sequence[Cradle]) -> None:
        """Start the peers. Signals wait meanwhile, so that none finds a child half born."""
        signal.pthread_sigmask(signal.SIG_BLOCK, ASKING)
        me = os.getpid()
        for index, cradle in enumerate(cradles):
            child = os.fork()
            if not child:
                be_born(cradle, cradles[index + 1 :], self._control, me)
            self._children[child] = cradle.name
            os.close(cradle.pipe)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKING)

    def watch(self) -> None:
        """Report every child that ends, until none is left, or standard input closes, or told."""
        with selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
            while self._children and not self._told:
                self._reap()
                if selector.select(POLL_SECONDS) and not os.read(0, 1):
                    return

    def end_all(self) -> None:
        """Ask, wait a bounded time, kill. No child is left when this returns."""
        self._send(signal.SIGINT)
        limit = time.monotonic() + GRACE_SECONDS
        while self._children and time.monotonic() < limit:
            self._reap()
            time.sleep(POLL_SECONDS)
        self._send(signal.SIGKILL)
        for child in list(self._children):
            self._buried(child, os.waitpid(child, 0)[1])

    def _reap(self) -> None:
        for child in list(self._children):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                self._buried(child, status)

    def _buried(self, child: int, status: int) -> None:
        name = self._children.pop(child)
        write_exit(self._control, Exit(name, os.waitstatus_to_exitcode(status)))

    def _send(self, number: signal.Signals) -> None:
        for child in self._children:
            os.kill(child, number)
            os.kill(child, signal.SIGCONT)  # one that was stopped must hear it, too


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
