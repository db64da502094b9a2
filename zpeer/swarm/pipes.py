"""What passes between a swarm's driver, its nursery and its peers: observations and exits.

Observations are msgpack values behind their length (JSON has no NaN, which a diverged loss is);
exits are lines of JSON.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import msgspec

from zpeer.observations import Observation

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTH_BYTES = 4
GRACE_SECONDS = 5.0
"""Between asking a peer to end and killing it."""


class Exit(msgspec.Struct, frozen=True):
    """A peer's process ended: exit code, or minus the signal that killed it."""

    name: str
    code: int


def make_observer(pipe: int) -> Callable[[Observation], None]:
    """Writes observations to a pipe. That nobody reads it any more is the nursery's to notice."""
    encoder = msgspec.msgpack.Encoder()

    def observe(observation: Observation) -> None:
        data = encoder.encode(observation)
        frame = len(data).to_bytes(LENGTH_BYTES, "little") + data
        with contextlib.suppress(BrokenPipeError):
            while frame:
                frame = frame[os.write(pipe, frame) :]

    return observe


class Inbox:
    """Bytes of a pipe, cut into observations."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._bytes = bytearray()
        self._decoder = msgspec.msgpack.Decoder(Observation)

    def take(self, data: bytes) -> list[Observation]:
        """Whole observations, with what came before."""
        self._bytes += data
        found: list[Observation] = []
        while len(self._bytes) >= LENGTH_BYTES:
            end = LENGTH_BYTES + int.from_bytes(self._bytes[:LENGTH_BYTES], "little")
            if len(self._bytes) < end:
                break
            found.append(self._decoder.decode(bytes(self._bytes[LENGTH_BYTES:end])))
            del self._bytes[:end]
        return found


def write_exit(pipe: int, exited: Exit) -> None:
    """Tell of an end; nobody may be there to read it."""
    with contextlib.suppress(BrokenPipeError):
        os.write(pipe, msgspec.json.encode(exited) + b"\n")


class ExitInbox:
    """Bytes of the control pipe, cut into exits."""

    def __init__(self) -> None:
        self._bytes = b""

    def take(self, data: bytes) -> list[Exit]:
        """Whole lines, with what came before."""
        *lines, self._bytes = (self._bytes + data).split(b"\n")
        return [msgspec.json.decode(line, type=Exit) for line in lines]
