"""What the kernel knows of a swarm's peers (Linux): memory, time, and bytes sent over TCP.

Looks from outside at processes that are descendants of this one, so that nothing measured depends
on what zpeer counts itself.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

PIDFD_OPEN, PIDFD_GETFD = 434, 438
"""System calls, the same number on every architecture."""
TCP_INFO_BYTES = 300
BYTES_SENT_AT = 200
"""Offset of tcpi_bytes_sent: data bytes, retransmitted ones included."""
NANO = 1_000_000_000
INODE_AT = 9
"""Field of a line of /proc/net/tcp."""
PEER_DEPTH = 2
"""This process, its nursery, the peers."""


def find_peers() -> list[int]:
    """Processes of the peers of the swarm that this process drives."""
    found = [os.getpid()]
    for _ in range(PEER_DEPTH):
        found = [child for pid in found for child in children_of(pid)]
    return found


def children_of(pid: int) -> list[int]:
    """Of all threads of a process; none if it is gone."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    try:
        return [int(child) for each in lists for child in each.read_text().split()]
    except OSError:
        return []


class Memory(NamedTuple):
    """Of a process, in bytes."""

    peak: int = 0
    """The most that was ever resident."""
    own: int = 0
    """Resident now and its own: not pages of files, which the kernel may drop."""

    def most(self, other: Memory) -> Memory:
        """The larger of each."""
        return Memory(max(self.peak, other.peak), max(self.own, other.own))


def read_memory(pid: int) -> Memory:
    """What a process occupies; nothing if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return Memory()
    fields = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    peak, own = (int(fields.get(name, ["0"])[0]) * 1024 for name in ("VmHWM", "RssAnon"))
    return Memory(peak, own)


class Effort(NamedTuple):
    """Processor time of a peer's threads since they began, in seconds."""

    loop: float = 0.0
    """Messages, signatures, the core."""
    worker: float = 0.0
    """Gradients, numerics, digests, files."""
    sockets: float = 0.0
    """What libzmq does by itself: TCP, and CURVE of the control plane."""

    def plus(self, other: Effort, share: float = 1.0) -> Effort:
        """The sum, the other one times a share."""
        return Effort(*(mine + share * its for mine, its in zip(self, other, strict=True)))


def read_effort(pid: int) -> Effort:
    """Processor time of a process; none if it is gone."""
    effort = Effort()
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return effort
    for task in tasks:
        try:
            name = (task / "comm").read_text()
            seconds = int((task / "schedstat").read_text().split()[0]) / NANO
        except (OSError, ValueError, IndexError):
            continue
        if task.name == str(pid):
            effort = effort._replace(loop=seconds)
        elif name.startswith("ZMQ"):
            effort = effort._replace(sockets=effort.sockets + seconds)
        else:
            effort = effort._replace(worker=effort.worker + seconds)
    return effort


def tcp_bytes_sent(pid: int) -> int:
    """Payload bytes that a process has sent over the TCP connections it has open now."""
    library = ctypes.CDLL(None, use_errno=True)
    process = library.syscall(PIDFD_OPEN, pid, 0)
    if process < 0:
        return 0
    try:
        return sum(read_connections(library, process, open_sockets(pid)).values())
    finally:
        os.close(process)


def find_socket_owners(pids: Iterable[int]) -> dict[tuple[str, int], int]:
    """The processes, of these, that hold IPv4 TCP sockets, by the sockets' own addresses."""
    owners = {name: pid for pid in pids for name in open_sockets(pid)}
    found = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        owner = owners.get(f"socket:[{fields[INODE_AT]}]")
        if owner is not None:
            host, _, port = fields[1].partition(":")
            plain = socket.inet_ntoa(int(host, 16).to_bytes(4, sys.byteorder))
            found[plain, int(port, 16)] = owner
    return found


def open_sockets(pid: int) -> dict[str, int]:
    """A file descriptor for every socket of a process: one may have several; none if it is gone."""
    found = {}
    try:
        entries = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return {}
    for entry in entries:
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        if target.startswith("socket:"):
            found[target] = int(entry.name)
    return found


def read_connections(library: ctypes.CDLL, process: int, sockets: dict[str, int]) -> dict[str, int]:
    """Bytes sent, of those sockets that are TCP."""
    sent = {}
    for name, number in sockets.items():
        copy = library.syscall(PIDFD_GETFD, process, number, 0)
        if copy < 0:
            continue
        with socket.socket(fileno=copy) as connection:
            if connection.family in (socket.AF_INET, socket.AF_INET6):
                info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
                sent[name] = int(struct.unpack_from("Q", info, BYTES_SENT_AT)[0])
    return sent
