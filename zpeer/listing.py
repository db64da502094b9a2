"""`zpeer plugins`: what there is, where it comes from, and what it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zpeer.factories import REQUIRED
from zpeer.plugins import Kind

if TYPE_CHECKING:
    from zpeer.factories import Parameter
    from zpeer.plugins import Plugin, Plugins


def print_plugins(plugins: Plugins, console: Console | None = None) -> None:
    """By kind: each with what it does, what it takes, and where it comes from."""
    console = console or Console()
    for kind in Kind:
        table = Table(
            title=kind.value.replace("_", " "),
            title_justify="left",
            title_style="bold",
            show_header=False,
            box=None,
        )
        table.add_column("name", no_wrap=True, style="cyan")
        table.add_column("what")
        for plugin in plugins:
            if plugin.kind is kind:
                table.add_row(plugin.name, describe(plugin))
        console.print(table)
    console.print(f"{len(list(plugins))} plugins; plugins/README.md says how to write one")


def describe(plugin: Plugin) -> Text:
    """Summary, parameters, origin: a line each."""
    parameters = plugin.factory.parameters.values()
    lines = [Text(plugin.factory.summary)]
    lines += [Text(f"  {describe_parameter(each)}", style="green") for each in parameters]
    return Text("\n").join([*lines, Text(f"  from {plugin.origin}", style="dim")])


def describe_parameter(parameter: Parameter) -> str:
    """`tau: float = 1.0`."""
    if parameter.default is REQUIRED:
        return f"{parameter.name}: {parameter.annotation}"
    default = parameter.adapter.dump_python(parameter.default, mode="json", warnings=False)
    return f"{parameter.name}: {parameter.annotation} = {default!r}"
