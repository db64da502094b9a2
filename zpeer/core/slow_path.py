"""The slow path: all honest peers of an attempt that got stuck end with the same views (protocol,
section 5, *Slow path*).

Dolev-Strong authenticated broadcast of everybody's view, all at once: F + 1 rounds of 4 Delta,
counted from one's own joining. A view with k different signatures, the first its origin's, is taken
until k 4 Delta and passed on with one's own. Two views of one origin are enough to know that it
lied.

Rounds end early where that is provably safe. After the first round a peer signs the views it holds
(CLOSED); all honest views are among them, for they arrive within 2 Delta. When every origin of my
views has signed just them, no honest peer can hold another such set: its owner would have an honest
origin in it, which signs one CLOSED, with all honest views in what it names. So that nobody ends
with it alone, it is passed on as views are: what I put together myself counts until 7 Delta; what
comes with k signatures of others, who say that they hold it, 3 Delta longer for each. One of F + 1
of them is honest, and has told all.

All that holds for who reads in time what lies before its door. A timer fires twice a Delta, so who
handles nothing for 2 Delta (its process was stopped, its machine slept) knows it: chains that came
in time are late when it reads them. Its views may be more than half and yet fewer than the others'.
So it does not end by them when the rounds are over: it asks what more than half DECIDED, and takes
itself for cut off if nobody says. A closed set it still takes, for one origin in it is honest and
was awake. Where more than F oversleep there may be nobody left who decides, and all stop: rounds
cannot be begun again without a time in common, and by the views that each has read so far they
would remove each other. (`listening.py` keeps clocks from jumping while a process is stopped.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.asking import show_outcome
from zpeer.core.broadcast import faulty_max, read
from zpeer.core.call import compose_view, describe_waiting, find_claims, read_view
from zpeer.core.convict import note_proof
from zpeer.core.state import SlowPath
from zpeer.effects import PassOn, SendSet, Warn
from zpeer.ids import Digest, digest, digest_of_set
from zpeer.messages import Closed
from zpeer.proofs import Equivocation
from zpeer.signed import Signed, Stage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.ids import PeerId
    from zpeer.messages import View

ROUND = 4.0
"""Delta of a round: joining lies up to Delta apart, a message takes Delta; as much again to
spare."""
CLOSED_BY = 7.0
"""Delta until which a closed set of views counts that I put together myself."""
HOP = 3.0
"""Delta more for each who says that it holds the set."""
VIEWS_MAX = 2
LOOK = 0.5
"""Delta after which a peer looks again, though nothing has come."""
OVERSLEPT = 2.0
"""Delta without a look that do no harm: what counts for a round arrives as long before its end."""


def join(context: Context, claims: tuple[PeerId, ...], why: str) -> None:
    """Sign my view, and pass on those I hold; and show all how the attempt before ended, or who has
    yet to learn that joins so late that its view is not taken."""
    attempt = context.attempt
    attempt.slow = SlowPath(joined=context.now, looked=context.now)
    attempt.timer = 0.0
    context.emit(Warn(stage=attempt.stage, reason=why, peers=claims))
    context.broadcast(Stage.VIEW, compose_view(context, claims))
    for signed in list_views(attempt):
        pass_on(context, signed)
    for before in context.state.order[-1:]:
        for peer in context.others:
            show_outcome(context, context.state.past[before], peer)


def call_late(context: Context) -> None:
    """Call for those who are past a deadline, if there are any."""
    claims = find_claims(context)
    if claims:
        join(context, claims, f"I call; awaited: {describe_waiting(context)}")


def call_with_proof(context: Context, culprit: PeerId) -> None:
    """Call at once: what one peer signed for this attempt convicts it."""
    why = f"I call: {context.names([culprit])} signed what convicts it"
    join(context, find_claims(context), why)


def list_views(attempt: Attempt) -> tuple[Signed, ...]:
    """The views I hold, in roster order; those of one origin by their bodies."""
    return tuple(
        signed
        for peer in attempt.base.roster
        for signed in sorted(attempt.views.get(peer, ()), key=lambda each: each.body)
    )


def name_views(views: Sequence[Signed]) -> tuple[Digest, ...]:
    """What stands for views in CLOSED and in a record: their bodies; of who signed two, only that
    it did, for others may hold two others of it."""
    origins = [signed.sender for signed in views]
    names = [
        signed.body if origins.count(signed.sender) == 1 else name_two(signed.sender)
        for signed in views
    ]
    return tuple(dict.fromkeys(names))


def name_two(origin: PeerId) -> Digest:
    """That a peer signed several views."""
    return digest("zpeer/two views", origin)


def take_chain(context: Context, signed: Signed, witnesses: tuple[Signed, ...]) -> None:
    """Take what was passed on: a view, or that somebody holds a closed set."""
    if signed.stage is Stage.VIEW:
        take_view(context, signed, witnesses)
    elif signed.stage is Stage.CLOSED:
        take_voices(context, signed, witnesses)


def take_view(context: Context, signed: Signed, witnesses: tuple[Signed, ...]) -> None:
    """Take a view with the signatures it came through, if it comes in its time. Two of one origin
    are a proof, with which I call: a third one, with a claim, might be shown to others alone."""
    attempt = context.attempt
    view = read_view(context, attempt, signed)
    known = all(witness.sender in attempt.base.roster for witness in witnesses)
    if view is None or not known or not is_in_time(context, 1 + len(witnesses)):
        return
    held = attempt.views.get(signed.sender, ())
    if len(held) == VIEWS_MAX or any(each.body == signed.body for each in held):
        return
    attempt.views[signed.sender] = (*held, signed)
    attempt.chains[signed.body] = witnesses
    if held:
        note_proof(context, Equivocation(held[0].statement, signed.statement))
    if attempt.slow is not None:
        pass_on(context, signed)
    elif is_call(view):
        caller = context.names([signed.sender])
        join(context, find_claims(context), f"{caller} calls: {describe_call(context, view)}")
    elif held:
        call_with_proof(context, signed.sender)


def is_call(view: View) -> bool:
    """Whether a valid view makes who gets it join at once."""
    return bool(view.claims or view.proofs)


def count_rounds(attempt: Attempt) -> int:
    """F + 1: of so many signers one is honest."""
    return faulty_max(len(attempt.base.roster)) + 1


def describe_call(context: Context, view: View) -> str:
    """Why somebody calls, for people."""
    waits = f"it waits for {context.names(view.claims)}" if view.claims else ""
    return waits or "it shows a proof"


def is_in_time(context: Context, signatures: int) -> bool:
    """Whether a chain of so many signatures is taken now."""
    slow = context.attempt.slow
    if slow is None:
        return True
    rounds = min(signatures, count_rounds(context.attempt))
    until = slow.joined + rounds * ROUND * context.genesis.delta
    return slow.agreed is None and context.now <= until


def pass_on(context: Context, signed: Signed) -> None:
    """Add my signature to a view's, and pass it on, unless the rounds are over by then."""
    attempt = context.attempt
    witnesses = attempt.chains[signed.body]
    signers = {signed.sender, *(witness.sender for witness in witnesses)}
    if context.me not in signers and len(signers) < count_rounds(attempt):
        context.emit(PassOn(view=signed, witnesses=witnesses, to=context.others))


def compute_views_digest(names: Iterable[Digest]) -> Digest:
    """What CLOSED names."""
    return digest_of_set("zpeer/views", names)


def find_end(context: Context, slow: SlowPath) -> float:
    """When the rounds are over, and no closed set can come any more."""
    signatures = count_rounds(context.attempt)
    rounds = max(ROUND * signatures, CLOSED_BY + HOP * signatures)
    return slow.joined + rounds * context.genesis.delta


def find_close(context: Context, slow: SlowPath) -> float:
    """When the first round is over."""
    return slow.joined + ROUND * context.genesis.delta


def list_times(context: Context, slow: SlowPath) -> list[float]:
    """When I look again, close, and end; nothing once the rounds are over."""
    end = find_end(context, slow)
    if slow.agreed is not None or context.now >= end:
        return []
    return [slow.looked + LOOK * context.genesis.delta, find_close(context, slow), end]


def has_slept(context: Context, slow: SlowPath) -> bool:
    """Whether I have just handled nothing for so long that I may have missed the end of a round."""
    return context.now > slow.looked + OVERSLEPT * context.genesis.delta


def has_overslept(context: Context, slow: SlowPath) -> bool:
    """Whether the rounds are over and I may not end by my own views."""
    return slow.overslept and slow.agreed is None and context.now >= find_end(context, slow)


def turn(context: Context, slow: SlowPath) -> None:
    """Close, and end, when it is time."""
    attempt = context.attempt
    if slow.agreed is not None:
        return
    slow.overslept = slow.overslept or has_slept(context, slow)
    slow.looked = context.now
    if slow.closed is None and context.now >= find_close(context, slow):
        slow.closed = name_views(list_views(attempt))
        context.broadcast(Stage.CLOSED, Closed(compute_views_digest(slow.closed)))
    if context.now >= find_end(context, slow):
        slow.agreed = None if slow.overslept else list_views(attempt)
    elif slow.closed is not None and is_closed_in_time(context, slow):
        end_early(context, slow, slow.closed)


def is_closed_in_time(context: Context, slow: SlowPath) -> bool:
    """Whether the set I closed counts, by what I saw or by what others say to hold."""
    voices = HOP * len(slow.voices)
    until = slow.joined + (CLOSED_BY + voices) * context.genesis.delta
    return context.now <= until and is_closed(context, slow)


def is_closed(context: Context, slow: SlowPath) -> bool:
    """Whether every origin of the views that I held after the first round signed just these, and
    they are of most of the roster."""
    attempt = context.attempt
    names = slow.closed or ()
    mine = Closed(compute_views_digest(names))
    origins = {signed.sender for signed in list_closed(attempt, names)}
    if 2 * len(origins) <= len(attempt.base.roster) or context.me not in origins:
        return False
    said = (attempt.signed(Stage.CLOSED, peer) for peer in origins)
    return all(is_voice(context, signed, mine) for signed in said)


def is_voice(context: Context, signed: Signed | None, mine: Closed) -> bool:
    """Whether somebody signed just the views that I hold."""
    return signed is not None and read(context, signed) == mine


def list_closed(attempt: Attempt, names: Collection[Digest]) -> tuple[Signed, ...]:
    """The views behind what I closed: not a second one of an origin that came later."""
    return tuple(
        signed
        for signed in list_views(attempt)
        if signed.body in names or name_two(signed.sender) in names
    )


def end_early(context: Context, slow: SlowPath, names: tuple[Digest, ...]) -> None:
    """End with the set I closed, and pass it on: under my own CLOSED, if nobody has yet."""
    attempt = context.attempt
    slow.agreed = list_closed(attempt, names)
    closing = attempt.members(Stage.CLOSED)
    for peer in context.others:
        context.emit(SendSet(to=peer, head=attempt.base.head, stage=Stage.CLOSED, messages=closing))
    carrier = slow.carrier or attempt.messages[Stage.CLOSED][context.me]
    signers = {witness.sender for witness in slow.voices}
    if context.me not in signers and len(signers) < count_rounds(attempt):
        context.emit(PassOn(view=carrier, witnesses=slow.voices, to=context.others))


def take_voices(context: Context, carrier: Signed, witnesses: tuple[Signed, ...]) -> None:
    """Note who says to hold the closed set that a CLOSED names; the most voices count."""
    attempt = context.attempt
    slow = attempt.slow
    roster = attempt.base.roster
    known = all(each.sender in roster for each in (carrier, *witnesses))
    if slow is None or slow.closed is None or not known or len(witnesses) <= len(slow.voices):
        return
    if read(context, carrier) == Closed(compute_views_digest(slow.closed)):
        slow.carrier, slow.voices = carrier, witnesses
