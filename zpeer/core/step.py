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

import msgspec

from zpeer.core import slow_path
from zpeer.core.aggregate import AggregatedStage
from zpeer.core.asking import (
    ask_about_echoes,
    ask_ahead,
    ask_everybody,
    ask_for_bytes,
    list_ahead,
)
from zpeer.core.base import make_first_base, make_next_base
from zpeer.core.broadcast import compute_set_digest, echoes_mine, is_complete, says_mine
from zpeer.core.call import describe_missing_messages
from zpeer.core.check import CheckStage, find_bytes_end
from zpeer.core.commit import CommitStage
from zpeer.core.judge import publish_averages, request_recomputations
from zpeer.core.proofs import write_bans
from zpeer.core.receive import take_early
from zpeer.core.resolve import (
    ASK_EVERY,
    TRIES_MAX,
    ask_for_outcome,
    find_outcome,
    is_concluding,
    is_cut_off,
    show_basis,
    take_shown,
)
from zpeer.core.retain import retain
from zpeer.core.reveal import RevealStage
from zpeer.core.schedule import WITH_BYTES, find_bytes_due, find_due
from zpeer.core.state import Attempt, Base
from zpeer.core.verdict import VerdictStage, decode_record, get_outcome
from zpeer.core.verify import ProjectionsStage, find_missing_results
from zpeer.effects import Decide, SendSet, SetTimer, Update
from zpeer.faults import FaultKind, is_ban, sentence
from zpeer.messages import Decided
from zpeer.record import Outcome
from zpeer.signed import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

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
PEERS_MIN = 3


def start(context: Context) -> None:
    """Begin step 0."""
    begin(context, make_first_base(context.genesis, context.aggregator))


def begin(context: Context, base: Base) -> None:
    """Begin an attempt: old gradients are computed again while the new ones are."""
    context.state.attempt = Attempt(base=base, started=context.now)
    enter(context, Stage.COMMIT)
    request_recomputations(context)
    publish_averages(context)
    take_early(context)


def enter(context: Context, stage: Stage) -> None:
    """Enter a stage."""
    attempt = context.attempt
    attempt.stage = stage
    attempt.entered = context.now
    attempt.timer = 0.0


def advance(context: Context) -> None:
    """Go as far as what has come in allows. What is due by now is done, though the timer itself has
    not fired yet: else what comes in just before it would put it off."""
    while not context.state.stopped and go_on(context):
        pass
    if context.state.stopped:
        return
    if 0 < context.attempt.timer <= context.now:
        on_timer(context)
        advance(context)
    else:
        set_timer(context)


def go_on(context: Context) -> bool:
    """One step ahead; False if there is none."""
    attempt = context.attempt
    is_stuck = attempt.slow is not None or is_concluding(context)
    if not is_stuck:
        send(context)
    is_last = attempt.stage is context.stages[-1]
    if is_through(context) and (is_last or not is_stuck):
        pass_stage(context)
        return True
    if is_stuck:
        return conclude(context)
    if is_last and not context.is_agreeing:
        stop_disagreeing(context)
    return False


def pass_stage(context: Context) -> None:
    """Judge the complete set, and enter the next stage; after the last one all agree."""
    attempt = context.attempt
    stage = attempt.stage
    attempt.sets[stage] = compute_set_digest(attempt.members(stage))
    STAGES[stage].on_set(context)
    if stage is context.stages[-1]:
        finish(context)
        return
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


# --- how an attempt ends --------------------------------------------------------------------------


def finish(context: Context) -> None:
    """n equal verdicts make the record final. While somebody waits, and at the end of the run, all
    are shown them; who leaves is in any case."""
    attempt = context.attempt
    record = decode_record(attempt.verdict)
    is_awaited = attempt.slow is not None or bool(attempt.views) or is_finished(context, record)
    verdicts = attempt.members(Stage.VERDICT)
    for peer in context.others if context.is_agreeing else ():
        if is_awaited or peer not in record.roster:
            effect = SendSet(peer, attempt.base.head, Stage.VERDICT, verdicts)
            context.emit(effect)
    decide(context, record)


def conclude(context: Context) -> bool:
    """End an attempt that got stuck, as soon as its outcome is known; True if it has ended, or come
    nearer to its end."""
    attempt = context.attempt
    if attempt.slow is not None:
        slow_path.turn(context, attempt.slow)
    if not is_concluding(context):
        return False
    if is_cut_off(context):
        stop_cut_off(context, "in the slow path I heard no more than half of the roster")
        return False
    record = find_outcome(context)
    if record is not None:
        settle(context, record)
        return True
    if follow(context):
        return True
    if attempt.tries == 0 and not awaits_myself(context):
        ask_for_outcome(context)
    return False


def awaits_myself(context: Context) -> bool:
    """Whether nobody but I is awaited: for the parameters after the record."""
    return context.attempt.stage is Stage.VERDICT and bool(VerdictStage.awaited(context))


def follow(context: Context) -> bool:
    """Arrive at the record that others decided, saying nothing any more: by the CHECK set behind
    it, mine or one that was shown to me."""
    attempt = context.attempt
    if attempt.stage is Stage.CHECK and is_complete(context, Stage.CHECK):
        pass_stage(context)
        return True
    if attempt.stage is Stage.VERDICT and not attempt.verdict:
        return VerdictStage.compose(context) is not None
    return take_shown(context)


def settle(context: Context, record: Record) -> None:
    """Sign what the slow path led to, and go on from it."""
    attempt = context.attempt
    attempt.is_settled = True
    context.broadcast(Stage.DECIDED, Decided(record.head))
    show_basis(context, record)
    decide(context, record)


def decide(context: Context, record: Record) -> None:
    """Adopt the record and go on from it."""
    attempt = context.attempt
    attempt.verdict = msgspec.msgpack.encode(record)
    write_bans(context, record, attempt.base.matters)
    proven = Stage.DECIDED if attempt.is_settled else Stage.VERDICT
    context.emit(Decide(record=record, verdicts=attempt.members(proven)))
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
    relation = "with" if mine.fault is FaultKind.PAIR_ELIMINATED else relation
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
    is_checked = record.outcome is Outcome.CLOSING and not record.views
    return nothing_open and no_reports and is_checked


# --- time -----------------------------------------------------------------------------------------


def set_timer(context: Context) -> None:
    """Wake when something is due next, if that has changed: what fires too early does no harm."""
    attempt = context.attempt
    if attempt.timer > context.now:
        return
    ahead = [at for at in find_times(context) if at > context.now]
    if ahead:
        attempt.timer = min(ahead)
        context.emit(SetTimer(at=attempt.timer))


def find_times(context: Context) -> Iterator[float]:
    """When something is due: questions, missing bytes, the stage, a round."""
    attempt = context.attempt
    stage, delta = attempt.stage, context.genesis.delta
    if is_concluding(context):
        yield attempt.tried + ASK_EVERY * delta
    if attempt.slow is not None:
        yield slow_path.find_close(context, attempt.slow)
        yield slow_path.find_end(context, attempt.slow)
        return
    yield from list_ahead(context).values()
    if stage in WITH_BYTES:
        due = find_bytes_due(context)
        yield due - 2 * delta
        yield due
    if stage is Stage.CHECK:
        yield find_bytes_end(context)
    due = find_due(context)
    yield due - 2 * delta
    yield due


def on_timer(context: Context) -> None:
    """Something is due: ask, call, or, with `agreement = "stop"`, end the run."""
    attempt = context.attempt
    stage, now, delta = attempt.stage, context.now, context.genesis.delta
    attempt.timer = 0.0
    if attempt.slow is not None or is_concluding(context):
        ask_again(context)
        return
    ask_ahead(context)
    is_unsaid = stage in WITH_BYTES and stage not in attempt.sent
    if is_unsaid and now >= find_bytes_due(context) - 2 * delta:
        ask_for_bytes(context)
    if now >= find_due(context) - 2 * delta:
        ask_everybody(context)
    if context.is_agreeing:
        slow_path.call_late(context)
    elif now >= find_due(context):
        stop_waiting(context)


def ask_again(context: Context) -> None:
    """What the outcome rests on has not come: an honest peer would have answered."""
    attempt = context.attempt
    if not is_concluding(context):
        return
    if awaits_myself(context):
        attempt.tried = context.now
    elif attempt.tries >= TRIES_MAX:
        stop_cut_off(context, "what the others decided rests on messages that nobody shows me")
    elif context.now >= attempt.tried + ASK_EVERY * context.genesis.delta:
        ask_for_outcome(context)


def stop_cut_off(context: Context, reason: str) -> None:
    """Whoever is cut off decides nothing."""
    base = context.attempt.base
    context.stop(5, f"cut off in step {base.step}, attempt {base.attempt}: {reason}")


def stop_waiting(context: Context) -> None:
    """Say which stage, which peers and what was awaited."""
    attempt = context.attempt
    late = [peer for peer in attempt.base.roster if attempt.signed(attempt.stage, peer) is None]
    lines = STAGES[attempt.stage].awaited(context) if attempt.stage not in attempt.sent else []
    if not context.is_protected and attempt.stage is Stage.AGGREGATED:
        lines += ProjectionsStage.awaited(context)
    lines += describe_missing_messages(context)
    context.stop(
        5,
        f"deadline of {attempt.stage.name} passed after {context.now - attempt.entered:.0f} s in"
        f" step {attempt.base.step}, attempt {attempt.base.attempt}; awaited: {'; '.join(lines)}",
        tuple(late),
    )


def stop_disagreeing(context: Context) -> None:
    """All verdicts are in, not all are mine, and no other echo explains that."""
    attempt = context.attempt
    members = attempt.members(Stage.VERDICT)
    if len(members) < len(attempt.base.roster) or Stage.VERDICT not in attempt.sent:
        return
    others = [s.sender for s in members if not says_mine(context, attempt, s)]
    if others and all(echoes_mine(context, s) for s in members):
        context.stop(
            5,
            f"VERDICT differs from mine at {context.names(others)} in step {attempt.base.step},"
            f" attempt {attempt.base.attempt}: peers do not agree on what happened",
            tuple(others),
        )
