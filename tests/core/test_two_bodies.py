"""Two bodies of one signer at any stage, what cannot be read, and VERDICTs above all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from tests.core.forging import JUNK, read, resign, say_otherwise, tell
from tests.core.minds import LATER, all_of, changed, junk, no_answers, silent, stuck_at, two_faced
from tests.core.plain import peer
from tests.core.scenes import as_it_is, calls, departures, hold, steady, view_of
from tests.core.timed import MOST, Delivery, Sent, Timed
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.ids import PeerId, digest
from zpeer.record import Outcome
from zpeer.signed import STEP_STAGES, Signed, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.core.shell import Toy

# --- two bodies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("to", [(0,), (2, 3), (0, 2, 3)], ids=["one", "half", "all but one"])
@pytest.mark.parametrize("stage", STEP_STAGES)
@pytest.mark.parametrize("n", [5, 6])
def test_two_bodies_at_any_stage_cost_the_place_in_that_attempt_or_the_next(
    stage: Stage, to: tuple[int, ...], n: int
) -> None:
    net = Timed(n, minds={1: two_faced(stage, to)})
    (why,) = departures(hold(net)[:2]).items()
    assert why in ((1, "EQUIVOCATION"), (1, "WRONG_SECRET"))
    assert all(toy.evidence for toy in net.honest())


def test_an_invalid_commit_shown_to_one_half_is_two_bodies_too() -> None:
    """Half of the peers take the attempt for void, the others do not."""
    mind = changed(Stage.COMMIT, lambda m: replace(m, parts=()), to=(0, 2))
    net = Timed(6, minds={1: mind})
    assert departures(hold(net)) == {1: "EQUIVOCATION"}


def test_one_that_is_shown_to_all_voids_the_attempt_without_a_call() -> None:
    net = Timed(6, minds={1: as_it_is})
    net.instead[peer(1), net.genesis.run, Stage.COMMIT] = lambda payload: JUNK
    said = calls(net)
    assert departures(hold(net)) == {1: "INVALID_BODY"}
    assert said == {}


def test_an_echo_that_nobody_can_explain_is_claimed_by_all() -> None:
    bogus = changed(Stage.REVEAL, lambda m: replace(m, echo=digest("a set that never was")))
    net = Timed(5, minds={1: all_of(bogus, no_answers)}, delays=steady, starts=0.0)
    said = calls(net)
    assert departures(hold(net)) == {1: "CLAIMED_BY_MOST"}
    assert set(said.values()) == {(1,)}


# --- VERDICT --------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", [(0,), (0, 2, 3), (0, 2, 3, 4)], ids=["one", "most", "all"])
@pytest.mark.parametrize("how", ["withheld", "another record", "not readable"])
def test_a_verdict_that_is_missing_or_another_leaves_the_record_as_it_is(
    how: str, to: tuple[int, ...]
) -> None:
    minds = {
        "withheld": stuck_at(Stage.VERDICT) if len(to) == 4 else silent(Stage.VERDICT, to=to),
        "another record": two_faced(Stage.VERDICT, to),
        "not readable": junk(Stage.VERDICT, to=to),
    }
    mind = all_of(minds[how], no_answers, silent(*LATER))
    net = Timed(5, minds={1: mind}, delays=steady, starts=0.0)
    records = hold(net)
    assert (records[0].outcome, records[0].views) == (Outcome.COUNTED, ())
    gone = departures(records)
    if how == "withheld" and len(to) < 4:
        assert gone == {}
    elif len(to) < 4:  # two bodies; of which one may be a proof by itself
        assert gone[1] in ("EQUIVOCATION", "INVALID_BODY")
    else:
        assert gone[1] == "INVALID_BODY" if how == "not readable" else gone[1].startswith("CLAIM")
    assert departures(records[:1]) == {}


def test_three_verdicts_of_one_signer_keep_nobody_from_the_record() -> None:
    def mind(net: Timed, toy: Toy, delivery: Delivery) -> list[Sent] | None:
        event = delivery.event
        if not isinstance(event, ev.MessageReceived) or event.signed.stage is not Stage.VERDICT:
            return None
        if event.signed.head != net.genesis.run:
            return None
        bodies = [
            event.signed,
            *(resign(event.signed, other(net, event.signed, k)) for k in (1, 2)),
        ]
        place = net.genesis.peers.index(delivery.to)
        order = bodies[place % 3 :] + bodies[: place % 3]
        return [(1.5 + 0.1 * k, tell(delivery.to, each)) for k, each in enumerate(order)]

    net = Timed(6, minds={1: mind})
    records = hold(net)
    assert records[0].outcome is Outcome.COUNTED
    assert departures(records[:2]) == {1: "EQUIVOCATION"}


def other(net: Timed, signed: Signed, k: int) -> bytes:
    """Another VERDICT."""
    return say_otherwise(read(net.toy(0), signed), Stage.VERDICT, k)


@pytest.mark.parametrize("n", [3, 4, 7])
@pytest.mark.parametrize("alone", [0, 2])
def test_who_commits_alone_brings_all_to_its_record(n: int, alone: int) -> None:
    """Everybody's VERDICT reaches one peer; one VERDICT reaches nobody else, whoever asks the
    liar."""
    others = tuple(i for i in range(n) if i != alone)
    net = Timed(n, minds={1: all_of(silent(Stage.VERDICT, to=others), no_answers)})
    records = hold(net)
    assert (records[0].outcome, records[0].views) == (Outcome.COUNTED, ())
    assert departures(records) == {}


def test_who_commits_after_it_saw_that_somebody_waits_shows_all_why() -> None:
    """Of three peers one has called, by a word of the liar that the other has yet to hear; then
    the last VERDICT reaches that other one. Alone, the caller has one vote of three."""
    net = Timed(3, delays=steady, starts=0.0, work=30.0)
    real = net.delay
    done: list[float] = []

    def delay(sender: PeerId, delivery: Delivery) -> Iterator[Sent]:
        is_slow = isinstance(delivery.event, ev.ChainReceived)
        yield from [(MOST, delivery)] if is_slow else real(sender, delivery)

    def watch(net: Timed, toy: Toy, event: ev.Event, effects: list[Any]) -> None:
        said = [e.stage for e in effects if isinstance(e, fx.Broadcast)]
        if toy.me == peer(2) and Stage.VERDICT in said and not done:
            done.append(net.now)
            net.at(net.now + 0.002, tell(peer(2), view_of(net, 1, (0,))))

    def hold_back(net: Timed, toy: Toy, delivery: Delivery) -> list[Sent] | None:
        event = delivery.event
        if isinstance(event, ev.MessageReceived) and event.signed.stage is Stage.VERDICT:
            return [(0.05, delivery)] if delivery.to == peer(0) else []
        return [] if isinstance(event, (ev.SetReceived, ev.ChainReceived)) else None

    net.delay = delay  # type: ignore[method-assign]
    net.minds[peer(1)] = all_of(silent(*LATER), hold_back)
    net.watchers.append(watch)
    records = hold(net)
    assert done
    assert (records[0].outcome, records[0].views) == (Outcome.COUNTED, ())
