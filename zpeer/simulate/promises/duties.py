"""Promises about draws that are open, who checks them, and when the run may end: kept or broken by
records alone.

A liar's gradient is found by whoever is drawn to compute it again. So nobody checks itself, no draw
is lost while an accusation from it is judged, none is closed by a report that fell, and the run
goes on until all are closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.faults import FaultKind, is_ban
from zpeer.ids import NOTHING
from zpeer.record import Outcome
from zpeer.simulate.promises.verdicts import Idle, ViolationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zpeer.effects import Stop
    from zpeer.ids import Digest, PeerId
    from zpeer.record import Matter, Record
    from zpeer.simulate.host import Host
    from zpeer.simulate.promises.verdicts import Decision, Setting

    Gradient = tuple[PeerId, Digest]
    """Whose, and of which attempt."""

FINISHED = 0
LIFETIMES = 2
"""Times the number of peers: counted steps until a draw lapses."""
OF_ACCUSERS = (FaultKind.FALSE_ACCUSATION, FaultKind.WRONG_SUM)
"""What an excuse for a failed sum may still come to, though who made it is banned."""
BY_VALIDATORS = (FaultKind.WRONG_GRADIENT, FaultKind.WRONG_PROJECTION)


class Duties(Idle):
    """See the module."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._height = 0
        self._banned: set[PeerId] = set()
        self._last: dict[PeerId, Decision] = {}

    def decided(self, decision: Decision) -> None:
        """Look at each record once."""
        if decision.host.me in self._setting.faulty:
            return
        self._last[decision.host.me] = decision
        if decision.height == self._height:
            self._height += 1
            for what in self._find(decision):
                raise ViolationError("duties", f"{what}, record {decision.height}")

    def _find(self, decision: Decision) -> Iterator[str]:
        record, name = decision.record, self._setting.name
        for validator, duty in zip(record.validators, record.duties, strict=True):
            if any(draw.target == validator for draw in duty):
                yield f"{name(validator)} checks itself"
        yield from self._find_lost(decision)
        yield from self._find_old(decision)
        expected = record.secret_beacon if is_counted(record) else decision.before.draw_beacon
        if record.draw_beacon != expected:
            yield "validators are drawn by another beacon than q of the last counted attempt"
        for departure in record.departures:
            if departure.peer in self._banned and departure.fault not in OF_ACCUSERS:
                yield f"{name(departure.peer)} is banned again"
        self._banned |= {each.peer for each in record.departures if is_ban(each.fault)}

    def _find_lost(self, decision: Decision) -> Iterator[str]:
        """Draws that are closed, or given out, while an accusation from them is open; and those
        whose report fell."""
        record, name = decision.record, self._setting.name
        accused = {gradient_of(each) for each in record.matters if is_by_validator(each)}
        given = {(draw.target, draw.attempt) for duty in record.duties for draw in duty}
        for target, _ in accused & given:
            yield f"{name(target)} is checked again while an accusation of that is open"
        kept = {(draw.target, draw.attempt) for draw in (*record.draws, *record.lapsed)}
        here = (*record.roster, *self._list_removed(record))
        for target, attempt in (accused | set(list_fallen(record))) - kept:
            known = any(draw.attempt == attempt for draw in decision.before.draws)
            if target in here and (known or (target, attempt) not in accused):
                yield f"the draw of {name(target)} is closed, but not its accusation"

    def _list_removed(self, record: Record) -> list[PeerId]:
        """Who leaves with this record without a ban."""
        return [each.peer for each in record.departures if not is_ban(each.fault)]

    def _find_old(self, decision: Decision) -> Iterator[str]:
        """Draws whose time was over."""
        record = decision.record
        longest = LIFETIMES * len(decision.before.roster)
        for draw in record.draws:
            if record.counted - draw.opened > longest:
                yield f"a draw of {self._setting.name(draw.target)} never lapses"

    def stopped(self, host: Host, stop: Stop) -> None:
        """A run that is done has nothing open, and recorded one more CHECK set after the last
        report."""
        last = self._last.get(host.me)
        if last is None or stop.code != FINISHED or host.me in self._setting.faulty:
            return
        record = last.record
        is_open = record.draws or record.matters or any(last.before.duties)
        if is_open or record.views or record.outcome is not Outcome.CLOSING:
            name = self._setting.name(host.me)
            raise ViolationError("duties", f"{name} ends the run while something is open")


def is_counted(record: Record) -> bool:
    """Whether the attempt counts."""
    return record.outcome is Outcome.COUNTED


def is_by_validator(matter: Matter) -> bool:
    """Whether the accusation came from a draw."""
    accusation = matter.accusation
    return accusation.fault in BY_VALIDATORS and accusation.evidence == NOTHING


def gradient_of(matter: Matter) -> Gradient:
    """What an accusation from a draw is about."""
    return matter.accusation.accused, matter.accusation.attempt


def list_fallen(record: Record) -> Iterator[Gradient]:
    """Gradients whose report proved to be made up, with this record."""
    for departure in record.departures:
        if departure.fault is FaultKind.WRONG_REPORT:
            yield departure.accuser, departure.attempt
