"""The promise that kept peers never wait for each other past a deadline: each claim of one of them
is against somebody faulty. Everything that a call may cost rests on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.events import BlobArrived, MessageReceived, ResultArrived, SetReceived, Started
from zpeer.ids import NOTHING, PeerId
from zpeer.messages import Aggregated, Reveal, View
from zpeer.signed import STEP_STAGES, Stage
from zpeer.simulate.promises.forms import read
from zpeer.simulate.promises.verdicts import Idle, ViolationError

if TYPE_CHECKING:
    from zpeer.core.state import Base
    from zpeer.events import Event
    from zpeer.ids import Digest
    from zpeer.signed import Signed
    from zpeer.simulate.host import Host
    from zpeer.simulate.promises.verdicts import Decision, Setting
    from zpeer.wire import WireLimits


HELD_DELTAS = 3.0
"""So long before a claim somebody else must have held what it is about: everybody is asked 2 Delta
before a deadline."""
EARLY_DELTAS = 0.01
"""For rounding: times are sums."""
NOBODY = PeerId(NOTHING)
"""Bytes go by their digest alone."""


class Claims(Idle):
    """Looks at kept peers' own views, and at the pairs that records charge. What a kept peer waits
    for no other one has had for long: it would have been asked. And nobody waits in vain before the
    time at which what it waits for is due, which is fixed when the attempt starts."""

    hears: tuple[type[Event], ...] = (
        Started,
        MessageReceived,
        SetReceived,
        ResultArrived,
        BlobArrived,
    )

    def __init__(self, setting: Setting, limits: WireLimits) -> None:
        self._setting = setting
        self._limits = limits
        self._held: dict[tuple[Digest, str, PeerId], dict[PeerId, float]] = {}
        """By attempt, kind and sender: which kept peers got it, and when."""
        self._stages: dict[PeerId, Stage] = {}
        """In which kept peers spoke last."""
        self._starts: dict[PeerId, float] = {}
        """When their attempts began."""
        self._results: dict[tuple[Digest, PeerId, PeerId], Digest] = {}
        """By attempt, kept peer and owner: the RESULT that the owner named to it."""
        self._echoes: dict[tuple[Digest, PeerId, PeerId], Digest] = {}
        """By attempt, kept peer and sender: the set that the sender's REVEAL echoes."""

    def saw(self, host: Host, before: Base, event: Event, now: float) -> None:
        """Messages that come; a peer's own words come back to it."""
        self._starts.setdefault(host.me, now)
        match event:
            case MessageReceived(signed=signed):
                self._hear(host, before, signed, now)
            case ResultArrived(head=head, digest=digest):
                self._note(host, head, name_bytes(digest), NOBODY, now)
            case BlobArrived(digest=digest):
                self._note(host, before.head, name_bytes(digest), NOBODY, now)
            case SetReceived(head=head, messages=messages) if head == before.head:
                for signed in messages:
                    self._note(host, signed.head, signed.stage.name, signed.sender, now)
            case _:
                pass

    def _note(self, host: Host, head: Digest, kind: str, sender: PeerId, now: float) -> None:
        self._held.setdefault((head, kind, sender), {}).setdefault(host.me, now)

    def _hear(self, host: Host, before: Base, signed: Signed, now: float) -> None:
        self._note(host, signed.head, signed.stage.name, signed.sender, now)
        if signed.stage in (Stage.AGGREGATED, Stage.REVEAL):
            self._note_named(host, signed)
        if signed.sender != host.me or signed.head != before.head:
            return
        if signed.stage in STEP_STAGES:
            self._stages[host.me] = signed.stage
        elif signed.stage is Stage.VIEW:
            self._look(host, before, signed, now)

    def _note_named(self, host: Host, signed: Signed) -> None:
        """Which RESULT an owner names, which set a REVEAL echoes: what is heard first counts."""
        said = read(signed, self._limits)
        key = (signed.head, host.me, signed.sender)
        if isinstance(said, Aggregated) and said.result is not None:
            self._results.setdefault(key, said.result)
        elif isinstance(said, Reveal):
            self._echoes.setdefault(key, said.echo)

    def _look(self, host: Host, before: Base, signed: Signed, now: float) -> None:
        """A kept peer calls, or joins."""
        view = read(signed, self._limits)
        claims = view.claims if isinstance(view, View) else ()
        if claims:
            self._look_at_time(host, before, now)
        for peer in claims:
            one, other = self._setting.name(host.me), self._setting.name(peer)
            if peer not in self._setting.faulty:
                raise ViolationError("claims", f"{one} waits for {other}, time {now:.2f}")
            stage = self._stages.get(host.me)
            if stage is not None and self._was_near(before.head, stage.name, peer, host.me, now):
                what = f"{one} waits for {stage.name} of {other}, which others hold"
                raise ViolationError("claims", f"{what}, time {now:.2f}")
            if stage is Stage.REVEAL and self._could_have_result(before.head, peer, host.me, now):
                what = f"{one} waits for the RESULT of {other}, which others hold"
                raise ViolationError("claims", f"{what}, time {now:.2f}")

    def _look_at_time(self, host: Host, before: Base, now: float) -> None:
        """What I wait for is due when all stages to the one I spoke in last have had their time."""
        spoken = self._stages.get(host.me, 0)
        due = self._starts[host.me] + sum(before.allowances[:spoken])
        if now < due - EARLY_DELTAS * self._setting.plan.delta:
            name = self._setting.name(host.me)
            raise ViolationError(
                "claims", f"{name} waits in vain at {now:.2f}, before {due:.2f} when that is due"
            )

    def _could_have_result(self, head: Digest, owner: PeerId, me: PeerId, now: float) -> bool:
        """Whether I have everything to speak but bytes that other kept peers have had for long."""
        named = self._results.get((head, me, owner))
        mine, theirs = (self._echoes.get((head, me, peer)) for peer in (me, owner))
        is_next = mine is not None and mine == theirs
        if named is None or not is_next:
            return False
        return self._was_near(head, name_bytes(named), NOBODY, me, now)

    def _was_near(self, head: Digest, kind: str, sender: PeerId, me: PeerId, now: float) -> bool:
        """Whether another kept peer has long had what this one never got."""
        held = self._held.get((head, kind, sender), {})
        until = now - HELD_DELTAS * self._setting.plan.delta
        return me not in held and any(
            at <= until for peer, at in held.items() if peer not in self._setting.faulty
        )

    def decided(self, decision: Decision) -> None:
        """No two kept peers share a charge."""
        self._stages.pop(decision.host.me, None)
        self._starts[decision.host.me] = decision.now
        for charge in decision.record.charges:
            if {charge.first, charge.second}.isdisjoint(self._setting.faulty):
                one, other = self._setting.name(charge.first), self._setting.name(charge.second)
                raise ViolationError("claims", f"{one} and {other} are charged")


def name_bytes(digest: Digest) -> str:
    """A kind of its own for each RESULT: of an earlier attempt, whose bytes somebody may name
    again, nobody need hold them any more."""
    return f"RESULT {digest.hex()}"
