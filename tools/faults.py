"""What can happen to processes and networks, and what must become of a run in which it does.

Of 8 peers F = 3 may be faulty in any way. `run.patience` is 2 s here, so Delta, within which a
message between honest peers must arrive, is a third of a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tools.namespaces import Switch
from tools.relay import Line, Relay

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tools.scene import Scene, Script, Wait

PEERS = 8
FAULTY = 3
NAMES = tuple(f"peer-{place}" for place in range(PEERS))
ONE, ANOTHER = "peer-3", "peer-4"
SOME = ("peer-3", "peer-4", "peer-5")
OTHERS = tuple(name for name in NAMES if name not in SOME)
PATIENCE = 2.0
DELTA = PATIENCE / 6
USUAL_PATIENCE = 10.0
"""What a run has that says nothing else."""
WARM_UP = 10
"""Steps before anything is done."""
GONE_S = 12.0
"""Longer than any deadline and the slow path together, and than a cut-off peer tries to go on."""

FINISHED, REMOVED, CUT_OFF, KILLED = 0, 4, 5, -9


class Fault(NamedTuple):
    """One thing that happens."""

    label: str
    script: Script
    seconds: float
    """How long it lasts, at most; the run goes on for longer."""
    fates: Mapping[str, tuple[int, ...]] = {}
    """Exit codes that those it strikes may end with; all others finish."""
    kind: type[Relay | Switch] | None = None
    patience: float = PATIENCE


# --- processes ------------------------------------------------------------------------------------


def nothing(scene: Scene) -> Iterator[Wait]:
    """To know how long a step takes."""
    yield scene.at_step(WARM_UP)
    scene.begin()


def kill(*names: str) -> Script:
    """`kill -9`, all at once."""

    def script(scene: Scene) -> Iterator[Wait]:
        yield scene.at_step(WARM_UP)
        scene.begin()
        scene.kill(*names)
        yield scene.someone_waits

    return script


def kill_in_slow_path(scene: Scene) -> Iterator[Wait]:
    """Two more die while the others agree on who is gone."""
    yield scene.at_step(WARM_UP)
    scene.begin()
    scene.kill(SOME[0])
    yield scene.someone_waits
    scene.kill(SOME[1])
    yield 2 * DELTA
    scene.kill(SOME[2])
    scene.end()


def freeze_in_slow_path(scene: Scene) -> Iterator[Wait]:
    """One dies, and another freezes while they agree on that, until they have gone on."""
    yield scene.at_step(WARM_UP)
    scene.begin()
    scene.kill(ONE)
    yield scene.someone_waits
    scene.freeze(ANOTHER)
    yield scene.has_left(ANOTHER)
    scene.thaw(ANOTHER)
    scene.end()


def freeze(seconds: float, *names: str) -> Script:
    """SIGSTOP, later SIGCONT."""

    def script(scene: Scene) -> Iterator[Wait]:
        yield scene.at_step(WARM_UP)
        scene.begin()
        scene.freeze(*names)
        yield seconds
        scene.thaw(*names)
        scene.end()

    return script


# --- networks -------------------------------------------------------------------------------------


def reset(times: int, every_s: float, *names: str) -> Script:
    """Connections break, again and again: of these peers, or all."""

    def script(scene: Scene) -> Iterator[Wait]:
        yield scene.at_step(WARM_UP)
        scene.begin()
        for _ in range(times):
            scene.relay.reset(*names)
            yield every_s
        scene.end()

    return script


def forget(*names: str) -> Script:
    """Connections of these peers, or all, die without a word."""

    def script(scene: Scene) -> Iterator[Wait]:
        yield scene.at_step(WARM_UP)
        scene.begin()
        scene.relay.forget(*names)
        yield scene.at_step(WARM_UP + 2)
        scene.end()

    return script


def impair(line: Line, seconds: float) -> Script:
    """All lines are bad for a while."""

    def script(scene: Scene) -> Iterator[Wait]:
        yield scene.at_step(WARM_UP)
        scene.begin()
        scene.network.impair(line)
        yield seconds
        scene.network.impair(Line())
        scene.end()

    return script


def part(seconds: float, *groups: tuple[str, ...]) -> Script:
    """The network falls apart, and heals."""

    def script(scene: Scene) -> Iterator[Wait]:
        yield scene.at_step(WARM_UP)
        scene.begin()
        scene.network.part(*groups)
        yield seconds
        scene.network.heal()
        scene.end()

    return script


def make_faults(packets: bool) -> list[Fault]:
    """All of them; `packets`: whether the network can be made of packets."""
    net: type[Relay | Switch] = Switch if packets else Relay
    gone, lost = (REMOVED,), (REMOVED, CUT_OFF)
    halves = NAMES[:4], NAMES[4:]
    pair = [tuple(n for n in NAMES if n != each) for each in SOME[:2]]
    return [
        Fault("kill -9 of one", kill(ONE), 8, {ONE: (KILLED,)}),
        Fault(f"kill -9 of {FAULTY}", kill(*SOME), 8, dict.fromkeys(SOME, (KILLED,))),
        Fault(
            "kill -9 of one, of two more in the slow path",
            kill_in_slow_path,
            12,
            dict.fromkeys(SOME, (KILLED,)),
        ),
        Fault(
            "kill -9 of one, SIGSTOP of another in the slow path",
            freeze_in_slow_path,
            20,
            {ONE: (KILLED,), ANOTHER: gone},
        ),
        Fault("SIGSTOP of one for Delta / 2", freeze(DELTA / 2, ONE), 2),
        Fault("SIGSTOP of one for 4 Delta", freeze(4 * DELTA, ONE), 3),
        Fault(f"SIGSTOP of {FAULTY} for 4 Delta", freeze(4 * DELTA, *SOME), 3),
        Fault(f"SIGSTOP of all {PEERS} for 5 s", freeze(5.0, *NAMES), 7),
        Fault("SIGSTOP of one for 12 s", freeze(GONE_S, ONE), GONE_S + 4, {ONE: gone}),
        Fault(
            f"SIGSTOP of {FAULTY} for 12 s",
            freeze(GONE_S, *SOME),
            GONE_S + 4,
            dict.fromkeys(SOME, gone),
        ),
        Fault("resets of one peer's connections, 12 in 6 s", reset(12, 0.5, ONE), 8, kind=Relay),
        Fault("resets of all connections, 10 in 10 s", reset(10, 1.0), 12, kind=Relay),
        Fault(
            f"connections of all dead without a word, patience {USUAL_PATIENCE:.0f} s",
            forget(),
            12,
            kind=Relay,
            patience=USUAL_PATIENCE,
        ),
        Fault("25 ms, 1% of packets lost, for 8 s", impair(Line(0.025, 0.01), 8), 10, kind=net),
        Fault("3 and 5 peers apart for 3 Delta", part(3 * DELTA, SOME, OTHERS), 4, kind=net),
        Fault(
            "3 and 5 peers apart for 12 s",
            part(GONE_S, SOME, OTHERS),
            GONE_S + 4,
            dict.fromkeys(SOME, lost),
            kind=net,
        ),
        Fault(
            "4 and 4 peers apart for 20 s",
            part(20, *halves),
            22,
            dict.fromkeys(NAMES, (CUT_OFF,)),
            kind=net,
        ),
        Fault("no way between two peers for 8 s", part(8, *pair), 12, kind=net),
    ]
