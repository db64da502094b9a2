"""Writes peer files: those of a run on one machine, and one's own in a run of several owners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomlkit

from zpeer.errors import ConfigError
from zpeer.identity import load_private
from zpeer.runs.config import PeerFile, load_run, parse
from zpeer.runs.documents import relative, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def write_peer(
    path: Path,
    *,
    run: Path,
    key: Path,
    bind: str,
    state: Path,
    advertise: str | None = None,
    plugins: Iterable[Path] = (),
    settings: Mapping[str, Any] | None = None,
) -> PeerFile:
    """Write a peer file; paths in it are relative to it."""
    fields: dict[str, Any] = {
        "run": relative(run, path),
        "key": relative(key, path),
        "bind": bind,
        "state": relative(state, path),
    }
    if advertise is not None:
        fields["advertise"] = advertise
    if plugins:
        fields["plugins"] = [relative(each, path) for each in plugins]
    fields |= settings or {}
    peer = parse(fields, PeerFile, path)
    write_text(path, f"# One peer's own settings: `zpeer run {path.name}`\n{tomlkit.dumps(fields)}")
    return peer


def join_run(
    run: Path, key: Path, path: Path, *, bind: str | None = None, advertise: str | None = None
) -> PeerFile:
    """Write the peer file of whoever holds a key in a run of several owners.

    Listens at its address in the run, unless `bind` says otherwise.
    """
    file = load_run(run)
    identity = load_private(key)
    entry = file.entry(identity.peer)
    if entry is None:
        names = ", ".join(peer.name for peer in file.peers)
        raise ConfigError(
            f"{key}: peer {identity.peer.hex()} is not in {file.path}, whose peers are {names}; "
            "ask who made the run to add your public identity file"
        )
    return write_peer(
        path,
        run=file.path,
        key=key,
        bind=bind or entry.address,
        advertise=advertise,
        state=path.with_suffix(".state"),
    )
