"""`zpeer plugins`: what there is, where it comes from, and what it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zpeer.factories import REQUIRED

if TYPE_CHECKING:
    from zpeer.factories import Parameter
    from zpeer.plugins import Plugin, Plugins


def print_plugins(plugins: Plugins, console: Console | None = None) -> None:
    """One row a plugin."""
    table = Table(title=f"{len(list(plugins))} plugins", title_justify="left", box=None)
    for name in ("kind", "name"):
        table.add_column(name, no_wrap=True)
    for name in ("parameters", "does", "origin"):
        table.add_column(name, overflow="fold")
    for plugin in plugins:
        table.add_row(*(Text(cell) for cell in cells(plugin)))
    (console or Console()).print(table)


def cells(plugin: Plugin) -> tuple[str, ...]:
    """A plugin's row."""
    factory = plugin.factory
    taken = "\n".join(describe_parameter(each) for each in factory.parameters.values()) or "-"
    return plugin.kind.value, plugin.name, taken, factory.summary, plugin.origin


def describe_parameter(parameter: Parameter) -> str:
    """`tau: float = 1.0`."""
    if parameter.default is REQUIRED:
        return f"{parameter.name}: {parameter.annotation}"
    default = parameter.adapter.dump_python(parameter.default, mode="json", warnings=False)
    return f"{parameter.name}: {parameter.annotation} = {default!r}"
