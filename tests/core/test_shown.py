"""Sets and records that others show where it is clear how an attempt ends: what is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from msgspec.structs import replace

from tests.core.lies import attempt_of, check_honest
from tests.core.pieces import (
    decided_of,
    finish,
    make_context,
    run_to,
    say,
    silent_once,
    two_stories,
)
from tests.core.plain import peer
from tests.core.toy import Ring
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.broadcast import compute_set_digest
from zpeer.core.resolve import find_outcome, find_record, keep_shown, take_set, take_shown
from zpeer.ids import digest
from zpeer.record import Outcome
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context
    from zpeer.record import Record
    from zpeer.signed import Signed

A = digest("a record")


def decided_at(stage: Stage) -> Context:
    """Peer 0 in a stage, where all others have signed what the attempt led to."""
    ring = Ring(4)
    toy = run_to(ring, stage)
    if stage is Stage.CHECK:
        while len(attempt_of(toy).messages.get(stage, {})) < 3:
            assert ring.step()
    context = toy.core._context
    head = context.genesis.run
    context.attempt.messages[Stage.DECIDED] = {peer(i): decided_of(i, head, A) for i in (1, 2, 3)}
    return context


def checks_of(context: Context, variant: int = 0) -> tuple[Signed, ...]:
    """A whole CHECK set, in which peer 1 says something else."""
    said = {signed.sender: signed for signed in context.attempt.members(Stage.CHECK)}
    head, mine = context.genesis.run, context.decode(said[peer(0)])
    for i in range(4):
        said.setdefault(peer(i), say(i, head, mine))
    said[peer(1)] = say(1, head, replace(mine, secret=digest("s", bytes([variant]))))
    return tuple(said[peer(i)] for i in range(4))


def test_checks_are_taken_instead_of_mine_and_mine_never_again() -> None:
    context = decided_at(Stage.VERDICT)
    attempt = context.attempt
    mine, other = attempt.members(Stage.CHECK), checks_of(context)
    assert not take_set(context, Stage.CHECK, mine)
    assert take_set(context, Stage.CHECK, other)
    assert (attempt.stage, attempt.verdict) == (Stage.CHECK, b"")
    assert attempt.members(Stage.CHECK) == other
    assert Stage.CHECK not in attempt.sets
    assert attempt.refused == {compute_set_digest(mine)}
    assert not take_set(context, Stage.CHECK, mine)


def test_where_mine_are_not_complete_nothing_is_refused() -> None:
    context = decided_at(Stage.CHECK)
    attempt = context.attempt
    assert Stage.CHECK not in attempt.sets
    other = checks_of(context)
    assert take_set(context, Stage.CHECK, other)
    assert attempt.members(Stage.CHECK) == other
    assert not attempt.refused


def test_faults_that_my_checks_showed_are_forgotten_with_them() -> None:
    ring = Ring(4, tampers={1: two_stories(Stage.CHECK, 0)})
    toy = run_to(ring, Stage.VERDICT)
    attempt = attempt_of(toy)
    assert [d.peer for d in attempt.departures] == [peer(1)]
    finish(ring)
    records = check_honest(ring, 1)
    assert (records[0].outcome, records[0].departures) == (Outcome.COUNTED, ())
    assert ring.departures(1) == {1: "EQUIVOCATION"}


@pytest.mark.parametrize("stage", [Stage.COMMIT, Stage.CHECK])
def test_a_set_that_is_not_whole_is_not_taken(stage: Stage) -> None:
    context = decided_at(Stage.VERDICT)
    other = checks_of(context)
    elsewhere = tuple(replace(signed, head=A) for signed in other)
    for messages in ((), other[:3], (*other[:3], replace(other[3], stage=Stage.REVEAL)), elsewhere):
        assert not take_set(context, stage, messages)
    assert context.attempt.stage is Stage.VERDICT


def test_checks_are_taken_only_where_a_record_is_known_to_be_decided() -> None:
    context = decided_at(Stage.VERDICT)
    other = checks_of(context)
    context.attempt.messages[Stage.DECIDED].pop(peer(1))
    assert not take_set(context, Stage.CHECK, other)
    early = decided_at(Stage.VERDICT)
    early.attempt.stage = Stage.PROJECTIONS
    assert not take_set(early, Stage.CHECK, other)


def test_what_is_shown_is_kept_once_a_peer_and_looked_at_in_turn() -> None:
    context = decided_at(Stage.VERDICT)
    attempt = context.attempt
    sets = [checks_of(context, k) for k in range(3)]
    keep_shown(context, peer(1), Stage.CHECK, sets[0][:3])
    keep_shown(context, peer(2), Stage.CHECK, sets[0])
    keep_shown(context, peer(2), Stage.CHECK, sets[1])
    keep_shown(context, peer(77), Stage.CHECK, sets[2])
    keep_shown(context, peer(3), Stage.REVEAL, sets[2])
    assert take_shown(context)
    assert attempt.members(Stage.CHECK) == sets[1]
    assert not attempt.shown
    assert not take_shown(context)


def test_of_an_attempt_that_goes_on_no_set_is_kept() -> None:
    context = make_context()
    keep_shown(context, peer(1), Stage.COMMIT, ())
    assert not context.attempt.shown


# --- records --------------------------------------------------------------------------------------


def void_record() -> Record:
    """One that follows from views alone."""
    ring = Ring(4, tampers={1: silent_once(Stage.REVEAL)})
    return run_to(ring, Stage.COMMIT, records=1).records[0]


def test_where_nothing_is_decided_there_is_no_outcome() -> None:
    assert find_outcome(make_context()) is None


def test_a_record_that_follows_from_views_is_taken_with_the_commits_that_it_names() -> None:
    record = void_record()
    context = decided_at(Stage.VERDICT)
    attempt = context.attempt
    assert find_record(context, record.head) is None
    attempt.candidates[record.head] = msgspec.msgpack.encode(record)
    other = replace(record, sets=(A,))
    attempt.candidates[other.head] = msgspec.msgpack.encode(other)
    assert find_record(context, other.head) is None
    assert Stage.CHECK in attempt.sets
    assert find_record(context, record.head) == record
    assert attempt.sets == {Stage.COMMIT: record.sets[0]}
    assert attempt.secret_beacon == record.secret_beacon


def test_a_record_that_follows_from_sets_is_not_taken_by_its_name_alone() -> None:
    """Who goes on from it must hold the CHECK set behind it."""
    record = replace(void_record(), views=())
    context = decided_at(Stage.VERDICT)
    context.attempt.candidates[record.head] = msgspec.msgpack.encode(record)
    assert find_record(context, record.head) is None


def test_commits_that_a_shown_record_names_are_taken() -> None:
    """Peer 0 was told of others' COMMITs; it gets the set from whoever shows it."""
    ring = Ring(5, tampers={1: two_stories(Stage.COMMIT, 0)})
    toy = run_to(ring, Stage.COMMIT, records=1)
    assert toy.records[0].outcome is Outcome.VOID
    assert [d.peer for d in toy.records[0].departures] == [peer(1)]
    shown = [
        event
        for _, me, event, _ in ring.trace
        if me == toy.me and isinstance(event, ev.SetReceived) and event.stage is Stage.COMMIT
    ]
    assert shown
    finish(ring)
    check_honest(ring, 1)
    assert not any(
        isinstance(e, fx.Stop) and e.code for _, me, _, d in ring.trace for e in d if me != peer(1)
    )
