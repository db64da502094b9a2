"""Another coin than was tossed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from zpeer.hookspecs import hookimpl
from zpeer.messages import Projections

from ._colluder import Colluder, other

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message


class WrongBeacon(Colluder):
    """States a beacon that is not that of the opened shares.

    WRONG_BEACON by all, in the same attempt, which is void.
    """

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:  # noqa: ARG002 - the interface
        """Another digest in place of the right one."""
        if not isinstance(message, Projections):
            return message
        return replace(message, beacon=other(message.beacon))


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"wrong_beacon": WrongBeacon}
