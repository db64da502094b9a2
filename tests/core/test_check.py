"""CHECK: secrets, reports, and accusations: who may say what, and what it costs to lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from tests.core.lies import (
    accuse_draw,
    accuse_part,
    accusing,
    attempt_of,
    check_caught,
    check_honest,
    decode,
    keep_quiet,
    misstate,
    read,
    saying,
)
from tests.core.pieces import (
    commit_of,
    finish,
    make_context,
    prove,
    run_to,
    signed_by,
    view_of,
    wanted_by,
)
from tests.core.plain import peer
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.check import collect_late_views, find_bytes_end
from zpeer.faults import FaultKind
from zpeer.ids import digest
from zpeer.messages import Accusation, Check
from zpeer.record import Charge, Outcome
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.record import Record
    from zpeer.signed import Signed

# --- WRONG_SECRET ---------------------------------------------------------------------------------


def test_a_wrong_secret_is_banned_and_the_step_counts_all_the_same() -> None:
    lie = saying(Stage.CHECK, lambda _, m: replace(m, secret=digest("another")))
    records = check_caught(Ring(5, tampers={1: lie}).run(), {1: FaultKind.WRONG_SECRET})
    assert records[0].outcome is Outcome.COUNTED
    assert records[0].secret_beacon != Ring(5).run().check_agreement()[0].secret_beacon


def test_an_invalid_check_is_banned_and_the_step_counts_all_the_same() -> None:
    records = check_caught(
        Ring(5, tampers={1: saying(Stage.CHECK, lambda _, __: b"x")}).run(),
        {1: FaultKind.INVALID_BODY},
    )
    assert records[0].outcome is Outcome.COUNTED


# --- CONCEALED_PROJECTION -------------------------------------------------------------------------


def test_who_held_the_bytes_of_a_wrong_projection_and_kept_quiet_is_banned_too() -> None:
    ring = Ring(
        6,
        steps=12,
        tampers={
            1: misstate(2, 200, times=99),
            2: saying(Stage.CHECK, keep_quiet, times=99),
        },
        run=digest("toy run", b"drawn by a third"),
    ).run()
    caught = {1: FaultKind.WRONG_PROJECTION, 2: FaultKind.CONCEALED_PROJECTION}
    records = check_caught(ring, caught)
    banning = next(r for r in records if r.departures)
    assert len(banning.departures) == 2  # both in one record
    evidence = {e.departure.fault: e for e in ring.toys[peer(0)].evidence}
    concealed = evidence[FaultKind.CONCEALED_PROJECTION]
    assert any(concealed.parameters)
    assert Stage.CHECK in {each[0].stage for each in concealed.sets}


def test_quiet_below_the_threshold_of_blame_costs_nothing() -> None:
    """What a validator sees beyond 60 the owner may have seen below it."""
    ring = Ring(
        6,
        steps=12,
        tampers={
            1: misstate(2, 85, times=99),
            2: saying(Stage.CHECK, keep_quiet, times=99),
        },
        run=digest("toy run", b"drawn by a third"),
    ).run()
    check_caught(ring, {1: FaultKind.WRONG_PROJECTION})


# --- WRONG_REPORT ---------------------------------------------------------------------------------


def lazy(toy: Toy, message: Any) -> Any:
    """Report "fine" without the work."""
    if not message.reports:
        return None
    reports = tuple(replace(r, gradient=digest("guess"), follows=True) for r in message.reports)
    return replace(message, reports=reports)


def test_a_lazy_validator_is_caught_by_its_target_and_the_draw_opens_again() -> None:
    ring = Ring(5, steps=12, tampers={1: saying(Stage.CHECK, lazy)}).run()
    records = check_caught(ring, {1: FaultKind.WRONG_REPORT})
    at = next(k for k, r in enumerate(records) if r.departures)
    (departure,) = records[at].departures
    matter = next(m for m in records[at - 1].matters if m.accusation.accused == peer(1))
    assert matter.accuser == departure.accuser == matter.accusation.about
    key = (matter.accusation.about, matter.accusation.attempt)
    assert key in {(d.target, d.attempt) for d in records[at].draws}
    assert key not in {(d.target, d.attempt) for d in records[at - 1].draws}
    (evidence,) = ring.toys[departure.accuser].evidence
    (report,) = evidence.messages
    assert (report.sender, report.stage) == (peer(1), Stage.CHECK)
    assert report.head != evidence.departure.attempt


def test_an_honest_report_is_not_accused() -> None:
    records = check_honest(Ring(6, steps=8).run())
    assert not any(r.matters for r in records)


# --- FALSE_ACCUSATION -----------------------------------------------------------------------------


def conceal(toy: Toy) -> Accusation | None:
    """Say that an owner concealed what never was."""
    draws = [d for d in attempt_of(toy).base.duty_of(toy.me) if d.counted]
    if not draws:
        return None
    past = toy.core._context.state.past[draws[0].attempt]
    roster = attempt_of(toy).base.roster
    owner = next(p for p in past.base.workers if p not in (draws[0].target, toy.me) and p in roster)
    part = past.base.part_of(owner)
    return Accusation(
        FaultKind.CONCEALED_PROJECTION, owner, draws[0].attempt, part, about=draws[0].target
    )


def denounce_report(toy: Toy) -> Accusation | None:
    """Say of a good report on oneself that it does not follow."""
    past = toy.core._context.state.past
    order = toy.core._context.state.order
    for signed in past[order[-1]].members(Stage.CHECK) if order else ():
        for report in read(toy, signed).reports:
            if report.target == toy.me and signed.sender in attempt_of(toy).base.roster:
                return Accusation(
                    FaultKind.WRONG_REPORT,
                    signed.sender,
                    report.attempt,
                    about=toy.me,
                    evidence=report.gradient,
                )
    return None


@pytest.mark.parametrize(
    "make",
    [
        accuse_part(FaultKind.PART_NOT_FINITE, 2),
        accuse_part(FaultKind.WRONG_PROJECTION, 2),
        accuse_draw(FaultKind.WRONG_GRADIENT),
        accuse_draw(FaultKind.WRONG_PROJECTION, 0),
        accuse_draw(FaultKind.WRONG_PROJECTION, 4),  # no such part in that attempt
        conceal,
        denounce_report,
    ],
    ids=["part", "projection", "gradient", "drawn", "nowhere", "concealed", "report"],
)
def test_a_false_accusation_bans_its_accuser_with_proof(make: Any) -> None:
    ring = Ring(5, steps=6, tampers={1: accusing(make)}).run()
    records = check_caught(ring, {1: FaultKind.FALSE_ACCUSATION})
    at = next(k for k, r in enumerate(records) if r.departures)
    (departure,) = records[at].departures
    assert departure.accuser != peer(1)
    assert departure.accuser in records[-1].roster
    (matter,) = [m for m in records[at - 1].matters if m.accuser == peer(1)]
    for toy in ring.honest(1):
        (evidence,) = toy.evidence
        said = [*evidence.messages, *(s for each in evidence.sets for s in each)]
        checks = [s for s in said if s.stage is Stage.CHECK and s.sender == peer(1)]
        assert any(matter.accusation in read(toy, signed).accusations for signed in checks)


def test_a_validator_that_denies_a_good_gradient_loses_its_place_and_the_draw_goes_on() -> None:
    ring = Ring(5, steps=6, tampers={1: accusing(accuse_draw(FaultKind.WRONG_GRADIENT))}).run()
    records = check_caught(ring, {1: FaultKind.FALSE_ACCUSATION})
    at = next(k for k, r in enumerate(records) if r.departures)
    (matter,) = records[at - 1].matters
    key = (matter.accusation.accused, matter.accusation.attempt)
    assert key in {(d.target, d.attempt) for d in records[at - 1].draws}  # open, but suspended
    assert key not in {(d.target, d.attempt) for duty in records[at - 1].duties for d in duty}
    again = {(d.target, d.attempt) for r in records[at:] for duty in r.duties for d in duty}
    assert key in again
    assert not any(r.lapsed for r in records)


def test_a_report_that_denies_without_an_accusation_is_an_invalid_body() -> None:
    def deny(toy: Toy, message: Any) -> Any:
        if not message.reports:
            return None
        return replace(message, reports=tuple(replace(r, follows=False) for r in message.reports))

    ring = Ring(5, steps=6, tampers={1: saying(Stage.CHECK, deny)}).run()
    check_caught(ring, {1: FaultKind.INVALID_BODY})


def test_a_missing_report_is_an_invalid_body() -> None:
    skip = saying(Stage.CHECK, lambda _, m: replace(m, reports=()) if m.reports else None)
    check_caught(Ring(5, steps=6, tampers={1: skip}).run(), {1: FaultKind.INVALID_BODY})


# --- what calls left to settle --------------------------------------------------------------------


def run_with_late(
    *messages: Signed, only: int | None = None, **changes: Any
) -> tuple[Ring, list[Record]]:
    """A run in which these come when the first attempt has just been decided, perhaps to one peer
    alone."""
    ring = Ring(5, steps=3, **changes)
    run_to(ring, Stage.COMMIT, records=1)
    for to in ring.toys if only is None else (peer(only),):
        for signed in messages:
            ring.push(to, ev.MessageReceived(signed))
    finish(ring)
    return ring, ring.check_agreement(1, 4)


RUN = Ring(5).genesis.run
CALL = view_of(1, RUN, claims=(peer(0),))


def test_a_call_that_came_too_late_is_charged_all_the_same() -> None:
    ring, records = run_with_late(CALL)
    assert records[1].charges == (Charge(peer(0), peer(1), 1),)
    assert not any(r.departures for r in records)
    said = [check for check in checks_of(ring) if check.views]
    assert len(said) == 5  # all bring it, once
    assert {check.views for check in said} == {(CALL,)}


def checks_of(ring: Ring) -> list[Check]:
    """All CHECKs of a run."""
    return [
        decode(toy, effect)
        for toy in ring.toys.values()
        for effect in wanted_by(ring, toy.me[0], fx.Broadcast)
        if effect.stage is Stage.CHECK
    ]


def test_one_peer_that_heard_of_it_is_enough() -> None:
    _, records = run_with_late(CALL, only=3)
    assert records[1].charges == (Charge(peer(0), peer(1), 1),)


def test_who_calls_late_for_more_than_can_be_faulty_is_removed() -> None:
    _, records = run_with_late(view_of(1, RUN, claims=(peer(0), peer(2), peer(3))))
    assert [(d.peer, d.fault) for d in records[1].departures] == [(peer(1), FaultKind.CLAIMS_MOST)]
    assert records[1].charges == ()


def test_a_view_that_calls_for_nothing_is_not_brought() -> None:
    ring, records = run_with_late(view_of(1, RUN))
    assert not any(check.views for check in checks_of(ring))
    assert not any(r.departures or r.charges for r in records)


def test_who_signs_two_views_is_banned_though_neither_calls() -> None:
    ring, _ = run_with_late(view_of(1, RUN), view_of(1, RUN, secret=digest("s")))
    assert ring.departures(1) == {1: "EQUIVOCATION"}
    check_honest(ring, 1)


def test_who_signs_two_views_and_shows_each_to_another_peer_is_banned() -> None:
    ring = Ring(5, steps=3)
    run_to(ring, Stage.COMMIT, records=1)
    for to, claimed in ((0, 2), (3, 4)):
        view = view_of(1, RUN, claims=(peer(claimed),))
        ring.push(peer(to), ev.MessageReceived(view))
    finish(ring)
    assert ring.departures(1) == {1: "EQUIVOCATION"}
    records = check_honest(ring, 1)
    assert not any(r.charges for r in records)


def test_a_late_view_with_a_proof_bans_whom_it_convicts() -> None:
    proof = prove(commit_of(4, RUN), commit_of(4, RUN, 1))
    ring, _ = run_with_late(view_of(1, RUN, proofs=(proof,)))
    assert ring.departures(1, 4) == {4: "EQUIVOCATION"}


@pytest.mark.parametrize(
    "view",
    [
        view_of(1, RUN, claims=(peer(77),)),
        view_of(1, RUN, claims=(peer(1),)),
        view_of(1, RUN, claims=(peer(0), peer(0))),
        signed_by(1, RUN, Stage.VIEW, b"\xc1"),
    ],
    ids=["stranger", "itself", "twice", "junk"],
)
def test_a_view_that_is_not_valid_settles_nothing(view: Signed) -> None:
    ring, records = run_with_late(view)
    assert not any(check.views for check in checks_of(ring))
    assert not any(r.departures or r.charges for r in records)


@pytest.mark.parametrize(
    "view",
    [
        replace(view_of(2, RUN, claims=(peer(0),)), signature=bytes(64)),
        view_of(2, digest("another"), claims=(peer(0),)),
        view_of(77, RUN, claims=(peer(0),)),
        view_of(2, RUN, claims=(peer(2),)),
    ],
    ids=["forged", "another attempt", "stranger", "not valid"],
)
def test_what_a_liar_puts_among_the_views_of_its_check_counts_only_if_it_is_one(
    view: Signed,
) -> None:
    def bring(toy: Toy, message: Any) -> Any:
        return replace(message, views=(view,)) if attempt_of(toy).base.head != RUN else None

    ring = Ring(5, steps=3, tampers={1: saying(Stage.CHECK, bring)}).run()
    records = check_honest(ring)
    assert not any(r.departures or r.charges for r in records)


def test_what_is_no_view_at_all_makes_a_check_invalid() -> None:
    lie = saying(Stage.CHECK, lambda _, m: replace(m, views=(commit_of(2, RUN),)))
    check_caught(Ring(5, tampers={1: lie}).run(), {1: FaultKind.INVALID_BODY})


def test_a_view_is_settled_once_and_by_the_next_check_alone() -> None:
    """Brought again later it costs nobody anything."""

    def bring(toy: Toy, message: Any) -> Any:
        return replace(message, views=(CALL,))

    tampers = {1: saying(Stage.CHECK, bring, times=99)}
    _, records = run_with_late(CALL, tampers=tampers)
    assert [len(r.charges) for r in records] == [0] + [1] * (len(records) - 1)


def test_no_more_views_are_brought_than_there_are_peers() -> None:
    ring = Ring(3)
    context = run_to(ring, Stage.COMMIT, records=1).core._context
    past = context.state.past[ring.genesis.run]
    for i in range(3):
        views = [
            view_of(
                i, ring.genesis.run, claims=(peer((i + 1) % 3),), secret=digest("s", bytes([k]))
            )
            for k in range(2)
        ]
        past.views[peer(i)] = tuple(views)
    found = collect_late_views(context)
    assert len(found) == 3
    assert {v.sender for v in found} == {peer(0), peer(1)}


def test_bytes_are_waited_for_a_third_of_what_the_stage_is_given() -> None:
    context = make_context(work=50.0)
    context.attempt.entered = 100.0
    assert context.attempt.base.allowances[Stage.CHECK - 1] == 60.0
    assert find_bytes_end(context) == 120.0
