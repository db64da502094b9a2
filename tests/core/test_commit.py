"""COMMIT: what is fixed first, and gradients that are not those of their minibatch."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from msgspec.structs import replace

from tests.core.lies import Flipping, attempt_of, check_caught, check_honest, saying
from tests.core.plain import peer
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.mprng import compute_batch_seed
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, Digest, PeerId, digest
from zpeer.record import Outcome
from zpeer.signed import Stage

RUN_WITH_LUCK = digest("toy run", b"both are drawn")


def test_secret_and_gradient_are_asked_for_once_and_commit_waits_for_both() -> None:
    ring = Ring(4)
    toy = ring.toys[peer(0)]
    asked = [e for e in toy.tell(ev.Started(), 0.0) if not isinstance(e, fx.SetTimer)]
    secret, parts = asked
    assert isinstance(secret, fx.DrawSecret)
    assert parts == fx.ComputeParts(
        ring.genesis.run,
        ring.genesis.parameters,
        compute_batch_seed(ring.genesis.run, 0, peer(0)),
        4,
    )
    assert toy.tell(toy.compute(secret), 0.0) == []
    said = toy.tell(toy.compute(parts), 0.0)
    assert [type(e) for e in said] == [fx.Broadcast] + [fx.SendPart] * 3
    assert [(e.part, e.to) for e in said[1:]] == [(j, peer(j)) for j in (1, 2, 3)]


def test_answers_for_another_head_are_not_taken() -> None:
    ring = Ring(4)
    core = ring.toys[peer(0)].core
    core.handle(ev.Started(), 0.0)
    other = digest("another head")
    for event in (
        ev.SecretDrawn(other, digest("s")),
        ev.PartsComputed(other, ()),
        ev.PartAggregated(other, digest("a")),
        ev.Projected(other, (), (), (), ()),
        ev.Updated(other, digest("x"), NOTHING),
    ):
        assert core.handle(event, 0.0) == []
    attempt = core._context.attempt
    assert attempt.secret == attempt.parameters_after == NOTHING
    assert (attempt.own_parts, attempt.own_result, attempt.projected) == (None, None, None)


def test_a_validator_commits_to_no_gradient() -> None:
    ring = Ring(5).run()
    for record in ring.check_agreement()[:3]:
        past = ring.toys[peer(0)].core._context.state.past
        if record.head in past:
            base = past[record.head].base
            assert base.validators == record.validators
            assert set(base.workers) == set(record.roster) - set(record.validators)


def test_with_the_same_entropy_two_runs_end_in_the_same_parameters_whatever_the_timing() -> None:
    """Heads cover measured durations, so nothing that leads to parameters may depend on them."""

    class Slower(Ring):
        def push(self, to: PeerId, event: ev.Event, delay: float = 0.001) -> None:
            super().push(to, event, delay * (1 + to[0]))

    quick, slow = Ring(5).run().check_agreement(), Slower(5).run().check_agreement()
    assert [r.head for r in quick] != [r.head for r in slow]
    for one, other in zip(quick, slow, strict=True):
        assert one.parameters == other.parameters
        assert one.validators == other.validators
        assert one.beacon == other.beacon


# --- WRONG_GRADIENT -------------------------------------------------------------------------------


def test_a_wrong_gradient_is_found_by_a_draw_and_banned_with_proof() -> None:
    ring = Ring(5, steps=6, toys={3: Flipping}).run()
    records = check_caught(ring, {3: FaultKind.WRONG_GRADIENT})
    before, banning = next((a, b) for a, b in pairwise(records) if b.departures)
    (matter,) = before.matters
    assert matter.accusation.fault is FaultKind.WRONG_GRADIENT
    assert banning.departures[0].accuser == matter.accuser
    (evidence,) = ring.toys[peer(0)].evidence
    assert evidence.parameters != NOTHING
    assert not evidence.blobs
    assert not any(draw.target == peer(3) for draw in banning.draws)


def test_two_of_seven_are_caught_though_they_attack_at_once() -> None:
    ring = Ring(7, steps=24, toys={1: Flipping, 4: Flipping}, run=RUN_WITH_LUCK).run()
    check_caught(ring, {1: FaultKind.WRONG_GRADIENT, 4: FaultKind.WRONG_GRADIENT})


def test_a_gradient_of_a_void_attempt_convicts_as_well() -> None:
    """A colluder who dislikes a draw gains nothing by voiding the attempt."""

    class InStepOne(Toy):
        def gradient(self, parameters: Digest, seed: Digest) -> list[float]:
            honest = self.honest_gradient(parameters, seed)
            base = attempt_of(self).base
            return [-x for x in honest] if (base.step, base.attempt) == (1, 0) else honest

    caught = 0
    for k in range(12):
        run = digest("void", bytes([k]))
        ring = Ring(6, toys={2: InStepOne}, tampers={4: spoiler()}, run=run).run()
        records = ring.check_agreement(2, 4)
        void = next((r for r in records if r.outcome is Outcome.VOID), None)
        assert void is not None
        drawn = [d for d in void.draws if d.attempt == void.previous and not d.counted]
        assert len(drawn) <= 1  # none if the draw fell on who is banned in the same record
        if drawn and drawn[0].target == peer(2):
            assert ring.departures(2, 4) == {4: "WRONG_SHARE", 2: "WRONG_GRADIENT"}
            (evidence,) = [e for e in ring.toys[peer(0)].evidence if e.departure.peer == peer(2)]
            assert evidence.departure.attempt == void.previous
            caught += 1
        else:
            assert ring.departures(2, 4) == {4: "WRONG_SHARE"}
    assert caught


def spoiler() -> Any:
    """A fresh lie each: open a wrong share in step 1."""
    return saying(
        Stage.REVEAL,
        lambda toy, m: replace(m, share=bytes([7]) * 32) if attempt_of(toy).base.step else None,
    )


def test_an_honest_gradient_is_accused_by_nobody() -> None:
    records = check_honest(Ring(6, steps=8).run())
    assert not any(r.matters for r in records)
