"""Every checker finds what it is there for, in a history that was doctored so; the true one
passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from msgspec.structs import replace

from tests.simulation.small import StandInHost, Told, tell
from tests.simulation.stories import doctor_record, number, play, refuse, setting_of
from zpeer.effects import Stop
from zpeer.events import MessageReceived
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, digest
from zpeer.record import Charge, Departure, Draw, Outcome
from zpeer.signed import Stage
from zpeer.simulate.promises.bounds import Memory, Progress, TrafficPerAttempt, longest_attempt
from zpeer.simulate.promises.checkers import Agreement, Draws, Fairness, Voids
from zpeer.simulate.promises.ledger import Ledger
from zpeer.simulate.promises.punishment import Punishment

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.ids import PeerId
    from zpeer.signed import Signed
    from zpeer.simulate.host import Host
    from zpeer.simulate.promises.verdicts import Decision, Setting

OTHER = digest("test/other")


@pytest.fixture(scope="module")
def told() -> Told:
    return tell()


def test_the_true_story_passes_all_checkers(told: Told) -> None:
    setting = setting_of(told)
    for checker in (Agreement(setting), Fairness(setting), Draws(setting), Voids(setting)):
        play(checker, told)
    play(watch(told, setting), told)
    play(Memory(setting), told, store=100, state=100)
    play(TrafficPerAttempt(setting), told, sent=100)
    assert len(told.story.decisions) > 20


# --- equal records --------------------------------------------------------------------------------


def test_two_records_at_one_height_are_a_fork(told: Told) -> None:
    doctor = doctor_record(number(told, 3), 2, roster=())
    with refuse("fork", "peer 3 holds another record 2: .*roster"):
        play(Agreement(setting_of(told)), told, doctor)


def test_a_cut_off_peer_may_be_alone_with_one_record_but_not_with_two(told: Told) -> None:
    alone = setting_of(told, slow=[3])
    last = max(decision.height for decision in told.story.decisions)
    play(Agreement(alone), told, doctor_record(number(told, 3), last, roster=()))

    def doctor(decision: Decision) -> Decision:
        changed = replace(decision.record, roster=())
        mine = decision.host.me == number(told, 3) and decision.height >= last - 1
        return decision._replace(record=changed) if mine else decision

    with refuse("fork", "cut off, went on alone for 2 records"):
        play(Agreement(alone), told, doctor)


def test_other_parameters_than_those_of_the_record_are_found(told: Told) -> None:
    def doctor(decision: Decision) -> Decision:
        host = cast("Host", StandInHost(decision.host.me, OTHER))
        return decision._replace(host=host)

    with refuse("parameters", "not at those of its own last record"):
        play(Agreement(setting_of(told)), told, doctor)


# --- nobody honest lost ---------------------------------------------------------------------------


def leave(*departures: Departure) -> Callable[[Decision], Decision]:
    """A record in which peers leave."""
    return doctor_record(None, 2, departures=departures)


def test_a_ban_of_an_honest_peer_is_found_even_of_a_slow_one(told: Told) -> None:
    ban = leave(Departure(number(told, 1), FaultKind.WRONG_SUM, OTHER))
    for setting in (setting_of(told), setting_of(told, slow=[1])):
        with refuse("honest banned", "peer 1 for WRONG_SUM in record 2"):
            play(Fairness(setting), told, ban)
    play(Fairness(setting_of(told, byzantine=[1])), told, ban)


def test_a_removal_of_a_kept_peer_is_found_and_of_a_slow_one_is_not(told: Told) -> None:
    gone = leave(Departure(number(told, 1), FaultKind.SILENT, OTHER))
    with refuse("honest removed", "peer 1 for SILENT"):
        play(Fairness(setting_of(told)), told, gone)
    play(Fairness(setting_of(told, slow=[1])), told, gone)


def eliminate(told: Told, *pairs: tuple[int, int]) -> Callable[[Decision], Decision]:
    kind = FaultKind.PAIR_ELIMINATED
    return leave(
        *(
            Departure(number(told, one), kind, OTHER, number(told, other))
            for pair in pairs
            for one, other in (pair, pair[::-1])
        )
    )


def test_half_of_a_pair_needs_a_faulty_other_half_of_its_own(told: Told) -> None:
    play(Fairness(setting_of(told, byzantine=[0])), told, eliminate(told, (0, 1)))
    with refuse("honest removed", "PAIR_ELIMINATED"):
        play(Fairness(setting_of(told)), told, eliminate(told, (0, 1)))
    with refuse("honest removed", "peer 0 alone took peer 1 and peer 2 with it"):
        play(Fairness(setting_of(told, byzantine=[0])), told, eliminate(told, (0, 1), (0, 2)))


def test_a_kept_peer_ends_with_the_run_and_not_before(told: Told) -> None:
    setting = setting_of(told)
    checker = Fairness(setting)
    host = told.story.decisions[0].host
    checker.stopped(host, Stop(code=0, reason="done"))
    for code in (3, 4, 5):
        with refuse("honest stopped", f"code {code}: why"):
            checker.stopped(host, Stop(code=code, reason="why"))
    Fairness(setting_of(told, slow=[host.number])).stopped(host, Stop(code=5, reason="why"))


def test_a_kept_peer_may_stop_where_fewer_than_three_are_left(told: Told) -> None:
    checker = Fairness(setting_of(told))
    decision = told.story.decisions[0]
    few = replace(decision.record, roster=decision.record.roster[:2])
    checker.decided(decision._replace(record=few))
    checker.stopped(decision.host, Stop(code=5, reason="too few"))


# --- draws and void attempts ----------------------------------------------------------------------


def lapse(told: Told, *, free: bool) -> Callable[[Decision], Decision]:
    """A draw that is open after record 2 and lapses in record 3, before a validator with nothing
    to do or one that is its target."""
    draw = Draw(number(told, 2), OTHER, 1, counted=True, opened=0)
    validators = (number(told, 1 if free else 2),)

    def doctor(decision: Decision) -> Decision:
        if decision.height == 2:
            open_ = {"draws": (draw,), "validators": validators, "duties": ((),)}
            return decision._replace(record=replace(decision.record, **open_))
        if decision.height == 3:
            return decision._replace(record=replace(decision.record, lapsed=(draw,)))
        return decision

    return doctor


def test_a_draw_that_lapses_though_somebody_was_free_is_found(told: Told) -> None:
    play(Draws(setting_of(told)), told, lapse(told, free=False))
    with refuse("lapsed draw", "on peer 2 of step 1"):
        play(Draws(setting_of(told)), told, lapse(told, free=True))


def test_draws_that_are_not_opened_and_validators_that_are_not_drawn_are_found(told: Told) -> None:
    policy = told.run.universe.shared.policy
    play(Ledger(setting_of(told), policy), told)
    with refuse("draws", "is drawn as a target, which record 1"):
        play(Ledger(setting_of(told), policy), told, doctor_record(None, 1, draws=()))
    with refuse("draws", "other validators are drawn, which record 2"):
        play(Ledger(setting_of(told), policy), told, doctor_record(None, 2, validators=()))


def test_a_peer_that_is_removed_unchecked_is_found(told: Told) -> None:
    policy = told.run.universe.shared.policy
    gone = number(told, 1)

    def doctor(decision: Decision) -> Decision:
        if decision.height != 1:
            return decision
        record = decision.record
        rest = tuple(draw for draw in record.draws if draw.target != gone)
        departures = (Departure(gone, FaultKind.SILENT, OTHER),)
        roster = tuple(peer for peer in record.roster if peer != gone)
        validators = policy.validators(record.draw_beacon, roster, 1)
        changes = {"draws": rest, "departures": departures, "roster": roster}
        changed = replace(record, secret_beacon=NOTHING, validators=validators, **changes)
        return decision._replace(record=changed)

    with refuse("draws", "peer 1 is removed unchecked"):
        play(Ledger(setting_of(told), policy), told, doctor)


def test_a_void_attempt_that_costs_nobody_anything_is_found(told: Told) -> None:
    void = {"outcome": Outcome.VOID}
    with refuse("void for free", "record 1"):
        play(Voids(setting_of(told)), told, doctor_record(None, 1, **void))
    one, two = number(told, 0), number(told, 1)
    paid: tuple[dict[str, Any], ...] = (
        {"departures": (Departure(one, FaultKind.SILENT, OTHER),)},
        {"charges": (Charge(one, two, 0),)},
    )
    for payment in paid:
        play(Voids(setting_of(told)), told, doctor_record(None, 1, **void, **payment))


# --- deeds ----------------------------------------------------------------------------------------


def watch(told: Told, setting: Setting) -> Punishment:
    """The checker of deeds, for the run."""
    universe = told.run.universe
    shared = universe.shared
    gradients, weight = universe.numerics.gradients, shared.aggregator.weight
    return Punishment(setting, shared.limits, gradients, weight)


def hear(told: Told, signed: Signed, me: PeerId) -> Punishment:
    """A checker that has seen a run's first attempt and a word more."""
    checker = watch(told, setting_of(told, byzantine=[4]))
    first = told.story.events[0][1]
    host = next(d.host for d in told.story.decisions if d.host.me == me)
    for peer, before, event in told.story.events:
        if peer == me and before.head == first.head:
            checker.saw(host, before, event, 0.0)
    checker.saw(host, first, MessageReceived(signed), 0.0)
    return checker


def find_word(told: Told, stage: Stage, sender: PeerId) -> Signed:
    """What a peer said in the first attempt."""
    return next(
        event.signed
        for _, _, event in told.story.events
        if isinstance(event, MessageReceived)
        and (event.signed.stage, event.signed.sender) == (stage, sender)
    )


@pytest.mark.parametrize("stage", [Stage.COMMIT, Stage.REVEAL, Stage.CHECK, Stage.VERDICT])
def test_two_bodies_of_one_slot_must_be_punished_by_the_second_set_of_checks(
    told: Told, stage: Stage
) -> None:
    me, liar = number(told, 0), number(told, 4)
    said = find_word(told, stage, liar)
    second = replace(said, payload=said.payload + b"\0")
    checker = hear(told, second, me)
    mine = [d for d in told.story.decisions if d.host.me == me]
    checker.decided(mine[0])
    with refuse("unpunished", "EQUIVOCATION of peer 4, seen by peer 0"):
        checker.decided(mine[1])


def test_a_deed_that_was_punished_is_none_any_more(told: Told) -> None:
    me, liar = number(told, 0), number(told, 4)
    said = find_word(told, Stage.REVEAL, liar)
    checker = hear(told, replace(said, payload=said.payload + b"\0"), me)
    mine = [d for d in told.story.decisions if d.host.me == me]
    gone = (Departure(liar, FaultKind.EQUIVOCATION, NOTHING),)
    checker.decided(mine[0]._replace(record=replace(mine[0].record, departures=gone)))
    for decision in mine[1:]:
        checker.decided(decision)


def test_what_stands_in_a_set_must_be_punished_in_the_record_that_rests_on_it(told: Told) -> None:
    me, liar = number(told, 0), number(told, 4)
    said = find_word(told, Stage.CHECK, liar)
    mine = [d for d in told.story.decisions if d.host.me == me]

    def hear_garbled() -> Punishment:
        checker = watch(told, setting_of(told, byzantine=[4]))
        checker.saw(mine[0].host, mine[0].before, MessageReceived(replace(said, payload=b"x")), 0.0)
        return checker

    gone = (Departure(liar, FaultKind.INVALID_BODY, said.head),)
    hear_garbled().decided(mine[0]._replace(record=replace(mine[0].record, departures=gone)))
    hear_garbled().decided(mine[0]._replace(record=replace(mine[0].record, sets=())))
    with refuse("unpunished", "INVALID_BODY of peer 4, .* in record 0"):
        hear_garbled().decided(mine[0])


def test_what_a_check_proves_outweighs_a_removal_also_in_the_next_record(told: Told) -> None:
    me, liar = number(told, 0), number(told, 4)
    said = find_word(told, Stage.VERDICT, liar)
    mine = [d for d in told.story.decisions if d.host.me == me]

    def leave_for(fault: FaultKind, **changes: Any) -> None:
        checker = hear(told, replace(said, payload=said.payload + b"\0"), me)
        checker.decided(mine[0])
        gone = (Departure(liar, fault, NOTHING),)
        record = replace(mine[1].record, departures=gone, **changes)
        checker.decided(mine[1]._replace(record=record))

    leave_for(FaultKind.EQUIVOCATION)
    leave_for(FaultKind.SILENT, sets=())
    with refuse("unpunished", "EQUIVOCATION of peer 4"):
        leave_for(FaultKind.CLAIMED_BY_MOST)


# --- amounts --------------------------------------------------------------------------------------


def test_memory_that_grows_is_found(told: Told) -> None:
    with refuse("memory", "tensor store of peer"):
        play(Memory(setting_of(told)), told, store=10**7)
    with refuse("memory", "core of peer"):
        play(Memory(setting_of(told)), told, state=10**7)


def test_a_flood_of_answers_is_found(told: Told) -> None:
    with refuse("traffic", "sent 100000000 bytes"):
        play(TrafficPerAttempt(setting_of(told)), told, sent=10**8)


def test_a_peer_without_a_record_for_too_long_is_found(told: Told) -> None:
    checker = Progress(setting_of(told))
    base = told.story.decisions[0].before
    checker.start([number(told, 0), number(told, 1)], base)
    longest = longest_attempt(told.setting.genesis, base)
    checker.passed(1.9 * longest)
    for decision in told.story.decisions:
        if decision.host.me == number(told, 1):
            checker.decided(decision._replace(now=1.9 * longest))
    with refuse("stall", "at peer 0, time"):
        checker.passed(2.1 * longest)
