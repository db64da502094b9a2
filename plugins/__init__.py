"""The plugins that ship with zpeer; they come through the same door as anybody's (README.md)."""

from __future__ import annotations

import pkgutil

zpeer_plugin_modules = sorted(
    module.name
    for module in pkgutil.walk_packages(__path__, f"{__name__}.")
    if not module.ispkg and not module.name.rpartition(".")[2].startswith("_")
)
"""What the entry point of this package stands for: every file below, except those of a `_name`."""
