"""Every slot a key has signed in a run, on disk: no key ever signs a second body for one.

Two signed bodies for one slot convict their signer (protocol, section 3, equivocation), also if the
first was sent by a process that crashed. So a key claims a run once, durably, before anything is
signed; a peer that finds the claim refuses to start. Each slot is written before its signature
exists. It is not synced one by one: a crash of the process loses nothing that was written, and
after a crash of the machine the claim alone forbids a restart.

A WITNESS is no slot (`signed.py`): any number may be signed, and none is written.

A copy of the key file elsewhere has a journal of its own: copies are for their owner to avoid.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from zpeer.errors import StartError
from zpeer.identity import sync_directory
from zpeer.ids import Digest, PeerId
from zpeer.signed import Signed, Stage, body_digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zpeer.crypto import SigningKey

SCHEMA = """
CREATE TABLE slots (
    number INTEGER PRIMARY KEY,
    head BLOB NOT NULL,
    stage INTEGER NOT NULL,
    body BLOB NOT NULL,
    payload BLOB NOT NULL,
    UNIQUE (head, stage)
)
"""


class SecondBodyError(AssertionError):
    """Our bug: another body was to be signed for a slot that has one."""


class Slot(NamedTuple):
    """What was signed for one slot."""

    head: Digest
    stage: Stage
    body: Digest
    payload: bytes


def journal_path(key_path: Path, run: Digest) -> Path:
    """Where a key keeps its slots of a run: beside the key, wherever the run is started."""
    return key_path.with_name(f"{key_path.name}.used") / f"{run.hex()}.slots"


class SlotJournal:
    """The one way to sign for a slot. Use from one thread."""

    def __init__(self, path: Path, key: SigningKey, database: sqlite3.Connection) -> None:
        """Join what `claim` made; not for other callers."""
        self.path = path
        self._key = key
        self._database = database

    @classmethod
    def claim(cls, key_path: Path, run: Digest, key: SigningKey) -> SlotJournal:
        """Claim the run for the key, once and durably; StartError if that was done before."""
        path = journal_path(key_path, run)
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            sync_directory(path.parent)
            sync_directory(path.parent.parent)
        except FileExistsError:
            raise StartError(
                f"{path} exists: this key has already signed in this run; a second body for a slot "
                "would convict you; make a new run or a new key"
            ) from None
        except OSError as problem:
            raise StartError(f"{path} cannot be created: {problem.strerror}") from problem
        return cls(path, key, _open(path))

    def sign(self, stage: Stage, head: Digest, payload: bytes) -> Signed:
        """Sign a body for a slot, written first; the same body gives the same message again.

        Raises SecondBodyError where the slot has another body.
        """
        sender = PeerId(self._key.public.peer)
        body = body_digest(stage, head, sender, payload)
        if stage is not Stage.WITNESS:
            self._take_slot(stage, head, body, payload)
        return Signed(stage, head, sender, payload, self._key.sign(body))

    def _take_slot(self, stage: Stage, head: Digest, body: Digest, payload: bytes) -> None:
        known = self._body(stage, head)
        if known is None:
            self._write(Slot(head, stage, body, payload))
        elif known != body:
            raise SecondBodyError(
                f"{self.path}: asked to sign a second body for {stage.name} on {head.hex()}"
            )

    def close(self) -> None:
        """Give the file back; the claim stays."""
        self._database.close()

    def _body(self, stage: Stage, head: Digest) -> bytes | None:
        query = "SELECT body FROM slots WHERE head = ? AND stage = ?"
        row = self._database.execute(query, (head, int(stage))).fetchone()
        return None if row is None else bytes(row[0])

    def _write(self, slot: Slot) -> None:
        """A full disk raises here, before there is a signature."""
        command = "INSERT INTO slots (head, stage, body, payload) VALUES (?, ?, ?, ?)"
        fields = (slot.head, int(slot.stage), slot.body, slot.payload)
        self._database.execute(command, fields)


def read_slots(path: Path) -> Iterator[Slot]:
    """The slots in a journal, oldest first."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        rows = database.execute("SELECT head, stage, body, payload FROM slots ORDER BY number")
        for head, stage, body, payload in rows:
            yield Slot(Digest(head), Stage(stage), Digest(body), payload)
    finally:
        database.close()


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute(SCHEMA)
    return database
