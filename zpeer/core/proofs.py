"""What is written down when a peer is banned: enough for a stranger with the run file to judge
alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.adjudicate import get_checks
from zpeer.core.bodies import judged_matters
from zpeer.core.call import read_view
from zpeer.core.convict import find_fault, get_culprit, get_head
from zpeer.core.exhibits import (
    certify,
    collect_blobs,
    collect_decided,
    collect_reports,
    collect_results,
    collect_sets,
    collect_statements,
    collect_voices,
    get_attempt,
    has_fallen,
    has_invalid,
    list_way,
    needs_parameters,
)
from zpeer.effects import WriteEvidence
from zpeer.faults import FaultKind, is_ban
from zpeer.ids import NOTHING
from zpeer.proofs import Equivocation
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.proofs import Proof
    from zpeer.record import Departure, Matter, Record

BY_PROOF = (FaultKind.EQUIVOCATION, FaultKind.INVALID_BODY, FaultKind.WRONG_SHARE)
"""Faults that a proof may prove."""


def write_bans(context: Context, record: Record, before: tuple[Matter, ...]) -> None:
    """Write evidence for every ban of a record that has become final; `before`: the matters it
    decided."""
    for departure in record.departures:
        if not is_ban(departure.fault):
            continue
        proof = find_proof(context, departure)
        if proof is not None or has_proof(context, record, departure):
            matter = find_matter(departure, before)
            write_evidence(context, departure, matter=matter, proof=proof)


def find_proof(context: Context, departure: Departure) -> Proof | None:
    """The proof that a ban rests on; None where it rests on sets, bytes or a view."""
    if departure.fault not in BY_PROOF:
        return None
    for proof in list_proofs(context):
        if find_fault(context, proof) is departure.fault and (
            get_culprit(proof),
            get_head(proof),
        ) == (departure.peer, departure.attempt):
            return proof
    return None


def list_proofs(context: Context) -> list[Proof]:
    """Proofs at hand: what the judgement acted on, and what CHECKs and views hold besides. A record
    that others showed me may act on another proof than I would have."""
    attempt = context.attempt
    proofs = [*attempt.convictions.values()]
    for check in get_checks(context).values():
        proofs += check.proofs
    for peer in attempt.base.roster:
        for signed in attempt.views.get(peer, ()):
            view = read_view(context, attempt, signed)
            proofs += view.proofs if view else ()
    return proofs


def has_proof(context: Context, record: Record, departure: Departure) -> bool:
    """Whether I hold what a ban rests on, if not on a proof. Not where others decided it and only
    showed me the record (`resolve.py`): they write it down."""
    attempt = context.attempt
    if departure.fault is FaultKind.EQUIVOCATION:
        return False
    if has_fallen(context, departure):
        return list_way(context, departure) is not None
    if not record.views:
        return True
    if departure.fault is FaultKind.WRONG_SECRET:
        return departure.peer in attempt.views and Stage.COMMIT in attempt.sets
    return has_invalid(attempt, (Stage.COMMIT,), departure.peer)


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
    if proof is not None:
        write_proof(context, departure, proof)
        return
    attempt = get_attempt(context, matter.accusation.attempt if matter else departure.attempt)
    statements = collect_statements(context, departure, matter)
    spoken = [get_attempt(context, each.head) for each in statements]
    decided = collect_decided(context, attempt, departure, matter)
    records = [each.base.record for each in (attempt, *spoken, *decided)]
    records += [each.verdict for each in decided]
    sets = [
        *collect_reports(context, attempt, departure),
        *collect_sets(context, attempt),
        *(certify(each) for each in decided),
        *collect_voices(context, departure),
    ]
    context.emit(
        WriteEvidence(
            departure=departure,
            records=tuple(record for record in dict.fromkeys(records) if record),
            sets=tuple(messages for messages in dict.fromkeys(sets) if messages),
            messages=statements,
            statements=(),
            blobs=collect_blobs(context, attempt, departure, matter),
            results=collect_results(context, attempt, departure),
            parameters=attempt.base.parameters if needs_parameters(matter) else NOTHING,
        )
    )


def write_proof(context: Context, departure: Departure, proof: Proof) -> None:
    """What the accused signed says it all: two signatures, or a body or two and where they
    belong."""
    is_pair = isinstance(proof, Equivocation)
    record = b"" if is_pair else get_attempt(context, get_head(proof)).base.record
    context.emit(
        WriteEvidence(
            departure=departure,
            records=(record,) if record else (),
            sets=(),
            messages=() if isinstance(proof, Equivocation) else proof.messages,
            statements=(proof.first, proof.second) if isinstance(proof, Equivocation) else (),
            blobs=(),
            results=(),
            parameters=NOTHING,
        )
    )
