"""Peers wait for a result in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from zpeer.conduct import SendBytes
from zpeer.effects import SendBlob, SendResult
from zpeer.hookspecs import hookimpl
from zpeer.parts import Bulk
from zpeer.shell.reception import make_header

from ._colluder import Colluder
from ._speech import pick_victims

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext


class WithheldResult(Colluder):
    """Does not send its part's aggregate to `one` honest peer, to `some` (as many as may be faulty)
    or to `all`; or sends bytes that do not match what it fixed (`wrong`). Asked, it is silent.

    Whoever has the bytes passes them on, so as long as one honest peer does nobody is harmed.
    Withheld from all: CLAIMED_BY_MOST, after the slow path. With `agreement = "stop"` a receiver
    stops at its deadline, naming this peer.
    """

    def __init__(
        self,
        mode: Literal["missing", "wrong"] = "missing",
        of: Literal["one", "some", "all"] = "one",
    ) -> None:
        self.mode = mode
        self.of = of

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """RESULT to some, and no answers to the others."""
        victims = pick_victims(context, self.of)
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            if isinstance(effect, SendResult | SendBlob):
                rest = tuple(peer for peer in effect.to if peer not in victims)
                outgoing.append(replace(effect, to=rest))
            else:
                outgoing.append(effect)
            if isinstance(effect, SendResult) and self.mode == "wrong":
                data = bytes(context.layout.size_bytes(context.my_part))
                outgoing.append(SendBytes(victims, data, make_header(Bulk.RESULT, effect.head)))
        return outgoing


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"withheld_result": WithheldResult}
