"""Nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zpeer.effects import Broadcast
from zpeer.hookspecs import hookimpl
from zpeer.signed import Stage

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext


class Silent(Colluder):
    """Sends no message of `stage`.

    Looks like a crash, and no proof tells them apart (protocol, section 5). With `agreement =
    "stop"` everybody stops at the deadline, naming stage and peer.
    """

    def __init__(
        self,
        stage: Literal[
            "COMMIT", "AGGREGATED", "REVEAL", "PROJECTIONS", "CHECK", "VERDICT"
        ] = "COMMIT",
    ) -> None:
        self.stage = Stage[stage]

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """Without one broadcast."""
        return [
            effect
            for effect in super().effects(context, effects)
            if not (isinstance(effect, Broadcast) and effect.stage is self.stage)
        ]


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"silent": Silent}
