"""Small plans, what honest peers decided in a run of one, and stand-ins for what checkers ask."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple, get_args

from zpeer.events import Event
from zpeer.simulate.plan import Plan
from zpeer.simulate.promises.verdicts import Decision, Idle, Setting
from zpeer.simulate.running import Run

if TYPE_CHECKING:
    from zpeer.core.state import Base
    from zpeer.ids import Digest, PeerId
    from zpeer.simulate.host import Host

SMALL = Plan(seed=7, members=(0, 1, 2, 3, 4), steps=4, dimension=24)


class Story(Idle):
    """A checker that remembers what it was told."""

    hears = get_args(Event)

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self.events: list[tuple[PeerId, Base, Event]] = []

    def saw(self, host: Host, before: Base, event: Event, now: float) -> None:
        self.events.append((host.me, before, event))

    def decided(self, decision: Decision) -> None:
        self.decisions.append(decision)


class Told(NamedTuple):
    """A run that has ended well, and all that its checkers were told."""

    run: Run
    setting: Setting
    story: Story


@cache
def tell(plan: Plan = SMALL) -> Told:
    """Run a plan, once for all tests."""
    with TemporaryDirectory() as directory:
        run = Run(plan, Path(directory))
        story = Story()
        run.judges.add(story)
        outcome = run.run()
    assert outcome.failure is None, outcome.failure
    return Told(run, run.judges.setting, story)


class StandInFiles:
    """Parameters."""

    def __init__(self, digest: Digest) -> None:
        self.digest = digest


class StandInStore:
    """A tensor store of some size."""

    def __init__(self, size_bytes: int = 0) -> None:
        self.size_bytes = size_bytes


class StandInPeer:
    """What checkers look at of a peer."""

    def __init__(self, parameters: Digest, size_bytes: int) -> None:
        self.files = StandInFiles(parameters)
        self.store = StandInStore(size_bytes)


class StandInCore:
    """A core with a state of some size."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes

    def snapshot(self) -> bytes:
        return bytes(self._size_bytes)


class StandInHost:
    """A host as checkers see it."""

    is_idle = True

    def __init__(
        self, me: PeerId, parameters: Digest, *, store: int = 0, state: int = 0, sent: int = 0
    ) -> None:
        self.me = me
        self.peer = StandInPeer(parameters, store)
        self.core = StandInCore(state)
        self.sent_bytes = sent
