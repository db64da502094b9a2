"""The file format of a recorded log: `NAME.000001.zlog`, `NAME.000002.zlog`, ...

A file is a *segment*: a magic, then frames `length (u32) || crc32 (u32) || msgpack`, little-endian.
It opens with a `Header` and a `Snapshot` of the core's state, so that reading may start at any
segment and old ones may be deleted. What a crash tore off the end of a file is told by length or
CRC, counted, and left out; the rest is used.

Nothing of the machine stands in a log: no path, no host name, no wall clock. A reader allocates no
more than the file holds, and raises nothing but `LogError`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from io import BytesIO
from typing import TYPE_CHECKING
from zlib import compress, crc32, decompressobj
from zlib import error as ZlibError  # noqa: N812 - a class

import msgspec

from zpeer.effects import Effect
from zpeer.errors import LogError
from zpeer.events import Event
from zpeer.genesis import Genesis
from zpeer.ids import Digest, PeerId, short

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

FORMAT_VERSION = 2
MAGIC = b"zpeerlog" + FORMAT_VERSION.to_bytes(4, "little")
FRAME_BYTES_MAX = 1 << 28
"""A larger length is no length but damage."""
PAYLOAD_BYTES_MAX = 1 << 25
"""Longer payloads are cut into several frames."""
FRAME_OVERHEAD = 8
SUFFIX = ".zlog"

Parameter = str | int | float | bool | None
"""What a plugin's parameter in a config may be."""


class Choice(msgspec.Struct, frozen=True, array_like=True):
    """A plugin by name, with its parameters: what `zpeer.plugins` makes the object from."""

    name: str
    parameters: dict[str, Parameter | list[Parameter]] = {}
    source: Digest = Digest(b"")
    """Digest of the file that defined it then: tells a changed plugin from a changed core."""


class Header(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Whose log it is, and all that a fresh core is made from. The same in every segment."""

    protocol: int
    genesis: Genesis
    me: PeerId
    keys: tuple[bytes, ...]
    """Compressed public keys of the genesis' peers, in its order: messages carry signatures that
    the core asks about. None at all where signatures are ideal, as in a simulation."""
    aggregator: Choice
    policy: Choice
    core: Digest = Digest(b"")
    """Digest of the core's source when the log was made."""


class Snapshot(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The core's whole state before the segment's first event."""

    state: bytes


class Entry(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """One event, and everything the core wanted done after it."""

    now: float
    """Seconds, monotonic; its zero is arbitrary."""
    event: Event
    effects: list[Effect]


class Crash(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """An event that the core could not digest: our bug. Nothing follows it."""

    now: float
    event: Event
    error: str


class PayloadKind(IntEnum):
    """What recorded bytes are."""

    PART = 1
    """A row of the attempt on `head`: part `part` of mine, or (-1) that of `peer` for my part."""
    RESULT = 2
    """The aggregate that `peer` owns."""
    BLOB = 3
    """Published bytes; `head` is their digest."""


class Payload(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Bytes of a tensor, or a piece of them; it stands before the event that tells of it."""

    kind: PayloadKind
    head: Digest
    peer: PeerId
    part: int
    offset: int
    size_bytes: int
    """Of the whole."""
    data: bytes


class Packed(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Several frames, compressed together: ids and heads repeat, so a log is less than half."""

    size_bytes: int
    data: bytes


Frame = Header | Snapshot | Entry | Crash | Payload | Packed

_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame, strict=True)
_EFFECTS_DECODER = msgspec.msgpack.Decoder(list[Effect], strict=True)


def encode_frame(frame: Frame) -> bytes:
    """The frame as it stands in a file."""
    body = _ENCODER.encode(frame)
    if len(body) > FRAME_BYTES_MAX:
        raise LogError(
            f"a {type(frame).__name__} of {len(body)} bytes is too large for a log frame;"
            f" at most {FRAME_BYTES_MAX} are allowed"
        )
    return len(body).to_bytes(4, "little") + crc32(body).to_bytes(4, "little") + body


def pack_frames(frames: bytes) -> bytes:
    """Frames as they would stand in a file, as one frame."""
    return encode_frame(Packed(len(frames), compress(frames, level=1)))


def unpack_frames(packed: Packed) -> bytes:
    """And back; LogError if they are not what they say, or more than may be allocated."""
    if not 0 < packed.size_bytes <= FRAME_BYTES_MAX:
        raise LogError(f"packed frames of {packed.size_bytes} bytes")
    try:
        frames = decompressobj().decompress(packed.data, packed.size_bytes)
    except ZlibError as problem:
        raise LogError(f"packed frames that do not unpack: {problem}") from problem
    if len(frames) != packed.size_bytes:
        raise LogError(f"packed frames of {len(frames)} bytes, expected {packed.size_bytes}")
    return frames


def encode_effects(effects: list[Effect]) -> bytes:
    """Bytes by which effects are compared: NaN equals itself, -0.0 is not 0.0, 1 is 1.0."""
    return _ENCODER.encode(_EFFECTS_DECODER.decode(_ENCODER.encode(effects)))


@dataclass
class SegmentReader:
    """The frames of one file in order; afterwards `dropped_bytes` tells what was torn off."""

    path: Path
    dropped_bytes: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[Frame]:
        try:
            with self.path.open("rb") as file:
                yield from self._frames(file, self.path.stat().st_size)
        except OSError as problem:
            raise LogError(f"{self.path}: cannot be read: {problem.strerror}") from problem

    def _frames(self, file: BinaryIO, size_bytes: int) -> Iterator[Frame]:
        self._require_magic(file.read(len(MAGIC)))
        at = len(MAGIC)
        while at < size_bytes:
            body = read_body(file, size_bytes - at)
            if body is None:
                self.dropped_bytes = size_bytes - at
                return
            frame = self._decode(body, at)
            if isinstance(frame, Packed):
                yield from self._unpack(frame, at)
            else:
                yield frame
            at += FRAME_OVERHEAD + len(body)

    def _unpack(self, packed: Packed, at: int) -> Iterator[Frame]:
        try:
            frames = unpack_frames(packed)
        except LogError as problem:
            raise LogError(f"{self.path}: at byte {at}: {problem}") from problem
        file, rest = BytesIO(frames), len(frames)
        while rest:
            body = read_body(file, rest)
            frame = None if body is None else self._decode(body, at)
            if body is None or isinstance(frame, Packed):
                raise LogError(f"{self.path}: at byte {at}: packed frames that are none")
            assert frame is not None, "a body decodes to a frame or raises"
            yield frame
            rest -= FRAME_OVERHEAD + len(body)

    def _require_magic(self, found: bytes) -> None:
        if found == MAGIC:
            return
        if found[:8] == MAGIC[:8] and len(found) == len(MAGIC):
            version = int.from_bytes(found[8:], "little")
            raise LogError(
                f"{self.path}: log format {version}, expected {FORMAT_VERSION};"
                " read it with the version of zpeer that wrote it"
            )
        raise LogError(f"{self.path}: not a recorded log (it does not start as a {SUFFIX} does)")

    def _decode(self, body: bytes, at: int) -> Frame:
        try:
            return _DECODER.decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as problem:
            raise LogError(
                f"{self.path}: the frame at byte {at} is whole but not of this version ({problem});"
                " read it with the version of zpeer that wrote it"
            ) from problem


def read_body(file: BinaryIO, rest_bytes: int) -> bytes | None:
    """The next frame's body; None if what is left of the file is torn."""
    head = file.read(FRAME_OVERHEAD)
    if len(head) < FRAME_OVERHEAD:
        return None
    length = int.from_bytes(head[:4], "little")
    if length > min(FRAME_BYTES_MAX, rest_bytes - FRAME_OVERHEAD):
        return None
    body = file.read(length)
    return body if crc32(body) == int.from_bytes(head[4:], "little") else None


@dataclass(frozen=True)
class Position:
    """Where a frame stands."""

    segment: int
    """Number in the file's name."""
    number: int
    """Events before it in the segment."""

    def __str__(self) -> str:
        return f"segment {self.segment}, event {self.number}"


@dataclass
class LogReader:
    """A whole log: typed frames over its segments, in order."""

    segments: tuple[Path, ...]
    header: Header = field(init=False)
    dropped: dict[Path, int] = field(default_factory=dict, init=False)
    """Bytes left out at the end of each torn segment read so far."""

    def __post_init__(self) -> None:
        self.header = read_header(self.segments[0])

    def __iter__(self) -> Iterator[tuple[Position, Frame]]:
        for path in self.segments:
            reader = SegmentReader(path)
            number = 0
            for index, frame in enumerate(reader):
                self._require_opening(path, index, frame)
                if not isinstance(frame, Header):
                    yield Position(segment_number(path), number), frame
                number += isinstance(frame, Entry | Crash)
            if reader.dropped_bytes:
                self.dropped[path] = reader.dropped_bytes

    def _require_opening(self, path: Path, index: int, frame: Frame) -> None:
        expected = (Header, Snapshot)[index] if index < 2 else (Entry, Crash, Payload)  # noqa: PLR2004
        if not isinstance(frame, expected):
            raise LogError(f"{path}: frame {index} is a {type(frame).__name__}; not in its place")
        if isinstance(frame, Header) and frame != self.header:
            raise LogError(
                f"{path}: belongs to another log than {self.segments[0].name}"
                f" (run {short(frame.genesis.run)} of peer {short(frame.me)},"
                f" expected run {short(self.header.genesis.run)} of peer {short(self.header.me)})"
            )


def read_header(path: Path) -> Header:
    """The header of one segment."""
    first = next(iter(SegmentReader(path)), None)
    if not isinstance(first, Header):
        raise LogError(f"{path}: has no header; the file was cut off before anything was recorded")
    return first


def read_log(path: Path) -> LogReader:
    """Open a log by its directory, its prefix, or a segment to start at (the later ones follow).

    Raises LogError where there is none, more than one, or a segment in the middle is missing.
    """
    segments = find_segments(path)
    numbers = [segment_number(segment) for segment in segments]
    missing = sorted(set(range(numbers[0], numbers[-1])) - set(numbers))
    if missing:
        raise LogError(f"{segments[0].parent}: segment {missing[0]} of the log is missing")
    return LogReader(segments)


def find_segments(path: Path) -> tuple[Path, ...]:
    """The files of a log in order."""
    if path.is_dir():
        prefixes = sorted({prefix_of(file) for file in list_segments(path)})
        if len(prefixes) != 1:
            found = ", ".join(prefix.name for prefix in prefixes) or "none"
            raise LogError(f"{path}: expected one log in the directory, found {found}; name one")
        return segments_of(prefixes[0])
    if path.suffix == SUFFIX and is_segment(path):
        first = segment_number(path)
        found_here = segments_of(prefix_of(path))
        segments = tuple(file for file in found_here if segment_number(file) >= first)
        if path not in segments:
            raise LogError(f"{path}: no such file")
        return segments
    segments = segments_of(path)
    if not segments:
        raise LogError(f"{path}: no log here (looked for {path.name}.000001{SUFFIX} and later)")
    return segments


def list_segments(directory: Path) -> list[Path]:
    """All segments of all logs in a directory."""
    return sorted(file for file in directory.glob(f"*{SUFFIX}") if is_segment(file))


def segments_of(prefix: Path) -> tuple[Path, ...]:
    """The segments of the log `prefix`, in order of their numbers."""
    files = [file for file in list_segments(prefix.parent) if prefix_of(file) == prefix]
    return tuple(sorted(files, key=segment_number))


def is_segment(path: Path) -> bool:
    """Whether a file is named as a segment is."""
    return re.fullmatch(r".+\.\d{6,}\.zlog", path.name) is not None


def segment_number(path: Path) -> int:
    """The number in a segment's name."""
    return int(path.name.split(".")[-2])


def prefix_of(path: Path) -> Path:
    """What the names of a log's segments have in common."""
    return path.with_name(path.name.rsplit(".", 2)[0])


def segment_path(prefix: Path, number: int) -> Path:
    """Name of a segment."""
    return prefix.with_name(f"{prefix.name}.{number:06d}{SUFFIX}")
