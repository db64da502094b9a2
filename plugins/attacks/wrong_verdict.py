"""Another record than everybody's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from zpeer.hookspecs import hookimpl
from zpeer.messages import Verdict, View

from ._colluder import Colluder, other

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message


class WrongVerdict(Colluder):
    """Names a record that nobody else arrives at, in VERDICT and in its view: the plot's, the same
    from all of it.

    A VERDICT that differs counts as missing. More than half vote for the true record, which stands;
    the claims are settled in the next CHECK: CLAIMED_BY_MOST.
    """

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """Another digest in place of the right one."""
        if isinstance(message, Verdict) or (isinstance(message, View) and any(message.record)):
            return replace(message, record=other(context.head))
        return message


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"wrong_verdict": WrongVerdict}
