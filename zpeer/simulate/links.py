"""The network between peers that are all well, and what goes wrong with it.

The protocol assumes that a message between honest peers arrives within Delta (section 5). So here
delays and partitions that hold messages back stay below Delta together, and only a `Break` loses
anything: it makes one of its peers a faulty one, since what is lost on the way to an honest peer
may be what another honest peer relies on (a chain of signatures in the last round of the slow
path, say), whether or not asking would have brought most of it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zpeer.ids import PeerId
    from zpeer.simulate.host import Parcel
    from zpeer.simulate.plan import Network
    from zpeer.simulate.streams import Entropy, Stream

Pair = tuple["PeerId", "PeerId"]


class Interval(NamedTuple):
    """A stretch of virtual time."""

    start: float
    end: float


class Partition(NamedTuple):
    """Two sides that do not hear each other for a while."""

    interval: Interval
    side: frozenset[PeerId]

    def parts(self, pair: Pair) -> bool:
        """Whether the two are on different sides."""
        return (pair[0] in self.side) != (pair[1] in self.side)


class Links:
    """When what is sent arrives. `delta` in seconds."""

    def __init__(self, network: Network, delta: float, entropy: Entropy) -> None:
        self._network = network
        self._delta = delta
        self._entropy = entropy
        self._least = network.latency_min * delta
        self._span = (network.latency_max - network.latency_min) * delta
        self._streams: dict[Pair, Stream] = {}
        self._last: dict[Pair, float] = {}
        self._partitions: list[Partition] = []
        self._breaks: defaultdict[Pair, list[Interval]] = defaultdict(list)

    def arrivals(self, sender: PeerId, to: PeerId, now: float) -> tuple[float, ...]:
        """When a message arrives: once, or twice where it is doubled."""
        pair = (sender, to)
        stream = self._streams.get(pair)
        if stream is None:
            stream = self._streams[pair] = self._entropy.stream("delay", sender, to)
        at = now + self._least + self._span * stream.share()
        if self._partitions:
            at = self._hold(pair, now, at)
        if self._network.fifo:
            at = max(at, self._last.get(pair, at))
            self._last[pair] = at
        if self._network.duplicates and stream.chance(self._network.duplicates):
            return at, at + self._least + self._span * stream.share()
        return (at,)

    def _hold(self, pair: Pair, now: float, at: float) -> float:
        """What crosses a partition waits for its end, but never longer than Delta in all."""
        for partition in self._partitions:
            interval = partition.interval
            if interval.start < at and now < interval.end and partition.parts(pair):
                at = max(at, interval.end)
        return min(at, now + self._delta)

    @property
    def has_broken(self) -> bool:
        """Whether any connection ever was gone."""
        return bool(self._breaks)

    def is_lost(self, parcel: Parcel, at: float) -> bool:
        """Whether the connection was gone at some time while the message was under way."""
        gone = self._breaks.get((parcel.sender, parcel.to), ())
        return any(interval.start <= at and parcel.sent <= interval.end for interval in gone)

    def hold(self, start: float, seconds: float, side: Iterable[PeerId]) -> None:
        """Part one side from the other; nothing is lost."""
        self._partitions = [each for each in self._partitions if each.interval.end > start]
        self._partitions.append(Partition(Interval(start, start + seconds), frozenset(side)))

    def cut(self, start: float, seconds: float, peer: PeerId, others: Iterable[PeerId]) -> None:
        """Break connections of a peer, in both directions; what is on them is lost."""
        for other in others:
            interval = Interval(start, start + seconds)
            self._breaks[peer, other].append(interval)
            self._breaks[other, peer].append(interval)
