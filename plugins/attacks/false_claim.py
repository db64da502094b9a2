"""A call for no reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zpeer.hookspecs import hookimpl
from zpeer.ids import PeerId, digest
from zpeer.messages import View
from zpeer.proofs import Equivocation
from zpeer.signed import Stage

from ._speech import Caller, StepStage, get_honest, get_victim, is_said, pick_victims

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext


class FalseClaim(Caller):
    """In every attempt, before its message of `stage`, calls and claims to wait for `one` honest
    peer, for `some` (as many as may be faulty), for `all`, or for another one each time (`turns`).
    The call goes `to` all, or to one who passes it on.

    Each pair is charged. PAIR_ELIMINATED past the limit, with one honest peer; CHARGED_WITH_MOST
    who takes turns; CLAIMS_MOST at once who claims all.

    Views that name `nobody`, oneself (`itself`), somebody `twice`, a `stranger`, or a `proof` that
    convicts nobody call nobody: the first is taken and tells nothing, the others are not even that.
    """

    def __init__(
        self,
        stage: StepStage = "COMMIT",
        of: Literal[
            "one", "some", "all", "turns", "nobody", "itself", "twice", "stranger", "proof"
        ] = "one",
        to: Literal["all", "one"] = "all",
    ) -> None:
        super().__init__()
        self.stage = Stage[stage]
        self.of = of
        self.to = to
        self._calls = 0

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """A view before my message."""
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            if is_said(effect, self.stage):
                to = None if self.to == "all" else get_honest(context)[-1:]
                outgoing += self.call(context, self._compose(context), to)
                self._calls += 1
            outgoing.append(effect)
        return outgoing

    def _compose(self, context: AttackContext) -> View:
        """What I say to wait for."""
        if self.of == "proof":
            mine = context.sign(Stage.COMMIT, b"").statement
            return View(secret=context.secret, proofs=(Equivocation(mine, mine),))
        return View(secret=context.secret, claims=self._pick(context))

    def _pick(self, context: AttackContext) -> tuple[PeerId, ...]:
        honest, victim = get_honest(context), get_victim(context)
        match self.of:
            case "turns":
                return (honest[self._calls % len(honest)],)
            case "nobody":
                return ()
            case "itself":
                return (victim, context.me)
            case "twice":
                return (victim, victim)
            case "stranger":
                return (PeerId(digest("zpeer/attack/stranger")),)
            case _:
                return pick_victims(context, self.of)


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"false_claim": FalseClaim}
