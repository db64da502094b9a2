"""Knows the draw before everybody, and thinks again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from msgspec.structs import replace

from zpeer.hookspecs import hookimpl
from zpeer.ids import NOTHING
from zpeer.messages import Check, View
from zpeer.signed import Stage
from zpeer.wire import encode_payload

from ._colluder import other
from ._secrets import PlottedSecrets, draw_secret, is_unwelcome
from ._speech import get_victim, is_said

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Broadcast, Effect
    from zpeer.events import Event
    from zpeer.interfaces import Attack, AttackContext, Float32


class HeldSecret(PlottedSecrets):
    """Holds its CHECK back until every honest peer has opened its secret, and so knows q before
    all. Then it is silent, calls (with its secret, or `withheld`), or opens a `wrong` one: always,
    or when q is `unwelcome`, setting an honest validator on the plot, and would not be without it.
    Only the first of the plot does; and with `unwelcome` all of it flip the signs of their
    gradients, else there is nothing to hide.

    The a_i of the views give the q that the CHECKs would have given: who calls wins no other draw.
    To get one costs the place: SECRET_WITHHELD or WRONG_SECRET; silence: CLAIMED_BY_MOST; a call:
    PAIR_ELIMINATED. And the new draw finds the gradients, too: WRONG_GRADIENT.
    """

    def __init__(
        self,
        then: Literal["silence", "call", "withheld", "wrong"] = "withheld",
        when: Literal["always", "unwelcome"] = "always",
    ) -> None:
        super().__init__()
        self.then = then
        self.when = when
        self._held: Broadcast | None = None

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:
        """Something to hide."""
        wrong = self.when == "unwelcome" and context.me in context.colluders
        return np.asarray(-honest, dtype=np.float32) if wrong else honest

    def observe(self, context: AttackContext, event: Event) -> list[Outgoing]:
        """Speak when all others have."""
        self.note_secrets(context, event)
        return self._speak(context) if self._held else []

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """Hold my CHECK."""
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            if is_said(effect, Stage.CHECK) and context.me == context.colluders[0]:
                self._held = effect
                outgoing += self._speak(context)
            else:
                outgoing.append(effect)
        return outgoing

    def _speak(self, context: AttackContext) -> list[Outgoing]:
        held = self._held
        if held is None or held.head != context.head or not self.know_all(context):
            return []
        self._held = None
        return self._do(context, held) if self._minds(context) else [held]

    def _minds(self, context: AttackContext) -> bool:
        if self.when == "always":
            return True
        without = self.foresee(context, (context.me,))
        unwelcome = is_unwelcome(context, self.foresee(context))
        return unwelcome and not is_unwelcome(context, without)

    def _do(self, context: AttackContext, held: Broadcast) -> list[Outgoing]:
        view = View(secret=draw_secret(context, context.me), claims=(get_victim(context),))
        check = context.decode(held)
        match self.then:
            case "call":
                return self.call(context, view)
            case "withheld":
                return self.call(context, replace(view, secret=NOTHING))
            case "wrong" if isinstance(check, Check):
                lie = replace(check, secret=other(check.secret))
                return [replace(held, payload=encode_payload(lie))]
            case _:
                return []


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"held_secret": HeldSecret}
