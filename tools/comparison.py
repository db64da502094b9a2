"""One attack, three runs: protected, against plain averaging, and without the attack."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tools.experiment import Plan, Result, percent, run_plan
from zpeer.runs.initialise import Attackers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zpeer.swarm.view import View

PEERS = 8
ATTACKERS = 3
START = 20
STEPS = 120
POINTS_MAX = 2.0


class Comparison(NamedTuple):
    """The three results."""

    protected: Result
    averaging: Result
    calm: Result

    @property
    def points(self) -> float | None:
        """Accuracy lost to the attack although protected, in points."""
        ours, theirs = (each.board.figure("accuracy") for each in (self.protected, self.calm))
        return None if ours is None or theirs is None else (theirs - ours) * 100

    def problems(self) -> list[str]:
        """What is promised and was not kept; empty if all is well."""
        found = [f"{each.plan.label}: {text}" for each in self for text in each.board.problems()]
        banned = self.protected.banned_attackers
        if len(banned) != ATTACKERS:
            found.append(f"banned {banned}, expected all {ATTACKERS} attackers")
        found += [
            f"{each.plan.label}: honest peers lost their place: {each.lost_honest}"
            for each in self
            if each.lost_honest
        ]
        if self.points is None or not self.points <= POINTS_MAX:
            ours, theirs = (each.board.figure("accuracy") for each in (self.protected, self.calm))
            found.append(
                f"accuracy {percent(ours)} protected, {percent(theirs)} without attack; expected "
                f"at most {POINTS_MAX:.0f} points less"
            )
        return found


def make_plans(attack: str, seed: int = 0) -> dict[str, Plan]:
    """The three runs, by directory; the one that matters first."""
    attackers = Attackers(ATTACKERS, attack, START)
    steps = {"run.steps": STEPS}
    unprotected = {**steps, "run.protection": "none"}
    return {
        "protected": Plan("attacked, protected", PEERS, attackers, steps, seed=seed),
        "averaging": Plan("attacked, plain averaging", PEERS, attackers, unprotected, seed=seed),
        "calm": Plan("no attack", PEERS, Attackers(), steps, seed=seed),
    }


def compare(
    home: Path,
    make_view: Callable[[], View],
    *,
    attack: str = "sign_flip",
    seed: int = 0,
    before: Callable[[Plan], None] = lambda plan: None,  # noqa: ARG005 - says nothing
    after: Callable[[Result], None] = lambda result: None,  # noqa: ARG005 - says nothing
) -> Comparison:
    """Run all three, one after the other."""
    results = []
    for name, plan in make_plans(attack, seed).items():
        before(plan)
        results.append(run_plan(plan, home / name, make_view()))
        after(results[-1])
    return Comparison(*results)
