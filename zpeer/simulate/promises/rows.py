"""The promise that a questioned aggregate is judged by its rows: what a kept peer finds in its
CHECK is what its own numerics say of the published ones, and no more than rounding decides."""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING

from zpeer import events as ev
from zpeer.faults import FaultKind
from zpeer.messages import Check, Guilt
from zpeer.signed import Stage
from zpeer.simulate.promises.forms import read
from zpeer.simulate.promises.truth import FLOOR, SUM_PULL, SUM_ROUNDING, UNIT
from zpeer.simulate.promises.verdicts import Idle, ViolationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.core.state import Base
    from zpeer.events import AverageTested, Event
    from zpeer.ids import Digest, PeerId
    from zpeer.record import Matter
    from zpeer.signed import Signed
    from zpeer.simulate.host import Host
    from zpeer.simulate.promises.verdicts import Setting
    from zpeer.wire import WireLimits

FAR = 2.0
"""Times the tolerance: what is so far beyond it is wrong, what is so far within it is right."""


class Rows(Idle):
    """See the module. `weight`: the aggregator's."""

    hears: tuple[type[Event], ...] = (ev.Projected, ev.AverageTested, ev.MessageReceived)

    def __init__(
        self, setting: Setting, limits: WireLimits, weight: Callable[[float, float], float]
    ) -> None:
        self._setting = setting
        self._limits = limits
        self._weight = weight
        self._bases: dict[Digest, Base] = {}
        self._result_norms: dict[Digest, tuple[float, ...]] = {}
        self._tested: dict[tuple[PeerId, Digest, int], AverageTested] = {}

    def saw(self, host: Host, before: Base, event: Event, now: float) -> None:  # noqa: ARG002 - the interface
        """Norms of aggregates, tests of averages, and what the peer made of them."""
        match event:
            case ev.Projected(head=head, result_norms=norms) if head == before.head:
                self._bases[head] = before
                self._result_norms[head] = norms
            case ev.AverageTested(head=head, part=part):
                self._tested[host.me, head, part] = event
            case ev.MessageReceived(signed=signed) if before.matters:
                self._hear(host.me, before, signed)
            case _:
                pass

    def _hear(self, me: PeerId, before: Base, signed: Signed) -> None:
        """Its own CHECK comes back to it."""
        if (signed.sender, signed.stage, signed.head) != (me, Stage.CHECK, before.head):
            return
        check = read(signed, self._limits)
        by_name = {matter.name: matter for matter in before.matters}
        for finding in check.findings if isinstance(check, Check) else ():
            matter = by_name.get(finding.matter)
            if matter is not None and finding.guilt is not Guilt.LACKING:
                self._judge(me, matter, guilty=finding.guilt is Guilt.GUILTY)

    def _judge(self, me: PeerId, matter: Matter, *, guilty: bool) -> None:
        accusation = matter.accusation
        head, part = accusation.attempt, accusation.part
        tested = self._tested.get((me, head, part))
        if accusation.fault is not FaultKind.WRONG_AVERAGE or tested is None:
            return
        tolerance = self._compute_tolerance(tested)
        ratio = tested.residual / tolerance
        if (not ratio <= FAR and not guilty) or (ratio <= 1 / FAR and guilty):
            found = "wrong" if guilty else "right"
            name, owner = self._setting.name(me), self._setting.name(accusation.accused)
            raise ViolationError(
                "averaging",
                f"{name} finds the aggregate of {owner} {found}, {ratio:.3g} times what rounding"
                " may leave",
            )

    def _compute_tolerance(self, tested: AverageTested) -> float:
        """Numerics, *The sum check*."""
        radius = self._bases[tested.head].radii[tested.part]
        weights = [self._weight(norm, radius) for norm in tested.norms]
        pulls = fsum(each * norm for each, norm in zip(weights, tested.norms, strict=True))
        slack = SUM_ROUNDING * fsum(weights) * self._result_norms[tested.head][tested.part]
        return UNIT * (SUM_PULL * pulls + slack) + SUM_PULL * FLOOR * len(tested.norms)
