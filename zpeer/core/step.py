"""The order of a step, as one table, and the crank that turns it (protocol, section 2).

    COMMIT -> (PART) -> AGGREGATED -> (RESULT) -> REVEAL -> PROJECTIONS -> CHECK -> VERDICT

Rules, the same for every stage:
- My message goes out as soon as the stage before is complete and what it says is computed
  (`compose`).
- A stage is complete when a message of every peer of the roster is in, each with my own echo; no
  stage is left before. Then its set is judged (`on_set`): what everybody sees in it, everybody
  concludes from it.
- Every attempt has the same stages: in one that a set has made void AGGREGATED and PROJECTIONS are
  empty, and all else goes on as ever. If the way depended on what a peer saw, honest peers would
  wait for each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.aggregate import AggregatedStage
from zpeer.core.base import make_first_base, make_next_base
from zpeer.core.broadcast import (
    ask_about_echoes,
    compute_set_digest,
    is_agreed,
    is_complete,
    take_early,
)
from zpeer.core.check import BYTES_WAIT, CheckStage
from zpeer.core.commit import CommitStage
from zpeer.core.judge import publish_averages, request_recomputations
from zpeer.core.proofs import write_bans
from zpeer.core.retain import retain
from zpeer.core.reveal import RevealStage
from zpeer.core.state import Attempt, Base
from zpeer.core.verdict import VerdictStage, decode_record, find_other_verdicts, get_outcome
from zpeer.core.verify import ProjectionsStage, find_missing_results
from zpeer.effects import Decide, SetTimer, Update
from zpeer.faults import FaultKind, is_ban, sentence
from zpeer.record import Outcome
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context, StageRules
    from zpeer.record import Record

STAGES: dict[Stage, type[StageRules]] = {
    Stage.COMMIT: CommitStage,
    Stage.AGGREGATED: AggregatedStage,
    Stage.REVEAL: RevealStage,
    Stage.PROJECTIONS: ProjectionsStage,
    Stage.CHECK: CheckStage,
    Stage.VERDICT: VerdictStage,
}
HEAVY = (Stage.COMMIT, Stage.CHECK)
PEERS_MIN = 3


def start(context: Context) -> None:
    """Begin step 0."""
    begin(context, make_first_base(context.genesis, context.aggregator))


def begin(context: Context, base: Base) -> None:
    """Begin an attempt: old gradients are computed again while the new ones are."""
    context.state.attempt = Attempt(base=base)
    enter(context, Stage.COMMIT)
    request_recomputations(context)
    publish_averages(context)
    take_early(context)


def enter(context: Context, stage: Stage) -> None:
    """Enter a stage; its deadline runs from now."""
    attempt = context.attempt
    attempt.stage = stage
    attempt.entered = context.now
    set_timer(context)


def set_timer(context: Context) -> None:
    """Wake at the deadline; in CHECK before it, when missing bytes are waited for no longer."""
    attempt = context.attempt
    wait = get_wait(context)
    bytes_until = attempt.entered + BYTES_WAIT * wait
    is_early = attempt.stage is Stage.CHECK and context.now < bytes_until
    context.emit(SetTimer(at=bytes_until if is_early else attempt.entered + wait))


def get_wait(context: Context) -> float:
    """Seconds the present stage may take."""
    is_heavy = context.attempt.stage in HEAVY
    return context.deadlines.heavy if is_heavy else context.deadlines.stage


def advance(context: Context) -> None:
    """Go as far as what has come in allows."""
    while not context.state.stopped:
        attempt = context.attempt
        send(context)
        if not is_through(context):
            return
        stage = attempt.stage
        attempt.sets[stage] = compute_set_digest(attempt.members(stage))
        STAGES[stage].on_set(context)
        if stage is context.stages[-1]:
            finish(context)
        else:
            enter(context, context.stages[context.stages.index(stage) + 1])
            ask_about_echoes(context, attempt.stage)
            request_update(context)


def send(context: Context) -> None:
    """Send my message of the present stage once it can be said."""
    attempt = context.attempt
    stage = STAGES[attempt.stage]
    if attempt.stage in attempt.sent:
        return
    stage.prepare(context)
    message = stage.compose(context)
    if message is not None:
        context.broadcast(attempt.stage, message)
        stage.on_sent(context)


def is_through(context: Context) -> bool:
    """Whether the present stage is complete. Unprotected runs leave AGGREGATED with the
    results in."""
    attempt = context.attempt
    if attempt.stage not in attempt.sent or not is_complete(context, attempt.stage):
        return False
    is_last_exchange = not context.is_protected and attempt.stage is Stage.AGGREGATED
    return not (is_last_exchange and find_missing_results(context))


def request_update(context: Context) -> None:
    """The optimizer runs as soon as it is known that the step counts: CHECK cannot make it void."""
    attempt = context.attempt
    base = attempt.base
    last = Stage.CHECK if context.is_protected else Stage.VERDICT
    if attempt.stage is not last or get_outcome(context) is not Outcome.COUNTED:
        return
    every = context.genesis.optimizer_digest_every
    context.request(
        "update",
        Update(
            head=base.head,
            step=base.counted,
            workers=base.workers,
            parameters=base.parameters,
            digest_state=(base.counted + 1) % every == 0,
        ),
    )


def finish(context: Context) -> None:
    """All verdicts are in: equal ones make the record final, different ones end the run."""
    others = find_other_verdicts(context)
    if others:
        context.stop(
            5,
            f"VERDICT differs from mine at {context.names(others)} in step"
            f" {context.attempt.base.step}, attempt {context.attempt.base.attempt}:"
            " peers do not agree on what happened",
            tuple(others),
        )
        return
    decide(context, decode_record(context.attempt.verdict))


def decide(context: Context, record: Record) -> None:
    """Adopt the record and go on from it."""
    attempt = context.attempt
    write_bans(context, record, attempt.base.matters)
    context.emit(Decide(record=record, verdicts=attempt.members(Stage.VERDICT)))
    retain(context, record)
    if context.me not in record.roster:
        stop_departed(context, record)
    elif len(record.roster) < PEERS_MIN:
        context.stop(5, f"fewer than {PEERS_MIN} peers are left", record.roster)
    elif is_finished(context, record):
        context.stop(0, "all steps are done and everything is checked")
    else:
        begin(context, make_next_base(context.genesis, context.aggregator, record))


def stop_departed(context: Context, record: Record) -> None:
    """I am out, and say why."""
    mine = next(departure for departure in record.departures if departure.peer == context.me)
    relation = "against" if mine.fault is FaultKind.FALSE_ACCUSATION else "accused by"
    other = f", {relation} {context.names([mine.accuser])}" if any(mine.accuser) else ""
    code, word = (3, "banned") if is_ban(mine.fault) else (4, "removed")
    reason = f"{word}: it {sentence(mine.fault)} ({mine.fault.name}{other})"
    context.stop(code, reason, (context.me,), mine.fault)


def is_finished(context: Context, record: Record) -> bool:
    """After the last step: nothing is open, and one more CHECK set is recorded after the last
    report."""
    if record.counted < context.genesis.steps:
        return False
    if not context.is_protected:
        return True
    nothing_open = not record.draws and not record.matters
    no_reports = not any(context.attempt.base.duties)
    return nothing_open and no_reports and record.outcome is Outcome.CLOSING


def on_timer(context: Context) -> None:
    """A stage's time is over: with `agreement = "stop"` the run ends, naming what was awaited."""
    if context.now < context.attempt.entered + get_wait(context):
        set_timer(context)
    else:
        stop_waiting(context)


def stop_waiting(context: Context) -> None:
    """Say which stage, which peers and what was awaited."""
    attempt = context.attempt
    late = [peer for peer in attempt.base.roster if attempt.signed(attempt.stage, peer) is None]
    odd = [s.sender for s in attempt.members(attempt.stage) if not is_agreed(context, s)]
    lines = STAGES[attempt.stage].awaited(context) if attempt.stage not in attempt.sent else []
    if not context.is_protected and attempt.stage is Stage.AGGREGATED:
        lines += ProjectionsStage.awaited(context)
    lines += [f"{attempt.stage.name} from {context.names(late)}"] if late else []
    lines += [f"an explanation of the echo of {context.names(odd)}"] if odd else []
    context.stop(
        5,
        f"deadline of {attempt.stage.name} passed after {get_wait(context):.0f} s in step"
        f" {attempt.base.step}, attempt {attempt.base.attempt}; awaited: {'; '.join(lines)}",
        tuple(dict.fromkeys([*late, *odd])),
    )
