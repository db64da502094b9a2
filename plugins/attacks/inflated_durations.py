"""Everything took very long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from zpeer.hookspecs import hookimpl
from zpeer.messages import Check

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message


class InflatedDurations(Colluder):
    """Says in CHECK that every stage took `seconds`: deadlines are computed from what peers say.

    Their median counts, so a minority changes nothing. No fault: nobody can know what it saw.
    """

    def __init__(self, seconds: float = 1000.0) -> None:
        self.seconds = seconds

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:  # noqa: ARG002 - the interface
        """Other durations."""
        if not isinstance(message, Check):
            return message
        return replace(message, durations=(self.seconds,) * len(message.durations))


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"inflated_durations": InflatedDurations}
