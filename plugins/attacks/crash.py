"""Gone, in the middle of a word."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from zpeer.hookspecs import hookimpl

from ._speech import SENDING, AnyStage, Provoker, get_honest, is_said

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.interfaces import Attack, AttackContext


class Crash(Provoker):
    """Neither hears nor says anything any more, from its message of `stage` on; that one still
    reaches `nobody`, `one`, `half` of the honest peers, or `all`. In the stages of the slow path it
    calls first.

    SILENT, by the slow path of that attempt or, where all heard its last word, of the next. Its
    last gradient is an open draw all the same.
    """

    def __init__(
        self,
        stage: AnyStage = "COMMIT",
        told: Literal["nobody", "one", "half", "all"] = "nobody",
    ) -> None:
        super().__init__(stage)
        self.told = told
        self._is_down = False

    def hears_after(self, context: AttackContext, event: Event) -> float:  # noqa: ARG002 - the interface
        """Never, once it is down."""
        return inf if self._is_down else 0.0

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """Nothing of what others would notice, after the last word."""
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            if is_said(effect, self.stage) and not self._is_down:
                self._is_down = True
                honest = get_honest(context)
                told = {"nobody": 0, "one": 1, "half": len(honest) // 2, "all": len(honest)}
                outgoing.append(replace(effect, to=honest[: told[self.told]]))
            elif not (self._is_down and isinstance(effect, SENDING)):
                outgoing.append(effect)
        return outgoing


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"crash": Crash}
