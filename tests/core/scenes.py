"""Scenes of timed runs: what is looked at, and what happens when an honest peer does something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.core.checkers import Watch, check_end
from tests.core.forging import make_view, tell
from tests.core.plain import peer, sign
from tests.core.timed import DELTA, MOST, Delivery, Stream, Timed, attempt_of
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.messages import View
from zpeer.signed import Signed, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.core.shell import Toy
    from zpeer.ids import Digest, PeerId
    from zpeer.record import Record

FIRST_ROUND = 4 * DELTA


def most_delay(stream: Stream, sender: PeerId, to: PeerId) -> float:
    """As long as it may take."""
    return MOST


def steady(stream: Any, sender: PeerId, to: PeerId) -> float:
    """All peers see everything at once, and come to their deadlines together."""
    return 0.01


class Clock:
    """When honest peers joined calls and ended attempts, by head."""

    def __init__(self, net: Timed) -> None:
        self.joined: dict[Digest, dict[PeerId, float]] = {}
        self.ended: dict[Digest, dict[PeerId, float]] = {}
        net.watchers.append(self)

    def __call__(self, net: Timed, toy: Toy, event: ev.Event, effects: list[Any]) -> None:
        for effect in effects if toy.me not in net.minds else ():
            if isinstance(effect, fx.Broadcast) and effect.stage is Stage.VIEW:
                self.joined.setdefault(effect.head, {})[toy.me] = net.now
            elif isinstance(effect, fx.Decide):
                self.ended.setdefault(effect.record.previous, {})[toy.me] = net.now

    def lengths(self, head: Digest) -> list[float]:
        """How long each honest peer's slow path took."""
        return [self.ended[head][me] - at for me, at in self.joined[head].items()]


def on_join(net: Timed, i: int, do: Callable[[float], None]) -> None:
    """Call `do(when)` once, when peer i joins in the first attempt."""
    done: list[float] = []

    def watch(net: Timed, toy: Toy, event: ev.Event, effects: list[Any]) -> None:
        said = [e.stage for e in effects if isinstance(e, fx.Broadcast)]
        if toy.me == peer(i) and Stage.VIEW in said and not done:
            done.append(net.now)
            do(net.now)

    net.watchers.append(watch)


def on_closed(net: Timed, i: int, do: Callable[[Signed], None]) -> None:
    """Call `do(its CLOSED)` when peer i closes in the first attempt."""

    def watch(net: Timed, toy: Toy, event: ev.Event, effects: list[Any]) -> None:
        for e in effects:
            is_first = isinstance(e, fx.Broadcast) and e.head == net.genesis.run
            if toy.me == peer(i) and is_first and e.stage is Stage.CLOSED:
                do(sign(e.stage, e.head, toy.me, e.payload))

    net.watchers.append(watch)


def view_of(net: Timed, i: int, waits_for: tuple[int, ...] = (), **changes: Any) -> Signed:
    """A view of peer i in the first attempt, as its core has it by now."""
    claims = tuple(peer(c) for c in waits_for)
    made = make_view(net.toy(i), net.genesis.run, **{"claims": claims, **changes})
    assert made is not None, "its core is elsewhere"
    return made


def call(net: Timed, view: Signed) -> None:
    """Show all a view; its signer's core says nothing else."""
    net.instead[view.sender, view.head, Stage.VIEW] = lambda _: view.payload
    for to in net.toys:
        net.at(net.now, tell(to, view))


def ask_nobody_for(net: Timed, i: int, stage: Stage) -> None:
    """Peer i asks nobody for a stage before it is stuck: as if its questions were too late."""
    real = net.send

    def send(toy: Toy, delivery: Delivery) -> None:
        event = delivery.event
        is_question = isinstance(event, ev.SetRequested) and event.stage is stage
        if not (is_question and toy.me == peer(i) and attempt_of(toy).slow is None):
            real(toy, delivery)

    net.send = send  # type: ignore[method-assign]


def as_it_is(net: Timed, toy: Toy, delivery: Delivery) -> None:
    """A mind that does nothing: Byzantine by name, or by what a test does for it."""


def calls(net: Timed) -> dict[int, tuple[int, ...]]:
    """Whom each honest peer claims in the first attempt, filled while the run goes."""
    said: dict[int, tuple[int, ...]] = {}

    def watch(net: Timed, toy: Toy, event: ev.Event, effects: list[Any]) -> None:
        for e in effects if toy.me not in net.minds else ():
            if isinstance(e, fx.Broadcast) and (e.stage, e.head) == (Stage.VIEW, net.genesis.run):
                view = toy.core._context.decode(sign(e.stage, e.head, toy.me, e.payload))
                assert isinstance(view, View)
                said[toy.me[0]] = tuple(p[0] for p in view.claims)

    net.watchers.append(watch)
    return said


def hold(net: Timed) -> list[Record]:
    """Run to the end; whatever the minds do, honest peers agree and keep their places."""
    Watch(net)
    net.run()
    return check_end(net)


def departures(records: Iterable[Record]) -> dict[int, str]:
    """Who left, and why."""
    return {d.peer[0]: d.fault.name for record in records for d in record.departures}
