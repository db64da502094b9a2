"""A core with a hole in it is found by a run in which somebody uses it: each checker works in whole
runs, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.simulation.small import SMALL
from zpeer.core import adjudicate, check, convict, resolve, verdict, verify
from zpeer.simulate.plan import Known, change_plan
from zpeer.simulate.running import run_plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from zpeer.simulate.plan import Adversary, Plan


def never(*_args: Any, **_named: Any) -> bool:
    return False


def nothing(*_args: Any, **_named: Any) -> tuple[()]:
    return ()


def nobody(*_args: Any, **_named: Any) -> list[Any]:
    return []


def mark(context: Any) -> None:
    """Results are judged, and all are fine."""
    context.attempt.results_judged = True
    context.attempt.has_projections = not context.attempt.void


class Hole(NamedTuple):
    """A function of the core that does nothing, wherever it is called, and a liar that profits."""

    modules: tuple[ModuleType, ...]
    function: str
    instead: Callable[..., Any]
    liar: Adversary
    found: str
    """The promise that breaks."""


LIARS: tuple[Hole, ...] = (
    Hole((check,), "is_misstated", never, Known(4, "wrong_projection"), "unpunished"),
    Hole((verify,), "verify_sum_fails", never, Known(4, "wrong_sum"), "unpunished"),
    Hole((verify,), "verify_norms_fail", never, Known(4, "wrong_average"), "unpunished"),
    Hole((verify,), "judge_results", mark, Known(4, "result_not_finite"), ""),
    Hole((check,), "find_unusable_parts", nobody, Known(4, "part_not_finite"), "unpunished"),
    Hole((check,), "accuse_target", nobody, Known(4, "sign_flip"), "unpunished"),
    Hole((check,), "accuse_reports", nothing, Known(4, "lazy_validator"), "unpunished"),
    Hole((adjudicate,), "reject", nobody, Known(4, "false_accusation"), "forgotten"),
    Hole((adjudicate,), "uphold", nobody, Known(4, "sign_flip"), "unpunished"),
    Hole(
        (adjudicate, resolve), "open_draws_of_removed", nobody, Known(4, "silent", start=3), "draws"
    ),
    Hole((verdict,), "draw_targets", nobody, Known(4, "sign_flip"), "draws"),
    Hole(
        (adjudicate, resolve), "settle_claims", nothing, Known(4, "withheld_part"), "void for free"
    ),
    Hole((adjudicate,), "blame_sums", nothing, Known(4, "wrong_sum"), ""),
    Hole((adjudicate,), "remove_unpublished", nothing, Known(4, "unpublished_parts"), "averaging"),
    Hole((convict,), "is_equivocation", never, Known(4, "equivocation", {"stage": "REVEAL"}), ""),
)


def fail(plan: Plan) -> str:
    failure = run_plan(plan).failure
    return failure.check if failure else ""


@pytest.mark.parametrize("hole", LIARS, ids=lambda hole: hole.function)
def test_a_hole_is_found_by_the_promise_it_breaks(
    hole: Hole, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = change_plan(SMALL, steps=12, dimension=600, block=4, adversaries=(hole.liar,))
    assert fail(plan) == ""
    for module in hole.modules:
        monkeypatch.setattr(module, hole.function, hole.instead)
    found = fail(plan)
    assert found
    assert hole.found in ("", found)
