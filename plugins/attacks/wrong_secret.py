"""A secret that opens nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from zpeer.hookspecs import hookimpl
from zpeer.messages import Check

from ._colluder import Colluder, other

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message


class WrongSecret(Colluder):
    """Opens another a_i than its share hides.

    Validators and targets would be its choice if that passed. WRONG_SECRET by all, in the same
    attempt, which counts all the same.
    """

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:  # noqa: ARG002 - the interface
        """Another digest in place of the right one."""
        if not isinstance(message, Check):
            return message
        return replace(message, secret=other(message.secret))


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"wrong_secret": WrongSecret}
