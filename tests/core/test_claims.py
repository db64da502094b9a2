"""Settling claims: charges, eliminations, and that each view counts once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.core.forging import JUNK, make_view, tell
from tests.core.minds import all_of, no_chains, stuck_at
from tests.core.plain import peer, sign
from tests.core.scenes import as_it_is, call, departures, hold, steady, view_of
from tests.core.timed import Mind, Timed, attempt_of
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.ids import Digest, PeerId, digest
from zpeer.messages import Check, View
from zpeer.record import Charge, Outcome, Record
from zpeer.signed import Signed, Stage
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from tests.core.shell import Toy

LIMIT = 2
"""Charges that a pair may have in these runs."""


def accuse_in(net: Timed, attempts: int, claims: dict[int, tuple[int, ...]]) -> None:
    """So many times, an attempt each, liars call for these peers as far as they are here."""
    left = dict.fromkeys(claims, attempts)

    def show(toy: Toy, head: Digest) -> None:
        roster = attempt_of(toy).base.roster
        named = tuple(peer(i) for i in claims[toy.me[0]] if peer(i) in roster)
        if named and accuse(net, toy, head, named):
            left[toy.me[0]] -= 1

    def watch(net: Timed, toy: Toy, event: ev.Event, effects: list[Any]) -> None:
        begins = [e.head for e in effects if isinstance(e, fx.DrawSecret)]
        if begins and left.get(toy.me[0]):
            net.later(net.now + 0.7, partial(show, toy, begins[-1]))

    net.watchers.append(watch)


def accuse(net: Timed, toy: Toy, head: Digest, named: tuple[PeerId, ...]) -> bool:
    """Call, if it is not too late; whether it was done."""
    view = make_view(toy, head, named)
    if view is None or attempt_of(toy).slow is not None:
        return False
    call(net, view)
    return True


def liars(*places: int) -> dict[int, Mind]:
    """Byzantine by what they claim alone."""
    return dict.fromkeys(places, as_it_is)


# --- up to the limit and over it ------------------------------------------------------------------


@pytest.mark.parametrize("n", [4, 6])
def test_false_claims_up_to_the_limit_cost_attempts_alone(n: int) -> None:
    net = Timed(n, minds=liars(1), charges_max=LIMIT)
    accuse_in(net, LIMIT, {1: (0,)})
    records = hold(net)
    assert departures(records) == {}
    assert [r.outcome for r in records[: LIMIT + 1]] == [Outcome.VOID] * LIMIT + [Outcome.COUNTED]
    assert records[LIMIT].charges == (Charge(peer(0), peer(1), 0),) * LIMIT


@pytest.mark.parametrize("n", [4, 6])
def test_one_more_eliminates_the_pair(n: int) -> None:
    net = Timed(n, minds=liars(1), charges_max=LIMIT)
    accuse_in(net, LIMIT + 1, {1: (0,)})
    records = hold(net)
    assert departures(records) == {0: "PAIR_ELIMINATED", 1: "PAIR_ELIMINATED"}
    assert [r.outcome for r in records[: LIMIT + 1]] == [Outcome.VOID] * (LIMIT + 1)
    assert records[LIMIT].charges == ()


@pytest.mark.parametrize(("n", "victims"), [(5, (0, 2)), (7, (0, 2, 4))])
def test_however_many_it_claims_each_time_a_liar_takes_one_with_it(
    n: int, victims: tuple[int, ...]
) -> None:
    """Several pairs go over their limits in one record."""
    net = Timed(n, minds=liars(1), charges_max=LIMIT)
    accuse_in(net, LIMIT + 1, {1: victims})
    gone = departures(hold(net))
    assert gone == {victims[0]: "PAIR_ELIMINATED", 1: "PAIR_ELIMINATED"}


@pytest.mark.parametrize("n", [5, 7])
def test_each_liar_takes_one_with_it(n: int) -> None:
    net = Timed(n, minds=liars(1, 3), charges_max=0)
    accuse_in(net, 2, {1: (0, 2), 3: (0, 2)})
    gone = departures(hold(net))
    assert {1, 3} <= set(gone)
    assert len(gone) == 4
    assert set(gone.values()) == {"PAIR_ELIMINATED"}


def test_colluders_may_eliminate_each_other() -> None:
    net = Timed(7, minds=liars(1, 3), charges_max=0)
    accuse_in(net, 1, {1: (3,)})
    assert set(departures(hold(net))) == {1, 3}


# --- more than F ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "named"), [(4, (0, 2)), (5, (0, 2, 4)), (7, (0, 2, 4, 5))])
def test_who_claims_more_than_can_be_faulty_is_removed_alone(
    n: int, named: tuple[int, ...]
) -> None:
    net = Timed(n, minds=liars(1), charges_max=0)
    accuse_in(net, 1, {1: named})
    records = hold(net)
    assert departures(records) == {1: "CLAIMS_MOST"}
    assert records[0].charges == ()


@pytest.mark.parametrize(("n", "named"), [(4, (0,)), (5, (0, 2)), (7, (0, 2, 4))])
def test_who_claims_as_many_as_can_be_is_charged(n: int, named: tuple[int, ...]) -> None:
    net = Timed(n, minds=liars(1), charges_max=9)
    accuse_in(net, 1, {1: named})
    records = hold(net)
    assert departures(records) == {}
    assert [(c.first, c.second) for c in records[0].charges] == [
        tuple(sorted((peer(1), peer(i)))) for i in named
    ]


def test_who_is_charged_with_more_than_can_be_faulty_is_removed_before_it_takes_anybody() -> None:
    """Two at a time, and then a third: it disputes with most, so it is the liar."""
    net = Timed(5, minds=liars(1), charges_max=1)
    accuse_one_after_another(net, [(0, 2), (0, 4)])
    assert departures(hold(net)) == {1: "CHARGED_WITH_MOST"}


def test_who_is_charged_with_as_many_as_can_be_stays() -> None:
    net = Timed(5, minds=liars(1), charges_max=2)
    accuse_one_after_another(net, [(0, 2), (0, 2)])
    assert departures(hold(net)) == {}


def accuse_once(net: Timed, toy: Toy, head: Digest, named: tuple[PeerId, ...]) -> None:
    """Call, and it must not be too late."""
    assert accuse(net, toy, head, named)


def accuse_one_after_another(net: Timed, claims: list[tuple[int, ...]]) -> None:
    """Peer 1 claims these in one attempt, those in the next."""
    left = list(claims)

    def watch(net: Timed, toy: Toy, event: ev.Event, effects: list[Any]) -> None:
        begins = [e.head for e in effects if isinstance(e, fx.DrawSecret)]
        if toy.me == peer(1) and begins and left:
            named = tuple(peer(i) for i in left.pop(0))
            net.later(net.now + 0.7, partial(accuse_once, net, toy, begins[-1], named))

    net.watchers.append(watch)


def test_claims_of_colluders_alone_remove_nobody_at_once() -> None:
    """F of them are not more than F: they are charged like one."""
    net = Timed(5, minds=liars(1, 3), charges_max=LIMIT)
    both: list[Signed] = []

    def show() -> None:
        both.extend(view_of(net, i, (0,)) for i in (1, 3))
        for view in both:
            call(net, view)

    net.later(2.5, show)
    records = hold(net)
    assert departures(records) == {}
    assert {(c.first, c.second) for c in records[0].charges} == {
        (peer(0), peer(1)),
        (peer(0), peer(3)),
    }


def test_a_charge_lapses_after_so_many_counted_steps() -> None:
    net = Timed(4, steps=5, minds=liars(1), charges_max=LIMIT, charge_lifetime=2)
    accuse_in(net, 1, {1: (0,)})
    records = hold(net)
    held = {r.counted: len(r.charges) for r in records if r.outcome is Outcome.COUNTED}
    assert held == {1: 1, 2: 1, 3: 0, 4: 0, 5: 0}


# --- committed all the same -----------------------------------------------------------------------


def late_call(net: Timed, to: int, waits_for: tuple[int, ...], after: float) -> list[Signed]:
    """Show peer `to` alone a view of the first attempt, so long after that is decided."""
    shown: list[Signed] = []

    def watch(net: Timed, toy: Toy, event: ev.Event, effects: list[Any]) -> None:
        decided = any(isinstance(e, fx.Decide) for e in effects)
        if decided and toy.me == peer(to) and not shown:
            claims = tuple(peer(i) for i in waits_for)
            payload = encode_payload(View(claims=claims))
            shown.append(sign(Stage.VIEW, net.genesis.run, peer(1), payload))
            net.at(net.now + after, tell(peer(to), shown[0]))

    net.watchers.append(watch)
    return shown


def charges_made(records: list[Record]) -> list[tuple[int, PeerId, PeerId]]:
    """In which record each charge first stands."""
    made = []
    for place, record in enumerate(records):
        before = records[place - 1].charges if place else ()
        made += [(place, c.first, c.second) for c in record.charges[len(before) :]]
    return made


def test_a_call_on_a_committed_attempt_is_settled_through_the_next_check() -> None:
    net = Timed(5, steps=3, minds=liars(1), charges_max=LIMIT)
    late_call(net, 0, (2,), after=0.1)
    records = hold(net)
    assert [r.outcome for r in records[:3]] == [Outcome.COUNTED] * 3
    assert charges_made(records) == [(1, peer(1), peer(2))]


def test_one_that_claims_nobody_settles_nothing() -> None:
    net = Timed(5, steps=3, minds=liars(1), charges_max=LIMIT)
    late_call(net, 0, (), after=0.1)
    assert charges_made(hold(net)) == []


def test_one_that_comes_after_the_next_check_settles_nothing_any_more() -> None:
    net = Timed(5, steps=3, minds=liars(1), charges_max=LIMIT)
    late_call(net, 0, (2,), after=30.0)
    assert charges_made(hold(net)) == []


def test_an_old_view_brought_up_again_and_again_is_settled_once() -> None:
    """The liar puts it into each of its CHECKs; and so does another."""
    net = Timed(5, steps=4, minds=liars(1, 3), charges_max=LIMIT)
    shown = late_call(net, 0, (2,), after=0.1)

    def bring(payload: bytes) -> bytes:
        check = msgspec.msgpack.decode(payload, type=Check)
        return encode_payload(replace(check, views=tuple(shown)))

    class Always(dict[Any, Any]):
        def get(self, slot: Any, default: Any = None) -> Any:
            is_check = slot[2] is Stage.CHECK and slot[0] in net.minds
            return bring if is_check and shown else default

    net.instead = Always()
    records = hold(net)
    assert charges_made(records) == [(1, peer(1), peer(2))]


def test_views_of_other_peers_or_attempts_in_a_check_settle_nothing() -> None:
    """A view of an attempt long ago, one under another's name, and one that is not valid."""
    net = Timed(5, steps=3, minds=liars(1), charges_max=0)
    head = net.genesis.run
    said = encode_payload(View(claims=(peer(2),)))
    forged = replace(sign(Stage.VIEW, head, peer(3), said), signature=bytes(64))
    elsewhere = sign(Stage.VIEW, digest("another attempt"), peer(1), said)
    invalid = sign(Stage.VIEW, head, peer(1), encode_payload(View(claims=(peer(1),))))
    unread = sign(Stage.VIEW, head, peer(1), JUNK)

    def bring(payload: bytes) -> bytes:
        check = msgspec.msgpack.decode(payload, type=Check)
        return encode_payload(replace(check, views=(forged, elsewhere, invalid, unread)))

    class Always(dict[Any, Any]):
        def get(self, slot: Any, default: Any = None) -> Any:
            return bring if slot[2] is Stage.CHECK and slot[0] == peer(1) else default

    net.instead = Always()
    records = hold(net)
    assert departures(records) == {}
    assert charges_made(records) == []


def test_the_claims_of_those_who_called_for_a_missing_verdict_are_settled_too() -> None:
    """All honest peers wait for one VERDICT: the record stands, and its signer pays in the next."""
    net = Timed(5, minds={1: all_of(stuck_at(Stage.VERDICT), no_chains)}, delays=steady, starts=0.0)
    records = hold(net)
    assert records[0].outcome is Outcome.COUNTED
    assert departures(records[:1]) == {}
    assert departures(records)[1].startswith("CLAIM")
