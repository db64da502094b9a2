"""A peer that hears nothing for so long that the others go on without it learns that, and stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.core.plain import peer
from tests.core.timed import DELTA, Delivery, Timed
from zpeer.faults import FaultKind
from zpeer.signed import STEP_STAGES, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.core.timed import Sent
    from zpeer.ids import PeerId

FROZEN = 3
AWAKE = 400 * DELTA


class Gone(Timed):
    """What is sent to the frozen peer before it wakes lies in its sockets; who would answer it
    later has turned it away."""

    def delay(self, sender: PeerId, delivery: Delivery) -> Iterator[Sent]:
        if AWAKE not in self.frozen.get(delivery.to, ()) or self.now < AWAKE:
            yield from super().delay(sender, delivery)


@pytest.mark.parametrize("n", [4, 5, 8])
@pytest.mark.parametrize("stage", STEP_STAGES)
def test_a_peer_that_was_frozen_and_is_answered_by_nobody_learns_that_it_was_removed(
    n: int, stage: Stage
) -> None:
    net = Gone(n)
    toy = net.toy(FROZEN)

    def is_in_stage() -> bool:
        attempt = toy.core._context.state.attempt
        return attempt is not None and attempt.stage is stage

    net.run_while(lambda: not is_in_stage())
    net.frozen[peer(FROZEN)] = (net.now, AWAKE)
    net.run()
    assert toy.stop is not None
    assert (toy.stop.code, toy.stop.fault) == (4, FaultKind.SILENT), toy.stop
    others = [other for other in net.honest() if other is not toy]
    assert {other.stop.code for other in others if other.stop} == {0}
    heads = {record.head for record in toy.records}
    assert heads <= {record.head for record in others[0].records}
