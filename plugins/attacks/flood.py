"""More than anybody asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zpeer.conduct import SendBytes, SendSigned
from zpeer.effects import (
    PassOn,
    SendBlobRequest,
    SendCertificate,
    SendSet,
    SendSetRequest,
)
from zpeer.hookspecs import hookimpl
from zpeer.ids import Digest, digest, number
from zpeer.parts import Bulk
from zpeer.shell.reception import make_header
from zpeer.signed import STEP_STAGES, Signed, Stage

from ._colluder import Colluder
from ._speech import get_others, is_said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext

OVERSIZED = 1 << 22


class Flood(Colluder):
    """Sends `count` superfluous things to everybody in every attempt: `garbage` that is no message,
    `oversized` frames, validly `signed` words for heads that do not exist, `requests`, `replies`
    nobody asked for, `chains` and `certificates`, or `tensors`.

    Dropped at the door and counted, or one slot a sender: no memory grows. No fault in the
    protocol; the transport cuts off whose connection brings too much.
    """

    def __init__(
        self,
        kind: Literal[
            "garbage",
            "oversized",
            "signed",
            "requests",
            "replies",
            "chains",
            "certificates",
            "tensors",
        ] = "garbage",
        count: int = 100,
    ) -> None:
        self.kind = kind
        self.count = count

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """All of it before my COMMIT."""
        outgoing: list[Outgoing] = []
        for effect in super().effects(context, effects):
            if is_said(effect, Stage.COMMIT):
                outgoing += self._flood(context)
            outgoing.append(effect)
        return outgoing

    def _flood(self, context: AttackContext) -> Iterator[Outgoing]:
        others = get_others(context)
        make = MAKERS[self.kind]
        for place in range(self.count):
            name = digest("zpeer/attack/flood", context.head, number(place))
            yield from make(context, name, place, others)


def garbage(_context: AttackContext, name: Digest, _place: int, to: Peers) -> Iterator[Outgoing]:
    """Bytes of any length, headers that are none."""
    yield SendBytes(to, name[: 1 + name[0] % 32])
    yield SendBytes(to, name, header=name[: 1 + name[1] % 32])


def oversized(_context: AttackContext, name: Digest, _place: int, to: Peers) -> Iterator[Outgoing]:
    """Far more bytes than any message has."""
    yield SendBytes(to[:1], name * (OVERSIZED // len(name)))


def signed(context: AttackContext, name: Digest, place: int, to: Peers) -> Iterator[Outgoing]:
    """Good signatures, for nothing."""
    stages = (*STEP_STAGES, Stage.VIEW, Stage.CLOSED, Stage.DECIDED)
    yield SendSigned(to, context.sign(stages[place % len(stages)], name, name))


def requests(context: AttackContext, name: Digest, place: int, to: Peers) -> Iterator[Outgoing]:
    """Questions."""
    yield SendSetRequest(to[place % len(to)], context.head, STEP_STAGES[place % len(STEP_STAGES)])
    yield SendBlobRequest(name, to)


def replies(context: AttackContext, name: Digest, place: int, to: Peers) -> Iterator[Outgoing]:
    """Answers to none."""
    mine = context.sign(Stage.COMMIT, name, name)
    yield SendSet(to[place % len(to)], name, Stage.COMMIT, (mine,))


def chains(context: AttackContext, name: Digest, _place: int, to: Peers) -> Iterator[Outgoing]:
    """Views that nobody can read, with my own signature under them."""
    view = context.sign(Stage.VIEW, name, name)
    forged = Signed(Stage.VIEW, context.head, to[0], name, view.signature)
    yield PassOn(forged, (), to)
    yield PassOn(view, (), to)


def certificates(
    context: AttackContext, name: Digest, _place: int, to: Peers
) -> Iterator[Outgoing]:
    """Records that are none."""
    yield SendCertificate(to, name, (context.sign(Stage.DECIDED, name),)[:0])


def tensors(context: AttackContext, name: Digest, place: int, to: Peers) -> Iterator[Outgoing]:
    """Of this attempt and of others, of any length."""
    kind = (Bulk.PART, Bulk.RESULT, Bulk.BLOB)[place % 3]
    head = context.head if place % 2 else name
    yield SendBytes(to, name * (place % 64), make_header(kind, head))


if TYPE_CHECKING:
    from zpeer.ids import PeerId

    Peers = tuple[PeerId, ...]

MAKERS: dict[str, Callable[[AttackContext, Digest, int, Peers], Iterator[Outgoing]]] = {
    "garbage": garbage,
    "oversized": oversized,
    "signed": signed,
    "requests": requests,
    "replies": replies,
    "chains": chains,
    "certificates": certificates,
    "tensors": tensors,
}


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"flood": Flood}
