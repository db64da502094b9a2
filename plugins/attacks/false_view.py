"""A call that lies about more than whom it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from zpeer.hookspecs import hookimpl
from zpeer.ids import NOTHING
from zpeer.signed import Stage

from ._colluder import other
from ._speech import Caller, StepStage, is_said, make_claim

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext
    from zpeer.messages import View


class FalseView(Caller):
    """Calls before its message of `stage`, with a claim against an honest peer, and with a false
    vote for a `record` or for a set of `commits`, another secret (`secret`), or none (`withheld`).

    A minority's votes and names decide nothing. Its secret is held against its COMMIT, as in CHECK:
    WRONG_SECRET or SECRET_WITHHELD, by the slow path. The others are charged as any call:
    PAIR_ELIMINATED.
    """

    def __init__(
        self,
        of: Literal["record", "commits", "secret", "withheld"] = "secret",
        stage: StepStage = "CHECK",
    ) -> None:
        super().__init__()
        self.of = of
        self.stage = Stage[stage]

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """A view before my message."""
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            if is_said(effect, self.stage):
                outgoing += self.call(context, self._spoil(context, make_claim(context)))
            outgoing.append(effect)
        return outgoing

    def _spoil(self, context: AttackContext, view: View) -> View:
        match self.of:
            case "record":
                return replace(view, record=other(context.head))
            case "commits":
                return replace(view, commits=other(context.head))
            case "secret":
                return replace(view, secret=other(view.secret))
            case _:
                return replace(view, secret=NOTHING)


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"false_view": FalseView}
