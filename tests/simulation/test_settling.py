"""What records by views must say of those who call, and what peers must find of aggregates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.simulation.small import Told, tell
from tests.simulation.stories import number, refuse, setting_of
from zpeer.core.mprng import compute_commitment, compute_share
from zpeer.events import AverageTested, MessageReceived
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, PeerId, digest
from zpeer.messages import Accusation, Check, Commit, Finding, Guilt, View
from zpeer.record import Departure, Matter, Outcome
from zpeer.signed import Signed, Stage
from zpeer.simulate.promises.rows import Rows
from zpeer.simulate.promises.settling import Settling
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.core.state import Base
    from zpeer.ids import Digest
    from zpeer.messages import Message
    from zpeer.simulate.promises.verdicts import Decision

OTHER = digest("test/other")


@pytest.fixture(scope="module")
def told() -> Told:
    return tell()


def sign(stage: Stage, head: Digest, sender: PeerId, message: Message) -> Signed:
    payload = encode_payload(message)
    return Signed(stage, head, sender, payload, b"")


def find(told: Told, height: int) -> Decision:
    return next(each for each in told.story.decisions if each.height == height)


def settle(
    told: Told,
    views: Sequence[tuple[int, View]],
    departures: Sequence[tuple[int, FaultKind]],
    commits: Sequence[tuple[int, Commit]] = (),
) -> None:
    """A record by these views, of which these leave, after these COMMITs."""
    checker = Settling(setting_of(told), told.run.universe.shared.limits)
    decision = find(told, 1)
    before, host = decision.before, decision.host
    said = [sign(Stage.VIEW, before.head, number(told, who), view) for who, view in views]
    for who, commit in commits:
        signed = sign(Stage.COMMIT, before.head, number(told, who), commit)
        checker.saw(host, before, MessageReceived(signed), 0.0)
    for signed in said:
        checker.saw(host, before, MessageReceived(signed), 0.0)
    gone = tuple(Departure(number(told, who), fault, before.head) for who, fault in departures)
    record = replace(
        decision.record,
        outcome=Outcome.VOID,
        views=tuple(signed.body for signed in said),
        sets=(OTHER,) if commits else (),
        departures=gone,
    )
    checker.decided(decision._replace(record=record))


def waiting(told: Told, *named: int) -> View:
    return View(claims=tuple(number(told, each) for each in named))


def test_whom_more_than_f_wait_for_leaves_as_such(told: Told) -> None:
    views = [(each, waiting(told, 4)) for each in (0, 1, 2)]
    settle(told, views, [(4, FaultKind.CLAIMED_BY_MOST)])
    settle(told, views, [(4, FaultKind.SILENT)])
    settle(told, views[:2], [])
    with refuse("settling", "peer 4 has claims with more than 2 and stays, record 1"):
        settle(told, views, [])
    with refuse("settling", "leaves for CHARGED_WITH_MOST"):
        settle(told, views, [(4, FaultKind.CHARGED_WITH_MOST)])


def test_who_waits_for_more_than_f_leaves_as_such(told: Told) -> None:
    settle(told, [(4, waiting(told, 0, 1, 2))], [(4, FaultKind.CLAIMS_MOST)])
    settle(told, [(4, waiting(told, 0, 1))], [])
    with refuse("settling", "peer 4 has claims with more than 2 and stays"):
        settle(told, [(4, waiting(told, 0, 1, 2))], [])


def commit_to(base: Base, peer: PeerId, secret: Digest) -> Commit:
    share = compute_share(base.place, peer, secret)
    return Commit((), compute_commitment(base.place, peer, share))


def test_who_opens_what_it_never_committed_to_leaves(told: Told) -> None:
    base, liar = find(told, 1).before, number(told, 4)
    true, false = commit_to(base, liar, OTHER), commit_to(base, liar, digest("test/secret"))
    view = View(secret=OTHER)
    settle(told, [(4, view)], [], [(4, true)])
    settle(told, [(4, view)], [(4, FaultKind.WRONG_SECRET)], [(4, false)])
    settle(told, [(4, view)], [], [(4, true), (4, false)])
    with refuse("settling", "peer 4 opens what it never committed to, and stays, record 1"):
        settle(told, [(4, view)], [], [(4, false)])
    with refuse("settling", "peer 4 opens what it never committed to"):
        settle(told, [(4, View(secret=NOTHING))], [], [(4, true)])


# --- aggregates -----------------------------------------------------------------------------------


def judge(told: Told, residual: float, guilt: Guilt) -> None:
    """A peer's test of the first part of attempt 1, and its finding in attempt 2."""
    shared = told.run.universe.shared
    checker = Rows(setting_of(told), shared.limits, shared.aggregator.weight)
    one, two = find(told, 1), find(told, 2)
    me, head = one.host.me, one.before.head
    for peer, before, event in told.story.events:
        if peer == me and before.head == head:
            checker.saw(one.host, before, event, 0.0)
    owner = one.before.workers[0]
    matter = Matter(PeerId(NOTHING), Accusation(FaultKind.WRONG_AVERAGE, owner, head, 0), made=head)
    base = replace(two.before, matters=(matter,))
    norms = (1.0,) * len(one.before.workers)
    checker.saw(one.host, base, AverageTested(head, 0, residual, norms), 0.0)
    check = Check(OTHER, OTHER, findings=(Finding(matter.name, guilt),))
    signed = sign(Stage.CHECK, base.head, me, check)
    checker.saw(one.host, base, MessageReceived(signed), 0.0)


def test_a_questioned_aggregate_is_judged_by_its_rows(told: Told) -> None:
    judge(told, 1.0, Guilt.GUILTY)
    judge(told, 0.0, Guilt.INNOCENT)
    judge(told, 1.0, Guilt.LACKING)
    with refuse("averaging", "finds the aggregate of peer . right"):
        judge(told, 1.0, Guilt.INNOCENT)
    with refuse("averaging", "right"):
        judge(told, float("nan"), Guilt.INNOCENT)
    with refuse("averaging", "finds the aggregate of peer . wrong"):
        judge(told, 0.0, Guilt.GUILTY)
