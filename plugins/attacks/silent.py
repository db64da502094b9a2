"""Nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.hookspecs import hookimpl

from ._speech import AnyStage, Provoker, is_said

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext


class Silent(Provoker):
    """Sends no message of `stage`; a `validator` only while it has to report. In the stages of the
    slow path it calls first.

    Looks like a crash, but it takes part in the slow path: CLAIMED_BY_MOST. Nobody waits for a
    CLOSED or DECIDED for long. With `agreement = "stop"` everybody stops at the deadline, naming
    stage and peer.
    """

    def __init__(self, stage: AnyStage = "COMMIT", validator: bool = False) -> None:
        super().__init__(stage)
        self.validator = validator

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """Without one broadcast."""
        outgoing = super().effects(context, effects)
        if self.validator and not context.duties.get(context.me):
            return outgoing
        return [effect for effect in outgoing if not is_said(effect, self.stage)]


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"silent": Silent}
