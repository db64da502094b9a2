"""One owner waits for a part in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zpeer.effects import SendPart
from zpeer.hookspecs import hookimpl

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext, Bytes


class WithheldPart(Colluder):
    """Does not send its part to the first honest owner, or sends it bytes that do not match the
    commitment (`wrong`).

    Only that owner sees it and it has no proof: a claim, not a fault (protocol, section 5). With
    `agreement = "stop"` it stops at its deadline, naming this peer; the others stop naming it.
    """

    def __init__(self, mode: Literal["missing", "wrong"] = "missing") -> None:
        self.mode = mode

    def part(self, context: AttackContext, part: int, data: Bytes) -> Bytes:
        """Zeros for one owner."""
        is_wrong = self.mode == "wrong" and context.workers[part] == context.honest_workers[0]
        return bytes(memoryview(data).nbytes) if is_wrong else data

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """Without one PART."""
        outgoing = super().effects(context, effects)
        if self.mode == "wrong":
            return outgoing
        victim = context.honest_workers[0] if context.honest_workers else None
        return [e for e in outgoing if not (isinstance(e, SendPart) and e.to == victim)]


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"withheld_part": WithheldPart}
