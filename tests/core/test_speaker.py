"""A liar that says anything that decodes: it is answered by rules, and costs nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.lies import all_of, attempt_of, check_honest, read
from tests.core.pieces import (
    commit_of,
    prove,
)
from tests.core.plain import sign
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, Digest, PeerId, digest
from zpeer.messages import (
    Accusation,
    Aggregated,
    Check,
    Commit,
    Finding,
    Guilt,
    Projections,
    Report,
    Reveal,
    Verdict,
    View,
)
from zpeer.proofs import Misdeed, Proof
from zpeer.signed import Signed, Stage
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from collections.abc import Callable


class Speaker:
    """Draws well-formed bodies from what the liar could know."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data

    def digest(self, toy: Toy) -> Digest:
        attempt = attempt_of(toy)
        known = [NOTHING, digest("x"), attempt.base.head, *attempt.sets.values(), toy.me]
        known += [m.name for m in attempt.base.matters]
        known += [d.attempt for d in attempt.base.draws]
        known += list(attempt.own_parts or ())
        return Digest(self.data.draw(st.sampled_from(known)))

    def peer(self, toy: Toy) -> PeerId:
        return self.data.draw(st.sampled_from([*toy.genesis.peers, PeerId(NOTHING)]))

    def number(self) -> float:
        return self.data.draw(
            st.sampled_from([0.0, -0.0, 1.0, -1e-9, 1e300, float("nan"), INFINITY])
        )

    def count(self, most: int) -> range:
        return range(self.data.draw(st.integers(0, most)))

    def accusation(self, toy: Toy) -> Accusation:
        duty = attempt_of(toy).base.duty_of(toy.me)
        is_drawn = bool(duty) and self.data.draw(st.booleans())
        target = duty[0].target if is_drawn else self.peer(toy)
        head = duty[0].attempt if is_drawn else self.digest(toy)
        return Accusation(
            self.data.draw(st.sampled_from(list(FaultKind))),
            target,
            head,
            self.data.draw(st.integers(-1, len(toy.genesis.peers) - 1)),
            about=self.peer(toy),
            evidence=self.digest(toy),
        )

    def finding(self, toy: Toy) -> Finding:
        guilt = self.data.draw(st.sampled_from(list(Guilt)))
        return Finding(self.digest(toy), guilt, tuple(self.peer(toy) for _ in self.count(2)))

    def report(self, toy: Toy) -> Report:
        return Report(
            self.peer(toy), self.digest(toy), self.data.draw(st.booleans()), self.digest(toy)
        )

    def view(self, toy: Toy) -> Signed:
        claims = (self.peer(toy),)
        view = encode_payload(View(self.digest(toy), claims=claims))
        return sign(Stage.VIEW, attempt_of(toy).base.checked, toy.me, view)

    def proof(self, toy: Toy) -> Proof:
        head = self.digest(toy)
        if self.data.draw(st.booleans()):
            return Misdeed((commit_of(self.peer(toy)[0], head),))
        return prove(commit_of(self.peer(toy)[0], head), commit_of(toy.me[0], head, 1))

    def say(self, toy: Toy, effect: fx.Broadcast) -> bytes:
        said = read(toy, sign(effect.stage, effect.head, toy.me, effect.payload))
        parts = len(attempt_of(toy).base.workers)
        lie: Any = said
        match said:
            case Commit():
                lie = Commit(tuple(self.digest(toy) for _ in range(parts)), self.digest(toy))
            case Aggregated():
                lie = Aggregated(said.echo, None)
            case Reveal():
                lie = Reveal(said.echo, self.digest(toy))
            case Projections():
                rows = tuple(tuple(self.number() for _ in range(2)) for _ in range(parts))
                norms = tuple(self.number() for _ in range(parts))
                lie = Projections(said.echo, self.digest(toy), rows, norms)
            case Check():
                lie = msgspec.structs.replace(
                    said,
                    secret=said.secret if self.data.draw(st.booleans()) else self.digest(toy),
                    accusations=tuple(self.accusation(toy) for _ in self.count(3)),
                    findings=self.some(said.findings, lambda: self.finding(toy)),
                    reports=self.some(said.reports, lambda: self.report(toy)),
                    durations=self.some(said.durations, self.number),
                    views=tuple(self.view(toy) for _ in self.count(1)),
                    proofs=tuple(self.proof(toy) for _ in self.count(1)),
                )
            case Verdict():
                lie = Verdict(self.digest(toy), self.digest(toy))
        return encode_payload(lie)

    def some(self, honest: tuple[Any, ...], lie: Callable[[], Any]) -> tuple[Any, ...]:
        if self.data.draw(st.booleans()):
            return honest
        return tuple(lie() for _ in range(len(honest)))


INFINITY = float("inf")


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_liar_that_says_anything_costs_no_honest_peer_its_place(data: st.DataObject) -> None:
    """Whatever decodes is answered by rules: the honest agree, and go on."""
    speaker = Speaker(data)

    def tamper(ring: Ring, toy: Toy, effects: list[fx.Effect]) -> list[fx.Effect]:
        lying = (
            Stage.AGGREGATED,
            Stage.REVEAL,
            Stage.PROJECTIONS,
            Stage.CHECK,
            Stage.VERDICT,
        )
        return [
            msgspec.structs.replace(effect, payload=speaker.say(toy, effect))
            if isinstance(effect, fx.Broadcast)
            and effect.stage in lying
            and data.draw(st.integers(0, 3)) == 0
            else effect
            for effect in effects
        ]

    ring = Ring(5, steps=3, tampers={1: all_of(tamper), 4: all_of(tamper)}).run()
    check_honest(ring, 1, 4)
