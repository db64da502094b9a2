"""Minds that do one thing: what a scripted test sets upon a timed run.

A mind says what becomes of each thing that a Byzantine peer's core sends; None leaves it to the
network. Unless said otherwise it does so in the first attempt alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from tests.core.forging import JUNK, last_moment, read, resign, say_otherwise, tell
from tests.core.plain import peer
from tests.core.timed import DELTA, Delivery, attempt_of
from zpeer import events as ev
from zpeer.ids import digest_bytes
from zpeer.signed import Signed, Stage
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from tests.core.shell import Toy
    from tests.core.timed import Mind, Sent, Timed
    from zpeer.messages import Message

    Deed = Callable[[Timed, Toy, Delivery, Signed], Iterable[Sent] | None]

EVERYBODY = range(99)


def all_of(*minds: Mind) -> Mind:
    """The first that has something to say about it says it."""

    def mind(net: Timed, toy: Toy, delivery: Delivery) -> Iterable[Sent] | None:
        answers = (each(net, toy, delivery) for each in minds)
        return next((sent for sent in answers if sent is not None), None)

    return mind


def saying(
    stages: Collection[Stage], do: Deed, to: Iterable[int] = EVERYBODY, *, always: bool = False
) -> Mind:
    """Do something with the words of some stages to some peers."""
    chosen = {peer(i) for i in to}

    def mind(net: Timed, toy: Toy, delivery: Delivery) -> Iterable[Sent] | None:
        event = delivery.event
        if not isinstance(event, ev.MessageReceived) or event.signed.stage not in stages:
            return None
        here = always or event.signed.head == net.genesis.run
        if not here or delivery.to not in chosen or event.signed.sender != toy.me:
            return None
        return do(net, toy, delivery, event.signed)

    return mind


def silent(*stages: Stage, to: Iterable[int] = EVERYBODY, always: bool = False) -> Mind:
    """Say nothing in some stages, to some peers."""
    return saying(stages, lambda net, toy, delivery, signed: [], to, always=always)


def late(*stages: Stage, to: Iterable[int] = EVERYBODY) -> Mind:
    """Speak just before the receiver's deadline."""
    return saying(
        stages,
        lambda net, toy, delivery, signed: [
            (last_moment(net, delivery.to, signed) - net.now, delivery)
        ],
        to,
    )


def two_faced(stage: Stage, to: Iterable[int], what: object = 0) -> Mind:
    """Tell some peers another story."""
    return changed(stage, lambda m: say_otherwise(m, stage, what), to)


def junk(stage: Stage, to: Iterable[int] = EVERYBODY) -> Mind:
    """Sign what cannot be read."""
    return changed(stage, lambda m: JUNK, to)


def changed(
    stage: Stage,
    change: Callable[[Message], Message | bytes],
    to: Iterable[int] = EVERYBODY,
    *,
    always: bool = False,
) -> Mind:
    """Sign something else for some peers."""

    def do(net: Timed, toy: Toy, delivery: Delivery, signed: Signed) -> Iterable[Sent]:
        said = change(read(toy, signed))
        other = resign(signed, said if isinstance(said, bytes) else encode_payload(said))
        return [(DELTA / 2, tell(delivery.to, other))]

    return saying((stage,), do, to, always=always)


def crash(stage: Stage, after: int = 0) -> Mind:
    """Nothing at all from its word of a stage on, which so many others still get."""
    told: set[object] = set()
    dead: list[bool] = []

    def mind(net: Timed, toy: Toy, delivery: Delivery) -> Iterable[Sent] | None:
        event = delivery.event
        if isinstance(event, ev.MessageReceived) and event.signed.stage is stage:
            told.add(delivery.to)
            if len(told) > after:
                dead.append(True)
        return [] if dead else None

    return mind


def deaf_and_dumb(net: Timed, toy: Toy, delivery: Delivery) -> Iterable[Sent]:
    """Nothing at all."""
    return []


def no_bulk(kind: type[ev.Event], to: Iterable[int] = EVERYBODY, *, always: bool = False) -> Mind:
    """Withhold PARTs or RESULTs, whoever asks."""
    chosen = {peer(i) for i in to}

    def mind(net: Timed, toy: Toy, delivery: Delivery) -> Iterable[Sent] | None:
        if delivery.to not in chosen or not (
            always or attempt_of(toy).base.head == net.genesis.run
        ):
            return None
        return [] if isinstance(delivery.event, (kind, ev.BlobArrived)) else None

    return mind


def bad_bulk(kind: type[ev.Event], to: Iterable[int] = EVERYBODY) -> Mind:
    """Send other bytes than those that were fixed."""
    chosen = {peer(i) for i in to}

    def mind(net: Timed, toy: Toy, delivery: Delivery) -> Iterable[Sent] | None:
        event = delivery.event
        if not isinstance(event, (ev.PartArrived, ev.ResultArrived)) or delivery.to not in chosen:
            return None
        if not isinstance(event, kind) or event.head != net.genesis.run:
            return None
        data = bytes(len(delivery.data))
        event = replace(event, digest=digest_bytes(data))
        return [(DELTA / 2, Delivery(delivery.to, event, data))]

    return mind


def no_answers(net: Timed, toy: Toy, delivery: Delivery) -> Iterable[Sent] | None:
    """Answer no question."""
    return [] if isinstance(delivery.event, (ev.SetReceived, ev.BlobArrived)) else None


def no_chains(net: Timed, toy: Toy, delivery: Delivery) -> Iterable[Sent] | None:
    """Pass nothing on."""
    return [] if isinstance(delivery.event, ev.ChainReceived) else None


def no_questions(net: Timed, toy: Toy, delivery: Delivery) -> Iterable[Sent] | None:
    """Ask nothing."""
    return [] if isinstance(delivery.event, ev.SetRequested) else None


def stuck_at(*stages: Stage) -> Mind:
    """Say nothing in some stages, whoever asks; so the attempt gets stuck."""
    return all_of(silent(*stages), no_answers)


LATER = (Stage.VIEW, Stage.CLOSED, Stage.DECIDED)
"""The words of the slow path."""
