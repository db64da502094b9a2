"""What is written down when a peer is banned: enough for a stranger with the run file to judge
alone.

So that nobody can sign a second story afterwards and frame an honest peer, evidence holds, besides
the accused's own messages, only messages of sets whose digest the accused itself signed as an echo
(section 3, first paragraphs). The accused echoed every complete set of an attempt it took part in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.bodies import judged_matters
from zpeer.core.judge import get_commits, is_recomputed
from zpeer.core.verify import get_result
from zpeer.effects import WriteEvidence
from zpeer.faults import FaultKind, is_ban
from zpeer.ids import NOTHING, Digest
from zpeer.proofs import Equivocation
from zpeer.signed import Signed, Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.ids import PeerId
    from zpeer.proofs import Proof
    from zpeer.record import Departure, Matter, Record

RECOMPUTED = (FaultKind.WRONG_GRADIENT, FaultKind.WRONG_REPORT, FaultKind.CONCEALED_PROJECTION)


def write_bans(context: Context, record: Record, before: tuple[Matter, ...]) -> None:
    """Write evidence for every ban of a record that has become final; `before`: the matters it
    decided."""
    for departure in record.departures:
        if is_ban(departure.fault) and has_proof(context, departure):
            proof = context.attempt.convictions.get(departure.peer)
            matter = find_matter(departure, before)
            write_evidence(context, departure, matter=matter, proof=proof)


def has_proof(context: Context, departure: Departure) -> bool:
    """Whether I hold what the ban rests on. Not where others decided it and only showed me the
    record (`resolve.py`): they write it down."""
    attempt = context.attempt
    if departure.fault is FaultKind.EQUIVOCATION:
        return departure.peer in attempt.convictions
    return not attempt.is_settled or attempt.slow is not None


def find_matter(departure: Departure, matters: tuple[Matter, ...]) -> Matter | None:
    """The matter that a ban decided; None where all saw the fault themselves."""
    for matter in judged_matters(matters):
        accusation = matter.accusation
        if departure.fault is FaultKind.FALSE_ACCUSATION:
            if (matter.accuser, matter.made) == (departure.peer, departure.attempt) and (
                accusation.accused,
                accusation.part,
            ) == (departure.accuser, departure.part):
                return matter
        elif (matter.accuser, accusation.fault, accusation.accused) == (
            departure.accuser,
            departure.fault,
            departure.peer,
        ) and (accusation.attempt, accusation.part) == (departure.attempt, departure.part):
            return matter
    return None


def write_evidence(
    context: Context,
    departure: Departure,
    *,
    matter: Matter | None = None,
    proof: Proof | None = None,
) -> None:
    """Collect what the fault rests on."""
    if isinstance(proof, Equivocation):
        write_equivocation(context, departure, proof)
        return
    messages = proof.messages if proof else ()
    about = matter.accusation.attempt if matter else departure.attempt
    attempt = get_attempt(context, about)
    statements = messages or collect_statements(context, departure, matter)
    spoken = [get_attempt(context, each.head) for each in statements]
    attempts = [attempt, *[other for other in spoken[:1] if other is not attempt]]
    records = [each.base.record for each in attempts if each.base.record]
    if has_fallen(context, departure):
        records.append(context.attempt.verdict)
    context.emit(
        WriteEvidence(
            departure=departure,
            records=tuple(records),
            sets=(
                *collect_reports(context, attempt, departure),
                *collect_sets(context, attempt),
            ),
            messages=statements,
            statements=(),
            blobs=collect_blobs(context, attempt, departure, matter),
            results=collect_results(context, attempt, departure),
            parameters=attempt.base.parameters if needs_parameters(matter) else NOTHING,
        )
    )


def write_equivocation(context: Context, departure: Departure, proof: Equivocation) -> None:
    """Two signatures say it all."""
    context.emit(
        WriteEvidence(
            departure=departure,
            records=(),
            sets=(),
            messages=(),
            statements=(proof.first, proof.second),
            blobs=(),
            results=(),
            parameters=NOTHING,
        )
    )


def get_attempt(context: Context, head: Digest) -> Attempt:
    """The attempt on a head that something rests on: it is kept as long as that (`retain.py`)."""
    attempt = context.find_attempt(head)
    assert attempt is not None, "what a ban rests on was let go"
    return attempt


def collect_sets(context: Context, attempt: Attempt) -> tuple[tuple[Signed, ...], ...]:
    """All complete sets of the attempt, in stage order."""
    return tuple(attempt.members(stage) for stage in context.stages if stage in attempt.sets)


def collect_statements(
    context: Context, departure: Departure, matter: Matter | None
) -> tuple[Signed, ...]:
    """The accused's own words outside those sets: a CHECK with a false accusation or a wrong
    report; its VERDICT on the record that says that its excuse fell."""
    if departure.fault is FaultKind.WRONG_SECRET and context.attempt.is_settled:
        return context.attempt.views.get(departure.peer, ())
    if has_fallen(context, departure):
        signed = context.attempt.signed(Stage.VERDICT, departure.peer)
        return (signed,) if signed else ()
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


def collect_reports(
    context: Context, attempt: Attempt, departure: Departure
) -> tuple[tuple[Signed, ...], ...]:
    """The CHECK set of the attempt before, whose reports an invalid CHECK may speak of."""
    before = context.find_attempt(attempt.base.checked)
    if attempt is not context.attempt or before is None:
        return ()
    if not has_invalid(attempt, (Stage.CHECK,), departure.peer):
        return ()
    return (before.members(Stage.CHECK),)


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
