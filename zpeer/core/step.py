"""The crank that turns a step, and how an attempt ends (protocol, section 2).

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
from zpeer.core.asking import ask_about_echoes
from zpeer.core.base import make_first_base, make_next_base
from zpeer.core.broadcast import compute_set_digest, is_complete
from zpeer.core.due import on_timer, set_timer
from zpeer.core.judge import request_recomputations
from zpeer.core.proofs import write_bans
from zpeer.core.published import publish_averages
from zpeer.core.receive import take_early
from zpeer.core.resolve import (
    ask_for_outcome,
    find_outcome,
    is_concluding,
    is_cut_off,
    show_basis,
    take_shown,
)
from zpeer.core.retain import retain
from zpeer.core.stages import STAGES, awaits_myself
from zpeer.core.state import Attempt, Base
from zpeer.core.stops import stop_cut_off, stop_departed, stop_disagreeing
from zpeer.core.verdict import VerdictStage, decode_record, get_outcome
from zpeer.core.verify import find_missing_results
from zpeer.effects import Decide, SendSet, Update
from zpeer.messages import Decided
from zpeer.record import Outcome
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.ids import PeerId
    from zpeer.record import Record

PEERS_MIN = 3


def start(context: Context) -> None:
    """Begin step 0."""
    begin(context, make_first_base(context.genesis, context.aggregator))


def begin(context: Context, base: Base) -> None:
    """Begin an attempt: old gradients are computed again while the new ones are."""
    context.begin(Attempt(base=base, started=context.now))
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
    timer = context.attempt.timer
    if 0 < timer <= context.now:
        on_timer(context)
        advance(context)
    elif not timer:
        set_timer(context)


def go_on(context: Context) -> bool:
    """One step ahead; False if there is none."""
    attempt = context.attempt
    is_stuck = attempt.slow is not None or is_concluding(context)
    if may_speak(is_stuck=is_stuck) and attempt.stage not in attempt.sent:
        send(context)
    is_last = attempt.stage is context.stages[-1]
    if may_pass(context, is_stuck=is_stuck) and is_through(context):
        pass_stage(context)
        return True
    if is_stuck:
        return conclude(context)
    if is_last and not context.is_agreeing:
        stop_disagreeing(context)
    return False


def may_speak(*, is_stuck: bool) -> bool:
    """Whether I sign stage messages: who has joined a call signs none of that attempt any more."""
    return not is_stuck


def may_pass(context: Context, *, is_stuck: bool) -> bool:
    """Whether a complete stage is left: n VERDICTs make a record final whenever they come, also
    after a call."""
    return not is_stuck or context.attempt.stage is context.stages[-1]


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
    stage.prepare(context)
    message = stage.compose(context)
    if message is not None:
        context.broadcast(attempt.stage, message)
        stage.on_sent(context)


def is_through(context: Context) -> bool:
    """Whether the present stage is complete. Unprotected runs leave AGGREGATED with the
    results in."""
    attempt = context.attempt
    stage = attempt.stage
    if stage not in attempt.sent or not is_complete(context, stage):
        return False
    is_last_exchange = not context.is_protected and stage is Stage.AGGREGATED
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
    is_for_all = is_awaited(attempt) or is_finished(context, record)
    verdicts = attempt.members(Stage.VERDICT)
    for peer in context.others if context.is_agreeing else ():
        if is_for_all or is_leaving(record, peer):
            effect = SendSet(peer, attempt.base.head, Stage.VERDICT, verdicts)
            context.emit(effect)
    decide(context, record)


def is_awaited(attempt: Attempt) -> bool:
    """Whether somebody may still wait for what I have: I saw a call, or was in the slow path."""
    return attempt.slow is not None or bool(attempt.views)


def is_leaving(record: Record, peer: PeerId) -> bool:
    """Whether a peer leaves with this record: nothing that comes later would tell it."""
    return peer not in record.roster


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
