"""A machine that stands still for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.conduct import After
from zpeer.hookspecs import hookimpl

from ._speech import SENDING, AnyStage, Provoker, is_said

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.interfaces import Attack, AttackContext


class Freeze(Provoker):
    """Neither hears nor says anything for `seconds`, from its message of `stage` in every `every`th
    step on; then all at once. In the stages of the slow path it calls first.

    Shorter than the deadlines it is no fault. Longer: SILENT or CLAIMED_BY_MOST.
    """

    def __init__(self, stage: AnyStage = "COMMIT", seconds: float = 5.0, every: int = 1) -> None:
        super().__init__(stage)
        self.seconds = seconds
        self.every = every
        self._until = 0.0

    def hears_after(self, context: AttackContext, event: Event) -> float:  # noqa: ARG002 - the interface
        """Until it is over."""
        return max(0.0, self._until - context.now)

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """What others would notice, later."""
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            is_time = context.step % self.every == 0 and context.now >= self._until
            if is_said(effect, self.stage) and is_time:
                self._until = context.now + self.seconds
            wait = self._until - context.now
            is_late = wait > 0 and isinstance(effect, SENDING)
            outgoing.append(After(wait, effect) if is_late else effect)
        return outgoing


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"freeze": Freeze}
