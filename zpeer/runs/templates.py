"""Templates of runs: files, or those that ship with zpeer, by name."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from zpeer.errors import ConfigError
from zpeer.validation import suggest

PACKAGE = "zpeer_templates"
SUFFIX = ".toml"


def find_template(name: str) -> Path:
    """A file, or a template that ships with zpeer, with or without its suffix."""
    path = Path(name)
    if path.is_file():
        return path
    paths = [Path(str(each)) for each in files(PACKAGE).iterdir()]
    shipped = {path.stem: path for path in paths if path.suffix == SUFFIX}
    found = shipped.get(name.removesuffix(SUFFIX))
    if found is None:
        raise ConfigError(
            f"{name}: no such file, and no template of that name ships with zpeer; "
            f"{suggest(name, shipped)}"
        )
    return found


def read_changes(texts: list[str]) -> dict[str, Any]:
    """`run.steps=60` as a key and a TOML value; what is no TOML value is taken as text."""
    changes = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"{text}: expected KEY=VALUE, such as run.steps=60")
        changes[key.strip()] = read_value(value.strip())
    return changes


def read_value(text: str) -> Any:
    """A value as TOML writes it."""
    try:
        data = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # numbers and nesting without end, too
        return text
    return data["value"] if set(data) == {"value"} else text
