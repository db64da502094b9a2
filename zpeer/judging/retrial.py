"""An attempt run again from evidence, stage by stage, by the core's own rules.

As the accused saw it: with the sets that it echoed (`case.py`). Every function raises Unproven for
what the evidence does not hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from zpeer.core.aggregate import AggregatedStage
from zpeer.core.commit import CommitStage
from zpeer.core.context import Context
from zpeer.core.faulty import judge_bodies
from zpeer.core.reveal import RevealStage
from zpeer.core.state import Arrival, Attempt, State
from zpeer.core.verify import get_result, judge_results
from zpeer.events import Projected
from zpeer.judging.case import Unproven, require
from zpeer.messages import (
    MESSAGE_TYPES,
    Aggregated,
    Check,
    Commit,
    Projections,
    Reveal,
    Verdict,
)
from zpeer.numerics.dealing import from_bytes, is_finite
from zpeer.numerics.directions import directions
from zpeer.numerics.fixed import norm
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.core.state import Base
    from zpeer.ids import Digest
    from zpeer.interfaces import Float32
    from zpeer.judging.case import Case

M = TypeVar("M", Commit, Aggregated, Reveal, Projections, Check)
STAGE_OF = {kind: stage for stage, kind in MESSAGE_TYPES.items()}
ECHOING = (Aggregated, Reveal, Projections, Check, Verdict)


def get_own(case: Case, head: Digest, kind: type[M]) -> M:
    """What the accused said in a stage."""
    message = case.decode(case.find_own(head, STAGE_OF[kind]))
    if not isinstance(message, kind):
        raise Unproven(f"its {kind.__name__} does not decode")
    return message


def run_until(case: Case, head: Digest, stop: Stage, *, whole: bool = True) -> Context:
    """The attempt on a head with all sets before stage `stop` judged, as an honest peer did.

    `whole`: what to assume of aggregates whose bytes are lacking: that they are finite.
    """
    base = case.find_base(head)
    require(case.accused in base.roster, "the accused was not in the roster of that attempt")
    context = make_context(case, base)
    for stage in context.stages:
        if stage >= stop:
            break
        take_set(case, context, stage, find_echo(case, head, stage))
        if stage is Stage.REVEAL and stop > Stage.REVEAL:
            take_results(case, context, whole=whole)
    return context


def run_commits(case: Case, head: Digest) -> Context:
    """The attempt on a head with the COMMIT set that its record names: what its gradients are
    judged by, also where the slow path made it void."""
    sets = case.find_decision(head).sets
    require(sets, "the record of that attempt rests on no COMMIT set")
    context = make_context(case, case.find_base(head))
    take_set(case, context, Stage.COMMIT, sets[0])
    return context


def make_context(case: Case, base: Base) -> Context:
    """An attempt of which nothing is known but where it starts."""
    return Context(
        case.genesis,
        case.accused,
        aggregator=case.court.aggregator,
        policy=case.court.policy,
        limits=case.limits,
        verify=case.court.verify,
        state=State(attempt=Attempt(base=base)),
    )


def find_echo(case: Case, head: Digest, stage: Stage) -> Digest:
    """The set of a stage that the accused echoed in its message of the next one."""
    following = case.decode(case.find_own(head, Stage(stage + 1)))
    if not isinstance(following, ECHOING):
        raise Unproven(f"the accused did not echo the {stage.name} set")
    return following.echo


def take_set(case: Case, context: Context, stage: Stage, expected: Digest) -> None:
    """Put in the set of that digest, and judge it by the core's rules."""
    attempt = context.attempt
    messages = case.find_set(attempt.base.head, stage, expected)
    if tuple(each.sender for each in messages) != attempt.base.roster:
        raise Unproven(f"its {stage.name} set is not one of the whole roster")
    attempt.messages[stage] = {each.sender: each for each in messages}
    attempt.sets[stage] = expected
    match stage:
        case Stage.COMMIT:
            CommitStage.on_set(context)
        case Stage.AGGREGATED:
            AggregatedStage.on_set(context)
        case Stage.REVEAL:
            RevealStage.on_set(context)
        case Stage.PROJECTIONS:
            judge_bodies(context, stage, voids=True)
        case _:
            raise Unproven("rests on what follows from a CHECK set, which no evidence does")


def take_results(case: Case, context: Context, *, whole: bool) -> None:
    """Note which aggregates are usable, and the norms of what everybody can compute."""
    attempt = context.attempt
    result_norms = []
    for part, owner in enumerate(attempt.base.workers):
        fixed = get_result(context, attempt, owner)
        arrival, size = describe_result(case, context, part, fixed, whole=whole)
        result_norms.append(size)
        if fixed is not None and arrival is not None:
            attempt.results[owner] = arrival
    judge_results(context)
    if attempt.has_projections:
        direction_norms = compute_direction_norms(case, attempt)
        head = attempt.base.head
        attempt.projected = Projected(head, (), (), tuple(result_norms), direction_norms)


def describe_result(
    case: Case, context: Context, part: int, fixed: Digest | None, *, whole: bool
) -> tuple[Arrival | None, float]:
    """What the shell would have said of an aggregate's bytes, and its norm (0 if unknown)."""
    if fixed is None:
        return None, 0.0
    data = case.get_bytes(fixed)
    if data is None:
        size_bytes = context.layout(context.attempt).size_bytes(part)
        return Arrival(fixed, size_bytes, whole), 0.0
    vector = read_vector(data)
    return (
        Arrival(fixed, len(data), finite=vector is not None),
        0.0 if vector is None else norm(vector),
    )


def compute_direction_norms(case: Case, attempt: Attempt) -> tuple[tuple[float, ...], ...]:
    """||z|| by part and direction."""
    layout = case.layout(attempt.base)
    count = case.genesis.directions
    return tuple(
        directions(attempt.beacon, part, layout.length(part), count).norms()
        for part in range(layout.parts)
    )


def lacks_results(case: Case, context: Context) -> bool:
    """Whether it is not known of every aggregate if it was usable."""
    attempt = context.attempt
    fixed = (get_result(context, attempt, owner) for owner in attempt.base.workers)
    return any(each is not None and case.get_bytes(each) is None for each in fixed)


def read_vector(data: bytes) -> Float32 | None:
    """Finite float32 numbers; None where the bytes are not."""
    if len(data) % 4:
        return None
    vector = from_bytes(data)
    return vector if is_finite(vector) else None
