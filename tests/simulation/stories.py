"""Plays the true story of a run, or a doctored one, to a checker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from msgspec.structs import replace

from tests.simulation.small import SMALL, StandInHost, Told
from zpeer.simulate.pardon import Pardons
from zpeer.simulate.plan import Crash, Moment, Twins, change_plan
from zpeer.simulate.promises.verdicts import Checker, Decision, Setting, ViolationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zpeer.ids import PeerId
    from zpeer.simulate.host import Host


def setting_of(told: Told, *, byzantine: Sequence[int] = (), slow: Sequence[int] = ()) -> Setting:
    """The run with some of its peers called faulty."""
    when = Moment(peer=0, step=0, stage="COMMIT")
    plan = change_plan(
        SMALL,
        adversaries=tuple(Twins(each) for each in byzantine),
        faults=tuple(Crash(change_plan(when, peer=each)) for each in slow),
    )
    peers = told.run.universe.keys.peers
    return told.setting._replace(
        plan=plan,
        faulty=frozenset(peers[each] for each in (*byzantine, *slow)),
        byzantine=frozenset(peers[each] for each in byzantine),
        pardons=Pardons(0.0, frozenset()),
    )


def stand_in(decision: Decision, **sizes: int) -> Host:
    """The host of a decision at the moment of it: it holds what the record before named."""
    return cast("Host", StandInHost(decision.host.me, decision.before.parameters, **sizes))


def play(
    checker: Checker, told: Told, doctor: Callable[[Decision], Decision] | None = None, **sizes: int
) -> None:
    """Tell a checker the story, as somebody doctored it."""
    for decision in told.story.decisions:
        held = decision._replace(host=stand_in(decision, **sizes))
        checker.decided(doctor(held) if doctor else held)
    checker.finish()


def doctor_record(
    peer: PeerId | None, height: int, **changes: Any
) -> Callable[[Decision], Decision]:
    """Another record at one height: at one peer, or at all."""

    def doctor(decision: Decision) -> Decision:
        if decision.height != height or peer not in (None, decision.host.me):
            return decision
        return decision._replace(record=replace(decision.record, **changes))

    return doctor


def number(told: Told, place: int) -> PeerId:
    return told.run.universe.keys.peers[place]


def refuse(check: str, text: str = "") -> Any:
    return pytest.raises(ViolationError, match=f"(?s){check}.*{text}")
