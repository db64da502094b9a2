"""What records must say of open draws, of averagings that proved right, and of calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from tests.simulation.small import Told, tell
from tests.simulation.stories import doctor_record, number, play, refuse, setting_of
from zpeer.effects import Stop
from zpeer.events import MessageReceived
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, PeerId, digest
from zpeer.messages import Accusation, View
from zpeer.record import Departure, Draw, Matter, Outcome
from zpeer.signed import Signed, Stage
from zpeer.simulate.promises.averaging import Averaging
from zpeer.simulate.promises.duties import Duties
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from zpeer.simulate.promises.verdicts import Decision

OTHER = digest("test/other")
LAST = Outcome.CLOSING


@pytest.fixture(scope="module")
def told() -> Told:
    return tell()


def find(told: Told, height: int) -> Decision:
    return next(each for each in told.story.decisions if each.height == height)


def draw_of(told: Told, place: int, **changes: Any) -> Draw:
    return replace(Draw(number(told, place), OTHER, 1, counted=True, opened=0), **changes)


def test_the_true_story_keeps_all_promises_about_draws(told: Told) -> None:
    checker = Duties(setting_of(told))
    play(checker, told)
    done = find(told, 0).host
    checker.stopped(done, Stop(0, "done", None, ()))


def test_a_validator_that_checks_itself_is_found(told: Told) -> None:
    mine = draw_of(told, 1)
    doctor = doctor_record(None, 2, validators=(mine.target,), duties=((mine,),), draws=(mine,))
    with refuse("duties", "peer 1 checks itself, record 2"):
        play(Duties(setting_of(told)), told, doctor)


def accuse(told: Told, draw: Draw) -> Matter:
    accusation = Accusation(FaultKind.WRONG_GRADIENT, draw.target, draw.attempt)
    return Matter(number(told, 0), accusation, OTHER)


def test_a_draw_that_is_given_out_while_it_is_judged_is_found(told: Told) -> None:
    draw = draw_of(told, 1)
    matter = accuse(told, draw)
    validators, duties = (number(told, 2),), ((draw,),)
    changes = {"validators": validators, "duties": duties, "draws": (draw,), "matters": (matter,)}
    with refuse("duties", "peer 1 is checked again while an accusation of that is open"):
        play(Duties(setting_of(told)), told, doctor_record(None, 2, **changes))


def test_a_draw_that_closes_before_its_accusation_is_judged_is_found(told: Told) -> None:
    here = find(told, 2)
    draw = here.before.draws[0]
    matter = accuse(told, draw)
    rest = tuple(each for each in here.record.draws if each.attempt != draw.attempt)
    changes = {"matters": (matter,), "draws": rest, "duties": ((),)}
    with refuse("duties", "is closed, but not its accusation"):
        play(Duties(setting_of(told)), told, doctor_record(None, 2, **changes))


def test_a_report_that_fell_and_leaves_its_draw_closed_is_found(told: Told) -> None:
    liar, target = number(told, 1), number(told, 2)
    gone = Departure(liar, FaultKind.WRONG_REPORT, OTHER, target)
    with refuse("duties", "the draw of peer 2 is closed"):
        play(Duties(setting_of(told)), told, doctor_record(None, 2, departures=(gone,)))
    again = (draw_of(told, 2), *find(told, 2).record.draws)
    doctor = doctor_record(None, 2, departures=(gone,), draws=again)
    play(Duties(setting_of(told)), told, doctor)


def test_a_draw_that_never_lapses_and_a_second_ban_are_found(told: Told) -> None:
    old = draw_of(told, 2, opened=-100)
    with refuse("duties", "a draw of peer 2 never lapses"):
        play(Duties(setting_of(told)), told, doctor_record(None, 1, draws=(old,)))
    gone = (Departure(number(told, 1), FaultKind.WRONG_BEACON, OTHER),)

    def ban_twice(decision: Decision) -> Decision:
        return decision._replace(record=replace(decision.record, departures=gone))

    with refuse("duties", "peer 1 is banned again, record 1"):
        play(Duties(setting_of(told)), told, ban_twice)


def test_validators_drawn_by_r_or_anew_for_a_void_attempt_are_found(told: Told) -> None:
    record = find(told, 1).record
    with refuse("duties", "another beacon than q"):
        play(Duties(setting_of(told)), told, doctor_record(None, 1, draw_beacon=record.beacon))
    void = {"outcome": Outcome.VOID, "draw_beacon": record.secret_beacon}
    with refuse("duties", "another beacon than q"):
        play(Duties(setting_of(told)), told, doctor_record(None, 1, **void))


def test_a_run_that_ends_with_something_open_is_found(told: Told) -> None:
    last = max(each.height for each in told.story.decisions)
    checker = Duties(setting_of(told))
    play(checker, told, doctor_record(None, last, draws=(draw_of(told, 2, opened=4),)))
    with refuse("duties", "ends the run while something is open"):
        checker.stopped(find(told, 0).host, Stop(0, "done", None, ()))


# --- averagings and calls -------------------------------------------------------------------------


def hear(told: Told, checker: Averaging, decision: Decision) -> None:
    """All that a peer heard in the attempt of a decision."""
    for peer, before, event in told.story.events:
        if peer == decision.host.me and before.head == decision.before.head:
            checker.saw(decision.host, before, event, 0.0)


def question(told: Told, *, drawn: bool, room: float) -> None:
    """A majority's norms in attempt 1 are beyond the limit, and attempt 2 finds them right."""
    checker = Averaging(setting_of(told), told.run.universe.shared.limits)
    one, two = find(told, 1), find(told, 2)
    base = one.before
    owner = base.workers[0]
    accusation = Accusation(FaultKind.WRONG_AVERAGE, owner, base.head, 0)
    matter = Matter(PeerId(NOTHING), accusation, base.head)
    tight = replace(base, delta_max=(0.0,) * len(base.workers))
    hear(told, checker, one)
    checker.decided(one._replace(before=tight, record=replace(one.record, matters=(matter,))))
    draws = tuple(Draw(each, base.head, 1, counted=False, opened=0) for each in base.workers)
    record = replace(
        two.record,
        matters=(),
        draws=draws if drawn else (),
        outcome=Outcome.VOID,
        delta_floor=room,
    )
    before = replace(two.before, matters=(matter,))
    checker.decided(two._replace(before=before, record=record))


def test_who_stated_norms_beyond_the_limit_is_drawn_and_the_limit_gets_room(told: Told) -> None:
    question(told, drawn=True, room=100.0)
    with refuse("averaging", "stated a norm beyond the limit and is not drawn, record 2"):
        question(told, drawn=False, room=100.0)
    with refuse("averaging", "has no more room"):
        question(told, drawn=True, room=0.0)


def test_a_call_that_takes_the_draw_from_an_attempt_is_found(told: Told) -> None:
    checker = Averaging(setting_of(told), told.run.universe.shared.limits)
    one = find(told, 1)
    payload = encode_payload(View(commits=OTHER))
    for decision in [each for each in told.story.decisions if each.height == 1][:3]:
        me = decision.host.me
        view = Signed(Stage.VIEW, one.before.head, me, payload, b"")
        checker.saw(decision.host, one.before, MessageReceived(view), 0.0)
    void = replace(one.record, views=(OTHER,), secret_beacon=NOTHING, outcome=Outcome.VOID)
    with refuse("averaging", "a call took the draw from an attempt, record 1"):
        checker.decided(one._replace(record=void))
