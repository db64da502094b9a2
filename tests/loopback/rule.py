"""An aggregator as a user writes it: CenteredClip with a radius of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.hookspecs import hookimpl
from zpeer_plugins.aggregators.centered_clip import CenteredClip

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Aggregator

MULTIPLE = 1.25


class Rule(CenteredClip):
    """Follows the typical norm."""

    def __init__(self) -> None:
        super().__init__("auto", MULTIPLE)


@hookimpl
def zpeer_aggregators() -> dict[str, Callable[..., Aggregator]]:
    """One rule."""
    return {"rule": Rule}
