"""Promises about what only statements and views show: an averaging that proved right has
consequences, and a call does not take the draw from an attempt."""

from __future__ import annotations

from collections import Counter
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

from zpeer.events import MessageReceived
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING
from zpeer.messages import Projections, View
from zpeer.parts import Layout
from zpeer.record import Outcome
from zpeer.signed import Stage
from zpeer.simulate.promises.forms import read
from zpeer.simulate.promises.truth import CHECKED_SETS
from zpeer.simulate.promises.verdicts import Idle, ViolationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zpeer.core.state import Base
    from zpeer.events import Event
    from zpeer.ids import Digest, PeerId
    from zpeer.record import Matter
    from zpeer.simulate.host import Host
    from zpeer.simulate.promises.verdicts import Decision, Setting
    from zpeer.wire import WireLimits


class Questioned(NamedTuple):
    """An attempt in which a majority stated norms beyond the limit of some part."""

    base: Base
    norms: dict[PeerId, tuple[float, ...]]


class Averaging(Idle):
    """See the module."""

    hears: tuple[type[Event], ...] = (MessageReceived,)

    def __init__(self, setting: Setting, limits: WireLimits) -> None:
        self._setting = setting
        self._limits = limits
        self._norms: dict[PeerId, dict[PeerId, tuple[float, ...]]] = {}
        """By who heard them, of its present attempt."""
        self._questioned: dict[Digest, Questioned] = {}
        self._named: dict[Digest, dict[PeerId, Digest]] = {}
        """By attempt and kept peer, the COMMIT set that its view names."""

    def saw(self, host: Host, before: Base, event: Event, now: float) -> None:  # noqa: ARG002 - the interface
        """Statements of all, and the peer's own view."""
        if not isinstance(event, MessageReceived) or event.signed.head != before.head:
            return
        signed = event.signed
        if signed.stage is Stage.PROJECTIONS:
            said = read(signed, self._limits)
            if isinstance(said, Projections):
                self._norms.setdefault(host.me, {})[signed.sender] = said.norms
        elif signed.stage is Stage.VIEW and signed.sender == host.me:
            view = read(signed, self._limits)
            if isinstance(view, View):
                self._named.setdefault(before.head, {})[host.me] = view.commits

    def decided(self, decision: Decision) -> None:
        """What became of it."""
        if decision.host.me in self._setting.faulty:
            return
        norms = self._norms.pop(decision.host.me, {})
        head = decision.before.head
        if any(each.made == head and is_averaging(each) for each in decision.record.matters):
            self._questioned.setdefault(head, Questioned(decision.before, norms))
        for what in (*self._find_unchecked(decision), *self._find_undrawn(decision)):
            raise ViolationError("averaging", f"{what}, record {decision.height}")

    def _find_unchecked(self, decision: Decision) -> Iterator[str]:
        """Who stated a norm beyond the limit and is not drawn, though the aggregate was right; and
        limits that would make the next attempt void again."""
        record = decision.record
        if len(record.sets) < CHECKED_SETS:
            return
        for matter in decision.before.matters:
            accusation = matter.accusation
            asked = self._questioned.get(accusation.attempt)
            is_open = any(each.name == matter.name for each in record.matters)
            spared = self._setting.pardons.any_granted(decision.before.head)
            if not is_averaging(matter) or is_open or asked is None or spared:
                continue
            if accusation.accused in record.roster:  # else it was not found right, or is long gone
                yield from self._find_consequences(decision, asked, accusation.part)

    def _find_consequences(self, decision: Decision, asked: Questioned, part: int) -> Iterator[str]:
        record = decision.record
        drawn = {(draw.target, draw.attempt) for draw in record.draws}
        stated = {peer: row[part] for peer, row in asked.norms.items() if part < len(row)}
        for peer, norm in stated.items():
            beyond = norm > asked.base.delta_max[part] and peer in record.roster
            if beyond and (peer, asked.base.head) not in drawn:
                yield f"{self._setting.name(peer)} stated a norm beyond the limit and is not drawn"
        genesis = self._setting.genesis
        length = Layout(genesis.dimension, genesis.block, len(asked.base.workers)).length(part)
        middle = sorted(stated.values())[(len(stated) - 1) // 2] if stated else 0.0
        if record.outcome is Outcome.VOID and record.delta_floor * sqrt(length) < 1.9 * middle:
            yield "the limit that an honest averaging broke has no more room"

    def _find_undrawn(self, decision: Decision) -> Iterator[str]:
        """A void attempt without q, whose COMMIT set more than half of the roster named."""
        record, before = decision.record, decision.before
        names = Counter(self._named.pop(before.head, {}).values())
        if not record.views or record.secret_beacon != NOTHING or not before.workers:
            return
        if any(name != NOTHING and 2 * count > len(before.roster) for name, count in names.items()):
            yield "a call took the draw from an attempt"


def is_averaging(matter: Matter) -> bool:
    """Whether the matter is a check of the averaging."""
    return matter.accusation.fault is FaultKind.WRONG_AVERAGE
