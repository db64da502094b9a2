"""Bodies that decode and are almost right: one thing too many or too few, or an accusation of
anything against anybody, once or twice.

Where `mutations` changes bytes without knowing what they mean, this knows what a slot may hold, and
asks of the core that it holds it to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, PeerId
from zpeer.messages import (
    Accusation,
    Aggregated,
    Check,
    Commit,
    Finding,
    Guilt,
    Message,
    Projections,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.ids import Digest
    from zpeer.interfaces import AttackContext
    from zpeer.simulate.streams import Stream

T = TypeVar("T")

WILD = 1e6
"""Times what a projection was: longer than its norm allows."""
ACCUSABLE = (
    FaultKind.PART_NOT_FINITE,
    FaultKind.WRONG_PROJECTION,
    FaultKind.WRONG_GRADIENT,
    FaultKind.WRONG_REPORT,
    FaultKind.CONCEALED_PROJECTION,
    FaultKind.WRONG_SUM,
)


def forge(
    message: Message, context: AttackContext, digests: Sequence[Digest], stream: Stream
) -> Message:
    """The message with one thing in it that its slot does not allow, as far as there is any.

    `digests`: heads and other digests that were heard of.
    """
    match message:
        case Commit():
            return replace(message, parts=resize(message.parts, stream) or (NOTHING,))
        case Aggregated():
            other = None if message.result else stream.pick([NOTHING, *digests])
            return replace(message, result=other)
        case Projections():
            return forge_projections(message, stream)
        case Check():
            return forge_check(message, context, digests, stream)
        case _:
            return message


def resize(items: tuple[T, ...], stream: Stream) -> tuple[T, ...]:
    """One less, one more, none, or in another order."""
    choice = stream.below(4)
    if choice == 0 or not items:
        return items[:-1]
    if choice == 1:
        return (*items, stream.pick(items))
    return () if choice == 2 else tuple(reversed(items))  # noqa: PLR2004 - one of four


def forge_projections(message: Projections, stream: Stream) -> Projections:
    """Rows too many or too few, a row too long, a projection longer than its norm."""
    rows, norms = message.projections, message.norms
    if not rows:
        return replace(message, projections=((1.0,),), norms=(1.0,))
    choice, place = stream.below(4), stream.below(len(rows))
    row = rows[place]
    if choice == 0:
        return replace(message, projections=rows[:-1], norms=norms[:-1])
    if choice == 1:
        return replace(message, norms=(*norms[:place], -1.0, *norms[place + 1 :]))
    other = (*row, 0.0) if choice == 2 else (row[0] * WILD + 1.0, *row[1:])  # noqa: PLR2004 - one of four
    return replace(message, projections=(*rows[:place], other, *rows[place + 1 :]))


def forge_check(
    message: Check, context: AttackContext, digests: Sequence[Digest], stream: Stream
) -> Check:
    """A list with something too many or too few, or accusations."""
    choice = stream.below(8)
    if choice == 0:
        extra = Finding(stream.pick([NOTHING, *digests]), Guilt.GUILTY)
        return replace(message, findings=resize(message.findings, stream) or (extra,))
    if choice == 1 and message.reports:
        return replace(message, reports=resize(message.reports, stream))
    if choice == 2:  # noqa: PLR2004 - one of eight
        reports = tuple(replace(each, follows=not each.follows) for each in message.reports)
        return replace(message, reports=reports)
    if choice == 3:  # noqa: PLR2004 - likewise
        return replace(message, durations=(-1.0, *message.durations[1:]))
    accused = draw_accusations(message, context, digests, stream)
    return replace(message, accusations=(*message.accusations, *accused))


def draw_accusations(
    message: Check, context: AttackContext, digests: Sequence[Digest], stream: Stream
) -> tuple[Accusation, ...]:
    """Of anything against anybody, about this attempt or one before; some twice."""
    fault = stream.pick(ACCUSABLE)
    is_about = fault in (FaultKind.WRONG_REPORT, FaultKind.CONCEALED_PROJECTION)
    attempts = [context.head, *(report.attempt for report in message.reports)]
    attempts += [draw for draw in digests[-4:] if stream.chance(0.5)]
    has_part = fault not in (FaultKind.WRONG_REPORT, FaultKind.WRONG_GRADIENT)
    owned = context.my_part if stream.chance(0.5) else stream.below(max(1, context.parts))
    accusation = Accusation(
        fault,
        stream.pick(context.roster),
        stream.pick(attempts),
        owned if has_part else -1,
        about=stream.pick((context.me, stream.pick(context.roster)))
        if is_about
        else PeerId(NOTHING),
        evidence=stream.pick([NOTHING, *digests[-8:]]),
    )
    return (accusation,) * stream.pick((1, 1, 2))
