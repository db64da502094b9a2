"""What evidence of a ban is made of: sets, the accused's words, bytes, and how attempts were
decided.

So that nobody can sign a second story afterwards and frame an honest peer, these are, besides the
accused's own messages, only messages of sets whose digest the accused itself signed as an echo
(section 3, first paragraphs). The accused echoed every complete set of an attempt it took part in.
Where it matters what an attempt came to, its record is shown, with what proves that to anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.published import get_commits, is_recomputed
from zpeer.core.verdict import decode_record
from zpeer.core.verify import get_result
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, Digest
from zpeer.signed import Signed, Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.ids import PeerId
    from zpeer.record import Departure, Matter

RECOMPUTED = (FaultKind.WRONG_GRADIENT, FaultKind.WRONG_REPORT, FaultKind.CONCEALED_PROJECTION)


def get_attempt(context: Context, head: Digest) -> Attempt:
    """The attempt on a head that something rests on: it is kept as long as that (`retain.py`)."""
    attempt = context.find_attempt(head)
    assert attempt is not None, "what a ban rests on was let go"
    return attempt


def collect_sets(context: Context, attempt: Attempt) -> tuple[tuple[Signed, ...], ...]:
    """All complete sets of the attempt, in stage order."""
    return tuple(attempt.members(stage) for stage in context.stages if stage in attempt.sets)


def collect_decided(
    context: Context, attempt: Attempt, departure: Departure, matter: Matter | None
) -> tuple[Attempt, ...]:
    """Attempts of which it must be shown how they were decided: an echo names what its signer saw,
    and after the slow path that need not be what was agreed (section 5).

    The one whose COMMIT or CHECK set a false accusation is held against; the one whose reports an
    invalid CHECK may speak of, some attempts back where the slow path made void what lies between;
    the one in which an excuse fell, and all before it back to where its owner spoke last.
    """
    if has_fallen(context, departure):
        return (context.attempt, *(list_way(context, departure) or ()))
    is_false = departure.fault is FaultKind.FALSE_ACCUSATION
    if matter and is_false and is_recomputed(matter.accusation):
        return (attempt,)
    before = find_reported(context, attempt, departure)
    return (before,) if before else ()


def list_way(context: Context, departure: Departure) -> tuple[Attempt, ...] | None:
    """The decided attempts back to the last one in which the peer said anything, if that is not the
    present one; None where one is no longer held."""
    way: list[Attempt] = []
    attempt: Attempt | None = context.attempt
    while attempt and not find_words(attempt, departure.peer):
        attempt = context.find_attempt(get_previous(attempt))
        way += [attempt] if attempt else []
    return tuple(way) if attempt else None


def find_words(attempt: Attempt, peer: PeerId) -> tuple[Signed, ...]:
    """A peer's first and last word in an attempt."""
    stages = (Stage.COMMIT, Stage.VERDICT)
    return tuple(signed for each in stages if (signed := attempt.signed(each, peer)))


def get_previous(attempt: Attempt) -> Digest:
    """The head of the attempt before."""
    return decode_record(attempt.base.record).previous


def certify(attempt: Attempt) -> tuple[Signed, ...]:
    """What proves to anybody how an attempt was decided: n VERDICTs, or the DECIDED that are in."""
    return attempt.members(Stage.DECIDED if attempt.is_settled else Stage.VERDICT)


def collect_voices(context: Context, departure: Departure) -> tuple[tuple[Signed, ...], ...]:
    """Who says that an excuse fell: all that names the record of the present attempt."""
    if not has_fallen(context, departure):
        return ()
    attempt = context.attempt
    views = [signed for peer in attempt.base.roster for signed in attempt.views.get(peer, ())]
    return (attempt.members(Stage.VERDICT), attempt.members(Stage.DECIDED), tuple(views))


def collect_statements(
    context: Context, departure: Departure, matter: Matter | None
) -> tuple[Signed, ...]:
    """The accused's own words outside those sets: a CHECK with a false accusation or a wrong
    report; a view with a wrong secret; that it was there when its excuse fell."""
    attempt = context.attempt
    if departure.fault is FaultKind.WRONG_SECRET and Stage.CHECK not in attempt.sets:
        return attempt.views.get(departure.peer, ())
    if has_fallen(context, departure):
        way = list_way(context, departure) or ()
        return find_words([attempt, *way][-1], departure.peer)
    if matter is None or departure.fault not in (
        FaultKind.FALSE_ACCUSATION,
        FaultKind.WRONG_REPORT,
    ):
        return ()
    said = context.state.past[matter.made]
    if departure.fault is FaultKind.WRONG_REPORT:
        said = context.state.past[said.base.checked]  # the last CHECK set holds the report
    return (said.messages[Stage.CHECK][departure.peer],)


def has_fallen(context: Context, departure: Departure) -> bool:
    """Whether a failed sum is paid for only now, since the accusation that excused it fell."""
    is_late = departure.attempt != context.attempt.base.head
    return is_late and departure.fault is FaultKind.WRONG_SUM


def has_invalid(attempt: Attempt, stages: tuple[Stage, ...], peer: PeerId) -> bool:
    """Whether the peer's body of one of the stages was not valid."""
    return any(bytes([stage]) + peer in attempt.invalid for stage in stages)


def find_reported(context: Context, attempt: Attempt, departure: Departure) -> Attempt | None:
    """The attempt whose reports an invalid CHECK may speak of; None where there is no such CHECK or
    no such attempt."""
    is_here = attempt is context.attempt and departure.fault is FaultKind.INVALID_BODY
    if not is_here or not has_invalid(attempt, (Stage.CHECK,), departure.peer):
        return None
    return context.find_attempt(attempt.base.checked)


def collect_reports(
    context: Context, attempt: Attempt, departure: Departure
) -> tuple[tuple[Signed, ...], ...]:
    """The CHECK set with these reports."""
    before = find_reported(context, attempt, departure)
    return (before.members(Stage.CHECK),) if before else ()


def collect_blobs(
    context: Context, attempt: Attempt, departure: Departure, matter: Matter | None
) -> tuple[Digest, ...]:
    """Published bytes: the part in question, or every row of an averaging."""
    if matter is None or is_recomputed(matter.accusation):
        return ()
    if departure.fault is FaultKind.WRONG_AVERAGE:
        commits = get_commits(context, attempt, departure.part)
        return tuple(blob for blob in commits if blob != NOTHING)
    return (matter.accusation.evidence,)


def collect_results(context: Context, attempt: Attempt, departure: Departure) -> tuple[Digest, ...]:
    """The aggregate in question; all of them where it matters whether there were any."""
    late = (Stage.PROJECTIONS, Stage.CHECK)
    if departure.part >= 0 and departure.part < len(attempt.base.workers):
        owners = attempt.base.workers[departure.part : departure.part + 1]
    elif has_invalid(attempt, late, departure.peer):
        owners = attempt.base.workers
    else:
        owners = ()
    results = (get_result(context, attempt, owner) for owner in owners)
    return tuple(result for result in results if result is not None)


def needs_parameters(matter: Matter | None) -> bool:
    """Whether a gradient has to be computed again to judge."""
    if matter is None:
        return False
    accusation = matter.accusation
    return accusation.fault in RECOMPUTED or (
        accusation.fault is FaultKind.WRONG_PROJECTION and accusation.evidence == NOTHING
    )
