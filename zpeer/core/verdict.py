"""VERDICT: the record everybody arrives at, and what becomes final by n equal verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from zpeer.core.adjudicate import adjudicate
from zpeer.core.claims import lapse
from zpeer.core.draw import assign_duties, split_lapsed, validators_in_force
from zpeer.core.limits import follow, measure_typical
from zpeer.core.schedule import follow_durations
from zpeer.core.verify import get_stated
from zpeer.ids import NOTHING, Digest, PeerId, digest
from zpeer.messages import Verdict
from zpeer.record import Draw, Outcome, Record
from zpeer.signed import PROTOCOL_VERSION, Stage

if TYPE_CHECKING:
    from zpeer.core.adjudicate import Judgement
    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.messages import Message, Report


class VerdictStage:
    """All sets in, one digest out."""

    stage = Stage.VERDICT

    @staticmethod
    def prepare(context: Context) -> None:
        """The update was asked for as soon as it was known that the step counts."""

    @staticmethod
    def compose(context: Context) -> Message | None:
        """The digest of the record, once the parameters after it are known."""
        attempt = context.attempt
        attempt.outcome = get_outcome(context)
        if attempt.outcome is Outcome.COUNTED and attempt.parameters_after == NOTHING:
            return None
        record = make_record(context, adjudicate(context))
        attempt.verdict = msgspec.msgpack.encode(record)
        return Verdict(attempt.sets[context.stages[-2]], record.head)

    @staticmethod
    def on_sent(context: Context) -> None:
        """Nothing follows it."""

    @staticmethod
    def on_set(context: Context) -> None:
        """Equal verdicts are checked by the caller, who commits (see `step.py`)."""

    @staticmethod
    def awaited(context: Context) -> list[str]:
        """What of my own is missing."""
        attempt = context.attempt
        is_waiting = attempt.outcome is Outcome.COUNTED and attempt.parameters_after == NOTHING
        return ["my update of the parameters"] if is_waiting else []


def decode_record(data: bytes) -> Record:
    """A record from its own encoding."""
    return msgspec.msgpack.decode(data, type=Record)


def get_outcome(context: Context) -> Outcome:
    """What becomes of the attempt: known once its PROJECTIONS are judged."""
    attempt = context.attempt
    if attempt.base.closing:
        return Outcome.CLOSING
    return Outcome.VOID if attempt.void else Outcome.COUNTED


def make_record(context: Context, judgement: Judgement, views: tuple[Digest, ...] = ()) -> Record:
    """The record of the attempt: from its sets alone, or from the agreed views."""
    attempt = context.attempt
    base = attempt.base
    genesis = context.genesis
    gone = {departure.peer for departure in judgement.departures}
    roster = tuple(peer for peer in base.roster if peer not in gone)
    is_counted = attempt.outcome is Outcome.COUNTED
    counted = base.counted + is_counted
    draws, lapsed = split_lapsed(update_draws(context, judgement), counted, len(base.roster))
    draw_beacon = get_draw_beacon(attempt)
    validators = choose_validators(context, roster, draw_beacon, counted)
    typical, window = update_typical(context)
    return Record(
        version=PROTOCOL_VERSION,
        run=genesis.run,
        previous=base.head,
        step=base.step,
        attempt=base.attempt,
        outcome=get_outcome(context),
        counted=counted,
        parameters=attempt.parameters_after if is_counted else base.parameters,
        optimizer=attempt.optimizer_after if is_counted else NOTHING,
        roster=roster,
        seed_beacon=get_seed_beacon(context) if is_counted else base.seed_beacon,
        draw_beacon=draw_beacon,
        beacon=attempt.beacon,
        secret_beacon=attempt.secret_beacon,
        validators=validators,
        duties=assign_duties(validators, draws, judgement.matters),
        draws=draws,
        matters=tuple(judgement.matters),
        typical=typical,
        typical_window=window,
        delta_floor=0.0 if is_counted else judgement.delta_floor,
        sets=tuple(attempt.sets[s] for s in context.stages[:-1] if s in attempt.sets),
        departures=tuple(judgement.departures),
        lapsed=lapsed,
        checked=base.head if Stage.CHECK in attempt.sets else base.checked,
        charges=lapse(judgement.charges, roster, counted, genesis.charge_lifetime),
        durations=update_durations(context, judgement),
        views=views,
    )


def get_draw_beacon(attempt: Attempt) -> Digest:
    """What draws the next validators: q, which nobody knew before all PROJECTIONS were in; after a
    void attempt that of the step before, so that nobody gets others by voiding it."""
    is_counted = attempt.outcome is Outcome.COUNTED
    return attempt.secret_beacon if is_counted else attempt.base.draw_beacon


def update_durations(context: Context, judgement: Judgement) -> tuple[float, ...]:
    """Durations follow those of counted first attempts: a repeated one needs no new gradient."""
    base = context.attempt.base
    is_telling = context.attempt.outcome is Outcome.COUNTED and base.attempt == 0
    if not is_telling or not context.is_protected:
        return base.durations
    return follow_durations(
        base.durations, [check.durations for check in judgement.checks.values()]
    )


def get_seed_beacon(context: Context) -> Digest:
    """r of this step; without the MPRNG (unprotected) something that at least changes."""
    if context.is_protected:
        return context.attempt.beacon
    return digest("zpeer/unprotected", context.attempt.base.head)


def choose_validators(
    context: Context, roster: tuple[PeerId, ...], beacon: Digest, counted: int
) -> tuple[PeerId, ...]:
    """The first m in drawn order; everybody once there are no more steps; nobody without
    protection."""
    if not context.is_protected or beacon == NOTHING:
        return ()
    if counted >= context.genesis.steps:
        return context.policy.validators(beacon, roster, len(roster))
    count = validators_in_force(context.genesis.validators, len(roster))
    return context.policy.validators(beacon, roster, count)


def update_draws(context: Context, judgement: Judgement) -> tuple[Draw, ...]:
    """Close what is reported on, open what is drawn; a ban closes what is open on its peer."""
    base = context.attempt.base
    closed = {
        (report.target, report.attempt)
        for check in judgement.checks.values()
        for report in check.reports
        if closes(report)
    }
    kept = [draw for draw in base.draws if (draw.target, draw.attempt) not in closed]
    draws = [*kept, *judgement.reopened, *draw_targets(context)]
    unique = {(draw.target, draw.attempt): draw for draw in reversed(draws)}
    return tuple(
        draw
        for draw in dict.fromkeys(unique[draw.target, draw.attempt] for draw in draws)
        if not judgement.is_banned(draw.target)
    )


def closes(report: Report) -> bool:
    """Whether a report closes its draw: with an accusation it stays open until that is judged."""
    return report.follows


def draw_targets(context: Context) -> list[Draw]:
    """m fresh targets among the workers; all of them after the last step."""
    attempt = context.attempt
    base = attempt.base
    if not draws_targets(attempt):
        return []
    is_counted = attempt.outcome is Outcome.COUNTED
    is_last = is_counted and base.counted + 1 >= context.genesis.steps
    drawn = validators_in_force(context.genesis.validators, len(base.roster))
    count = len(base.workers) if is_last else drawn
    targets = context.policy.targets(attempt.secret_beacon, base.workers, count)
    opened = base.counted + is_counted
    return [Draw(target, base.head, base.step, is_counted, opened) for target in targets]


def draws_targets(attempt: Attempt) -> bool:
    """Whether somebody is drawn: wherever there is a q, also in a void attempt, by its own."""
    return attempt.secret_beacon != NOTHING and bool(attempt.base.workers)


def update_typical(context: Context) -> tuple[float, tuple[float, ...]]:
    """The typical norm follows the norms of counted steps; without projections it stays."""
    attempt = context.attempt
    base = attempt.base
    if attempt.outcome is not Outcome.COUNTED or not context.is_protected:
        return base.typical, base.typical_window
    stated = [get_stated(context, attempt, worker) for worker in base.workers]
    norms = [[scalars.norm for scalars in row] for row in stated]
    measured = measure_typical(norms, context.layout(attempt))
    window = (*base.typical_window, measured)[-context.genesis.typical_window :]
    return follow(base.typical, window, context.genesis.typical_growth), window
