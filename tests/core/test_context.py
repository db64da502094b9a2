"""What stages work with: names for people, requests made once, one stop."""

from __future__ import annotations

from tests.core.lies import attempt_of
from tests.core.pieces import make_context
from tests.core.plain import peer
from tests.core.toy import Ring
from zpeer import effects as fx
from zpeer.genesis import Agreement, Protection
from zpeer.ids import digest
from zpeer.signed import STEP_STAGES, Stage


def test_peers_are_called_by_their_names_and_strangers_by_eight_digits() -> None:
    context = make_context()
    assert context.names([peer(1), peer(3)]) == "peer-1, peer-3"
    assert context.names([peer(77)]) == "4d4d4d4d"
    assert context.others == (peer(1), peer(2), peer(3))


def test_a_computation_is_asked_for_once_an_attempt() -> None:
    context = make_context()
    effect = fx.SetTimer(1.0)
    context.request("this", effect)
    context.request("this", effect)
    context.request("that", effect)
    assert context.effects == [effect, effect]


def test_a_run_stops_once_for_the_first_reason() -> None:
    context = make_context()
    context.stop(5, "first", (peer(1),))
    context.stop(0, "second")
    assert context.effects == [fx.Stop(5, "first", None, (peer(1),))]


def test_without_protection_there_are_three_stages() -> None:
    assert make_context().stages == STEP_STAGES
    context = make_context(protection=Protection.CLIP)
    assert context.stages == (Stage.COMMIT, Stage.AGGREGATED, Stage.VERDICT)
    assert not context.is_protected


def test_only_a_protected_run_that_is_told_to_agree_has_a_slow_path() -> None:
    assert make_context().is_agreeing
    assert not make_context(agreement=Agreement.STOP).is_agreeing
    assert not make_context(protection=Protection.NONE).is_agreeing


def test_attempts_are_found_by_head() -> None:
    ring = Ring(4).run()
    context = ring.toys[peer(0)].core._context
    now = attempt_of(ring.toys[peer(0)])
    assert context.find_attempt(now.base.head) is now
    before = ring.toys[peer(0)].records[-2].previous
    found = context.find_attempt(before)
    assert found is not None
    assert found.base.head == before
    assert context.find_attempt(digest("never")) is None
