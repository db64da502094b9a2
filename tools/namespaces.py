"""A network between the peers of a machine, made of packets: each peer in a network namespace of
its own, and a switch between them that can lose packets, delay them, or let none pass.

What is lost here TCP has to send again, as on a real line; `relay.py` only imitates that. Needs
Linux, user namespaces that anybody may make, /dev/net/tun, and the commands `unshare` and `ip`.
Traffic stays on the machine, and nothing is left of all this when the process ends.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import selectors
import shutil
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from ctypes import CDLL, get_errno
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tools.relay import Line
from zpeer.ids import digest, number
from zpeer.runs.config import RUN_FILE
from zpeer.runs.documents import read_document, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ISOLATED = "ZPEER_TOOLS_ISOLATED"
"""Set where this process has been started anew in namespaces of its own."""
UNSHARE = ("unshare", "--user", "--map-root-user", "--net", "--")
TUN = Path("/dev/net/tun")
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
NETWORK = "10.77.0"
MTU = 16_000
DEVICE = "peer0"
DESTINATION = slice(16, 20)
"""Of an IPv4 packet."""
MOVE = '''"""Moves this peer into the network namespace that was made for it; else no plugin."""

import ctypes
import os

from zpeer.hookspecs import hookimpl

number = os.open("/proc/{pid}/fd/{number}", os.O_RDONLY)
if ctypes.CDLL(None).setns(number, {clone}):
    raise OSError("the peer could not be moved into its network namespace")
os.close(number)


@hookimpl
def zpeer_tasks():
    return {{}}
'''


def isolate(module: str, arguments: Sequence[str]) -> bool:
    """Whether there can be a network of packets; where there can, this process starts anew."""
    if ISOLATED in os.environ:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return True
    able = sys.platform == "linux" and os.access(TUN, os.R_OK | os.W_OK)
    if not able or not all(map(shutil.which, ("unshare", "ip"))):
        return False
    trial = [*UNSHARE, "ip", "link", "set", "lo", "up"]
    if subprocess.run(trial, check=False, capture_output=True).returncode:
        return False
    os.environ[ISOLATED] = "1"
    return os.execvp(UNSHARE[0], [*UNSHARE, sys.executable, "-m", module, *arguments])


def enter_new_namespace() -> None:
    """A network namespace for this thread alone."""
    if CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(get_errno(), "no network namespace can be made")


class Port:
    """One peer's namespace, and the cable that leads out of it."""

    def __init__(self, place: int) -> None:
        self.address = f"{NETWORK}.{place + 1}"
        self.cable = -1
        self.namespace = -1
        self._problem: Exception | None = None
        # A namespace belongs to a thread: one of its own leaves the others where they are.
        thread = threading.Thread(target=self._make)
        thread.start()
        thread.join()
        if self._problem is not None:
            raise self._problem

    def _make(self) -> None:
        try:
            enter_new_namespace()
            self.namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            self.cable = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
            wanted = struct.pack("16sH22x", DEVICE.encode(), IFF_TUN | IFF_NO_PI)
            fcntl.ioctl(self.cable, TUNSETIFF, wanted)
            for command in (
                f"address add {self.address}/24 dev {DEVICE}",
                f"link set {DEVICE} mtu {MTU} up",
                "link set lo up",
            ):
                subprocess.run(["ip", *command.split()], check=True)
        except (OSError, subprocess.CalledProcessError) as problem:
            self._problem = problem

    def close(self) -> None:
        """Give it back; the namespace ends with its last process."""
        os.close(self.cable)
        os.close(self.namespace)


class Switch:
    """The network. A context manager; its methods may be called from any thread."""

    def __init__(self, names: Sequence[str]) -> None:
        self.ports = {name: Port(place) for place, name in enumerate(names)}
        self._names = {bytes(map(int, p.address.split("."))): n for n, p in self.ports.items()}
        self._line = Line()
        self._groups: list[frozenset[str]] = []
        self._packets = 0
        self._waiting: list[tuple[float, int, str, bytes]] = []
        self._selector = selectors.DefaultSelector()
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._run, name="switch")

    def __enter__(self) -> Self:
        self._selector.register(self._stop, selectors.EVENT_READ, "")
        for name, port in self.ports.items():
            self._selector.register(port.cable, selectors.EVENT_READ, name)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._stopped, b"!")
        self._thread.join()
        self._selector.close()
        for port in self.ports.values():
            port.close()
        os.close(self._stop)
        os.close(self._stopped)

    # --- what is done to the packets --------------------------------------------------------------

    def impair(self, line: Line) -> None:
        """Let what is sent from now on fare so."""
        self._line = line

    def part(self, *groups: Iterable[str]) -> None:
        """Lose all packets between peers that are not in one of these groups together."""
        self._groups = [frozenset(group) for group in groups]

    def heal(self) -> None:
        """Let everything pass again."""
        self._groups = []

    # --- inside -----------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            wait = self._waiting[0][0] - time.monotonic() if self._waiting else None
            for key, _ in self._selector.select(None if wait is None else max(wait, 0.0)):
                if not key.data:
                    return
                self._take(key.data, key.fd)
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                _, _, to, packet = heapq.heappop(self._waiting)
                self._put(to, packet)

    def _take(self, sender: str, cable: int) -> None:
        """Read what a peer has sent, and see what becomes of it."""
        with suppress(BlockingIOError):
            while packet := os.read(cable, MTU + 64):
                self._packets += 1
                to = self._names.get(packet[DESTINATION])
                if to is None or not self._may_pass(sender, to) or self._is_lost():
                    continue
                if self._line.delay_s:
                    due = time.monotonic() + self._line.delay_s
                    heapq.heappush(self._waiting, (due, self._packets, to, packet))
                else:
                    self._put(to, packet)

    def _may_pass(self, sender: str, to: str) -> bool:
        pair = {sender, to}
        return not self._groups or any(pair <= group for group in self._groups)

    def _is_lost(self) -> bool:
        """By chance, the same chance in every run."""
        if not self._line.loss:
            return False
        drawn = digest("zpeer/tools/switch", number(self._packets))
        return int.from_bytes(drawn[:4]) < self._line.loss * 2**32

    def _put(self, to: str, packet: bytes) -> None:
        with suppress(OSError):  # no room, or no longer there: lost
            os.write(self.ports[to].cable, packet)


def move_into(run: Path, switch: Switch) -> None:
    """Change a run's files so that its peers start in the switch's namespaces.

    A plugin file of each peer's own does it: plugins are imported before any socket is made.
    """
    document: Any = read_document(run / RUN_FILE)
    for peer in document["peers"]:
        name = str(peer["name"])
        port = switch.ports[name]
        address = f"{port.address}:{str(peer['address']).rpartition(':')[2]}"
        peer["address"] = address
        mover = run / f"move_{name.replace('-', '_')}.py"
        mover.write_text(MOVE.format(pid=os.getpid(), number=port.namespace, clone=CLONE_NEWNET))
        path = run / "peers" / f"{name}.toml"
        own: Any = read_document(path)
        own["bind"], own["plugins"] = address, [f"../{mover.name}"]
        write_text(path, own.as_string(), is_new=False)
    write_text(run / RUN_FILE, document.as_string(), is_new=False)
