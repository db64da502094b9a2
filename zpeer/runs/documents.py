"""TOML files as people keep them: comments and order stay when a key is set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit

from zpeer.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tomlkit import TOMLDocument


def read_document(path: Path) -> TOMLDocument:
    """A file that was validated before, with its comments."""
    return tomlkit.parse(path.read_text(encoding="utf-8"))


def set_section(document: TOMLDocument, name: str, values: Mapping[str, Any]) -> None:
    """Set keys of a section, which is added if need be."""
    if name not in document:
        document[name] = tomlkit.table()
    section: Any = document[name]
    for key, value in values.items():
        section[key] = value


def set_key(document: TOMLDocument, key: str, value: Any) -> None:
    """Set `section.key`."""
    section, dot, name = key.partition(".")
    if not dot or not section or not name or "." in name:
        raise ConfigError(f"{key}: expected a key as section.key, such as run.steps")
    set_section(document, section, {name: value})


def relative(path: Path, file: Path) -> str:
    """A path as it stands in a file."""
    return Path(os.path.relpath(path.resolve(), file.resolve().parent)).as_posix()


def write_text(path: Path, text: str, *, is_new: bool = True) -> None:
    """Write a file whole or not at all; a new one overwrites none."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        if is_new and path.exists():
            raise ConfigError(f"{path}: exists; it is not overwritten")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be written: {problem.strerror}") from None
