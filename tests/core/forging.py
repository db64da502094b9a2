"""What a Byzantine peer can make: other bodies for a slot, views as it likes them, chains of
colluders' signatures.

Only keys of Byzantine peers sign here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from tests.core.plain import sign
from tests.core.timed import DELTA, Delivery, attempt_of, has_started, witness
from zpeer import events as ev
from zpeer.core.call import compose_view
from zpeer.core.schedule import find_due
from zpeer.errors import WireError
from zpeer.ids import digest
from zpeer.signed import STEP_STAGES, Signed, Stage
from zpeer.wire import decode_payload, encode_payload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.core.shell import Toy
    from tests.core.timed import Timed
    from zpeer.ids import Digest, PeerId
    from zpeer.messages import Message, View

JUNK = b"\xc1 no message"
A_LITTLE = 0.002
"""Before a deadline, of Delta."""
OTHERWISE = {
    Stage.COMMIT: "commitment",
    Stage.AGGREGATED: "result",
    Stage.REVEAL: "share",
    Stage.PROJECTIONS: "beacon",
    Stage.CHECK: "secret",
    Stage.VERDICT: "record",
    Stage.VIEW: "secret",
    Stage.CLOSED: "views",
    Stage.DECIDED: "record",
}
"""A field of every body in which two may differ."""


def read(toy: Toy, signed: Signed) -> Any:
    """The message in what was signed; None if there is none."""
    try:
        return decode_payload(signed.stage, signed.payload, toy.core._context.limits)
    except WireError:
        return None


def say_otherwise(message: Message, stage: Stage, what: object = 0) -> bytes:
    """Another body for the slot."""
    return encode_payload(replace(message, **{OTHERWISE[stage]: digest(f"otherwise {what}")}))


def echo_otherwise(message: Any) -> bytes:
    """The same word after a set that never was; for COMMIT another word."""
    if not hasattr(message, "echo"):
        return say_otherwise(message, Stage.COMMIT)
    return encode_payload(replace(message, echo=digest("a set that never was")))


def resign(signed: Signed, payload: bytes) -> Signed:
    """Another body under the same key."""
    return sign(signed.stage, signed.head, signed.sender, payload)


def make_view(
    toy: Toy, head: Digest, claims: Sequence[PeerId] = (), **changes: Any
) -> Signed | None:
    """A view as the peer's core would have it, but for some fields; None if it is elsewhere."""
    context = toy.core._context
    if context.attempt.base.head != head:
        return None
    view: View = compose_view(context, tuple(claims))
    return sign(Stage.VIEW, head, toy.me, encode_payload(replace(view, **changes)))


def chain_of(view: Signed, signers: Sequence[PeerId]) -> ev.Event:
    """A view (or CLOSED) passed on through colluders; directly if there are none."""
    if not signers:
        return ev.MessageReceived(view)
    return ev.ChainReceived(view, tuple(witness(view, signer) for signer in signers))


def last_moment(net: Timed, to: PeerId, signed: Signed) -> float:
    """Just before the receiver's deadline for the stage, as far as it is known now."""
    toy = net.toys[to]
    if not has_started(toy) or toy.core.head != signed.head or signed.stage not in STEP_STAGES:
        return net.now + DELTA
    attempt = attempt_of(toy)
    past = sum(attempt.base.allowances[: signed.stage])
    due = attempt.started + past
    if attempt.stage is signed.stage:
        due = find_due(toy.core._context)
    return max(net.now, due - A_LITTLE)


def last_round(net: Timed, to: PeerId, head: Digest, signatures: int) -> float:
    """Just before a chain of so many signatures comes too late; now, if nobody has joined."""
    attempt = attempt_of(net.toys[to])
    if attempt.base.head != head or attempt.slow is None:
        return net.now + A_LITTLE
    return attempt.slow.joined + 4 * signatures * DELTA - A_LITTLE


def tell(to: PeerId, signed: Signed) -> Delivery:
    """A signed word for one peer."""
    return Delivery(to, ev.MessageReceived(signed))
