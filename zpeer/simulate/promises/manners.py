"""The promise that kept peers keep to what they owe each other when an attempt ends, judged by what
they say alone.

Whoever has signed a view signs no stage message of that attempt any more. Who leaves is told how.
What convicts somebody, and whom a call on a committed attempt claims, is brought in the next CHECK.
Who knows that there is a record, and does not hold what it rests on, asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from zpeer.effects import Broadcast, Decide, SendCertificate, SendSet, SendSetRequest, Stop
from zpeer.events import MessageReceived
from zpeer.ids import Digest, PeerId
from zpeer.messages import Check, Decided, View
from zpeer.proofs import Equivocation
from zpeer.signed import STEP_STAGES, Stage
from zpeer.simulate.promises.forms import read
from zpeer.simulate.promises.verdicts import Idle, ViolationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zpeer.core.state import Base
    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.proofs import Proof
    from zpeer.signed import Signed
    from zpeer.simulate.host import Host
    from zpeer.simulate.promises.verdicts import Decision, Setting
    from zpeer.wire import WireLimits

SLOTS = (*STEP_STAGES, Stage.VIEW, Stage.CLOSED, Stage.DECIDED)
UNSHOWN = "nobody shows me"
"""What a peer says that goes without what the outcome of an attempt rests on."""
ASKED_DELTAS = 4.0
"""So long after it is known that there is a record its bytes may still be on their way unasked."""


class Memory(msgspec.Struct):
    """What one peer has heard and owes."""

    joined: bytes = b""
    """The head on which it signed a view last."""
    bodies: dict[tuple[Stage, PeerId], Digest] = {}
    """First bodies of its present attempt."""
    proven: set[PeerId] = set()
    """Of whom it has two."""
    callers: set[PeerId] = set()
    """Who waited for somebody in the last attempt with a CHECK set, as it heard since."""
    decided: dict[Digest, dict[PeerId, Digest]] = {}
    """By head and sender: the record that a DECIDED names."""
    known: tuple[Digest, float] | None = None
    """The head whose record more than half have, and since when that is known here."""
    asked: set[Digest] = set()
    shown: dict[Digest, set[PeerId]] = {}
    """To whom it has shown a certificate, by head."""
    leavers: dict[Digest, tuple[Digest, frozenset[PeerId]]] = {}
    """By head: the record by views, and whom that removes."""
    rosters: dict[Digest, tuple[PeerId, ...]] = {}


class Manners(Idle):
    """See the module. That somebody asks is expected of the slow and the cut off, too."""

    hears: tuple[type[Event], ...] = (MessageReceived,)
    minds_effects = True
    minds_all = True

    def __init__(self, setting: Setting, limits: WireLimits) -> None:
        self._setting = setting
        self._limits = limits
        self._memories: dict[PeerId, Memory] = {}

    def _of(self, host: Host) -> Memory:
        memory = self._memories.get(host.me)
        if memory is None:
            memory = self._memories[host.me] = Memory()
        return memory

    def _complain(self, host: Host, what: str, now: float) -> None:
        """Of a kept peer; from the others nothing is due in time."""
        if host.me not in self._setting.faulty:
            self._complain_of(host, what, now)

    def _complain_of(self, host: Host, what: str, now: float) -> None:
        raise ViolationError("manners", f"{self._setting.name(host.me)} {what}, time {now:.2f}")

    def saw(self, host: Host, before: Base, event: Event, now: float) -> None:
        """What it hears."""
        if not isinstance(event, MessageReceived):
            return
        signed, memory = event.signed, self._of(host)
        memory.rosters.setdefault(before.head, before.roster)
        if signed.head == before.head:
            self._note_body(memory, signed)
        if signed.stage is Stage.VIEW:
            self._note_caller(memory, before, signed)
        elif signed.stage is Stage.DECIDED:
            self._note_decided(memory, before, signed, now)

    def _note_body(self, memory: Memory, signed: Signed) -> None:
        """Two bodies for a slot; what was said before a call may be forgotten after it."""
        is_kept = signed.stage >= Stage.VIEW or memory.joined != signed.head
        if signed.stage in SLOTS and is_kept:
            first = memory.bodies.setdefault((signed.stage, signed.sender), signed.body)
            if first != signed.body:
                memory.proven.add(signed.sender)

    def _note_caller(self, memory: Memory, before: Base, signed: Signed) -> None:
        """A call on the last attempt that has a CHECK set, which is over."""
        roster = memory.rosters.get(before.checked, ())
        is_over = signed.head == before.checked and signed.head != before.head
        view = read(signed, self._limits) if is_over else None
        if not isinstance(view, View) or signed.sender not in roster:
            return
        is_valid = all(each in roster and each != signed.sender for each in view.claims)
        is_single = len(set(view.claims)) == len(view.claims)
        if view.claims and not view.proofs and is_valid and is_single:
            memory.callers.add(signed.sender)

    def _note_decided(self, memory: Memory, before: Base, signed: Signed, now: float) -> None:
        """Who holds a record by the slow path."""
        roster = memory.rosters.get(signed.head, ())
        said = read(signed, self._limits)
        if signed.sender not in roster or not isinstance(said, Decided):
            return
        heard = memory.decided.setdefault(signed.head, {})
        heard.setdefault(signed.sender, said.record)
        most = 2 * list(heard.values()).count(said.record) > len(roster)
        if most and signed.head == before.head and memory.known is None:
            memory.known = signed.head, now

    # --- what it says -----------------------------------------------------------------------------

    def said(self, host: Host, before: Base, effects: Sequence[Effect], now: float) -> None:
        """What it says to that."""
        memory = self._of(host)
        for effect in effects:
            match effect:
                case Broadcast():
                    self._speak(host, memory, before, effect, now)
                case SendCertificate(to=to, record=record):
                    head = msgspec.msgpack.decode(record)[2]
                    memory.shown.setdefault(head, set()).update(to)
                case SendSetRequest(head=head, stage=Stage.DECIDED):
                    memory.asked.add(head)
                case Stop(reason=reason) if UNSHOWN in reason and before.head not in memory.asked:
                    self._complain_of(host, "stops for what it never asked for", now)
                case Decide():
                    self._take_leave(host, before, effect, effects, now)
                case _:
                    pass
        if not any(isinstance(each, Decide | Stop) for each in effects):
            self._expect_question(host, memory, before, now)
        self._expect_farewell(host, memory, now)

    def _speak(self, host: Host, memory: Memory, before: Base, said: Broadcast, now: float) -> None:
        if said.stage is Stage.VIEW:
            memory.joined = said.head
        elif said.stage in STEP_STAGES and memory.joined == said.head:
            self._complain(host, f"signs {said.stage.name} after its view", now)
        check = read(said, self._limits) if said.stage is Stage.CHECK else None
        if isinstance(check, Check) and said.head == before.head:
            self._expect_mention(host, memory, before, check, now)

    def _expect_mention(
        self, host: Host, memory: Memory, before: Base, check: Check, now: float
    ) -> None:
        """Proofs and calls that it knows of stand in its CHECK."""
        here = {sender_of(proof) for proof in check.proofs}
        hidden = [peer for peer in before.roster if peer in memory.proven and peer not in here]
        if hidden:
            self._complain(host, f"has a proof against {self._name(hidden)} and hides it", now)
        here = {view.sender for view in check.views if view.head == before.checked}
        free = [peer for peer in memory.callers if peer not in here]
        if free and len(check.views) < self._limits.peers:
            self._complain(host, f"forgets that {self._name(free)} called", now)

    def _name(self, peers: Iterable[PeerId]) -> str:
        return ", ".join(self._setting.name(peer) for peer in peers)

    def _take_leave(
        self, host: Host, before: Base, said: Decide, effects: Sequence[Effect], now: float
    ) -> None:
        """Who leaves by a record that VERDICTs prove is sent these at once."""
        left = [peer for peer in before.roster if peer not in (*said.record.roster, host.me)]
        told = {
            each.to for each in effects if isinstance(each, SendSet) and is_of(each, Stage.VERDICT)
        }
        proven = any(each.stage is Stage.VERDICT for each in said.verdicts)
        if proven and not said.record.views and not told.issuperset(left):
            self._complain(host, f"does not tell {self._name(left)} how it leaves", now)

    def _expect_farewell(self, host: Host, memory: Memory, now: float) -> None:
        """Who leaves by a record of the slow path is shown it once most say to hold it."""
        for head, (record, leavers) in list(memory.leavers.items()):
            heard = memory.decided.get(head, {})
            most = 2 * list(heard.values()).count(record) > len(memory.rosters[head])
            if most and host.me in heard:
                del memory.leavers[head]
                if not memory.shown.get(head, set()).issuperset(leavers):
                    self._complain(host, f"does not tell {self._name(leavers)} it is out", now)

    def _expect_question(self, host: Host, memory: Memory, before: Base, now: float) -> None:
        """Who knows that there is a record, and has not got to it, has asked by now."""
        if memory.known is None or memory.known[0] != before.head:
            return
        wait = ASKED_DELTAS * self._setting.plan.delta
        if now >= memory.known[1] + wait and before.head not in memory.asked:
            self._complain_of(host, "does not ask for the record that the others hold", now)

    def decided(self, decision: Decision) -> None:
        """It goes on; who leaves by a record of the slow path is told when that is proven."""
        memory, record = self._of(decision.host), decision.record
        memory.bodies.clear()
        memory.known = None
        spared = self._setting.pardons.is_granted
        memory.proven = {
            peer
            for peer in memory.proven
            if peer in record.roster and not spared(record.previous, peer)
        }
        if not record.views:
            memory.callers.clear()
        elif record.departures:
            gone = {each.peer for each in record.departures} - {decision.host.me}
            memory.leavers[record.previous] = record.head, frozenset(gone)


def sender_of(proof: Proof) -> PeerId:
    """Whom a proof is about."""
    return proof.first.sender if isinstance(proof, Equivocation) else proof.messages[0].sender


def is_of(shown: SendSet, stage: Stage) -> bool:
    """Whether messages of a stage are shown."""
    return shown.stage is stage and bool(shown.messages)
