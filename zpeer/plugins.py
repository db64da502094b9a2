"""Finds plugins, once, at start-up; afterwards pluggy is out of the way (architecture, section 4).

Plugins are installed packages with an entry point in the group `zpeer.plugins` (what ships with the
project is one of them) and single files named in a config. Factories are collected by kind and
name. pluggy checks hooks against their specifications; they are then called one by one, so that
nothing depends on the order of registration: a name given twice is an error that names both
origins.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from enum import StrEnum
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, NamedTuple

import pluggy

from zpeer import hookspecs
from zpeer.errors import ConfigError, PluginError, ZpeerError
from zpeer.factories import Factory, describe_error
from zpeer.ids import digest_bytes
from zpeer.validation import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from importlib.metadata import EntryPoint
    from pathlib import Path
    from types import ModuleType

    from zpeer.runs.config import Shared
    from zpeer.runs.settings import Choice

GROUP = "zpeer.plugins"
MODULES = "zpeer_plugin_modules"
"""A package may list its plugin modules under this name."""


class Kind(StrEnum):
    """What a plugin is: the name of its section in a config."""

    AGGREGATOR = "aggregator"
    VALIDATOR_POLICY = "validator_policy"
    SYBIL_POLICY = "sybil_policy"
    ATTACK = "attack"
    TASK = "task"


HOOKS = {
    Kind.AGGREGATOR: "zpeer_aggregators",
    Kind.VALIDATOR_POLICY: "zpeer_validator_policies",
    Kind.SYBIL_POLICY: "zpeer_sybil_policies",
    Kind.ATTACK: "zpeer_attacks",
    Kind.TASK: "zpeer_tasks",
}
METHODS = {
    Kind.AGGREGATOR: ("aggregate", "radius", "weight"),
    Kind.VALIDATOR_POLICY: ("validators", "targets"),
    Kind.SYBIL_POLICY: ("admits",),
    Kind.ATTACK: (
        *("observe", "gradient", "committed_part", "part", "aggregate", "message", "effects"),
    ),
    Kind.TASK: ("build_model", "batch", "loss", "evaluate", "flip_labels"),
}
"""What an object of each kind must have (`zpeer.interfaces`)."""


class Plugin(NamedTuple):
    """A factory that was found."""

    kind: Kind
    name: str
    origin: str
    """Package and module, or file."""
    factory: Factory


class Plugins:
    """All factories, by kind and name."""

    def __init__(self, found: Iterable[Plugin]) -> None:
        """Take what was collected; PluginError where two have one kind and name."""
        self._found: dict[tuple[Kind, str], Plugin] = {}
        for plugin in found:
            other = self._found.setdefault((plugin.kind, plugin.name), plugin)
            if other is not plugin:
                raise PluginError(
                    f"{plugin.kind} {plugin.name!r} is given twice: by {other.origin} and by "
                    f"{plugin.origin}; rename one of them"
                )

    def __iter__(self) -> Iterator[Plugin]:
        return iter(sorted(self._found.values(), key=lambda plugin: plugin[:2]))

    def find(self, kind: Kind | str, name: str) -> Plugin:
        """The plugin of that name; ConfigError names those there are."""
        try:
            return self._found[Kind(kind), name]
        except KeyError:
            known = [plugin.name for plugin in self if plugin.kind == kind]
            raise ConfigError(
                f"{kind}: no plugin is called {name!r}; {suggest(name, known)} "
                "(`zpeer plugins` lists them; a file of your own is named under `plugins`)"
            ) from None

    def normalise(
        self, kind: Kind | str, name: str, given: Mapping[str, object]
    ) -> dict[str, object]:
        """All parameters of a plugin as a config holds them, defaults written out."""
        return self.find(kind, name).factory.normalise(given)

    def build(self, kind: Kind | str, name: str, given: Mapping[str, object]) -> object:
        """The plugin as a plain object that has what its kind must have.

        Raises ConfigError for parameters that do not fit, PluginError for a broken plugin.
        """
        plugin = self.find(kind, name)
        built = plugin.factory.build(given)
        lacking = [m for m in METHODS[plugin.kind] if not callable(getattr(built, m, None))]
        if lacking:
            raise PluginError(
                f"{plugin.factory.label} ({plugin.origin}) lacks {', '.join(lacking)}; see the "
                f"interface of its kind in plugins/README.md"
            )
        if plugin.kind is Kind.AGGREGATOR:
            require_residual(plugin, getattr(built, "verification", None))
        return built

    def choose(self, kind: Kind | str, choice: Choice) -> object:
        """What a section of a config asks for."""
        return self.build(kind, choice.name, choice.parameters)

    def require_choices(self, config: Shared) -> None:
        """Raise ConfigError with everything wrong with the plugins a config chooses."""
        problems = []
        for kind, choice in config.choices.items():
            try:
                self.normalise(kind, choice.name, choice.parameters)
            except ConfigError as problem:
                problems += str(problem).splitlines()
        if problems:
            raise ConfigError("\n".join(f"{config.path}: {line}" for line in problems))


def require_residual(plugin: Plugin, verification: object) -> None:
    """No aggregator goes unverified, and audits do not exist yet."""
    if verification == "residual":
        return
    if verification == "audit":
        raise PluginError(
            f"{plugin.factory.label} ({plugin.origin}) has no residual to check its sums by and "
            "asks for audits, but audits are not built yet; choose an aggregator that "
            "`zpeer plugins` lists, or define yours through a residual (plugins/README.md)"
        )
    raise PluginError(
        f"{plugin.factory.label} ({plugin.origin}): its verification is {verification!r}; expected "
        '"residual" or "audit"'
    )


def load_plugins(files: Iterable[Path] = ()) -> Plugins:
    """Everything installed and the files given; PluginError names origin, file and line."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    origins: dict[str, str] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        modules = load_entry_point(point)
        for module in modules:
            origins[module.__name__] = f"{origin_of(point)} ({module.__name__})"
            register(manager, module, origins[module.__name__])
        require_hooks(manager, modules, origin_of(point))
    for path in dict.fromkeys(path.resolve() for path in files):
        module = load_file(path)
        origins[module.__name__] = str(path)
        register(manager, module, str(path))
        require_hooks(manager, [module], str(path))
    require_known_hooks(manager, origins)
    return Plugins(collect(manager, origins))


def origin_of(point: EntryPoint) -> str:
    """Package and version of an entry point."""
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.name


def load_entry_point(point: EntryPoint) -> list[ModuleType]:
    """A module, or those that a package lists."""
    where = f"plugin {origin_of(point)}, entry point {point.name} = {point.value}"
    module = import_module(point.value, where)
    listed: Iterable[str] = getattr(module, MODULES, ())
    return [import_module(name, where) for name in listed] or [module]


def import_module(name: str, where: str) -> ModuleType:
    """Import what is installed."""
    try:
        return importlib.import_module(name)
    except Exception as problem:
        raise PluginError(
            f"{where}: {name} cannot be imported: {describe_error(problem)}"
        ) from problem


def load_file(path: Path) -> ModuleType:
    """Import a single file, under a name of its own."""
    if not path.is_file():
        raise PluginError(f"plugin {path}: no such file; it is named under `plugins` in a config")
    name = f"zpeer_file_{path.stem}_{digest_bytes(str(path).encode()).hex()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"plugin {path}: not a Python file; expected a name that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as problem:
        del sys.modules[name]
        where = describe_error(problem, path)
        raise PluginError(f"plugin {path} cannot be imported: {where}") from problem
    return module


def register(manager: pluggy.PluginManager, module: ModuleType, origin: str) -> None:
    """Let pluggy check a module's hooks."""
    try:
        manager.register(module, module.__name__)
    except (pluggy.PluginValidationError, ValueError) as problem:
        raise PluginError(f"plugin {origin}: {problem}") from None


def require_hooks(
    manager: pluggy.PluginManager, modules: Iterable[ModuleType], origin: str
) -> None:
    """At least one of the modules must be a plugin; others may be what it imports."""
    if not any(manager.get_hookcallers(module) for module in modules):
        hooks = ", ".join(HOOKS.values())
        raise PluginError(
            f"plugin {origin}: it has no hook; expected a function marked with "
            f"`zpeer.hookspecs.hookimpl` and called one of {hooks}"
        )


def require_known_hooks(manager: pluggy.PluginManager, origins: Mapping[str, str]) -> None:
    """A misspelled hook would be silently without effect."""
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as problem:
        origin = origins[manager.get_name(problem.plugin) or ""]
        expected = f"expected one of {', '.join(HOOKS.values())}"
        raise PluginError(f"plugin {origin}: {problem}; {expected}") from None


def collect(manager: pluggy.PluginManager, origins: Mapping[str, str]) -> Iterator[Plugin]:
    """Call every hook of every plugin."""
    for kind, hook in HOOKS.items():
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            origin = origins[implementation.plugin_name]
            where = f"plugin {origin}, hook {hook}"
            if implementation.wrapper or implementation.hookwrapper:
                raise PluginError(f"{where}: a hook may not wrap those of others")
            try:
                result = implementation.function()
            except ZpeerError:
                raise
            except Exception as problem:
                raise PluginError(f"{where}: {describe_error(problem)}") from problem
            yield from read_result(kind, origin, where, result)


def read_result(kind: Kind, origin: str, where: str, result: object) -> Iterator[Plugin]:
    """Factories by name."""
    if not isinstance(result, dict):
        raise PluginError(
            f"{where}: returned {type(result).__name__}, expected a dict of factories"
        )
    for name, call in result.items():
        if not isinstance(name, str) or not callable(call):
            raise PluginError(f"{where}: found {name!r}: {call!r}, expected a name and a callable")
        yield Plugin(kind, name, origin, Factory(f"{kind} {name!r}", call))
