"""What a slow path leads to: the same record at all honest peers (protocol, section 5, *Slow
path*).

Rule 1: a record that more than half voted for in their views is the record. It is safe because a
fast commit needs everybody's VERDICT: if one honest peer has it, every honest one has voted. Who
lacks the set behind it fetches that. Rule 2: else the attempt is void, and its record a function of
the views alone. And what more than half signed as DECIDED is decided: one of them is honest.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from zpeer.core.adjudicate import (
    Judgement,
    drop_moot,
    open_draws_of_removed,
    settle_claims,
    settle_views,
)
from zpeer.core.asking import ask_for_stage
from zpeer.core.broadcast import compute_set_digest, read
from zpeer.core.call import decode_head, read_view
from zpeer.core.convict import collect_misdeeds, note_proof
from zpeer.core.faulty import get_valid, judge_bodies, note
from zpeer.core.mprng import compute_secret_beacon, compute_share
from zpeer.core.reveal import opens_commitment
from zpeer.core.slow_path import has_overslept, name_views
from zpeer.core.verdict import get_outcome, make_record
from zpeer.effects import SendSet
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING
from zpeer.messages import Commit, Decided
from zpeer.record import Departure, Record
from zpeer.signed import Signed, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.ids import Digest, PeerId
    from zpeer.messages import View

ASK_EVERY = 4.0
"""Delta between two questions for what an outcome rests on."""
TRIES_MAX = 8
"""Questions after which a peer takes itself for cut off."""


def find_outcome(context: Context) -> Record | None:
    """The record, once it is known and I hold what it rests on.

    If others have decided it before I could, my own views lead to it all the same, and sooner than
    their answers.
    """
    wanted = find_wanted(context)
    held = find_record(context, wanted) if wanted is not None else None
    if held is not None:
        return held
    mine = find_void(context)
    return mine if mine is not None and wanted in (None, mine.head) else None


def find_void(context: Context) -> Record | None:
    """The record of the void attempt that my agreed views lead to; None where they do not, or the
    COMMIT set that they name is not here."""
    attempt = context.attempt
    agreed = attempt.slow.agreed if attempt.slow else None
    views = get_single_views(context)
    if agreed is None or find_voted(context) is not None or are_few(attempt, agreed):
        return None
    commits = find_named_commits(context, views)
    if commits != NOTHING and attempt.sets.get(Stage.COMMIT) != commits:
        return None
    return void_by_views(context, agreed, commits)


def find_wanted(context: Context) -> Digest | None:
    """The record that is decided although I have not seen everybody's VERDICT."""
    attempt = context.attempt
    messages = [read(context, signed) for signed in attempt.members(Stage.DECIDED)]
    decided = [message.record for message in messages if isinstance(message, Decided)]
    return find_majority(decided, attempt) or find_voted(context)


def find_voted(context: Context) -> Digest | None:
    """Rule 1: the record that more than half of the roster voted for in their only views."""
    votes = [view.record for view in get_single_views(context).values()]
    return find_majority(votes, context.attempt)


def find_majority(named: Iterable[Digest], attempt: Attempt) -> Digest | None:
    """What more than half of the roster names."""
    counts = Counter(name for name in named if name != NOTHING)
    n = len(attempt.base.roster)
    return next((name for name, count in counts.items() if 2 * count > n), None)


def get_single_views(context: Context) -> dict[PeerId, View]:
    """The agreed views of those who signed one; none before there are such."""
    attempt = context.attempt
    agreed = attempt.slow.agreed if attempt.slow else None
    senders = Counter(signed.sender for signed in agreed or ())
    return {
        signed.sender: view
        for signed in agreed or ()
        if senders[signed.sender] == 1 and (view := read_view(context, attempt, signed))
    }


def find_named_commits(context: Context, views: Mapping[PeerId, View]) -> Digest:
    """The COMMIT set that more than half of the views name."""
    names = Counter(view.commits for view in views.values() if view.commits != NOTHING)
    agreed = context.attempt.slow.agreed if context.attempt.slow else None
    count = len({signed.sender for signed in agreed or ()})
    return next((name for name, votes in names.items() if 2 * votes > count), NOTHING)


# --- a record that others have --------------------------------------------------------------------


def find_record(context: Context, wanted: Digest) -> Record | None:
    """The record of that digest: my own, or one by views that was shown to me."""
    attempt = context.attempt
    if attempt.verdict and decode_head(attempt.verdict) == wanted:
        return msgspec.msgpack.decode(attempt.verdict, type=Record)
    shown = attempt.candidates.get(wanted)
    if shown is None:
        return None
    record = msgspec.msgpack.decode(shown, type=Record)
    if not record.views or (record.sets and attempt.sets.get(Stage.COMMIT) != record.sets[0]):
        return None
    make_void(context, record.sets[0] if record.sets else NOTHING)
    attempt.secret_beacon = record.secret_beacon
    return record


def take_candidate(context: Context, encoded: bytes) -> None:
    """Keep a record that somebody says the slow path led to; at most as many as peers can say."""
    attempt = context.attempt
    try:
        record = msgspec.msgpack.decode(encoded, type=Record)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return
    is_canonical = msgspec.msgpack.encode(record) == encoded
    if is_canonical and record.previous == attempt.base.head and is_wanted(context, record.head):
        attempt.candidates[record.head] = encoded


def is_wanted(context: Context, head: Digest) -> bool:
    """Whether a record of that digest is known to be decided."""
    return find_wanted(context) == head


def is_concluding(context: Context) -> bool:
    """Whether it is clear how the attempt ends, and only what that rests on is missing."""
    attempt = context.attempt
    slow = attempt.slow
    if slow is not None and (slow.agreed is not None or has_overslept(context, slow)):
        return True
    return Stage.DECIDED in attempt.messages and find_wanted(context) is not None


def is_cut_off(context: Context) -> bool:
    """Whether I ended with the views of half of the roster or fewer: then it is I who was not
    heard."""
    attempt = context.attempt
    if attempt.slow is None or attempt.slow.agreed is None or find_wanted(context) is not None:
        return False
    return are_few(attempt, attempt.slow.agreed)


def are_few(attempt: Attempt, agreed: Sequence[Signed]) -> bool:
    """Whether these are the views of half of the roster or fewer."""
    return 2 * len({signed.sender for signed in agreed}) <= len(attempt.base.roster)


def ask_for_outcome(context: Context) -> None:
    """Ask everybody for what the outcome rests on: the CHECK set of a record, the COMMIT set of a
    void attempt, and the record itself."""
    attempt = context.attempt
    attempt.tries += 1
    attempt.tried = context.now
    attempt.timer = 0.0
    head = attempt.base.head
    for stage in (Stage.COMMIT, Stage.CHECK, Stage.DECIDED):
        ask_for_stage(context, context.others, head, stage)


# --- sets that others show ------------------------------------------------------------------------


def keep_shown(context: Context, peer: PeerId, stage: Stage, messages: tuple[Signed, ...]) -> None:
    """Keep a whole set that somebody shows of an attempt that is stuck, for the outcome may rest on
    it: one of a stage and peer."""
    attempt = context.attempt
    is_stuck = attempt.slow is not None or is_concluding(context)
    if is_stuck and stage in (Stage.COMMIT, Stage.CHECK) and peer in attempt.base.roster:
        attempt.shown[bytes([stage]) + peer] = messages


def take_shown(context: Context) -> bool:
    """Take the next shown set instead of mine, if it may help; whether one was."""
    shown = context.attempt.shown
    return any(take_set(context, Stage(key[0]), shown.pop(key)) for key in sorted(shown))


def show_basis(context: Context, record: Record) -> None:
    """Show the set that a record rests on to those who lacked it when they joined: who had to ask
    for it would go on later than the others, and later again after the next call."""
    attempt = context.attempt
    stage = Stage.COMMIT if record.views else Stage.CHECK
    if stage not in attempt.sets:
        return
    for peer, view in get_single_views(context).items():
        has = view.commits == record.sets[0] if record.views else view.record == record.head
        if peer != context.me and not has:
            head, messages = attempt.base.head, attempt.members(stage)
            context.emit(SendSet(to=peer, head=head, stage=stage, messages=messages))


def take_set(context: Context, stage: Stage, messages: tuple[Signed, ...]) -> bool:
    """Take a set instead of mine, if it is whole and the outcome may rest on it; whether it was."""
    attempt = context.attempt
    roster = attempt.base.roster
    here = {signed.sender: signed for signed in messages if signed.stage is stage}
    if set(here) != set(roster) or any(s.head != attempt.base.head for s in messages):
        return False
    digest = compute_set_digest(tuple(here[peer] for peer in roster))
    if stage is Stage.COMMIT:
        return take_commits(context, here, digest)
    return take_checks(context, here, digest)


def take_commits(context: Context, here: dict[PeerId, Signed], digest: Digest) -> bool:
    """Take the COMMIT set that most views name, or that a shown record names."""
    attempt = context.attempt
    shown = [msgspec.msgpack.decode(each, type=Record) for each in attempt.candidates.values()]
    named = {record.sets[0] for record in shown if record.sets}
    named.add(find_named_commits(context, get_single_views(context)))
    is_news = digest in named and attempt.sets.get(Stage.COMMIT) != digest
    if is_news:
        attempt.messages[Stage.COMMIT] = here
        attempt.sets[Stage.COMMIT] = digest
    return is_news


def take_checks(context: Context, here: dict[PeerId, Signed], digest: Digest) -> bool:
    """Judge by this CHECK set, where mine did not lead to the record that is decided."""
    attempt = context.attempt
    is_due = find_wanted(context) is not None and attempt.stage >= Stage.CHECK
    if not is_due or digest in (*attempt.refused, attempt.sets.get(Stage.CHECK)):
        return False
    if Stage.CHECK in attempt.sets:
        attempt.departures = attempt.departures[: attempt.departures_before_check]
        mark = bytes([Stage.CHECK])
        attempt.invalid = {each for each in attempt.invalid if not each.startswith(mark)}
        attempt.refused.add(attempt.sets[Stage.CHECK])
    attempt.messages[Stage.CHECK] = here
    attempt.sets = {s: d for s, d in attempt.sets.items() if s < Stage.CHECK}
    attempt.stage = Stage.CHECK
    attempt.verdict = b""
    return True


# --- rule 2 ---------------------------------------------------------------------------------------


def void_by_views(context: Context, agreed: tuple[Signed, ...], commits: Digest) -> Record:
    """The record of an attempt that is void, from the views alone (and the COMMIT set they
    name)."""
    attempt = context.attempt
    make_void(context, commits)
    judgement = Judgement(context, {})
    judgement.matters = list(attempt.base.matters)
    views = settle_views(judgement, attempt, agreed)
    for peer in find_silent(attempt, agreed):
        judgement.depart(Departure(peer, FaultKind.SILENT, attempt.base.head))
    if commits != NOTHING:
        judge_secrets(context, views)
    for departure in attempt.departures:
        judgement.depart(departure)
    settle_claims(judgement, attempt, views)
    drop_moot(judgement)
    open_draws_of_removed(judgement)
    return make_record(context, judgement, name_views(agreed))


def find_silent(attempt: Attempt, agreed: Sequence[Signed]) -> tuple[PeerId, ...]:
    """Who is in the roster and has no view."""
    heard = {signed.sender for signed in agreed}
    return tuple(peer for peer in attempt.base.roster if peer not in heard)


def make_void(context: Context, commits: Digest) -> None:
    """Forget what the attempt came to but its COMMIT set: others may have seen something else. What
    convicts a peer by itself is kept, for the next CHECK."""
    attempt = context.attempt
    for proof in collect_misdeeds(context, attempt):
        note_proof(context, proof)
    kept = (Stage.COMMIT,) if commits != NOTHING else ()
    attempt.messages = {
        stage: slots
        for stage, slots in attempt.messages.items()
        if stage in kept or stage >= Stage.VIEW
    }
    attempt.sets = {Stage.COMMIT: commits} if kept else {}
    attempt.void = True
    attempt.is_settled = True
    attempt.has_projections = False
    attempt.projected = None
    attempt.beacon = attempt.secret_beacon = NOTHING
    attempt.failed_sums, attempt.averages, attempt.departures = [], [], []
    attempt.convictions = {}
    attempt.invalid = set()
    attempt.outcome = get_outcome(context)
    if kept:
        judge_bodies(context, Stage.COMMIT, voids=True)


def judge_secrets(context: Context, views: Mapping[PeerId, View]) -> None:
    """The a_i of the views against the COMMIT set: the same q as that of its CHECK, so nothing is
    won by calling before it."""
    attempt = context.attempt
    secrets = []
    for peer, view in views.items():
        commit = get_valid(context, attempt, Stage.COMMIT, peer)
        if not isinstance(commit, Commit):
            continue
        if opens_both(attempt, peer, view.secret, commit):
            secrets.append(view.secret)
        else:
            withheld = view.secret == NOTHING
            fault = FaultKind.SECRET_WITHHELD if withheld else FaultKind.WRONG_SECRET
            note(context, peer, fault, voids=True)
    attempt.secret_beacon = compute_secret_beacon(secrets)


def opens_both(attempt: Attempt, peer: PeerId, secret: Digest, commit: Commit) -> bool:
    """Whether the a_i of a view is the one behind c_i."""
    share = compute_share(attempt.base.place, peer, secret)
    return opens_commitment(attempt, peer, share, commit)
