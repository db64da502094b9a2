"""A liar that times what it says when an attempt is stuck: a view that few see, or a second one, at
the end of a round; the last word on a closed set at the end of all rounds; bytes just too late.

Accomplices show a hidden view to each other in the order of the roster, each signs under it, and
the last one shows it to the victims. What it says besides is what an honest peer would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from zpeer.attacker import HonestAttack
from zpeer.conduct import After, SendSigned
from zpeer.effects import Broadcast, PassOn, SendBlob, SendPart, SendResult, SendSet
from zpeer.events import MessageReceived
from zpeer.faults import FaultKind
from zpeer.messages import Accusation, Check
from zpeer.signed import Stage
from zpeer.simulate.adversaries.scripted import tell_otherwise
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import AttackContext, Float32
    from zpeer.messages import Message
    from zpeer.simulate.plan import Plotter

SHIFT = 1e3
"""Far more than any honest residual."""
AS_EVER = -2.0
"""Of `Plotter.closes`: said when an honest peer says it."""
PATIENCE = 6
"""Delta before its receiver's word that bytes are due."""


class Plotting(HonestAttack):
    """See the module. `peers`: ids by number."""

    def __init__(self, plan: Plotter, peers: Mapping[int, PeerId]) -> None:
        self._plan = plan
        self._victims = tuple(peers[each] for each in plan.victims)
        self._trusting = tuple(peers[each] for each in plan.trusting)
        self._joined = (b"", 0.0)
        """On which head it signed its last view, and when."""
        self._closed: set[Digest] = set()
        """Heads on which it has had the last word."""
        self._shielded: Digest | None = None
        """The head on which it moved its aggregate."""

    def observe(self, context: AttackContext, event: Event) -> list[Outgoing]:
        """The first honest CLOSED is what I sign, too, later and for few."""
        if self._plan.closes < 0 or not isinstance(event, MessageReceived):
            return []
        signed = event.signed
        is_honest = signed.sender not in context.colluders
        is_new = signed.stage is Stage.CLOSED and signed.head not in self._closed
        if not is_honest or not is_new or self._joined[0] != signed.head:
            return []
        self._closed.add(signed.head)
        mine = context.sign(Stage.CLOSED, signed.payload)
        return [self._at(context, self._plan.closes, SendSigned(self._trusting, mine))]

    def aggregate(self, context: AttackContext, honest: Float32) -> Float32:
        """Moved once, where somebody can be accused of it."""
        if self._plan.shields and self._shielded is None and find_scapegoat(context) is not None:
            self._shielded = context.head
        return honest + np.float32(SHIFT) if self._shielded == context.head else honest

    def message(self, context: AttackContext, message: Message) -> Message | bytes:
        """Over the part that I moved I accuse one of us."""
        scapegoat = find_scapegoat(context)
        is_due = isinstance(message, Check) and self._shielded == context.head
        if not is_due or scapegoat is None or not isinstance(message, Check):
            return message
        evidence = context.committed(scapegoat, context.my_part)
        fault, part = FaultKind.WRONG_PROJECTION, context.my_part
        shield = Accusation(fault, scapegoat, context.head, part, evidence=evidence)
        return replace(message, accusations=(*message.accusations, shield))

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """What becomes of each."""
        return [out for effect in effects for out in self._treat(context, effect)]

    def _treat(self, context: AttackContext, effect: Effect) -> list[Outgoing]:
        match effect:
            case Broadcast():
                return self._speak(context, effect)
            case PassOn():
                return self._relay(context, effect)
            case SendPart() | SendResult() if self._plan.slips >= 0:
                return [self._slip(context, effect)]
            case SendSet(messages=messages):
                kept = tuple(each for each in messages if each.sender != context.me)
                return [replace(effect, messages=kept)]
            case _:
                is_secretive = self._plan.slips >= 0 or self._plan.shields
                return [] if is_secretive and isinstance(effect, SendBlob) else [effect]

    def _speak(self, context: AttackContext, said: Broadcast) -> list[Outgoing]:
        """Nothing where I stall; a view in its own way; CLOSED, if not later."""
        if said.stage is Stage.VIEW:
            self._joined = (said.head, context.now)
            return self._show_view(context, said)
        is_later = said.stage is Stage.CLOSED and self._plan.closes != AS_EVER
        is_silent = is_later or said.stage.name == self._plan.stalls
        return [replace(said, to=()) if is_silent else self.speak(context, said)]

    def _show_view(self, context: AttackContext, said: Broadcast) -> list[Outgoing]:
        """To all, and another one later; or hidden, and to the victims later."""
        plan = self._plan
        if plan.hides:
            nxt = find_next(context)
            if nxt is not None:
                return [replace(said, to=(nxt,))]
            return [self._at(context, plan.relays, replace(said, to=self._victims))]
        if plan.again < 0:
            return [said]
        other = encode_payload(tell_otherwise(context.decode(said)))
        second = SendSigned(self._victims, context.sign(Stage.VIEW, other))
        return [said, self._at(context, plan.again, second)]

    def _relay(self, context: AttackContext, effect: PassOn) -> list[Outgoing]:
        """A view of one of us: to the next of us, or to the victims in time."""
        if effect.view.stage is Stage.CLOSED:
            return [effect] if self._plan.closes == AS_EVER else []
        if effect.view.sender not in context.colluders:
            return [effect]
        nxt = find_next(context)
        if nxt is not None:
            return [replace(effect, to=(nxt,))]
        if self._plan.relays < 0:
            return [effect]
        return [self._at(context, self._plan.relays, replace(effect, to=self._victims))]

    def _at(self, context: AttackContext, deltas: float, effect: Outgoing) -> Outgoing:
        """So many Deltas after I signed my view."""
        wait = self._joined[1] + max(0.0, deltas) * context.delta - context.now
        return After(wait, effect) if wait > 0 else effect

    def _slip(self, context: AttackContext, effect: SendPart | SendResult) -> Outgoing:
        """Bytes, so long after they are due."""
        stage = Stage.AGGREGATED if isinstance(effect, SendPart) else Stage.PROJECTIONS
        due = context.due(stage) + (self._plan.slips - PATIENCE) * context.delta
        return After(max(0.0, due - context.now), effect)


def find_scapegoat(context: AttackContext) -> PeerId | None:
    """One of us besides me, if both of us work: only we two hold its row of my part."""
    if context.my_part < 0:
        return None
    others = (each for each in context.colluders if each != context.me)
    return next((each for each in others if each in context.workers), None)


def find_next(context: AttackContext) -> PeerId | None:
    """Who of us comes after me."""
    place = context.colluders.index(context.me) + 1
    return context.colluders[place] if place < len(context.colluders) else None
