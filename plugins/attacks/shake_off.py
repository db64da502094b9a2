"""Anything but being looked at."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Literal

import numpy as np
from msgspec.structs import replace

from zpeer.hookspecs import hookimpl
from zpeer.messages import Reveal, View
from zpeer.signed import Stage

from ._colluder import other
from ._speech import SENDING, Caller, get_honest, is_said

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.interfaces import Attack, AttackContext, Float32
    from zpeer.messages import Message


class ShakeOff(Caller):
    """Flips the sign of its gradient; and as soon as an honest validator has drawn it voids every
    attempt, by a `call` against another honest peer each time, or by a wrong `share`; or leaves
    (`crash`).

    A void attempt keeps the step's validators and the draws that are open, calls cost charges, and
    the last gradient of who leaves is drawn besides. Gone for CHARGED_WITH_MOST, WRONG_SHARE or
    SILENT; and where that is no ban, WRONG_GRADIENT comes after it.
    """

    def __init__(self, by: Literal["call", "share", "crash"] = "call") -> None:
        super().__init__()
        self.by = by
        self._calls = 0
        self._is_down = False

    def hears_after(self, context: AttackContext, event: Event) -> float:  # noqa: ARG002 - the interface
        """Never, once it has left."""
        return inf if self._is_down else 0.0

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:  # noqa: ARG002 - the interface
        """The honest one, turned round."""
        return np.asarray(-honest, dtype=np.float32)

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """A call before my COMMIT, or nothing any more."""
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            if is_said(effect, Stage.COMMIT) and is_drawn(context):
                self._is_down = self.by == "crash"
                outgoing += self._call(context) if self.by == "call" else []
            if not (self._is_down and isinstance(effect, SENDING)):
                outgoing.append(effect)
        return outgoing

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """Another share."""
        if self.by == "share" and isinstance(message, Reveal) and is_drawn(context):
            return replace(message, share=other(message.share))
        return super().lie(context, message)

    def _call(self, context: AttackContext) -> list[Outgoing]:
        honest = get_honest(context)
        self._calls += 1
        claims = (honest[self._calls % len(honest)],)
        return self.call(context, View(secret=context.secret, claims=claims))


def is_drawn(context: AttackContext) -> bool:
    """Whether an honest validator has to report on me."""
    return any(
        context.me in targets and validator not in context.colluders
        for validator, targets in context.duties.items()
    )


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"shake_off": ShakeOff}
