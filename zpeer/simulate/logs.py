"""Logs of honest peers of a simulated run, which `zpeer replay` opens like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.recorded.recording import Recorder, choose, make_header
from zpeer.simulate.ingredients import AGGREGATOR, POLICY, make_ingredients, make_keys
from zpeer.simulate.running import run_plan
from zpeer.simulate.task import Quadratic

if TYPE_CHECKING:
    from pathlib import Path

    from zpeer.core.machine import Core
    from zpeer.simulate.host import Host
    from zpeer.simulate.plan import Plan
    from zpeer.simulate.running import Outcome


def run_with_logs(plan: Plan, directory: Path) -> Outcome:
    """Run a plan again, with a log of each honest peer in `directory`/logs."""
    keys = make_keys(plan)
    shared = make_ingredients(plan, keys, Quadratic(plan.dimension))
    genesis = shared.genesis
    public = keys.public if plan.real_signatures else {}
    recorders: list[Recorder] = []

    def record(host: Host, core: Core) -> Recorder:
        header = make_header(
            genesis,
            host.me,
            keys=public,
            aggregator=choose(AGGREGATOR, {}, shared.aggregator),
            policy=choose(POLICY, {}, shared.policy),
        )
        name = genesis.names[plan.members.index(host.number)]
        recorders.append(Recorder(directory / "logs" / name, header, core.snapshot()))
        return recorders[-1]

    try:
        return run_plan(plan, record=record, keep=directory / "state")
    finally:
        for recorder in recorders:
            recorder.close()
