"""A part that is no vector of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from zpeer.hookspecs import hookimpl
from zpeer.numerics.dealing import to_bytes

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext, Bytes


class PartNotFinite(Colluder):
    """Commits to and sends, as the part of the first honest other worker, what cannot be added:
    `nan`s, or `short`: a number too few.

    The owner takes it as zeros and accuses in CHECK, publishing the bytes. PART_NOT_FINITE, by a
    majority's findings in the next record.
    """

    def __init__(self, mode: Literal["nan", "short"] = "nan") -> None:
        self.mode = mode

    def committed_part(self, context: AttackContext, part: int, data: Bytes) -> Bytes:
        """Spoilt for one owner, honest for the others."""
        if context.workers[part] != context.honest_workers[0]:
            return data
        if self.mode == "short":
            return bytes(data)[:-4]
        return to_bytes(np.full(memoryview(data).nbytes // 4, np.nan, dtype=np.float32))


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"part_not_finite": PartNotFinite}
