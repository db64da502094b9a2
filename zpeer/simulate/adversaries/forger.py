"""A liar that knows one trick: one thing in one message that no honest peer says, or bytes that are
not what was said of them. It does it as often as its plan says, wherever it can.

What `forgeries` draws from all that a slot forbids, this does on purpose: each deed is what one
rule of the core is there for, and what an attacker would do if that rule were gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from zpeer.attacker import HonestAttack
from zpeer.compute.store import hold
from zpeer.conduct import SendBytes
from zpeer.effects import Broadcast, SendResult
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING
from zpeer.messages import (
    Accusation,
    Aggregated,
    Check,
    Commit,
    Finding,
    Guilt,
    Projections,
    Reveal,
    Verdict,
)
from zpeer.numerics.dealing import to_bytes
from zpeer.parts import Bulk
from zpeer.shell.reception import make_header
from zpeer.signed import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import AttackContext
    from zpeer.messages import Message
    from zpeer.simulate.plan import Forger

    Lie = Callable[[AttackContext, Message], Message | bytes]

UNREADABLE = b"\xc1"
"""The one byte that MessagePack never uses."""
WILD = 1e6
"""Times what a projection was."""
BIT = 0x10
"""In the second byte of a number: a five-hundredth part of it, or less."""
RESULT, EVIDENCE = "another result", "made up evidence"
"""Deeds that need bytes as well as words."""


class Forging(HonestAttack):
    """See the module."""

    def __init__(self, plan: Forger) -> None:
        self._deed = plan.deed
        self._left = plan.times
        self._owed: tuple[Digest, bytes] | None = None
        """The attempt in which I made something up, and the bytes that belong to it."""

    def message(self, context: AttackContext, message: Message) -> Message | bytes:
        """What I say, with the one thing in it."""
        lie = LIES.get(self._deed)
        if lie is None or not self._left:
            return message
        said = lie(context, message)
        self._left -= said is not message
        return said

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """What I say, and the bytes that belong to it."""
        if self._deed == RESULT:
            return [out for effect in effects for out in self._send(context, effect)]
        left = self._left
        outgoing = super().effects(context, effects)
        if self._deed == EVIDENCE and self._left < left:
            self._owed = context.head, make_up(context)
        if any(isinstance(e, Broadcast) and e.stage is Stage.AGGREGATED for e in effects):
            outgoing += self._publish(context)
        return outgoing

    def _publish(self, context: AttackContext) -> list[Outgoing]:
        """What I made up, once it is judged: nobody keeps it before."""
        if self._owed is None or self._owed[0] == context.head:
            return []
        data, self._owed = self._owed[1], None
        others = tuple(peer for peer in context.roster if peer != context.me)
        return [SendBytes(others, data, make_header(Bulk.BLOB))]

    def _send(self, context: AttackContext, effect: Effect) -> list[Outgoing]:
        """To one honest peer another RESULT than I fixed."""
        victim = pick_victim(context)
        if not isinstance(effect, SendResult) or victim is None or not self._left:
            return [effect]
        data = bytearray(to_bytes(context.result(context.me)))
        if not data:
            return [effect]
        data[1] ^= BIT
        self._left -= 1
        rest = tuple(peer for peer in effect.to if peer != victim)
        header = make_header(Bulk.RESULT, effect.head)
        return [replace(effect, to=rest), SendBytes((victim,), bytes(data), header)]


def pick_victim(context: AttackContext) -> PeerId | None:
    """The first honest worker."""
    return next(iter(context.honest_workers), None)


def make_up(context: AttackContext) -> bytes:
    """A row of my part that is no row."""
    count = context.layout.length(context.my_part)
    return bytes(to_bytes(np.full(count, np.nan, dtype=np.float32)))


def garble(kind: type[Message]) -> Lie:
    """Bytes that do not decode, in one stage."""

    def lie(_context: AttackContext, message: Message) -> Message | bytes:
        return UNREADABLE if isinstance(message, kind) else message

    return lie


def state_too_long(_context: AttackContext, message: Message) -> Message:
    """A projection longer than its norm allows."""
    if not isinstance(message, Projections) or not message.norms:
        return message
    first, *rest = message.projections
    return replace(message, projections=((first[0] * WILD + 1.0, *first[1:]), *rest))


def share_wrongly(_context: AttackContext, message: Message) -> Message:
    """A share that opens nothing."""
    return replace(message, share=NOTHING) if isinstance(message, Reveal) else message


def find_too_much(_context: AttackContext, message: Message) -> Message:
    """One finding more than there are matters."""
    if not isinstance(message, Check):
        return message
    return replace(message, findings=(*message.findings, Finding(NOTHING, Guilt.INNOCENT)))


def report_nothing(_context: AttackContext, message: Message) -> Message:
    """A validator that says nothing of what it drew."""
    return (
        replace(message, reports=()) if isinstance(message, Check) and message.reports else message
    )


def contradict(_context: AttackContext, message: Message) -> Message:
    """A report that its target's gradient does not follow, and no accusation; or the other way."""
    if not isinstance(message, Check) or not message.reports:
        return message
    first, *rest = message.reports
    return replace(message, reports=(replace(first, follows=not first.follows), *rest))


def accuse(context: AttackContext, message: Message, *accusations: Accusation) -> Message:
    """More accusations."""
    if not isinstance(message, Check) or pick_victim(context) is None:
        return message
    return replace(message, accusations=(*message.accusations, *accusations))


def accuse_over(context: AttackContext, message: Message, part: int, times: int = 1) -> Message:
    """The victim, over a part, of a row that is none, by what it committed to."""
    victim = pick_victim(context)
    if victim is None or part < 0:
        return message
    fault, evidence = FaultKind.PART_NOT_FINITE, context.committed(victim, part)
    accusation = Accusation(fault, victim, context.head, part, evidence=evidence)
    return accuse(context, message, *[accusation] * times)


def accuse_twice(context: AttackContext, message: Message) -> Message:
    """Of one deed."""
    return accuse_over(context, message, context.my_part, times=2)


def accuse_over_another(context: AttackContext, message: Message) -> Message:
    """Over the part of the worker after me."""
    place = context.my_part
    return accuse_over(context, message, (place + 1) % context.parts if place >= 0 else -1)


def accuse_undrawn(context: AttackContext, message: Message) -> Message:
    """Of a gradient of this very attempt, which nobody has drawn yet."""
    victim = pick_victim(context)
    if victim is None:
        return message
    return accuse(context, message, Accusation(FaultKind.WRONG_GRADIENT, victim, context.head))


def accuse_for_another(context: AttackContext, message: Message) -> Message:
    """A validator of its report on somebody else, who alone could know."""
    target = pick_victim(context)
    honest = [each for each in context.validators if each not in context.colluders]
    if target is None or not honest:
        return message
    accusation = Accusation(FaultKind.WRONG_REPORT, honest[0], context.head, about=target)
    return accuse(context, message, accusation)


def accuse_with_made_up(context: AttackContext, message: Message) -> Message:
    """Over my part, by bytes that nobody committed to."""
    victim = pick_victim(context)
    if victim is None or context.my_part < 0:
        return message
    evidence = hold(make_up(context)).digest
    fault = FaultKind.PART_NOT_FINITE
    accusation = Accusation(fault, victim, context.head, context.my_part, evidence=evidence)
    return accuse(context, message, accusation)


LIES: dict[str, Lie] = {
    "garbled COMMIT": garble(Commit),
    "garbled AGGREGATED": garble(Aggregated),
    "garbled REVEAL": garble(Reveal),
    "garbled PROJECTIONS": garble(Projections),
    "garbled VERDICT": garble(Verdict),
    "wrong share": share_wrongly,
    "too long": state_too_long,
    "findings": find_too_much,
    "no reports": report_nothing,
    "contradiction": contradict,
    "accused twice": accuse_twice,
    "another's part": accuse_over_another,
    "undrawn": accuse_undrawn,
    "another's report": accuse_for_another,
    EVIDENCE: accuse_with_made_up,
}
DEEDS = (*LIES, RESULT)
"""All that a `Forger` can be told to do."""
