"""When peers that left a run are turned away."""

from __future__ import annotations

import msgspec

from tests.core.pieces import run_to, started
from tests.core.plain import peer
from zpeer.faults import FaultKind
from zpeer.record import Departure, Record
from zpeer.shell.leavers import RECORDS, REMOVED_SECONDS, Leavers
from zpeer.signed import Stage

FIRST = run_to(started(4), Stage.COMMIT, records=1).records[0]


def record(*departures: Departure) -> Record:
    return msgspec.structs.replace(FIRST, departures=departures)


def left(i: int, fault: FaultKind) -> Departure:
    return Departure(peer(i), fault, FIRST.head)


def test_who_was_banned_is_turned_away_some_records_later() -> None:
    leavers = Leavers()
    assert leavers.turn(record(left(1, FaultKind.WRONG_SUM)), 0.0) == []
    for _ in range(RECORDS - 1):
        assert leavers.turn(record(), 0.1) == []
    assert leavers.turn(record(), 0.1) == [peer(1)]
    assert leavers.turn(record(), 0.1) == [], "once"


def test_who_was_removed_has_time_to_be_told_however_quick_the_records_are() -> None:
    leavers = Leavers()
    assert leavers.turn(record(left(1, FaultKind.SILENT)), 10.0) == []
    for _ in range(10 * RECORDS):
        assert leavers.turn(record(), 9.9 + REMOVED_SECONDS) == []
    assert leavers.turn(record(), 10.1 + REMOVED_SECONDS) == [peer(1)]


def test_who_was_removed_is_kept_for_some_records_however_slow_they_are() -> None:
    leavers = Leavers()
    leavers.turn(record(left(1, FaultKind.SILENT)), 0.0)
    for _ in range(RECORDS - 1):
        assert leavers.turn(record(), 10 * REMOVED_SECONDS) == []
    assert leavers.turn(record(), 10 * REMOVED_SECONDS) == [peer(1)]
