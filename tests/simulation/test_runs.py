"""Whole runs: equal to themselves, unharmed within what is assumed, and failing where a promise is
made to break."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.simulation.small import SMALL
from zpeer.core import convict, machine, verdict
from zpeer.simulate.ingredients import plugins
from zpeer.simulate.plan import (
    Break,
    Crash,
    Freeze,
    Hold,
    Known,
    Moment,
    Mutator,
    Network,
    Plan,
    Restart,
    Twins,
    change_plan,
)
from zpeer.simulate.plans.drawing import draw_plan
from zpeer.simulate.running import Branch, run_plan

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.simulate.plan import Fault
    from zpeer.simulate.running import Outcome

TWICE = (1, 5, 9, 14)
SEEDS = 60
CHUNKS = 20


def require_well(outcome: Outcome, seed: int) -> None:
    assert outcome.failure is None, f"{outcome.failure}; repeat it: zpeer simulate --seed {seed}"


@pytest.mark.parametrize("seed", TWICE)
def test_two_runs_of_a_seed_are_equal_event_for_event(seed: int) -> None:
    first, second = (run_plan(draw_plan(seed, plugins())) for _ in range(2))
    assert first.events > 1000
    assert replace(first, seconds=0.0) == replace(second, seconds=0.0)


@pytest.mark.simulation
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_seeds_break_no_promise(chunk: int) -> None:
    """Always the same ones; which of them failed is in the message."""
    for seed in range(chunk, SEEDS, CHUNKS):
        outcome = run_plan(draw_plan(seed, plugins()))
        require_well(outcome, seed)
        assert not outcome.fallen, f"{outcome.fallen}, seed {seed}"


def test_another_future_has_the_same_past() -> None:
    plan = change_plan(SMALL, network=Network(0.01, 0.4))
    whole = run_plan(plan)
    late, again, early = (
        run_plan(plan, branch=Branch(after, future))
        for after, future in ((whole.events + 1, 1), (300, 1), (300, 2))
    )
    assert late.trace == whole.trace
    assert len({whole.trace, again.trace, early.trace}) == 3
    assert run_plan(plan, branch=Branch(300, 2)).trace == early.trace


def test_real_signatures_change_nothing_but_the_signatures() -> None:
    plan = change_plan(SMALL, steps=2, members=(0, 1, 2, 3))
    ideal, real = run_plan(plan), run_plan(change_plan(plan, real_signatures=True))
    assert real.failure is None
    assert (real.steps, real.records) == (ideal.steps, ideal.records) == (8, 16)


WHEN = Moment(peer=1, step=1, stage="PROJECTIONS", copies=2)
FAULTS: tuple[Fault, ...] = (
    Hold(WHEN, 0.8, (0, 1)),
    Freeze(WHEN, 0.8),
    Freeze(WHEN, 30.0),
    Break(WHEN, 4.0, 1, (0,)),
    Break(WHEN, 20.0, 1, (0, 2, 3, 4)),
    Restart(WHEN, 3.0),
    Restart(WHEN, 60.0),
    Crash(WHEN),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{type(fault).__name__}")
def test_each_kind_of_trouble_befalls_its_peer_and_breaks_no_promise(fault: Fault) -> None:
    plain, outcome = run_plan(SMALL), run_plan(change_plan(SMALL, faults=(fault,)))
    require_well(outcome, SMALL.seed)
    assert outcome.trace != plain.trace


@pytest.mark.parametrize(
    "adversary",
    [Known(4, "sign_flip"), Twins(4), Twins(4, alike=False, deaf=True), Mutator(4, 0.2)],
    ids=lambda each: type(each).__name__,
)
def test_each_kind_of_adversary_acts_and_breaks_no_promise(
    adversary: Known | Twins | Mutator,
) -> None:
    outcome = run_plan(change_plan(SMALL, adversaries=(adversary,), steps=8))
    require_well(outcome, SMALL.seed)
    assert outcome.records > outcome.steps


def test_a_pardoned_liar_stays_for_longer() -> None:
    plan = change_plan(SMALL, adversaries=(Known(4, "wrong_secret"),), steps=6)
    banned, pardoned = run_plan(plan), run_plan(change_plan(plan, pardon=0.9))
    require_well(pardoned, SMALL.seed)
    assert pardoned.trace != banned.trace
    assert run_plan(plan).trace == banned.trace  # the patch is gone


def test_a_mutator_that_takes_none_of_its_opportunities_is_honest() -> None:
    quiet = run_plan(change_plan(SMALL, adversaries=(Mutator(4, 0.5, only=()),)))
    assert quiet.taken == ((4, ()),)
    assert quiet.failure is None


def test_a_mutator_told_what_it_took_does_the_same_again() -> None:
    plan = change_plan(SMALL, adversaries=(Mutator(4, 0.05),), steps=8)
    free = run_plan(plan)
    taken = dict(free.taken)[4]
    assert taken
    told = run_plan(change_plan(plan, adversaries=(Mutator(4, 0.05, only=taken),)))
    assert told.trace == free.trace


# --- planted violations ---------------------------------------------------------------------------


def plan_two_bodies() -> Plan:
    return change_plan(SMALL, adversaries=(Known(4, "equivocation", {"stage": "REVEAL"}),), steps=6)


def test_a_core_that_overlooks_two_bodies_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_plan(plan_two_bodies()).failure is None
    monkeypatch.setattr(convict, "is_equivocation", lambda _context, _proof: False)
    failure = run_plan(plan_two_bodies()).failure
    assert failure is not None
    assert failure.check != "raised"


def test_an_exception_in_an_honest_core_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise KeyError("planted")

    monkeypatch.setattr(machine, "on_certificate", fail, raising=False)
    monkeypatch.setattr(verdict, "update_draws", fail)
    failure = run_plan(SMALL).failure
    assert failure is not None
    assert failure.check == "raised"
    assert "planted" in failure.text
    assert "update_draws" in failure.text or "fail" in failure.text


def test_peers_whose_records_depend_on_themselves_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    update = verdict.update_typical

    def drift(context: Context) -> tuple[float, tuple[float, ...]]:
        typical, window = update(context)
        return typical + context.me[0] * 1e-9, window

    monkeypatch.setattr(verdict, "update_typical", drift)
    failure = run_plan(SMALL).failure
    assert failure is not None
    assert failure.check in {"fork", "stall", "honest removed", "void for free", "claims"}
