"""Hooks of a plugin: each returns factories by name, collected once at start-up.

A factory is a callable whose keyword parameters are the plugin's parameters in the config;
annotations and defaults are what `zpeer plugins` shows and what a config is checked against.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Aggregator, Attack, SybilPolicy, Task, ValidatorPolicy

PROJECT = "zpeer"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def zpeer_aggregators() -> dict[str, Callable[..., Aggregator]]:  # type: ignore[empty-body]
    """Aggregation rules by name."""


@hookspec
def zpeer_validator_policies() -> dict[str, Callable[..., ValidatorPolicy]]:  # type: ignore[empty-body]
    """Validator policies by name."""


@hookspec
def zpeer_sybil_policies() -> dict[str, Callable[..., SybilPolicy]]:  # type: ignore[empty-body]
    """Sybil policies by name."""


@hookspec
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:  # type: ignore[empty-body]
    """Attacks by name, for tests and experiments."""


@hookspec
def zpeer_tasks() -> dict[str, Callable[..., Task]]:  # type: ignore[empty-body]
    """Training tasks by name."""
