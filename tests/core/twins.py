"""Peers that live twice: two honest cores under one key, each shown to a part of the others.

So a liar's stories are whole: each hangs together, whoever looks at it alone.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tests.core.plain import peer
from tests.core.shell import Toy
from tests.core.timed import Delivery, Stream, Timed, attempt_of
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.ids import digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.core.timed import Sent
    from zpeer.ids import PeerId

WHOLE, BY_STAGE = 99, 1
"""How many stages a split of the others lasts."""


class Second(Toy):
    """The other life: with secrets of its own."""

    def compute(self, effect: fx.Computation) -> ev.Event:
        if isinstance(effect, fx.DrawSecret):
            return ev.SecretDrawn(effect.head, digest("second secret", self.me, effect.place))
        return super().compute(effect)


class Twins(Timed):
    """A timed run in which some peers live twice, for so many records."""

    def __init__(
        self, n: int, *, seed: int, doubled: Iterable[int], lives: int, **rest: Any
    ) -> None:
        super().__init__(n, seed=seed, **rest)
        self.seed = seed
        self.lives = lives
        self.stages = Stream("twins", seed).pick((WHOLE, WHOLE, 2, BY_STAGE))
        self.second = {peer(i): Second(self.genesis, peer(i), self.toy(i).clip.radius(1.0))
                       for i in doubled}  # fmt: skip
        self.speaking: Toy | None = None
        for each in self.second:
            self.minds[each] = self.speak

    def reach(self, toy: Toy, event: ev.Event, data: bytes) -> None:
        """Both hear what others say; each hears itself alone."""
        super().reach(toy, event, data)
        twin = self.second.get(toy.me)
        if twin is not None and not is_own(event, toy.me):
            super().reach(twin, event, data)

    def deliver(self, toy: Toy, event: ev.Event) -> None:
        """Remember who speaks."""
        before = self.speaking
        self.speaking = toy if toy is self.second.get(toy.me) else None
        super().deliver(toy, event)
        self.speaking = before

    def at(self, time: float, delivery: Delivery, order: int = 0) -> None:
        """What the second one does for itself stays with it."""
        twin = self.speaking
        if twin is not None and delivery.to == twin.me:
            self.later(time, partial(self.happen, twin, delivery))
        else:
            super().at(time, delivery, order)

    def happen(self, twin: Toy, delivery: Delivery) -> None:
        """Something of its own comes to the second one."""
        if not isinstance(delivery.event, ev.TimerFired):
            super().reach(twin, delivery.event, delivery.data)
        elif twin.timer <= self.now:
            twin.timer = float("inf")
            self.deliver(twin, delivery.event)

    def speak(self, net: Timed, toy: Toy, delivery: Delivery) -> list[Sent] | None:
        """Each of the two speaks to its part of the others."""
        is_second = toy is self.second[toy.me]
        if len(toy.records) >= self.lives:
            return [] if is_second else None
        attempt = attempt_of(toy)
        where = (self.seed, toy.me[0], attempt.base.step, attempt.base.attempt)
        stream = Stream(*where, attempt.stage // self.stages)
        part = stream.some(net.genesis.peers)
        return None if (delivery.to in part) != is_second else []


def is_own(event: ev.Event, me: PeerId) -> bool:
    """Whether a peer hears of itself."""
    if isinstance(event, ev.MessageReceived):
        return event.signed.sender == me
    return isinstance(
        event,
        (
            ev.SecretDrawn,
            ev.PartsComputed,
            ev.PartAggregated,
            ev.Projected,
            ev.Recomputed,
            ev.BlobProjected,
            ev.AverageTested,
            ev.Updated,
        ),
    )
