"""Owners wait for a part in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zpeer.effects import SendBlob, SendPart
from zpeer.hookspecs import hookimpl

from ._colluder import Colluder
from ._speech import pick_victims

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext, Bytes


class WithheldPart(Colluder):
    """Does not send its parts to `one` honest owner, to `some` (as many as may be faulty) or to
    `all`; or sends bytes that do not match the commitment (`wrong`). Asked for them, it is silent.

    Only an owner sees it and it has no proof: it calls, and the pair is charged (protocol, section
    5). Past its limit both leave: PAIR_ELIMINATED, one honest peer for each attacker. Claimed by
    more than may be faulty the attacker leaves at once: CLAIMED_BY_MOST. With `agreement = "stop"`
    the owner stops at its deadline, naming this peer.
    """

    def __init__(
        self,
        mode: Literal["missing", "wrong"] = "missing",
        of: Literal["one", "some", "all"] = "one",
    ) -> None:
        self.mode = mode
        self.of = of

    def part(self, context: AttackContext, part: int, data: Bytes) -> Bytes:
        """Zeros for some owners."""
        is_victim = context.workers[part] in pick_victims(context, self.of)
        return bytes(memoryview(data).nbytes) if self.mode == "wrong" and is_victim else data

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """Without some PARTs, and without answers."""
        victims = pick_victims(context, self.of)
        outgoing = super().effects(context, effects)
        if self.mode == "missing":
            outgoing = [e for e in outgoing if not (isinstance(e, SendPart) and e.to in victims)]
        return [e for e in outgoing if not (isinstance(e, SendBlob) and set(e.to) <= set(victims))]


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"withheld_part": WithheldPart}
