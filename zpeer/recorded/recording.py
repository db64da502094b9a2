"""Writes a peer's log: every event its core saw, and what the core wanted done.

Append-only; `zlog.py` is the format. Buffered, and handed to the operating system at every record,
at the end, and by `flush`. Readable by its owner alone: it names secrets before they are opened.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from importlib import resources
from inspect import getsourcefile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from zpeer.effects import Decide, Stop
from zpeer.errors import LogError
from zpeer.ids import Digest, digest, digest_bytes
from zpeer.recorded.zlog import (
    MAGIC,
    PAYLOAD_BYTES_MAX,
    Choice,
    Crash,
    Entry,
    Header,
    Payload,
    Snapshot,
    encode_frame,
    pack_frames,
    read_log,
    segment_path,
    segments_of,
)
from zpeer.signed import PROTOCOL_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, BinaryIO

    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.genesis import Genesis
    from zpeer.ids import PeerId
    from zpeer.recorded.zlog import Frame, PayloadKind

__all__ = [
    "Recorder",
    "SegmentLimits",
    "choose",
    "digest_core",
    "digest_source",
    "make_header",
    "read_log",
]

BUFFER_BYTES = 1 << 16
PENDING_BYTES = 1 << 18
"""Frames that wait to be packed together; what a kill would lose."""
VOCABULARY = (
    *("ids.py", "parts.py", "faults.py", "signed.py", "proofs.py", "messages.py", "record.py"),
    *("genesis.py", "events.py", "effects.py", "wire.py", "wire_checks.py"),
)
"""Files outside the core that its behaviour depends on."""


class SegmentLimits(msgspec.Struct, frozen=True):
    """When a segment is full, and how many are kept."""

    events: int = 20_000
    size_bytes: int = 1 << 24
    segments_max: int = 0
    """Older segments are deleted; 0 keeps all."""


class Recorder:
    """Appends to one log. Not thread-safe: it belongs to the loop that turns the core.

    Raises LogError at the start if the log exists (a log is never continued), and whenever the disk
    does not take what is written.
    """

    def __init__(
        self, prefix: Path, header: Header, snapshot: bytes, limits: SegmentLimits | None = None
    ) -> None:
        if segments_of(prefix):
            raise LogError(
                f"{prefix}: a log of this name exists; a log is never continued or overwritten."
                " Move it away, or record under another name"
            )
        self._prefix = prefix
        self._header = header
        self._limits = limits or SegmentLimits()
        self._number = 0
        self._file: BinaryIO | None = None
        self._events = 0
        self._bytes = 0
        self._decided = False
        self._pending = bytearray()
        self.cut(snapshot)

    @property
    def prefix(self) -> Path:
        """The log's name: what `read_log` opens."""
        return self._prefix

    @property
    def wants_cut(self) -> bool:
        """Whether the segment is full and the last event ended in a record: `cut` belongs here."""
        full = self._events >= self._limits.events or self._bytes >= self._limits.size_bytes
        return full and self._decided

    def entry(self, now: float, event: Event, effects: list[Effect]) -> None:
        """One event the core handled, with all it returned."""
        self._append(Entry(now, event, effects))
        self._events += 1
        self._decided = any(isinstance(effect, Decide) for effect in effects)
        if self._decided or any(isinstance(effect, Stop) for effect in effects):
            self.flush()

    def crash(self, now: float, event: Event, error: BaseException) -> None:
        """An event the core raised on: our bug, which the log replays."""
        self._append(Crash(now, event, f"{type(error).__name__}: {error}"))
        self.flush()

    def payload(
        self, kind: PayloadKind, head: Digest, peer: PeerId, part: int, data: bytes | memoryview
    ) -> None:
        """Bytes of a tensor, before the event that tells of them (record = "full" only)."""
        view = memoryview(data).cast("B")
        for offset in range(0, max(1, view.nbytes), PAYLOAD_BYTES_MAX):
            piece = bytes(view[offset : offset + PAYLOAD_BYTES_MAX])
            frame = Payload(kind, head, peer, part, offset, view.nbytes, piece)
            self._pack()
            self._write(encode_frame(frame))

    def cut(self, snapshot: bytes) -> None:
        """Close the segment and open the next one with the core's state."""
        self.close()
        self._number += 1
        path = segment_path(self._prefix, self._number)
        self._file = open_private(path)
        self._events = 0
        self._decided = False
        self._bytes = 0
        self._write(MAGIC + encode_frame(self._header))
        self._append(Snapshot(snapshot))
        self.flush()
        self._prune()

    def flush(self) -> None:
        """Hand everything to the operating system: it outlives the process, not a power cut.

        For the loop to call when it is idle, too: what a peer waits for is what one wants to see.
        """
        self._pack()
        if self._file is not None:
            with refusing(self._prefix):
                self._file.flush()

    def close(self) -> None:
        """End the log. Nothing is recorded after it."""
        if self._file is not None:
            self._pack()
            with refusing(self._prefix):
                self._file.close()
            self._file = None

    def _append(self, frame: Frame) -> None:
        self._require_open()
        self._pending += encode_frame(frame)
        if len(self._pending) > PENDING_BYTES:
            self._pack()

    def _pack(self) -> None:
        if self._pending:
            self._write(pack_frames(bytes(self._pending)))
            self._pending.clear()

    def _write(self, data: bytes) -> None:
        file = self._require_open()
        with refusing(self._prefix):
            self._bytes += file.write(data)

    def _require_open(self) -> BinaryIO:
        if self._file is None:
            raise LogError(f"{self._prefix}: the log was closed; nothing can be recorded any more")
        return self._file

    def _prune(self) -> None:
        if self._limits.segments_max:
            for path in segments_of(self._prefix)[: -self._limits.segments_max]:
                path.unlink()


def make_header(
    genesis: Genesis,
    me: PeerId,
    *,
    keys: Mapping[PeerId, bytes],
    aggregator: Choice,
    policy: Choice,
) -> Header:
    """The header of a log that this version of zpeer makes; `choose` makes the choices.

    `keys`: compressed public ones; none where signatures are ideal.
    """
    return Header(
        protocol=PROTOCOL_VERSION,
        genesis=genesis,
        me=me,
        keys=tuple(keys[peer] for peer in genesis.peers) if keys else (),
        aggregator=aggregator,
        policy=policy,
        core=digest_core(),
    )


def choose(name: str, parameters: Mapping[str, Any], plugin: object) -> Choice:
    """A plugin as a log names it: its name and parameters in the config, and its file's digest."""
    return Choice(name, dict(parameters), digest_source(plugin))


def open_private(path: Path) -> BinaryIO:
    """A new file for its owner alone; LogError if it is there already or cannot be made."""
    with refusing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    return os.fdopen(handle, "wb", buffering=BUFFER_BYTES)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Say which log the disk did not take."""
    try:
        yield
    except OSError as problem:
        raise LogError(f"{path}: the log cannot be written: {problem.strerror}") from problem


def digest_core() -> Digest:
    """Digest of the source of the core and its vocabulary: tells whether they changed since."""
    package = resources.files("zpeer")
    core = [f"core/{file.name}" for file in (package / "core").iterdir()]
    names = [name for name in (*core, *VOCABULARY) if name.endswith(".py")]
    fields = [(name.encode(), (package / name).read_bytes()) for name in sorted(names)]
    return digest("zpeer/source", *(part for pair in fields for part in pair))


def digest_source(plugin: object) -> Digest:
    """Digest of the file that defines a plugin's class; empty where there is no such file."""
    try:
        path = getsourcefile(type(plugin))
    except TypeError:
        return Digest(b"")
    return digest_bytes(Path(path).read_bytes()) if path and Path(path).is_file() else Digest(b"")
