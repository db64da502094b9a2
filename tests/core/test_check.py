"""CHECK: secrets, reports, and accusations: who may say what, and what it costs to lie."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.lies import (
    accuse_draw,
    accuse_part,
    accusing,
    attempt_of,
    check_caught,
    check_honest,
    keep_quiet,
    misstate,
    read,
    saying,
)
from tests.core.plain import peer
from tests.core.toy import Ring, Toy
from zpeer.faults import FaultKind
from zpeer.ids import digest
from zpeer.messages import Accusation
from zpeer.record import Outcome
from zpeer.signed import Stage

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
