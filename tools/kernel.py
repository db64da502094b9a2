"""What the kernel knows of a swarm's peers (Linux): memory, and bytes sent over TCP.

Looks from outside at processes that are descendants of this one, so that nothing measured depends
on what zpeer counts itself.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from pathlib import Path

PIDFD_OPEN, PIDFD_GETFD = 434, 438
"""System calls, the same number on every architecture."""
TCP_INFO_BYTES = 300
BYTES_SENT_AT = 200
"""Offset of tcpi_bytes_sent: data bytes, retransmitted ones included."""
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


def peak_memory_bytes(pid: int) -> int:
    """The most that was ever resident; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


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


def open_sockets(pid: int) -> dict[str, int]:
    """A file descriptor for every socket of a process: one may have several."""
    found = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
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
