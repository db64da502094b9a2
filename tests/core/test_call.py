"""Calls: who makes one, for whom, who joins, and what none is needed for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from tests.core.forging import JUNK, resign
from tests.core.minds import (
    LATER,
    all_of,
    bad_bulk,
    no_bulk,
    silent,
)
from tests.core.plain import peer, sign
from tests.core.scenes import as_it_is, call, calls, departures, hold, steady, view_of
from tests.core.timed import DELTA, Delivery, Mind, Sent, Timed, attempt_of, has_started
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.ids import PeerId, digest
from zpeer.proofs import Equivocation, Misdeed
from zpeer.record import Charge, Outcome
from zpeer.signed import STEP_STAGES, Stage

if TYPE_CHECKING:
    from tests.core.shell import Toy

F_OF = {3: 1, 4: 1, 5: 2, 6: 2, 7: 3}
BULK = {"PART": ev.PartArrived, "RESULT": ev.ResultArrived}


# --- machines that hang ---------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STEP_STAGES)
def test_a_machine_that_hangs_for_less_than_a_deadline_is_waited_for(stage: Stage) -> None:
    net = Timed(5, minds={1: freeze(stage, 2.5)})
    said = calls(net)
    assert departures(hold(net)) == {}
    assert said == {}


@pytest.mark.parametrize("stage", STEP_STAGES)
def test_one_that_hangs_for_longer_is_removed_and_not_banned(stage: Stage) -> None:
    net = Timed(5, minds={1: freeze(stage, 60.0)})
    why = "CLAIMED_BY_MOST" if stage is Stage.VERDICT else "SILENT"
    assert departures(hold(net)) == {1: why}
    assert net.toy(1).ended.code in (4, 5)


def freeze(stage: Stage, seconds: float) -> Mind:
    """Hang, once, before a word of the first attempt."""
    done: list[Stage] = []

    def mind(net: Timed, toy: Toy, delivery: Delivery) -> list[Sent] | None:
        event = delivery.event
        if isinstance(event, ev.MessageReceived) and event.signed.stage is stage and not done:
            done.append(stage)
            net.frozen[toy.me] = (net.now, net.now + seconds)
        until = net.frozen.get(toy.me, (0.0, 0.0))[1]
        if not done or net.now >= until:
            return None
        return [(until - net.now + DELTA / 2, delivery)]

    return mind


# --- bytes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [no_bulk, bad_bulk])
@pytest.mark.parametrize("n", [4, 7])
def test_a_part_withheld_from_one_is_charged_to_both(n: int, how: Any) -> None:
    net = Timed(n, minds={1: all_of(how(ev.PartArrived, (0,)), no_bulk(ev.BlobArrived, (0,)))})
    said = calls(net)
    records = hold(net)
    assert said.pop(0) == (1,)
    assert set(said.values()) == {()}
    assert departures(records) == {}
    assert [r.outcome for r in records[:2]] == [Outcome.VOID, Outcome.COUNTED]
    assert records[0].charges == (Charge(peer(0), peer(1), 0),)


def test_the_charge_stands_whichever_of_the_two_is_the_liar() -> None:
    """It says that it did not get what it got: nobody can tell."""
    net = Timed(4, minds={0: as_it_is})
    net.later(2.5, lambda: call(net, view_of(net, 0, (1,))))
    records = hold(net)
    assert records[0].charges == (Charge(peer(0), peer(1), 0),)


@pytest.mark.parametrize("how", [no_bulk, bad_bulk])
def test_a_part_that_comes_when_it_is_asked_for_costs_nothing(how: Any) -> None:
    kept = dict.fromkeys((0, 2), True)

    def mind(net: Timed, toy: Toy, delivery: Delivery) -> Any:
        return None if isinstance(delivery.event, ev.BlobArrived) else bulk(net, toy, delivery)

    bulk = how(ev.PartArrived, tuple(kept))
    net = Timed(5, minds={1: mind})
    said = calls(net)
    assert departures(hold(net)) == {}
    assert said == {}


@pytest.mark.parametrize("how", [no_bulk, bad_bulk])
@pytest.mark.parametrize("kind", BULK)
@pytest.mark.parametrize("n", [5, 7])
def test_bytes_withheld_from_all_cost_the_place(n: int, kind: str, how: Any) -> None:
    mind = all_of(how(BULK[kind]), no_bulk(ev.BlobArrived))
    net = Timed(n, minds={1: mind}, delays=steady, starts=0.0)
    said = calls(net)
    assert departures(hold(net)) == {1: "CLAIMED_BY_MOST"}
    assert set(said.values()) == {(1,)}


@pytest.mark.parametrize("how", [no_bulk, bad_bulk])
@pytest.mark.parametrize("n", [4, 7])
def test_a_result_withheld_from_some_comes_from_others_by_its_hash(n: int, how: Any) -> None:
    mind = all_of(how(ev.ResultArrived, (0, 2)), no_bulk(ev.BlobArrived, (0, 2)))
    net = Timed(n, minds={1: mind})
    said = calls(net)
    records = hold(net)
    assert departures(records) == {}
    assert said == {}
    assert records[0].outcome is Outcome.COUNTED


# --- views that nobody takes ----------------------------------------------------------------------


def call_with(claims: tuple[PeerId, ...], **changes: Any) -> Timed:
    """A run of five in which peer 1 shows all a view in the midst of the first attempt."""
    net = Timed(5, minds={1: as_it_is})
    net.later(2.5, lambda: call(net, view_of(net, 1, claims=claims, **changes)))
    return net


STRANGER = PeerId(digest("stranger"))
EMPTY_HANDED = {
    "nobody": (),
    "oneself": (peer(1),),
    "oneself among others": (peer(0), peer(1)),
    "a stranger": (STRANGER,),
    "a stranger among others": (peer(0), STRANGER),
    "one peer twice": (peer(0), peer(0)),
}


@pytest.mark.parametrize("claims", EMPTY_HANDED.values(), ids=EMPTY_HANDED)
def test_a_view_that_claims_in_no_valid_way_calls_nobody(claims: tuple[PeerId, ...]) -> None:
    net = call_with(claims)
    said = calls(net)
    assert departures(hold(net)) == {}
    assert said == {}


@pytest.mark.parametrize("claims", [(peer(0),), (peer(0), peer(2)), (peer(2), peer(0))])
def test_a_view_that_claims_others_calls_all_at_once(claims: tuple[PeerId, ...]) -> None:
    net = call_with(claims)
    said = calls(net)
    records = hold(net)
    assert said == dict.fromkeys((0, 2, 3, 4), ())
    charged = {(c.first, c.second) for c in records[0].charges}
    assert charged == {tuple(sorted((peer(1), each))) for each in claims}


def frame(net: Timed, kind: str) -> Any:
    """What looks like a proof against honest peer 2."""
    said = attempt_of(net.toy(0)).messages
    commit, other = said[Stage.COMMIT][peer(2)], said[Stage.COMMIT][peer(3)]
    return {
        "one body twice": Equivocation(commit.statement, commit.statement),
        "two signers": Equivocation(commit.statement, other.statement),
        "a forged second": Equivocation(
            commit.statement, replace(commit.statement, content=digest("x"))
        ),
        "a body that is valid": Misdeed((commit,)),
        "no body": Misdeed(()),
        "the words of two": Misdeed((commit, other)),
        "a body under another's name": Misdeed((replace(commit, payload=JUNK),)),
    }[kind]


@pytest.mark.parametrize("kind", ["one body twice", "two signers", "a forged second",
                                  "a body that is valid", "no body", "the words of two",
                                  "a body under another's name"])  # fmt: skip
@pytest.mark.parametrize("claims", [(), (4,)])
def test_a_view_whose_proof_proves_nothing_calls_nobody(kind: str, claims: tuple[int, ...]) -> None:
    net = Timed(5, minds={1: as_it_is})
    net.later(2.5, lambda: call(net, view_of(net, 1, claims, proofs=(frame(net, kind),))))
    said = calls(net)
    assert departures(hold(net)) == {}
    assert said == {}


def test_one_whose_proof_convicts_calls_all_and_costs_the_culprit_its_place() -> None:
    net = Timed(5, minds={1: as_it_is, 2: silent(*LATER)})

    def show() -> None:
        said = attempt_of(net.toy(1)).messages[Stage.COMMIT][peer(2)]
        other = resign(said, JUNK)
        proof = Equivocation(said.statement, other.statement)
        call(net, view_of(net, 1, proofs=(proof,)))

    net.later(2.5, show)
    said = calls(net)
    records = hold(net)
    assert said == dict.fromkeys((0, 3, 4), ())
    assert departures(records[:1]) == {2: "EQUIVOCATION"}


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("stage", STEP_STAGES)
def test_a_call_at_any_stage_by_one_that_waits_for_nobody_is_charged(stage: Stage, n: int) -> None:
    """Before all have voted it voids the attempt; in any case the pair is charged, once."""
    net = Timed(n, minds={1: as_it_is})
    done: list[float] = []

    def watch(net: Timed, toy: Toy, event: ev.Event, effects: list[Any]) -> None:
        for e in effects:
            if isinstance(e, fx.Broadcast) and (e.stage, toy.me) == (stage, peer(1)) and not done:
                done.append(net.now)
                call(net, view_of(net, 1, (2,)))

    net.watchers.append(watch)
    records = hold(net)
    assert departures(records) == {}
    assert [c for r in records[-1:] for c in r.charges] == [
        Charge(peer(1), peer(2), 0 if records[0].views else 1)
    ]
    assert bool(records[0].views) == (stage is not Stage.VERDICT)


# --- deadlines ------------------------------------------------------------------------------------


def test_deadlines_are_the_same_at_all_and_follow_what_stages_took() -> None:
    """Nine tenths of the peers take long over their gradients: everybody is given longer."""
    net = Timed(5, steps=4, computing=3.0, work=30.0, patience=6.0)
    given: dict[bytes, set[Any]] = {}

    def watch(net: Timed, toy: Toy, event: ev.Event, effects: list[Any]) -> None:
        base = attempt_of(toy).base
        given.setdefault(base.head, set()).add((base.allowances, base.durations))

    net.watchers.append(watch)
    records = hold(net)
    assert all(len(each) == 1 for each in given.values())
    first, *_, last = (next(iter(given[r.previous]))[1] for r in records)
    assert first == ()
    assert last[0] > 1.0


def test_what_is_due_is_done_though_something_comes_just_before_the_timer_fires() -> None:
    """Else whoever speaks at the right moment keeps a peer from calling, and others wait for it."""
    net = Timed(4, minds={1: no_bulk(ev.PartArrived, (0,))}, delays=steady, starts=0.0)
    net.frozen[peer(0)] = (0.0, 0.9)  # the others come to their deadlines first
    due: list[float] = []

    def watch(net: Timed, toy: Toy, event: ev.Event, effects: list[Any]) -> None:
        for e in effects:
            if isinstance(e, fx.SetTimer) and toy.me == peer(0) and not toy.records:
                due.append(e.at)
                pest = sign(Stage.CHECK, net.genesis.run, peer(1), b"nothing")
                net.at(e.at, Delivery(peer(0), ev.SetReceived(peer(1), pest.head, pest.stage, ())),
                       -500_000)  # fmt: skip

    net.watchers.append(watch)
    said = calls(net)
    hold(net)
    assert said[0] == (1,)
    assert max(said.values()) == (1,)
    assert set(said) == {0, 2, 3}


def test_a_proof_that_nobody_can_check_any_more_is_let_go() -> None:
    """It is about an attempt that all have let go: a view that shows it would be taken by nobody,
    and its honest signer removed as silent."""
    net = Timed(4, steps=9, minds={1: as_it_is})
    head = net.genesis.run
    stale = Misdeed((sign(Stage.VERDICT, head, peer(1), JUNK),))
    kept: dict[bool, set[bool]] = {True: set(), False: set()}

    def watch(net: Timed, toy: Toy, event: ev.Event, effects: list[Any]) -> None:
        state = toy.core._context.state
        if toy.me != peer(0) or not toy.records:
            return
        if any(isinstance(e, fx.Decide) for e in effects):
            kept[head in state.past].add(peer(1) in state.proofs)
            state.proofs = {}
        elif attempt_of(toy).stage is Stage.VERDICT and head in state.past:
            state.proofs[peer(1)] = stale  # too late for this CHECK

    net.watchers.append(watch)
    net.run_while(lambda: len(net.toy(0).records) < 9)
    assert kept == {True: {True}, False: {False}}


def test_an_honest_statement_of_norm_zero_is_no_proof_against_its_signer() -> None:
    """Some parts have no numbers at all: everything about them is zero."""
    net = Timed(5, minds={1: as_it_is}, dimension=4)
    done: list[float] = []

    def watch(net: Timed, toy: Toy, event: ev.Event, effects: list[Any]) -> None:
        if toy.me != peer(1) or done or not has_started(toy):
            return
        said = attempt_of(toy).messages.get(Stage.PROJECTIONS, {})
        if peer(2) in said:
            done.append(net.now)
            call(net, view_of(net, 1, proofs=(Misdeed((said[peer(2)],)),)))

    net.watchers.append(watch)
    said = calls(net)
    assert departures(hold(net)) == {}
    assert done
    assert said == {}
