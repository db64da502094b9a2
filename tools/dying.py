"""An attack plugin whose peer dies in the middle of a step, as by `kill -9`: for measurements.

Named in a peer file: `plugins = ["dying.py"]`.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from zpeer.attacker import HonestAttack
from zpeer.effects import Broadcast
from zpeer.hookspecs import hookimpl
from zpeer.signed import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext


class Dying(HonestAttack):
    """Honest, until it should say something of `stage`."""

    def __init__(self, stage: str = "COMMIT") -> None:
        self.stage = Stage[stage]

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """None any more."""
        if any(isinstance(each, Broadcast) and each.stage is self.stage for each in effects):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().effects(context, effects)


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """One attack."""
    return {"dying": Dying}
