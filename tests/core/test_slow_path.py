"""The slow path: rounds, chains of colluders, two views of one origin, and ends after one round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.core.forging import chain_of, resign, say_otherwise, tell
from tests.core.minds import (
    LATER,
    all_of,
    crash,
    late,
    no_answers,
    no_chains,
    no_questions,
    silent,
    stuck_at,
)
from tests.core.plain import peer
from tests.core.scenes import (
    FIRST_ROUND,
    Clock,
    as_it_is,
    departures,
    hold,
    most_delay,
    on_join,
    view_of,
)
from tests.core.timed import (
    DELTA,
    Delivery,
    Timed,
    any_delay,
    edge_delay,
)
from zpeer import events as ev
from zpeer.ids import PeerId, digest
from zpeer.messages import View
from zpeer.signed import STEP_STAGES, Signed, Stage
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.core.shell import Toy
    from tests.core.timed import Mind, Sent

# --- a crash --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [3, 4, 7])
@pytest.mark.parametrize("stage", STEP_STAGES)
def test_a_crash_costs_one_deadline_and_one_round(stage: Stage, n: int) -> None:
    net = Timed(n, minds={1: crash(stage, after=n // 2)})
    clock = Clock(net)
    records = hold(net)
    assert departures(records) == {1: "SILENT"}
    (stuck,) = [record for record in records if record.views]
    assert max(clock.lengths(stuck.previous)) < FIRST_ROUND + 3 * DELTA


@pytest.mark.parametrize("stage", STEP_STAGES)
def test_who_speaks_just_before_each_deadline_costs_nothing(stage: Stage) -> None:
    net = Timed(5, minds={1: late(stage)})
    clock = Clock(net)
    assert departures(hold(net)) == {}
    assert clock.joined == {}


def test_one_that_is_silent_for_some_alone_is_passed_on_by_the_others() -> None:
    """All but the receivers answer the questions before the deadline."""
    mind = all_of(*(silent(stage, to=(0, 2)) for stage in STEP_STAGES), no_answers)
    net = Timed(6, minds={1: mind})
    clock = Clock(net)
    assert departures(hold(net)) == {}
    assert clock.joined == {}


# --- last moments ---------------------------------------------------------------------------------


def hide(net: Timed, origin: int, through: tuple[int, ...], to: int, moment: float) -> None:
    """Show an origin's view to one peer alone, so long after it joined, through colluders."""

    def do(joined: float) -> None:
        chain = chain_of(view_of(net, origin), [peer(i) for i in through])
        net.at(joined + moment, Delivery(peer(to), chain))

    on_join(net, to, do)


CHAINS = [(5, ()), (5, (2,)), (7, ()), (7, (2,)), (7, (2, 3))]


def conspire(n: int, delays: Any = any_delay) -> Timed:
    """Peer 1 says nothing at all; the other liars are heard, but keep the rounds from ending."""
    liars = range(2, (n + 1) // 2)
    blocking = all_of(silent(Stage.CLOSED), no_answers, no_chains)
    minds: dict[int, Mind] = dict.fromkeys(liars, blocking)
    return Timed(n, minds={1: all_of(stuck_at(*Stage), no_chains), **minds}, delays=delays)


@pytest.mark.parametrize("delays", [any_delay, most_delay, edge_delay])
@pytest.mark.parametrize(("n", "through"), CHAINS)
def test_a_view_at_the_last_moment_of_a_round_is_taken_by_all(
    n: int, through: tuple[int, ...], delays: Any
) -> None:
    net = conspire(n, delays)
    hide(net, 1, through, 0, (1 + len(through)) * FIRST_ROUND - 0.01)
    assert departures(hold(net)[:1]).get(1) != "SILENT"


@pytest.mark.parametrize(("n", "through"), CHAINS)
def test_a_moment_later_it_is_taken_by_nobody(n: int, through: tuple[int, ...]) -> None:
    net = conspire(n)
    hide(net, 1, through, 0, (1 + len(through)) * FIRST_ROUND + 0.01)
    assert departures(hold(net)[:1])[1] == "SILENT"


def test_a_witness_who_is_nobody_counts_for_nothing() -> None:
    """A chain with a stranger in it would come in a later round's time."""
    net = conspire(5)

    def do(joined: float) -> None:
        chain = chain_of(view_of(net, 1), [PeerId(digest("stranger"))])
        net.at(joined + 2 * FIRST_ROUND - 1, Delivery(peer(0), chain))

    on_join(net, 0, do)
    assert departures(hold(net)[:1])[1] == "SILENT"


# --- two views and three --------------------------------------------------------------------------


def views_to(shown: Mapping[int, tuple[int, ...]]) -> Mind:
    """Show each peer the views of these numbers; 0 is as it is."""

    def mind(net: Timed, toy: Toy, delivery: Delivery) -> list[Sent] | None:
        event = delivery.event
        if not isinstance(event, ev.MessageReceived) or event.signed.stage is not Stage.VIEW:
            return None
        numbers = shown.get(net.genesis.peers.index(delivery.to), ())
        return [(0.1 * DELTA, tell(delivery.to, variant(event.signed, k))) for k in numbers]

    return mind


def variant(signed: Signed, number: int) -> Signed:
    """Another view of the same origin."""
    view = View(secret=digest(f"view {number}"))
    return resign(signed, encode_payload(view)) if number else signed


@pytest.mark.parametrize("n", [3, 5, 7])
def test_who_signs_two_views_is_banned(n: int) -> None:
    half = {i: (0,) if i < n // 2 else (1,) for i in range(n)}
    net = Timed(n, minds={1: all_of(stuck_at(Stage.REVEAL), views_to(half))})
    assert departures(hold(net)) == {1: "EQUIVOCATION"}


def test_who_signs_one_is_charged_at_most() -> None:
    net = Timed(5, minds={1: all_of(silent(Stage.REVEAL, to=(2,)), no_answers, no_questions)})
    assert departures(hold(net)) == {}


@pytest.mark.parametrize("delays", [any_delay, most_delay, edge_delay])
@pytest.mark.parametrize("n", [5, 6])
def test_of_three_views_two_each_are_agreed_on_as_two_views(n: int, delays: Any) -> None:
    """Which two a peer holds must not be in the record."""
    shown = {0: (0, 1), 2: (1, 2), 3: (2, 0), 4: (0, 2), 5: (2, 1)}
    net = Timed(n, minds={1: all_of(stuck_at(Stage.REVEAL), views_to(shown))}, delays=delays)
    records = hold(net)
    assert departures(records) == {1: "EQUIVOCATION"}
    (stuck,) = [record for record in records if record.views]
    assert len(stuck.views) == n


def test_what_proofs_in_two_views_of_one_origin_hold_counts_for_nothing() -> None:
    """Others may hold another two of it, without the proof."""
    net = Timed(5, minds={1: stuck_at(Stage.REVEAL, *LATER), 2: silent(*LATER)})

    def do(joined: float) -> None:
        commit = net.toy(2).core._context.attempt.messages[Stage.COMMIT][peer(2)]
        second = resign(commit, say_otherwise(net_read(net, commit), Stage.COMMIT))
        proof = equivocation(commit, second)
        views = [view_of(net, 1, proofs=(proof,)), view_of(net, 1), view_of(net, 1, (0,))]
        for to, two in {0: (0, 1), 3: (1, 2), 4: (1, 2)}.items():
            for k in two:
                net.at(joined + DELTA, tell(peer(to), views[k]))

    on_join(net, 0, do)
    assert departures(hold(net)) == {1: "EQUIVOCATION", 2: "SILENT"}


def net_read(net: Timed, signed: Signed) -> Any:
    """What a signed body says."""
    return net.toy(0).core._context.decode(signed)


def equivocation(first: Signed, second: Signed) -> Any:
    """Two bodies of one slot."""
    from zpeer.proofs import Equivocation  # noqa: PLC0415 - used here alone

    return Equivocation(first.statement, second.statement)


def test_two_views_without_a_claim_are_a_call() -> None:
    """They fill their origin's slots: a third, with a claim, would go no further."""
    net = Timed(5, minds={1: silent(*LATER), 2: as_it_is})
    clock = Clock(net)

    def call() -> None:
        views = [variant(view_of(net, 1), k) for k in (0, 1)]
        for view in views:
            net.at(net.now, tell(peer(0), view))
        net.at(net.now + 0.5, tell(peer(3), view_of(net, 1, (4,))))

    net.later(0.999, call)
    assert departures(hold(net)) == {1: "EQUIVOCATION"}
    joined = clock.joined[net.genesis.run]
    assert len(joined) == 3
    assert max(joined.values()) - min(joined.values()) <= DELTA
