"""The table of stages, and what a peer says it waits for."""

from __future__ import annotations

from tests.core.pieces import make_context, run_to
from tests.core.toy import Ring
from zpeer.core.stages import STAGES, awaits_myself, list_awaited
from zpeer.genesis import Agreement, Protection
from zpeer.ids import NOTHING, digest
from zpeer.record import Outcome
from zpeer.signed import STEP_STAGES, Stage


def test_every_stage_of_a_step_has_its_rules_in_order() -> None:
    assert tuple(STAGES) == STEP_STAGES
    assert all(STAGES[stage].stage is stage for stage in STEP_STAGES)  # type: ignore[attr-defined]


def test_a_peer_names_what_of_its_own_is_missing_until_it_has_spoken() -> None:
    context = make_context()
    context.attempt.secret, context.attempt.own_parts = NOTHING, None
    context.attempt.sent.discard(Stage.COMMIT)
    assert list_awaited(context) == ["my secret", "my gradient"]
    context.attempt.sent.add(Stage.COMMIT)
    assert not list_awaited(context)


def test_without_protection_a_peer_waits_for_results_when_it_has_spoken() -> None:
    context = make_context(protection=Protection.NONE, agreement=Agreement.STOP)
    attempt = context.attempt
    attempt.stage = Stage.AGGREGATED
    attempt.sent.add(Stage.AGGREGATED)
    assert not list_awaited(context)  # nobody has fixed one yet


def test_who_waits_for_its_own_update_alone_waits_for_nobody() -> None:
    toy = run_to(Ring(4), Stage.VERDICT)
    context = toy.core._context
    context.attempt.outcome, context.attempt.parameters_after = Outcome.COUNTED, NOTHING
    assert awaits_myself(context)
    context.attempt.parameters_after = digest("updated")
    assert not awaits_myself(context)
