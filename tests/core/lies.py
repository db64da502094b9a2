"""Ways to lie, and what must come of it: building blocks of the attacks in these tests.

A lie is told by a tamper (a peer's effects, changed before they are carried out) or by a `Toy`
whose arithmetic is wrong. The liar's own core stays honest: it hears its lies like everybody, so it
keeps up with the others until it is thrown out.
"""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from tests.core.plain import peer, to_bytes
from tests.core.toy import Ring, Tamper, Toy
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.errors import WireError
from zpeer.faults import FaultKind, is_ban
from zpeer.ids import Digest, digest_bytes
from zpeer.messages import Accusation, Check, Message
from zpeer.signed import Signed, Stage
from zpeer.wire import decode_payload, encode_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zpeer.core.state import Attempt
    from zpeer.record import Record

NAN = float("nan")


def attempt_of(toy: Toy) -> Attempt:
    """The attempt that the peer is at."""
    return toy.core._context.attempt


def is_worker(toy: Toy) -> bool:
    """Whether the peer computes in this attempt."""
    return toy.me in attempt_of(toy).base.workers


def decode(toy: Toy, effect: fx.Broadcast) -> Any:
    """What a broadcast says."""
    return decode_payload(effect.stage, effect.payload, toy.core._context.limits)


def read(toy: Toy, signed: Signed) -> Any:
    """What a signed message says."""
    return decode_payload(signed.stage, signed.payload, toy.core._context.limits)


def is_set_request(effect: fx.Effect) -> bool:
    """Whether a peer asks for a set."""
    return isinstance(effect, fx.SendSetRequest)


# --- tampers --------------------------------------------------------------------------------------


def saying(
    stage: Stage, change: Callable[[Toy, Any], Message | bytes | None], *, times: int = 1
) -> Tamper:
    """Change what is said in a stage, so many times; None from `change` leaves it as it is."""
    left = [times]

    def lie(toy: Toy, effect: fx.Effect) -> fx.Effect:
        if not left[0] or not isinstance(effect, fx.Broadcast) or effect.stage is not stage:
            return effect
        try:
            said = change(toy, decode(toy, effect))
        except WireError:  # junk of an earlier tamper
            return effect
        if said is None:
            return effect
        left[0] -= 1
        payload = said if isinstance(said, bytes) else encode_payload(said)
        return replace(effect, payload=payload)

    return lambda ring, toy, effects: [lie(toy, effect) for effect in effects]


def dropping(
    kind: type[fx.Effect],
) -> Tamper:
    """Keep quiet."""
    return lambda ring, toy, effects: [e for e in effects if not isinstance(e, kind)]


def all_of(
    *tampers: Tamper,
) -> Tamper:
    """One after another."""

    def tamper(ring: Ring, toy: Toy, effects: list[fx.Effect]) -> list[fx.Effect]:
        for each in tampers:
            effects = each(ring, toy, effects)
        return effects

    return tamper


def hearing_own_result(ring: Ring, toy: Toy, effects: list[fx.Effect]) -> list[fx.Effect]:
    """Hear one's own RESULT like everybody: the core of who lies in it must see that, too."""
    return [replace(e, to=(*e.to, toy.me)) if isinstance(e, fx.SendResult) else e for e in effects]


def accusing(
    make: Callable[[Toy], Accusation | None], *, times: int = 1, publish: bool = True
) -> Tamper:
    """Put an accusation into CHECK, with its bytes behind it if it names any."""
    left = [times]

    def tamper(ring: Ring, toy: Toy, effects: list[fx.Effect]) -> list[fx.Effect]:
        done: list[fx.Effect] = []
        for effect in effects:
            done.append(effect)
            if not left[0] or not isinstance(effect, fx.Broadcast) or effect.stage != Stage.CHECK:
                continue
            accusation = make(toy)
            if accusation is None:
                continue
            left[0] -= 1
            done[-1] = replace(effect, payload=encode_payload(accuse(toy, effect, accusation)))
            if publish and any(accusation.evidence) and accusation.fault != FaultKind.WRONG_REPORT:
                done.append(fx.SendBlob(accusation.evidence, (*effect.to, toy.me)))
        return done

    return tamper


def accuse(toy: Toy, effect: fx.Broadcast, accusation: Accusation) -> Check:
    """A CHECK with one more accusation, and the report that belongs to it."""
    check = decode(toy, effect)
    assert isinstance(check, Check)
    reports = tuple(
        replace(report, follows=False)
        if accusation.fault in (FaultKind.WRONG_GRADIENT, FaultKind.WRONG_PROJECTION)
        and (report.target, report.attempt) == (accusation.accused, accusation.attempt)
        else report
        for report in check.reports
    )
    return replace(check, accusations=(*check.accusations, accusation), reports=reports)


def accuse_part(fault: FaultKind, accused: int) -> Callable[[Toy], Accusation | None]:
    """As the owner of a part, over what the accused committed to."""

    def make(toy: Toy) -> Accusation | None:
        attempt = attempt_of(toy)
        part = attempt.base.part_of(toy.me)
        if part < 0 or peer(accused) not in attempt.base.workers:
            return None
        commit = read(toy, attempt.messages[Stage.COMMIT][peer(accused)])
        evidence = commit.parts[part]
        return Accusation(fault, peer(accused), attempt.base.head, part, evidence=evidence)

    return make


def accuse_draw(fault: FaultKind, part: int = -1) -> Callable[[Toy], Accusation | None]:
    """As a validator, over the first counted draw."""

    def make(toy: Toy) -> Accusation | None:
        draws = [d for d in attempt_of(toy).base.duty_of(toy.me) if d.counted]
        if not draws:
            return None
        return Accusation(fault, draws[0].target, draws[0].attempt, part)

    return make


# --- arithmetic that is wrong ---------------------------------------------------------------------


class Flipping(Toy):
    """Commits to the opposite of its gradient."""

    def gradient(self, parameters: Digest, seed: Digest) -> list[float]:
        return [-3 * x for x in self.honest_gradient(parameters, seed)]


class Shifting(Toy):
    """Adds something to the aggregate of its part."""

    shift = 0.25

    def aggregate(self, rows: Sequence[Sequence[float]], radius: float) -> list[float]:
        return [x + self.shift for x in super().aggregate(rows, radius)]


class BadParts(Toy):
    """Commits to bytes that are no part, for the owner of part 0 (or 1, if that is itself)."""

    bytes_instead = to_bytes([NAN] * 2)

    def compute(self, effect: fx.Computation) -> Any:
        event: Any = super().compute(effect)
        if not isinstance(effect, fx.ComputeParts):
            return event
        victim = 1 if attempt_of(self).base.part_of(self.me) == 0 else 0
        self.parts[effect.head][victim] = self.bytes_instead
        digests = tuple(digest_bytes(part) for part in self.parts[effect.head])
        return replace(event, digests=digests)

    def project(self, effect: fx.Project) -> ev.Projected:
        """States what its owner takes it for: zeros."""
        if effect.part < 0:
            return super().project(effect)
        kept = self.parts[effect.head]
        bad = digest_bytes(self.bytes_instead)
        self.parts[effect.head] = [
            to_bytes([0.0] * length) if digest_bytes(part) == bad else part
            for part, length in zip(kept, self.part_lengths(len(kept)), strict=True)
        ]
        event = super().project(effect)
        self.parts[effect.head] = kept
        return event

    def part_lengths(self, parts: int) -> list[int]:
        """Of the dealt parts."""
        return [len(p) // 4 for p in self.deal([0.0] * self.genesis.dimension, parts)]


class BadResult(Toy):
    """Fixes an aggregate that is not finite."""

    bytes_instead = to_bytes([NAN] * 2)

    def compute(self, effect: fx.Computation) -> Any:
        event: Any = super().compute(effect)
        if not isinstance(effect, fx.AggregatePart):
            return event
        self.results[effect.head, self.me] = self.bytes_instead
        return replace(event, digest=digest_bytes(self.bytes_instead))


# --- what must come of it -------------------------------------------------------------------------


def check_honest(ring: Ring, *liars: int) -> list[Record]:
    """No honest peer lost its place, all reached the end, all hold the same chain."""
    records = ring.check_agreement(*liars)
    for toy in ring.honest(*liars):
        assert toy.stop is not None, "an honest peer still waits"
        assert toy.stop.code == 0, toy.stop.reason
        assert toy.me in records[-1].roster
    assert not records[-1].draws
    assert not records[-1].matters
    return records


def check_caught(ring: Ring, caught: dict[int, FaultKind]) -> list[Record]:
    """Just these left, each for just this, with evidence at every honest peer; all others go on."""
    records = check_honest(ring, *caught)
    assert ring.departures(*caught) == {i: fault.name for i, fault in caught.items()}
    proven = {(peer(i), fault) for i, fault in caught.items() if is_ban(fault)}
    for toy in ring.honest(*caught):
        assert {(e.departure.peer, e.departure.fault) for e in toy.evidence} == proven
    for i, fault in caught.items():
        stop = ring.toys[peer(i)].stop
        assert stop is not None
        assert (stop.code, stop.fault) == (3 if is_ban(fault) else 4, fault), stop.reason
    return records


def check_stopped(ring: Ring, *liars: int) -> set[str]:
    """Every honest peer stopped by agreement = "stop"; their reasons."""
    stops = [toy.stop for toy in ring.honest(*liars)]
    assert all(stop is not None and stop.code == 5 for stop in stops)
    return {stop.reason for stop in stops if stop}


# --- statements that are wrong --------------------------------------------------------------------


def misstate(owner: int, units: float, *, norm_units: float = 0.0, times: int = 1) -> Tamper:
    """State a projection (or norm) on the owner's part that is off by that many u * min(norm, tau).

    Towards zero, so that no statement is impossible.
    """

    def change(toy: Toy, message: Any) -> Any:
        base = attempt_of(toy).base
        part = base.part_of(peer(owner))
        if part < 0 or not message.projections:
            return None
        norm, row = message.norms[part], message.projections[part]
        off = units * 2**-24 * toy.clip.weight(norm, base.radii[part]) * norm
        said = [*row]
        said[0] += off if row[0] < 0 else -off
        norms = [*message.norms]
        norms[part] *= 1 + norm_units * 2**-24
        rows = [*message.projections]
        rows[part] = tuple(said)
        return replace(message, projections=tuple(rows), norms=tuple(norms))

    return saying(Stage.PROJECTIONS, change, times=times)


def keep_quiet(toy: Toy, message: Any) -> Any:
    """Accuse nobody over one's own part."""
    kept = tuple(a for a in message.accusations if a.attempt != attempt_of(toy).base.head)
    return replace(message, accusations=kept) if kept != message.accusations else None


class Covering(Shifting):
    """Shifts its aggregate, and states of its own row whatever makes the sum come out."""

    def compute(self, effect: fx.Computation) -> Any:
        event: Any = super().compute(effect)
        if not isinstance(effect, fx.Project) or effect.part < 0 or not self.shift:
            return event
        others = [s for j, s in enumerate(event.column) if j != effect.part]
        sums = tuple(-fsum(values) for values in zip(*(s.projections for s in others), strict=True))
        bounds = event.direction_norms[effect.part]
        needed = max(abs(s) / bound for s, bound in zip(sums, bounds, strict=True))
        row = [*event.row]
        row[effect.part] = ev.Scalars(sums, max(needed, row[effect.part].norm))
        return replace(event, row=tuple(row))


class CoveringFar(Covering):
    """The same, beyond Delta_max."""

    shift = 20.0
