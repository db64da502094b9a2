"""The tensor store: bytes of gradients, parts and results, by attempt head, peer and digest.

The core speaks of tensors by name; here they lie. Bounded, whatever a peer sends (protocol, section
8): of each (kind, sender) the first PART or RESULT of the present head and the first one of a head
to come (an honest peer is at most one ahead), of published bytes so many a sender. What is
over is dropped and counted, and the core never hears of it: what it was told of lies here until
`release` names its head, or the bytes themselves. It may be told of the same bytes again while its
word to let them go is under way: then they stay, since it has yet to hear that.

Filled and emptied by the worker alone, in the order of its jobs; others only look things up.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

from zpeer.ids import Digest, PeerId, digest_bytes
from zpeer.numerics.dealing import ITEM, from_bytes, is_finite
from zpeer.parts import Bulk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import EllipsisType

    from zpeer.interfaces import Float32

Bytes = bytes | memoryview
"""A tensor as it travels: little-endian float32."""

HEADS_REMEMBERED = 64
"""Past heads known by name; what comes for an older one takes its sender's own slot for heads to
come.
"""


class Held:
    """Bytes with their digest, and the numbers in them: hashed once, looked through once."""

    __slots__ = ("_numbers", "data", "digest", "size_bytes")

    def __init__(self, digest: Digest, data: Bytes) -> None:
        self.digest = digest
        self.data = data
        self.size_bytes = memoryview(data).nbytes
        self._numbers: Float32 | EllipsisType | None = ...  # not looked at yet

    @property
    def numbers(self) -> Float32 | None:
        """The bytes as finite numbers, shape (size_bytes / 4,); None if they are not."""
        if self._numbers is ...:
            numbers = None if self.size_bytes % ITEM else from_bytes(self.data)
            self._numbers = None if numbers is None or not is_finite(numbers) else numbers
        return self._numbers


def hold(data: Bytes) -> Held:
    """Hash bytes."""
    return Held(digest_bytes(data), data)


class Early(NamedTuple):
    """What came for a head that is not known yet."""

    head: Digest
    held: Held


class Published(NamedTuple):
    """Bytes that came by their digest."""

    sender: PeerId
    """Who sent them first: they count as its own."""
    held: Held
    told: int
    """Which of all the times that the core was told of such bytes was the last for these."""


class TensorStore:
    """All bulk bytes of one peer. `blob_bytes_max`: published bytes held of one sender."""

    def __init__(self, me: PeerId, head: Digest, blob_bytes_max: int) -> None:
        self._me = me
        self._head = head
        self._past: deque[Digest] = deque(maxlen=HEADS_REMEMBERED)
        self._blob_bytes_max = blob_bytes_max
        self._own: dict[Digest, tuple[Held, ...]] = {}
        self._arrived: dict[tuple[Digest, Bulk, PeerId], Held] = {}
        self._early: dict[tuple[Bulk, PeerId], Early] = {}
        self._blobs: dict[Digest, Published] = {}
        self._told = 0
        self.dropped: Counter[PeerId] = Counter()
        """Arrivals refused for want of a slot, by sender."""

    # --- what arrives -----------------------------------------------------------------------------

    def is_welcome(self, kind: Bulk, head: Digest, sender: PeerId) -> bool:
        """Whether a PART or RESULT has a slot; asked before its bytes are opened and hashed."""
        if head == self._head:
            welcome = (head, kind, sender) not in self._arrived
        else:
            welcome = head not in self._past and (kind, sender) not in self._early
        self.dropped[sender] += not welcome
        return welcome

    def arrive(self, kind: Bulk, head: Digest, sender: PeerId, held: Held) -> None:
        """Take a welcome PART or RESULT."""
        if head == self._head:
            self._arrived[head, kind, sender] = held
        else:
            self._early[kind, sender] = Early(head, held)

    def place(self, head: Digest, kind: Bulk, sender: PeerId, name: Digest) -> None:
        """Put bytes held under their digest where the PART or RESULT of a sender belongs, instead
        of what it sent itself. There they stay until the head is released."""
        held = self.find_held(name)
        assert held is not None, "the core places only bytes it was told of"
        self._arrived[head, kind, sender] = held

    def publish(self, sender: PeerId, held: Held) -> bool:
        """Take published bytes, of which the core is told now; False where the sender has too many
        here already."""
        known = self._blobs.get(held.digest)
        if known is None and self._size_of(sender) + held.size_bytes > self._blob_bytes_max:
            self.dropped[sender] += 1
            return False
        self._told += 1
        first = Published(sender, held, self._told)
        self._blobs[held.digest] = first if known is None else known._replace(told=self._told)
        return True

    def _size_of(self, sender: PeerId) -> int:
        """Bytes held of what a sender published."""
        held = (each.held for each in self._blobs.values() if each.sender == sender)
        return sum(each.size_bytes for each in held)

    def put_own(self, head: Digest, parts: Sequence[Held]) -> None:
        """My gradient of an attempt, dealt."""
        self._own[head] = tuple(parts)

    def put_result(self, head: Digest, held: Held) -> None:
        """The aggregate of my part."""
        self._arrived[head, Bulk.RESULT, self._me] = held

    # --- looking up -------------------------------------------------------------------------------

    def own(self, head: Digest, part: int) -> Held:
        """One part of my gradient."""
        return self._own[head][part]

    def row(self, head: Digest, sender: PeerId, part: int) -> Held:
        """A worker's row of my part `part`; my own one too."""
        return (
            self.own(head, part) if sender == self._me else self._arrived[head, Bulk.PART, sender]
        )

    def result(self, head: Digest, owner: PeerId) -> Held:
        """The aggregate that an owner sent."""
        return self._arrived[head, Bulk.RESULT, owner]

    def find(self, name: Digest) -> Bytes | None:
        """Any bytes held, by digest."""
        held = self.find_held(name)
        return None if held is None else held.data

    def find_held(self, name: Digest) -> Held | None:
        """The same, with what is known of them."""
        published = self._blobs.get(name)
        if published is not None:
            return published.held
        return next((held for held in self._all() if held.digest == name), None)

    def _all(self) -> Iterator[Held]:
        # Copies, because the loop may look while the worker fills; and what came early first,
        # because `adopt` moves it into what has arrived.
        for early in list(self._early.values()):
            yield early.held
        yield from list(self._arrived.values())
        for parts in list(self._own.values()):
            yield from parts

    @property
    def size_bytes(self) -> int:
        """Bytes held; those with several names count once for each."""
        blobs = [each.held for each in self._blobs.values()]
        return sum(held.size_bytes for held in [*self._all(), *blobs])

    # --- what goes --------------------------------------------------------------------------------

    def adopt(self, head: Digest) -> None:
        """Put what came early for a final record's head in place, drop what came for others."""
        self._past.append(self._head)
        self._head = head
        for (kind, sender), early in self._early.items():
            if early.head == head:
                self._arrived.setdefault((head, kind, sender), early.held)
        self._early = {}

    def release(self, heads: Iterable[Digest], blobs: Iterable[Digest], told: int) -> None:
        """Let go of attempts and published bytes that nothing rests on any longer, as far as the
        core knew when it had been told of such bytes `told` times."""
        gone = set(heads)
        self._own = {head: parts for head, parts in self._own.items() if head not in gone}
        self._arrived = {key: held for key, held in self._arrived.items() if key[0] not in gone}
        for name in blobs:
            known = self._blobs.get(name)
            if known is not None and known.told <= told:
                del self._blobs[name]
