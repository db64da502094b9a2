"""Who sees what, all of it: small swarms in which one liar tells each honest peer the truth,
another story or nothing, at one stage and then at a later one.

Up to symmetry: only how many honest peers see what is told apart, and whether the liar works or
validates in that step. Where two may be faulty, a second peer goes silent at the same time.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

from zpeer.signed import STEP_STAGES, Stage
from zpeer.simulate.adversaries.scripted import BULK, PART, RESULT
from zpeer.simulate.plan import Crash, Moment, Network, Plan, Script, Show, most_faulty

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = (3, 4, 5)
STEP, STEPS = 1, 3
TRUTH, LIE, NOTHING = "truth", "lie", "nothing"
ORDER = (
    *("COMMIT", PART, "AGGREGATED", RESULT, "REVEAL", "PROJECTIONS", "CHECK", "VERDICT"),
    *(stage.name for stage in (Stage.VIEW, Stage.CLOSED, Stage.DECIDED)),
)
FIRST = tuple(name for name in ORDER if name in BULK or Stage[name] in STEP_STAGES)
ROLES = (0, 1)
"""Seeds: with one the liar works in the step of the lie, with the other it validates."""


@cache
def list_plans() -> tuple[Plan, ...]:
    """All of them, in a fixed order."""
    return tuple(plan for peers in SIZES for plan in enumerate_plans(peers))


def enumerate_plans(peers: int) -> Iterator[Plan]:
    """All plans of a size: one lie, then two."""
    liar, honest = peers - 1, tuple(range(peers - 1))
    for crashes in range(most_faulty(peers)):
        seeing = honest[crashes:]
        firsts = [show for stage in FIRST for show in list_shows(stage, seeing)]
        for first in firsts:
            yield from make_plans(peers, liar, crashes, (first,))
            later = ORDER[ORDER.index(first.stage) + 1 :]
            for second in (show for stage in later for show in list_shows(stage, seeing)):
                yield from make_plans(peers, liar, crashes, (first, second))


def list_shows(stage: str, honest: tuple[int, ...]) -> Iterator[Show]:
    """Every way to show a stage that is not just honest; of tensors there is no other story."""
    kinds = (TRUTH, NOTHING) if stage in BULK else (TRUTH, LIE, NOTHING)
    for pattern in combinations_with_replacement(kinds, len(honest)):
        told = {
            kind: tuple(p for p, k in zip(honest, pattern, strict=True) if k == kind)
            for kind in kinds
        }
        if len(told[TRUTH]) < len(honest):
            yield Show(stage, STEP, told[TRUTH], told.get(LIE, ()))


def make_plans(peers: int, liar: int, crashes: int, shows: tuple[Show, ...]) -> Iterator[Plan]:
    """The plan for each role of the liar."""
    down = tuple(
        Crash(Moment(each, STEP, shows[0].stage if shows[0].stage not in BULK else "COMMIT"))
        for each in range(crashes)
    )
    for role in ROLES:
        yield Plan(
            seed=role,
            members=tuple(range(peers)),
            steps=STEPS,
            dimension=12,
            block=1,
            directions=1,
            network=Network(),
            faults=down,
            adversaries=(Script(liar, shows),),
        )
