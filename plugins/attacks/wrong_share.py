"""A share that opens nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from zpeer.hookspecs import hookimpl
from zpeer.messages import Reveal

from ._colluder import Colluder, other

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message


class WrongShare(Colluder):
    """Opens another b_i than it committed to.

    The beacon would be its choice if that passed. WRONG_SHARE by all, in the same attempt, which is
    void.
    """

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:  # noqa: ARG002 - the interface
        """Another digest in place of the right one."""
        if not isinstance(message, Reveal):
            return message
        return replace(message, share=other(message.share))


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"wrong_share": WrongShare}
