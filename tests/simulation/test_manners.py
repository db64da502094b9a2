"""What kept peers owe each other when an attempt ends, and that votes count: each checker finds
what it is there for, and lets pass what only looks like it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec
import pytest
from msgspec.structs import replace

from tests.simulation.small import StandInHost, Told, tell
from tests.simulation.stories import doctor_record, number, play, refuse, setting_of
from zpeer.effects import Broadcast, Decide, SendCertificate, SendSet, SendSetRequest, Stop
from zpeer.events import BlobArrived, MessageReceived, ResultArrived
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, digest
from zpeer.messages import Aggregated, Check, Closed, Decided, Reveal, Verdict, View
from zpeer.proofs import Equivocation
from zpeer.record import Departure
from zpeer.signed import Signed, Stage
from zpeer.simulate.plan import Break, Freeze, Moment, change_plan
from zpeer.simulate.promises.checkers import Agreement
from zpeer.simulate.promises.claims import Claims
from zpeer.simulate.promises.manners import Manners
from zpeer.simulate.promises.votes import Votes
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from zpeer.core.state import Base
    from zpeer.effects import Effect
    from zpeer.ids import Digest, PeerId
    from zpeer.messages import Message
    from zpeer.simulate.host import Host
    from zpeer.simulate.promises.verdicts import Checker, Decision

OTHER = digest("test/other")
STAGES: dict[type, Stage] = {
    Aggregated: Stage.AGGREGATED,
    Reveal: Stage.REVEAL,
    Check: Stage.CHECK,
    Verdict: Stage.VERDICT,
    View: Stage.VIEW,
    Closed: Stage.CLOSED,
    Decided: Stage.DECIDED,
}


@pytest.fixture(scope="module")
def told() -> Told:
    return tell()


def at(told: Told, place: int, height: int) -> Decision:
    """How a peer came to a record."""
    me = number(told, place)
    return next(d for d in told.story.decisions if (d.height, d.host.me) == (height, me))


def make_manners(told: Told, *byzantine: int) -> Manners:
    return Manners(setting_of(told, byzantine=byzantine), told.run.universe.shared.limits)


def host_of(told: Told, place: int) -> Host:
    return cast("Host", StandInHost(number(told, place), NOTHING))


def sign(told: Told, place: int, message: Message, head: Digest) -> Signed:
    payload = encode_payload(message)
    return Signed(STAGES[type(message)], head, number(told, place), payload, b"")


def hear(
    checker: Checker, told: Told, place: int, base: Base, message: Message, **changes: object
) -> None:
    """Peer 0 hears a message of another one, or of itself."""
    head = cast("Digest", changes.get("head", base.head))
    now = cast("float", changes.get("now", 1.0))
    event = MessageReceived(sign(told, place, message, head))
    checker.saw(host_of(told, 0), base, event, now)


def say(checker: Checker, told: Told, base: Base, *effects: Effect, now: float = 1.0) -> None:
    checker.said(host_of(told, 0), base, effects, now)


def speak(told: Told, base: Base, message: Message) -> Broadcast:
    return Broadcast(base.head, STAGES[type(message)], encode_payload(message), base.roster)


def view(*claims: PeerId, **changes: object) -> View:
    return replace(View(NOTHING, NOTHING, NOTHING, claims, ()), **changes)


def check(**changes: object) -> Check:
    return replace(Check(NOTHING, NOTHING, (), (), (), (0.0,) * 6, (), ()), **changes)


def test_the_true_story_has_good_manners_and_heeds_its_votes(told: Told) -> None:
    limits = told.run.universe.shared.limits
    for checker in (make_manners(told), Votes(setting_of(told), limits)):
        for me, base, event in told.story.events:
            checker.saw(cast("Host", StandInHost(me, NOTHING)), base, event, 0.0)
        play(checker, told)


# --- after a view ---------------------------------------------------------------------------------


def test_a_stage_message_after_a_view_is_found_and_one_of_the_next_attempt_is_not(
    told: Told,
) -> None:
    base, after = at(told, 0, 1).before, at(told, 0, 1).after
    manners = make_manners(told)
    say(manners, told, base, speak(told, base, check()), speak(told, base, view()))
    say(manners, told, base, speak(told, after, check()), speak(told, base, Closed(OTHER)))
    with refuse("manners", "peer 0 signs CHECK after its view"):
        say(manners, told, base, speak(told, base, check()))


# --- what stands in CHECK -------------------------------------------------------------------------


def test_a_proof_that_is_kept_back_is_found_and_one_that_is_brought_is_not(told: Told) -> None:
    base = at(told, 0, 1).before
    manners = make_manners(told, 4)
    bodies = [sign(told, 4, Decided(digest(name)), base.head) for name in ("one", "two")]
    for signed in bodies:
        manners.saw(host_of(told, 0), base, MessageReceived(signed), 1.0)
    proof = Equivocation(bodies[0].statement, bodies[1].statement)
    say(manners, told, base, speak(told, base, check(proofs=(proof,))))
    with refuse("manners", "peer 0 has a proof against peer 4 and hides it"):
        say(manners, told, base, speak(told, base, check()))


def test_one_body_heard_twice_is_no_proof(told: Told) -> None:
    base = at(told, 0, 1).before
    manners = make_manners(told, 4)
    for _ in range(2):
        hear(manners, told, 4, base, Decided(OTHER))
    say(manners, told, base, speak(told, base, check()))


def test_what_was_said_before_a_view_may_be_forgotten_after_it(told: Told) -> None:
    base = at(told, 0, 1).before
    manners = make_manners(told, 4)
    hear(manners, told, 4, base, Verdict(NOTHING, OTHER))
    say(manners, told, base, speak(told, base, view()))
    hear(manners, told, 4, base, Verdict(NOTHING, digest("two")))
    say(manners, told, base, speak(told, at(told, 0, 1).after, check()))


def test_a_call_on_the_attempt_before_that_is_forgotten_is_found(told: Told) -> None:
    first, base = at(told, 0, 1).before, at(told, 0, 2).before
    assert base.checked == first.head
    caller = view(number(told, 1))
    for claims, forgets in ((view(), False), (view(number(told, 4)), False), (caller, True)):
        manners = make_manners(told, 4)
        hear(manners, told, 4, first, Decided(OTHER))
        hear(manners, told, 4, base, claims, head=first.head)
        brought = sign(told, 4, claims, first.head)
        say(manners, told, base, speak(told, base, check(views=(brought,))))
        if forgets:
            with refuse("manners", "peer 0 forgets that peer 4 called"):
                say(manners, told, base, speak(told, base, check()))
        else:
            say(manners, told, base, speak(told, base, check()))


# --- who leaves -----------------------------------------------------------------------------------


def test_who_leaves_by_verdicts_and_is_not_shown_them_is_found(told: Told) -> None:
    decision = at(told, 0, 1)
    base = decision.before
    gone = number(told, 4)
    record = replace(decision.record, roster=tuple(p for p in base.roster if p != gone))
    verdicts = tuple(
        sign(told, each, Verdict(NOTHING, record.head), base.head) for each in range(5)
    )
    done = Decide(record, verdicts)
    manners = make_manners(told)
    say(manners, told, base, SendSet(gone, base.head, Stage.VERDICT, verdicts), done)
    say(manners, told, base, Decide(record, ()))
    with refuse("manners", "peer 0 does not tell peer 4 how it leaves"):
        say(manners, told, base, SendSet(number(told, 3), base.head, Stage.VERDICT, verdicts), done)


def leave_by_views(told: Told, manners: Manners) -> Decision:
    """Peer 4 is removed by a record of the slow path."""
    decision = at(told, 0, 1)
    gone = Departure(number(told, 4), FaultKind.SILENT, decision.before.head)
    record = replace(decision.record, views=decision.before.roster, departures=(gone,))
    decision = decision._replace(record=record)
    hear(manners, told, 1, decision.before, Decided(record.head))
    manners.decided(decision)
    return decision


@pytest.mark.parametrize("shows", [True, False])
def test_who_leaves_by_views_and_is_not_shown_the_record_is_found(
    told: Told, *, shows: bool
) -> None:
    manners = make_manners(told)
    decision = leave_by_views(told, manners)
    base, record = decision.before, decision.record
    hear(manners, told, 0, decision.after, Decided(record.head), head=base.head)
    say(manners, told, decision.after)
    hear(manners, told, 2, decision.after, Decided(record.head), head=base.head)
    if shows:
        encoded = msgspec.msgpack.encode(record)
        say(manners, told, decision.after, SendCertificate((number(told, 4),), encoded, ()))
        return
    with refuse("manners", "peer 0 does not tell peer 4 it is out"):
        say(manners, told, decision.after)


# --- who knows that there is a record -------------------------------------------------------------


def test_who_knows_of_a_record_and_does_not_ask_for_it_is_found(told: Told) -> None:
    base = at(told, 0, 1).before
    for asks in (True, False):
        manners = make_manners(told)
        for each in range(1, 4):
            hear(manners, told, each, base, Decided(OTHER), now=10.0)
        say(manners, told, base, now=13.9)
        if asks:
            say(manners, told, base, SendSetRequest(number(told, 1), base.head, Stage.DECIDED))
            say(manners, told, base, now=14.1)
            continue
        with refuse("manners", "peer 0 does not ask for the record that the others hold"):
            say(manners, told, base, now=14.1)


def test_who_stops_for_what_it_never_asked_for_is_found(told: Told) -> None:
    base = at(told, 0, 1).before
    unshown = Stop(5, "cut off: it rests on messages that nobody shows me", None, ())
    manners = make_manners(told)
    say(manners, told, base, Stop(5, "cut off: I heard too few", None, ()))
    with refuse("manners", "peer 0 stops for what it never asked for"):
        say(manners, told, base, unshown)
    say(manners, told, base, SendSetRequest(number(told, 1), base.head, Stage.DECIDED), unshown)


def test_two_of_five_are_not_most(told: Told) -> None:
    base = at(told, 0, 1).before
    manners = make_manners(told)
    for each in range(1, 3):
        hear(manners, told, each, base, Decided(OTHER), now=10.0)
    say(manners, told, base, now=99.0)


# --- votes ----------------------------------------------------------------------------------------


def vote(told: Told, votes: Votes, base: Base, *records: Digest) -> None:
    for each, record in enumerate(records):
        event = MessageReceived(sign(told, each, Verdict(NOTHING, record), base.head))
        votes.saw(host_of(told, each), base, event, 1.0)


def test_another_record_than_all_kept_peers_voted_for_is_found(told: Told) -> None:
    decision, limits = at(told, 0, 1), told.run.universe.shared.limits
    for records, ok in (
        ((OTHER,) * 4, False),
        ((OTHER,) * 3, True),
        ((OTHER, OTHER, OTHER, NOTHING), True),
    ):
        votes = Votes(setting_of(told, byzantine=[4]), limits)
        vote(told, votes, decision.before, *records)
        if ok:
            votes.decided(decision)
            continue
        with refuse("votes", "peer 0 holds another record than all kept peers voted for, record 1"):
            votes.decided(decision)


def test_a_record_by_the_views_of_half_is_found_even_at_a_slow_peer(told: Told) -> None:
    decision, limits = at(told, 0, 1), told.run.universe.shared.limits
    votes = Votes(setting_of(told, slow=[0]), limits)
    few, most = decision.before.roster[:2], decision.before.roster[:3]
    votes.decided(decision._replace(record=replace(decision.record, views=most)))
    with refuse("votes", "peer 0 decides by 2 views of 5, record 1"):
        votes.decided(decision._replace(record=replace(decision.record, views=few)))


def test_who_only_slept_may_not_be_alone_with_a_record(told: Told) -> None:
    when = Moment(peer=3, step=0, stage="VIEW")
    setting = setting_of(told, slow=[3])
    last = max(decision.height for decision in told.story.decisions)
    alone = doctor_record(number(told, 3), last, roster=())
    broken = change_plan(setting.plan, faults=(Break(when, 20.0, 3, (0, 1)),))
    play(Agreement(setting._replace(plan=broken)), told, alone)
    asleep = change_plan(setting.plan, faults=(Freeze(when, 20.0),))
    with refuse("fork", "peer 3, cut off, went on alone for 1 records"):
        play(Agreement(setting._replace(plan=asleep)), told, alone)


# --- claims ---------------------------------------------------------------------------------------


def make_claims(told: Told) -> Claims:
    return Claims(setting_of(told, byzantine=[4]), told.run.universe.shared.limits)


def test_a_claim_before_its_time_is_found_and_one_in_time_is_not(told: Told) -> None:
    base = at(told, 0, 0).before
    due = 10.0 + sum(base.allowances[:2])
    for when in (due, due - 1.0):
        claims = make_claims(told)
        hear(claims, told, 0, base, Aggregated(NOTHING, None), now=10.0)
        if when == due:
            hear(claims, told, 0, base, view(number(told, 4)), now=when)
            continue
        with refuse("claims", "peer 0 waits in vain at"):
            hear(claims, told, 0, base, view(number(told, 4)), now=when)


@pytest.mark.parametrize(
    ("echo", "held", "past", "found"),
    [
        (OTHER, True, False, True),
        (NOTHING, True, False, False),
        (OTHER, False, False, False),
        (OTHER, True, True, False),
    ],
)
def test_a_claim_over_a_result_that_others_hold_is_found(
    told: Told, echo: Digest, *, held: bool, past: bool, found: bool
) -> None:
    """Not one over bytes of an earlier attempt, which an owner names again."""
    base, owner = at(told, 0, 1).before, number(told, 4)
    then = at(told, 0, 0).before if past else base
    claims = make_claims(told)
    result = digest("test/result")
    hear(claims, told, 4, base, Aggregated(NOTHING, result), now=0.0)
    hear(claims, told, 0, base, Reveal(OTHER, NOTHING), now=0.0)
    hear(claims, told, 4, base, Reveal(echo, NOTHING), now=0.0)
    arrived = ResultArrived(then.head, owner, result, 8, finite=True)
    claims.saw(host_of(told, 1), then, arrived, 1.0)
    if not held:
        claims.saw(host_of(told, 0), base, BlobArrived(result, 8, finite=True), 1.0)
    late = sum(base.allowances)
    if found:
        with refuse("claims", "peer 0 waits for the RESULT of peer 4, which others hold"):
            hear(claims, told, 0, base, view(owner), now=late)
        return
    hear(claims, told, 0, base, view(owner), now=late)
