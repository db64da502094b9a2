"""CheckAveraging: most say that a part lies far from its rows, and everybody looks at the rows."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tests.core.lies import (
    attempt_of,
    check_caught,
    check_honest,
    dropping,
    saying,
)
from tests.core.plain import peer
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer.faults import FaultKind
from zpeer.messages import Guilt
from zpeer.record import Outcome
from zpeer.signed import Stage


def test_an_honest_step_beyond_the_limit_goes_on_with_room_and_its_peers_are_drawn() -> None:
    ring = Ring(5, steps=2, delta_multiple=0.05).run()
    records = check_honest(ring)
    assert not any(r.departures for r in records)
    outcomes = [r.outcome for r in records if r.step == 0]
    assert outcomes == [Outcome.VOID, Outcome.VOID, Outcome.COUNTED]
    assert [m.accusation.fault for m in records[0].matters] == [FaultKind.WRONG_AVERAGE] * 5
    assert records[1].delta_floor > 0.05
    assert records[2].delta_floor == 0  # for the rest of this step alone
    drawn = {d.target for d in records[1].draws if d.attempt == ring.genesis.run}
    assert drawn == set(ring.genesis.peers)
    assert not any(d.counted for d in records[1].draws)


def test_who_lets_most_lack_its_part_is_removed_and_the_owner_with_it() -> None:
    quiet = dropping(fx.SendBlob)
    ring = Ring(7, steps=2, delta_multiple=0.05, tampers={1: quiet, 2: quiet}).run()
    fault = FaultKind.PARTS_NOT_PUBLISHED
    records = check_caught(ring, {1: fault, 2: fault})
    assert {d.part for d in records[1].departures} <= {1, 2}


def test_an_owner_publishes_for_who_does_not() -> None:
    ring = Ring(5, steps=2, delta_multiple=0.05, tampers={1: dropping(fx.SendBlob)})
    fault = FaultKind.PARTS_NOT_PUBLISHED
    records = check_caught(ring.run(), {1: fault})  # only over the part that it owns itself
    assert [d.part for r in records for d in r.departures] == [1]


def test_a_name_cannot_be_lacking_more_than_once_a_finding() -> None:
    """Else one liar alone would get an honest peer removed."""

    def repeat(toy: Toy, message: Any) -> Any:
        if not message.findings:
            return None
        named = (peer(0),) * len(attempt_of(toy).base.roster)
        findings = tuple(replace(f, guilt=Guilt.LACKING, lacking=named) for f in message.findings)
        return replace(message, findings=findings)

    tampers = {1: saying(Stage.CHECK, repeat)}
    ring = Ring(5, steps=2, delta_multiple=0.05, tampers=tampers).run()
    check_caught(ring, {1: FaultKind.INVALID_BODY})


def test_a_minority_that_lacks_everything_removes_nobody_and_cannot_keep_a_matter_open() -> None:
    def lack(toy: Toy, message: Any) -> Any:
        if not message.findings:
            return None
        findings = tuple(
            replace(f, guilt=Guilt.LACKING, lacking=(peer(0), peer(3))) for f in message.findings
        )
        return replace(message, findings=findings)

    tampers = {i: saying(Stage.CHECK, lack, times=99) for i in (1, 2)}
    records = check_honest(Ring(5, steps=2, delta_multiple=0.05, tampers=tampers).run())
    assert not any(r.departures for r in records)


def test_an_averaging_is_ended_by_no_time() -> None:
    """Two of four lack bytes for five records, two decide: neither is more than half."""

    def lack(toy: Toy, message: Any) -> Any:
        if not message.findings:
            return None
        findings = tuple(
            replace(f, guilt=Guilt.LACKING, lacking=(peer(0),)) for f in message.findings
        )
        return replace(message, findings=findings)

    tampers = {i: saying(Stage.CHECK, lack, times=5) for i in (1, 2)}
    ring = Ring(4, steps=1, delta_multiple=0.05, tampers=tampers).run()
    records = check_honest(ring)
    assert not any(r.departures for r in records)
    assert max(m.age for r in records for m in r.matters) == 5
