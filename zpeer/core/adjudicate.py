"""Who leaves, by what all honest peers share (section 3): the CHECK set and the sets before it.

Findings are applied before anything else. Then the faults that all saw, in stage order; proofs and
claims that the CHECKs bring; failed sums; then the new accusations become matters. Every accusation
is judged for itself, also those of a peer that is itself banned in that attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.bodies import judged_matters
from zpeer.core.broadcast import faulty_max
from zpeer.core.call import read_view
from zpeer.core.claims import charge, find_contentious, find_eliminated, find_overclaimed
from zpeer.core.convict import find_fault, get_culprit, get_head
from zpeer.core.faulty import get_valid
from zpeer.core.limits import lower_median
from zpeer.core.verify import get_stated, is_beyond
from zpeer.faults import FaultKind, is_ban
from zpeer.ids import NOTHING, PeerId
from zpeer.messages import Accusation, Check, Guilt
from zpeer.proofs import Equivocation
from zpeer.record import Departure, Draw, Matter, Outcome
from zpeer.signed import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.ids import Digest
    from zpeer.messages import View
    from zpeer.proofs import Proof
    from zpeer.signed import Signed

AGE_MAX = 3
"""Records with a CHECK set after which an undecided matter falls."""
SHIELDS = (FaultKind.PART_NOT_FINITE, FaultKind.WRONG_PROJECTION)


class Judgement:
    """What one CHECK set leads to."""

    def __init__(self, context: Context, checks: dict[PeerId, Check]) -> None:
        self.context = context
        self.attempt = context.attempt
        self.base = self.attempt.base
        self.checks = checks
        """Valid ones, in roster order."""
        self.departures: list[Departure] = []
        self.matters: list[Matter] = []
        self.reopened: list[Draw] = []
        self.disbelieved: set[PeerId] = set()
        """Whose accusation proved false or fell."""
        self.delta_floor = self.base.delta_floor
        self.charges = self.base.charges

    def depart(self, departure: Departure) -> None:
        """The first reason a peer stands, but a ban overrides a removal; who has left can still be
        banned."""
        if not is_ban(departure.fault) and departure.peer not in self.base.roster:
            return
        for place, earlier in enumerate(self.departures):
            if earlier.peer == departure.peer:
                if is_ban(departure.fault) and not is_ban(earlier.fault):
                    self.departures[place] = departure
                return
        self.departures.append(departure)

    def is_leaving(self, peer: PeerId) -> bool:
        """Whether this record bans or removes the peer."""
        return any(departure.peer == peer for departure in self.departures)

    def is_banned(self, peer: PeerId) -> bool:
        """Whether this record bans the peer."""
        return any(d.peer == peer and is_ban(d.fault) for d in self.departures)

    def reopen(self, target: PeerId, past: Attempt) -> None:
        """Open a draw on a gradient again, or for the first time."""
        counted = past.outcome is Outcome.COUNTED
        head, step = past.base.head, past.base.step
        self.reopened.append(Draw(target, head, step, counted, self.base.counted))


def adjudicate(context: Context) -> Judgement:
    """Judge the attempt whose CHECK set is complete."""
    judgement = Judgement(context, get_checks(context))
    apply_findings(judgement)
    for departure in judgement.attempt.departures:
        judgement.depart(departure)
    for check in judgement.checks.values():
        apply_proofs(judgement, check.proofs)
    settle_late_views(judgement)
    blame_sums(judgement)
    open_matters(judgement)
    drop_moot(judgement)
    open_draws_of_removed(judgement)
    return judgement


def get_checks(context: Context) -> dict[PeerId, Check]:
    """The valid CHECKs, in roster order."""
    checks = {}
    for peer in context.attempt.base.roster:
        check = get_valid(context, context.attempt, Stage.CHECK, peer)
        if isinstance(check, Check):
            checks[peer] = check
    return checks


# --- proofs and claims ----------------------------------------------------------------------------


def apply_proofs(judgement: Judgement, proofs: Iterable[Proof]) -> None:
    """Ban whom a proof convicts. One that proves nothing is passed over: it costs nobody
    anything."""
    for proof in proofs:
        fault = find_fault(judgement.context, proof)
        culprit = get_culprit(proof) if fault is not None else None
        if fault is not None and culprit in judgement.base.roster:
            judgement.attempt.convictions.setdefault(culprit, proof)
            judgement.depart(Departure(culprit, fault, get_head(proof)))


def settle_late_views(judgement: Judgement) -> None:
    """Settle the views of the last attempt that was committed all the same: no call is free. Each
    signer's once, for this is the only record that does so."""
    context = judgement.context
    past = context.find_attempt(judgement.base.checked)
    if past is None:
        return
    views: dict[PeerId, dict[Digest, Signed]] = {}
    for check in judgement.checks.values():
        for signed in check.views:
            is_of_it = (signed.stage, signed.head) == (Stage.VIEW, past.base.head)
            if is_of_it and context.verify(signed) and read_view(context, past, signed):
                views.setdefault(signed.sender, {})[signed.body] = signed
    ordered = [
        signed for peer in past.base.roster for _, signed in sorted(views.get(peer, {}).items())
    ]
    settle_claims(judgement, past, settle_views(judgement, past, ordered))


def settle_views(
    judgement: Judgement, past: Attempt, views: Sequence[Signed]
) -> dict[PeerId, View]:
    """Ban who signed two, whatever they say: others may hold two others. Of the rest ban whom
    proofs convict, and give back the views."""
    single: dict[PeerId, View] = {}
    for peer in past.base.roster:
        signed = [each for each in views if each.sender == peer]
        view = read_view(judgement.context, past, signed[0]) if len(signed) == 1 else None
        if view is not None:
            single[peer] = view
            apply_proofs(judgement, view.proofs)
        elif len(signed) > 1:
            proof = Equivocation(signed[0].statement, signed[1].statement)
            apply_proofs(judgement, (proof,))
    return single


def settle_claims(judgement: Judgement, past: Attempt, views: Mapping[PeerId, View]) -> None:
    """Section 5, *Settling claims*: removed is who is claimed by more than F or claims more than F;
    every other pair is charged once; removed is who has charges with more than F; a pair over its
    limit leaves. In this order, so that who cannot be honest takes nobody with it."""
    head = past.base.head
    claims = {peer: view.claims for peer, view in views.items()}
    limit = faulty_max(len(past.base.roster))
    for peer, fault in find_overclaimed(claims, limit).items():
        judgement.depart(Departure(peer, fault, head))
    here = find_staying(judgement)
    judgement.charges = charge(judgement.base.charges, claims, here, judgement.base.counted)
    for peer in find_contentious(judgement.charges, limit):
        judgement.depart(Departure(peer, FaultKind.CHARGED_WITH_MOST, head))
    here, most = find_staying(judgement), judgement.context.genesis.charges_max
    for first, second in find_eliminated(judgement.charges, here, most):
        judgement.depart(Departure(first, FaultKind.PAIR_ELIMINATED, head, second))
        judgement.depart(Departure(second, FaultKind.PAIR_ELIMINATED, head, first))


def find_staying(judgement: Judgement) -> tuple[PeerId, ...]:
    """Whom this record does not ban or remove."""
    return tuple(peer for peer in judgement.base.roster if not judgement.is_leaving(peer))


# --- matters that were open -----------------------------------------------------------------------


def apply_findings(judgement: Judgement) -> None:
    """Count the findings on each judged matter; the others wait, and their clock stands."""
    judged = judged_matters(judgement.base.matters)
    for matter in judgement.base.matters:
        if matter in judged:
            apply_finding(judgement, matter, judged.index(matter))
        else:
            judgement.matters.append(matter)


def apply_finding(judgement: Judgement, matter: Matter, place: int) -> None:
    """More than half of the roster decides; after three records without that the accusation
    falls."""
    findings = [check.findings[place] for check in judgement.checks.values()]
    n = len(judgement.base.roster)
    guilty = sum(finding.guilt is Guilt.GUILTY for finding in findings)
    innocent = sum(finding.guilt is Guilt.INNOCENT for finding in findings)
    lacking = [peer for finding in findings for peer in finding.lacking]
    if decides(guilty, n):
        uphold(judgement, matter)
    elif decides(innocent, n):
        reject(judgement, matter)
    elif matter.accusation.fault is FaultKind.WRONG_AVERAGE:
        remove_unpublished(judgement, matter, lacking)
    elif is_old(matter):
        fall(judgement, matter)
    else:
        judgement.matters.append(older(matter))


def decides(voices: int, roster: int) -> bool:
    """Whether so many equal findings decide a matter."""
    return 2 * voices > roster


def is_old(matter: Matter) -> bool:
    """Whether a matter that is not decided now falls."""
    return matter.age + 1 >= AGE_MAX


def older(matter: Matter) -> Matter:
    """The matter one record later."""
    return Matter(matter.accuser, matter.accusation, matter.made, matter.age + 1, matter.shields)


def uphold(judgement: Judgement, matter: Matter) -> None:
    """The accused is banned. A report that fell opens its draw again."""
    accusation = matter.accusation
    judgement.depart(
        Departure(
            accusation.accused,
            accusation.fault,
            accusation.attempt,
            matter.accuser,
            accusation.part,
        )
    )
    if accusation.fault is FaultKind.WRONG_REPORT:
        reopen_reported(judgement, accusation)


def reopen_reported(judgement: Judgement, accusation: Accusation) -> None:
    """The draw whose report fell is open again."""
    past = judgement.context.state.past[accusation.attempt]
    judgement.reopen(accusation.about, past)


def reject(judgement: Judgement, matter: Matter) -> None:
    """The accuser is banned; of an averaging that is right, the limit was too tight for this
    step."""
    accusation = matter.accusation
    if accusation.fault is FaultKind.WRONG_AVERAGE:
        loosen_norms(judgement, accusation)
        return
    judgement.disbelieved.add(matter.accuser)
    fault = FaultKind.FALSE_ACCUSATION
    judgement.depart(
        Departure(matter.accuser, fault, matter.made, accusation.accused, accusation.part)
    )


def fall(judgement: Judgement, matter: Matter) -> None:
    """Evidence that did not reach most costs its accuser the place; if it was a shield, the
    name."""
    judgement.disbelieved.add(matter.accuser)
    fault = get_fault_of_fall(matter)
    judgement.depart(Departure(matter.accuser, fault, matter.made, part=matter.accusation.part))


def get_fault_of_fall(matter: Matter) -> FaultKind:
    """What an accusation costs that falls: the place; if it excused a failed sum, the name."""
    return FaultKind.WRONG_SUM if matter.shields else FaultKind.ACCUSATION_FELL


def loosen_norms(judgement: Judgement, accusation: Accusation) -> None:
    """Section 3: j is right; who reported above Delta_max is checked, and the limit has room this
    step."""
    past = judgement.context.state.past[accusation.attempt]
    part = accusation.part
    norms = {
        worker: get_stated(judgement.context, past, worker)[part].norm
        for worker in past.base.workers
    }
    for worker in find_reporters(norms, past.base.delta_max[part]):
        if worker in judgement.base.roster:  # else it is banned, or drawn since its removal
            judgement.reopen(worker, past)
    root = judgement.context.layout(past).length(part) ** 0.5
    floor = compute_floor([*norms.values()], root)
    judgement.delta_floor = max(judgement.delta_floor, floor)


def find_reporters(norms: Mapping[PeerId, float], delta_max: float) -> list[PeerId]:
    """Who reported beyond the limit."""
    return [worker for worker, norm in norms.items() if is_beyond(norm, delta_max)]


def compute_floor(norms: Sequence[float], root: float) -> float:
    """Twice the median norm: what the limit is at least for the rest of the step."""
    return 2 * lower_median(norms) / root


def remove_unpublished(judgement: Judgement, matter: Matter, lacking: list[PeerId]) -> None:
    """Who lets more than half lack its part is removed, and the part's owner, who did not fill in,
    with it."""
    accusation = matter.accusation
    n = len(judgement.base.roster)
    missing = [peer for peer in dict.fromkeys(lacking) if decides(lacking.count(peer), n)]
    if not missing:
        judgement.matters.append(older(matter))
    for peer in dict.fromkeys([*missing, accusation.accused] if missing else []):
        fault = FaultKind.PARTS_NOT_PUBLISHED
        judgement.depart(Departure(peer, fault, accusation.attempt, part=accusation.part))


# --- this attempt ---------------------------------------------------------------------------------


def blame_sums(judgement: Judgement) -> None:
    """A failed sum bans the part's owner, unless its CHECK accuses somebody over that part."""
    for part in judgement.attempt.failed_sums:
        owner = judgement.base.workers[part]
        if not any(
            shields(judgement, accusation, part) for accusation in made_by(judgement, owner)
        ):
            fault = FaultKind.WRONG_SUM
            judgement.depart(Departure(owner, fault, judgement.base.head, part=part))


def made_by(judgement: Judgement, peer: PeerId) -> tuple[Accusation, ...]:
    """The accusations in a peer's valid CHECK."""
    check = judgement.checks.get(peer)
    return check.accusations if check else ()


def shields(judgement: Judgement, accusation: Accusation, part: int) -> bool:
    """Whether an owner's accusation explains why its sum failed."""
    here = (accusation.attempt, accusation.part) == (judgement.base.head, part)
    return here and accusation.fault in SHIELDS


def open_matters(judgement: Judgement) -> None:
    """Accusations of this CHECK set, and the averagings that a majority of norms questions."""
    head = judgement.base.head
    for peer in judgement.base.roster:
        for accusation in made_by(judgement, peer):
            part = accusation.part
            shield = part in judgement.attempt.failed_sums and shields(judgement, accusation, part)
            judgement.matters.append(Matter(peer, accusation, head, shields=shield))
    for part in judgement.attempt.averages:
        owner = judgement.base.workers[part]
        accusation = Accusation(FaultKind.WRONG_AVERAGE, owner, head, part)
        judgement.matters.append(Matter(PeerId(NOTHING), accusation, head))


def drop_moot(judgement: Judgement) -> None:
    """A ban makes what else stands against its peer moot. So does a false accusation what else its
    peer accuses others of: else one place would buy a queue of them.

    A shield stays: it is what its accuser's failed sum waits for.
    """
    judgement.matters = [matter for matter in judgement.matters if not is_moot(judgement, matter)]


def is_moot(judgement: Judgement, matter: Matter) -> bool:
    """Whether nothing follows from a matter any more."""
    is_heard = matter.shields or matter.accuser not in judgement.disbelieved
    return judgement.is_banned(matter.accusation.accused) or not is_heard


def open_draws_of_removed(judgement: Judgement) -> None:
    """The last gradient of who was removed is checked all the same: a conviction makes it a ban.

    It may lie some attempts back, while its peer validated; never further than tensors are held.
    """
    state = judgement.context.state
    attempts = [judgement.attempt, *(state.past[head] for head in reversed(state.bulk))]
    recent = [past for past in attempts if Stage.COMMIT in past.sets]
    for departure in judgement.departures:
        worked = [past for past in recent if departure.peer in past.base.workers]
        if worked and not is_ban(departure.fault):
            judgement.reopen(departure.peer, worked[0])
