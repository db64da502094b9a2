"""Runs a run once more: the same keys and files under a new nonce, hence a new id.

A key is never used twice in one run; what the former run left stays whole beside its run file, so
that its logs replay and its evidence is judged.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import tomlkit

from zpeer.runs.config import RUN_FILE, RunFile, load_run, parse
from zpeer.runs.documents import read_document, relative, set_section, write_text

if TYPE_CHECKING:
    from pathlib import Path

    from tomlkit import TOMLDocument

STATE, EARLIER = "state", "earlier"
ID_LENGTH = 16


def renew(directory: Path) -> RunFile:
    """Give a run a new nonce, and so a new id: its keys are used again, but never in one run twice.

    Where it has run before, its run file and state move to `earlier/`, where they stay whole.
    """
    run = load_run(directory)
    document = read_document(run.path)
    if (directory / STATE).exists():
        archive(run, document)
    document = read_document(run.path)
    set_section(document, "run", {"nonce": make_nonce()})
    fresh = parse(document.unwrap(), RunFile, run.path)
    write_text(run.path, tomlkit.dumps(document), is_new=False)
    return fresh


def archive(run: RunFile, document: TOMLDocument) -> Path:
    """Move a run's state away, beside a run file that names the same run."""
    directory = run.path.parent
    home = directory / EARLIER / run.id.hex()[:ID_LENGTH]
    home.mkdir(parents=True, exist_ok=True)
    path = home / RUN_FILE
    set_section(document, "parameters", {"file": relative(run.parameters_path, path)})
    if run.plugins:
        document["plugins"] = [relative(each, path) for each in run.plugin_paths]
    write_text(path, tomlkit.dumps(document), is_new=False)
    (directory / STATE).rename(home / STATE)
    return home


def make_nonce() -> str:
    """32 unpredictable bytes."""
    return secrets.token_bytes(32).hex()
