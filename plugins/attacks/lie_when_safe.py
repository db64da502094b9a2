"""Lies only when nobody will look; it thinks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from zpeer.hookspecs import hookimpl
from zpeer.messages import Projections
from zpeer.signed import Stage
from zpeer.wire import encode_payload

from ._secrets import PlottedSecrets, is_unwelcome
from ._speech import is_said
from .wrong_projection import nudge

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Broadcast, Effect
    from zpeer.events import Event
    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message


class LieWhenSafe(PlottedSecrets):
    """States a wrong projection on its own part (`units` off) only when it takes the draw to be
    harmless: no honest validator, or no target of the plot.

    It reads the draw from the beacon r (`beacon`), as in the paper, where that is the draw; or it
    waits with PROJECTIONS until calls for it have opened all secrets (`views`), and knows.

    Neither works. r says nothing of q, which nobody knows while PROJECTIONS are open: some draw
    finds the lie, WRONG_PROJECTION. And who waits for the views has been claimed by all in them,
    and speaks in an attempt that is void: CLAIMED_BY_MOST.
    """

    def __init__(self, source: Literal["beacon", "views"] = "beacon", units: float = 200.0) -> None:
        super().__init__()
        self.source = source
        self.units = units
        self.lies = 0
        """How often it thought itself safe."""
        self._held: Broadcast | None = None

    def observe(self, context: AttackContext, event: Event) -> list[Outgoing]:
        """Speak when the draw is known."""
        self.note_secrets(context, event)
        held = self._held
        if held is None or held.head != context.head or not self.know_all(context):
            return []
        self._held = None
        message = context.decode(held)
        if isinstance(message, Projections) and not is_unwelcome(context, self.foresee(context)):
            held = replace(held, payload=encode_payload(self._misstate(context, message)))
        return [held]

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """Hold my PROJECTIONS, if that is the plan."""
        outgoing = super().effects(context, effects)
        if self.source == "beacon":
            return outgoing
        said = [effect for effect in outgoing if is_said(effect, Stage.PROJECTIONS)]
        self._held = said[0] if said else self._held
        return [effect for effect in outgoing if effect not in said]

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        """By the beacon alone."""
        said = super().lie(context, message)
        if self.source != "beacon" or not isinstance(said, Projections):
            return said
        return said if is_unwelcome(context, said.beacon) else self._misstate(context, said)

    def _misstate(self, context: AttackContext, message: Projections) -> Projections:
        if not message.norms:
            return message
        self.lies += 1
        return nudge(context, message, context.my_part, self.units)


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"lie_when_safe": LieWhenSafe}
