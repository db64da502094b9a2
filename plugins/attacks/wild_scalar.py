"""Numbers that break arithmetic."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Literal

import numpy as np
from msgspec.structs import replace

from zpeer.effects import SendResult
from zpeer.events import Scalars
from zpeer.hookspecs import hookimpl
from zpeer.messages import Check, Projections
from zpeer.numerics.dealing import to_bytes

from ._colluder import Colluder
from ._shift import put, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext, Bytes, Float32
    from zpeer.messages import Message

VALUES = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf"), "1e308": 1e308}
FLOAT32_MAX = 3.4028234663852886e38


class WildScalar(Colluder):
    """Puts `value` where a number belongs: in a `projection`, a `norm`, a `duration`, into its
    `part` for the first honest worker, or into its own part's `result`. (Where there are only 32
    bits, their largest number stands for 1e308.)

    INVALID_BODY in scalars; what is not finite in tensors is PART_NOT_FINITE or RESULT_NOT_FINITE,
    and what is finite is WRONG_GRADIENT by a draw, or WRONG_SUM.
    """

    def __init__(
        self,
        where: Literal["projection", "norm", "duration", "part", "result"] = "norm",
        value: Literal["nan", "inf", "-inf", "1e308"] = "nan",
    ) -> None:
        self.where = where
        self.value = VALUES[value]

    def committed_part(self, context: AttackContext, part: int, data: Bytes) -> Bytes:
        """Full of it, for one owner."""
        is_meant = self.where == "part" and context.workers[part] == context.honest_workers[0]
        return to_bytes(self._fill(memoryview(data).nbytes // 4)) if is_meant else data

    def aggregate(self, context: AttackContext, honest: Float32) -> Float32:  # noqa: ARG002 - the interface
        """Full of it."""
        return self._fill(len(honest)) if self.where == "result" else honest

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """RESULT comes to me, too, so that I judge myself as the others do."""
        return [
            replace(effect, to=(*effect.to, context.me))
            if isinstance(effect, SendResult) and self.where == "result"
            else effect
            for effect in super().effects(context, effects)
        ]

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:  # noqa: ARG002 - the interface
        """One number of the message."""
        if isinstance(message, Check) and self.where == "duration":
            return replace(message, durations=put(message.durations, 0, self.value))
        if not isinstance(message, Projections) or not message.norms:
            return message
        row, norm = message.projections[0], message.norms[0]
        if self.where == "projection":
            return state(message, 0, Scalars(put(row, 0, self.value), norm))
        return state(message, 0, Scalars(row, self.value)) if self.where == "norm" else message

    def _fill(self, length: int) -> Float32:
        value = min(self.value, FLOAT32_MAX) if isfinite(self.value) else self.value
        return np.full(length, value, dtype=np.float32)


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"wild_scalar": WildScalar}
