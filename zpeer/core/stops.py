"""How a peer ends that cannot go on, and what it says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.broadcast import echoes_mine, says_mine
from zpeer.core.call import describe_missing_messages
from zpeer.core.stages import list_awaited
from zpeer.faults import FaultKind, is_ban, sentence
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.record import Record


def stop_departed(context: Context, record: Record) -> None:
    """I am out, and say why."""
    mine = next(departure for departure in record.departures if departure.peer == context.me)
    relation = "against" if mine.fault is FaultKind.FALSE_ACCUSATION else "accused by"
    relation = "with" if mine.fault is FaultKind.PAIR_ELIMINATED else relation
    other = f", {relation} {context.names([mine.accuser])}" if any(mine.accuser) else ""
    code, word = (3, "banned") if is_ban(mine.fault) else (4, "removed")
    reason = f"{word}: it {sentence(mine.fault)} ({mine.fault.name}{other})"
    context.stop(code, reason, (context.me,), mine.fault)


def stop_cut_off(context: Context, reason: str) -> None:
    """Whoever is cut off decides nothing."""
    base = context.attempt.base
    context.stop(5, f"cut off in step {base.step}, attempt {base.attempt}: {reason}")


def stop_waiting(context: Context) -> None:
    """Say which stage, which peers and what was awaited."""
    attempt = context.attempt
    late = [peer for peer in context.others if attempt.signed(attempt.stage, peer) is None]
    lines = [*list_awaited(context), *describe_missing_messages(context)]
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
