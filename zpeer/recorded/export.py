"""A recorded log as MCAP, for the viewers that read it.

An export, not the log itself: readers of MCAP lose a truncated file whole.

Channels by kind (`/event/MessageReceived`, `/effect/Broadcast`, ...), in JSON, bytes in hex.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from zpeer.describe import Plain, describe
from zpeer.errors import LogError, ZpeerError
from zpeer.ids import digest_bytes
from zpeer.narrator import Narrator
from zpeer.recorded.zlog import Crash, Entry, Payload, Snapshot, read_log

if TYPE_CHECKING:
    from pathlib import Path

    from mcap.writer import Writer

    from zpeer.recorded.zlog import Frame

SCHEMA = b'{"type": "object"}'
NANOSECONDS = 1_000_000_000


def export_mcap(log: Path, out: Path) -> int:
    """Write the log as MCAP; returns how many messages it has.

    Raises LogError for an unreadable log or an `out` that exists, ZpeerError without `mcap`.
    """
    reader = read_log(log)
    narrator = Narrator.of(reader.header.genesis)
    writer = find_writer()
    try:
        file = out.open("xb")
    except OSError as problem:
        raise LogError(f"{out}: cannot be written: {problem.strerror}") from problem
    with file:
        export = Export(writer(file))
        export.add("/header", 0.0, describe(reader.header, narrator))
        now = 0.0
        for position, frame in reader:
            now = frame.now if isinstance(frame, Entry | Crash) else now
            for topic, content in describe_frame(frame, narrator):
                export.add(
                    topic, now, {"segment": position.segment, "number": position.number} | content
                )
        export.finish()
    return export.count


def find_writer() -> type[Writer]:
    """The library's writer, or what to install."""
    try:
        from mcap.writer import Writer  # noqa: PLC0415 - an optional extra
    except ImportError as problem:
        raise ZpeerError(
            "exporting a log needs the package mcap, which is not installed:"
            " pip install 'zpeer[mcap]'"
        ) from problem
    return Writer


class Export:
    """Registers channels as they come up and appends to them."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._writer.start(profile="", library="zpeer")
        self._schema = writer.register_schema(name="zpeer", encoding="jsonschema", data=SCHEMA)
        self._channels: dict[str, int] = {}
        self.count = 0

    def add(self, topic: str, now: float, content: Plain) -> None:
        """One message on a channel, at a log's time in seconds."""
        if topic not in self._channels:
            self._channels[topic] = self._writer.register_channel(
                topic=topic, message_encoding="json", schema_id=self._schema
            )
        at = max(0, round(now * NANOSECONDS))
        self._writer.add_message(
            channel_id=self._channels[topic],
            log_time=at,
            data=json.dumps(content, allow_nan=False).encode(),
            publish_time=at,
            sequence=self.count,
        )
        self.count += 1

    def finish(self) -> None:
        """Write the footer, without which no reader takes the file."""
        self._writer.finish()  # type: ignore[no-untyped-call]


def describe_frame(frame: Frame, narrator: Narrator) -> list[tuple[str, dict[str, Plain]]]:
    """Topics and contents of a frame: an entry is its event, then each effect."""
    match frame:
        case Snapshot(state=state):
            about: dict[str, Plain] = {"digest": digest_bytes(state).hex(), "bytes": len(state)}
            return [("/snapshot", about)]
        case Entry(event=event, effects=effects):
            values = [("event", event), *(("effect", effect) for effect in effects)]
            return [
                (f"/{kind}/{type(value).__name__}", {"value": describe(value, narrator)})
                for kind, value in values
            ]
        case Crash(event=event, error=error):
            return [("/crash", {"event": describe(event, narrator), "error": error})]
        case Payload(data=data):
            about = {"kind": frame.kind.name, "part": frame.part, "offset": frame.offset}
            about |= {"head": frame.head.hex(), "peer": narrator.name(frame.peer)}
            return [("/payload", about | {"digest": digest_bytes(data).hex(), "bytes": len(data)})]
        case _:
            return []
