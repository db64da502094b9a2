"""A body that its slot does not allow."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from zpeer.errors import ConfigError
from zpeer.events import Scalars
from zpeer.hookspecs import hookimpl
from zpeer.messages import Aggregated, Check, Commit, Finding, Guilt, Projections, stage_of
from zpeer.signed import Stage

from ._colluder import Colluder
from ._shift import state

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import Message


class InvalidBody(Colluder):
    """Signs, in `stage`, what no honest peer signs.

    `garbage`: bytes that do not decode; `wrong_counts`: too many or too few of something. In
    PROJECTIONS also `nan` (for a norm), `negative_norm`, and `impossible_projection`: more than
    Cauchy-Schwarz allows for the stated norm. INVALID_BODY by all, in the same attempt, which is
    void unless it was CHECK.
    """

    def __init__(
        self,
        mode: Literal[
            "garbage", "wrong_counts", "nan", "negative_norm", "impossible_projection"
        ] = "garbage",
        stage: Literal["COMMIT", "AGGREGATED", "REVEAL", "PROJECTIONS", "CHECK"] = "PROJECTIONS",
    ) -> None:
        if mode not in MODES[Stage[stage]]:
            raise ConfigError(
                f"invalid_body: mode = {mode!r} with stage = {stage!r}; expected one of"
                f" {', '.join(MODES[Stage[stage]])}"
            )
        self.mode = mode
        self.stage = Stage[stage]

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:  # noqa: ARG002 - the interface
        """The chosen stage's message, spoilt."""
        if stage_of(message) is not self.stage:
            return message
        if self.mode == "garbage":
            return b"\xc1"  # the one byte that MessagePack never uses
        if isinstance(message, Projections) and self.mode != "wrong_counts":
            return spoil(message, self.mode) if message.norms else message
        return miscount(message)


MODES = {
    Stage.COMMIT: ("garbage", "wrong_counts"),
    Stage.AGGREGATED: ("garbage", "wrong_counts"),
    Stage.REVEAL: ("garbage",),
    Stage.PROJECTIONS: (
        "garbage",
        "wrong_counts",
        "nan",
        "negative_norm",
        "impossible_projection",
    ),
    Stage.CHECK: ("garbage", "wrong_counts"),
}
"""What can be wrong in each stage."""


def miscount(message: Message) -> Message:
    """One part too many, a result too many or none, a finding on a matter that is not open."""
    match message:
        case Commit():
            return replace(message, parts=(*message.parts, message.commitment))
        case Aggregated():
            return replace(message, result=None if message.result else message.echo)
        case Projections():
            return replace(message, norms=(*message.norms, 0.0))
        case Check():
            extra = Finding(message.echo, Guilt.INNOCENT)
            return replace(message, findings=(*message.findings, extra))
        case _:
            return message


def spoil(message: Projections, mode: str) -> Projections:
    """Another first row."""
    first, norm = message.projections[0], message.norms[0]
    if mode == "impossible_projection":
        return state(message, 0, Scalars((1e30, *first[1:]), norm))
    return state(message, 0, Scalars(first, nan if mode == "nan" else -1.0 - norm))


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"invalid_body": InvalidBody}
