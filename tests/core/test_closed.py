"""How rounds end early, for all or for nobody; and who joins late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.core.checkers import Watch, check_end
from tests.core.forging import chain_of, resign, tell
from tests.core.minds import LATER, all_of, changed, no_answers, no_chains, silent, stuck_at
from tests.core.plain import peer, sign
from tests.core.scenes import (
    FIRST_ROUND,
    Clock,
    ask_nobody_for,
    departures,
    hold,
    most_delay,
    on_closed,
    view_of,
)
from tests.core.timed import DELTA, Delivery, Timed, any_delay, attempt_of, edge_delay
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core import slow_path
from zpeer.ids import Digest, digest
from zpeer.messages import Closed, View
from zpeer.signed import Signed, Stage
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from tests.core.shell import Toy

# --- CLOSED ---------------------------------------------------------------------------------------


def test_nobody_ends_early_where_one_that_is_heard_does_not_close() -> None:
    mind = all_of(stuck_at(Stage.REVEAL), silent(Stage.CLOSED), no_chains)
    net = Timed(5, minds={1: mind})
    clock = Clock(net)
    assert departures(hold(net)) == {1: "CLAIMED_BY_MOST"}
    assert min(clock.lengths(net.genesis.run)) >= 3 * FIRST_ROUND


CLOSING = {
    "to one alone": silent(Stage.CLOSED, to=(0, 2, 3)),
    "to all but one": silent(Stage.CLOSED, to=(0,)),
    "two bodies": changed(Stage.CLOSED, lambda m: Closed(digest("other")), to=(0, 2)),
    "what is not readable": changed(Stage.CLOSED, lambda m: b"junk", to=(0,)),
    "another to all": changed(Stage.CLOSED, lambda m: Closed(digest("other"))),
}


@pytest.mark.parametrize("delays", [any_delay, most_delay, edge_delay])
@pytest.mark.parametrize("how", CLOSING)
@pytest.mark.parametrize("n", [3, 5])
def test_however_a_liar_closes_the_honest_end_with_the_same_views(
    how: str, n: int, delays: Any
) -> None:
    mind = all_of(stuck_at(Stage.REVEAL), CLOSING[how], no_chains)
    hold(Timed(n, minds={1: mind}, delays=delays))


@pytest.mark.parametrize("late_view", [False, True])
@pytest.mark.parametrize("voices", [0, 1, 2, 3])
@pytest.mark.parametrize("carrier", ["victim", "honest", "liar"])
@pytest.mark.parametrize("moment", [-0.01, 0.01])
def test_a_set_closed_for_one_alone_at_the_last_moment_is_closed_for_all(
    carrier: str, voices: int, moment: float, *, late_view: bool
) -> None:
    """Colluders hold back their CLOSED, and show all of them to one peer when it can just still
    end with them, or just not; and meanwhile another view, that it does not hold by then."""
    liars = (1, 2, 3)
    mute = all_of(stuck_at(Stage.REVEAL, Stage.CLOSED), no_chains)
    net = Timed(7, minds=dict.fromkeys(liars, mute), delays=edge_delay)
    closed_by: dict[int, Signed] = {}

    def close(closed: Signed) -> None:
        slow = attempt_of(net.toy(0)).slow
        assert slow is not None
        until = slow.joined + (7 + 3 * voices) * DELTA + moment
        for liar in liars:
            closed_by[liar] = sign(Stage.CLOSED, closed.head, peer(liar), closed.payload)
            net.at(until, tell(peer(0), closed_by[liar]))
        others = sign(Stage.CLOSED, closed.head, peer(4), closed.payload)
        under = {"victim": closed, "honest": others, "liar": closed_by[1]}[carrier]
        if voices:
            net.at(until, Delivery(peer(0), chain_of(under, [peer(i) for i in liars[:voices]])))
        if late_view:
            again = resign(view_of(net, 3), encode_payload(View()))
            chain = chain_of(again, [peer(1), peer(2)])
            net.at(slow.joined + 3 * FIRST_ROUND - 0.02, Delivery(peer(4), chain))

    on_closed(net, 0, close)
    Watch(net)
    net.run()
    check_end(net)


def test_a_closed_set_is_not_passed_on_under_what_names_another() -> None:
    """A peer whose view nobody holds closes whatever it likes; it stands first in the roster."""
    net = Timed(
        7,
        minds={
            0: all_of(stuck_at(Stage.REVEAL, Stage.VIEW), no_chains),
            1: all_of(silent(Stage.CLOSED), no_chains),
            2: all_of(silent(Stage.CLOSED), no_chains),
        },
        delays=edge_delay,
    )

    def close(closed: Signed) -> None:
        slow = attempt_of(net.toy(3)).slow
        assert slow is not None
        other = resign(closed, encode_payload(Closed(digest("other"))))
        first = sign(Stage.CLOSED, closed.head, peer(0), other.payload)
        net.at(net.now, tell(peer(3), first))
        for liar in (1, 2):
            signed = sign(Stage.CLOSED, closed.head, peer(liar), closed.payload)
            net.at(slow.joined + 7 * DELTA - 0.01, tell(peer(3), signed))
        hidden = chain_of(view_of(net, 0), [peer(1), peer(2)])
        net.at(slow.joined + 3 * FIRST_ROUND - 0.01, Delivery(peer(4), hidden))

    on_closed(net, 3, close)
    hold(net)


@pytest.mark.parametrize("before_the_end", [0.3, 1.5, 3.0])
def test_a_set_that_is_closed_too_late_counts_for_nobody(before_the_end: float) -> None:
    """One peer gets all CLOSED just before it ends anyway, too late to tell the others, who have
    learnt of a second view by then."""
    mute = all_of(stuck_at(Stage.REVEAL, Stage.CLOSED), no_chains)
    net = Timed(7, minds=dict.fromkeys((1, 2, 3), mute), delays=most_delay)

    def close(closed: Signed) -> None:
        slow = attempt_of(net.toy(0)).slow
        assert slow is not None
        end = slow_path.find_end(net.toy(0).core._context, slow)
        for liar in (1, 2, 3):
            signed = sign(Stage.CLOSED, closed.head, peer(liar), closed.payload)
            net.at(end - before_the_end, tell(peer(0), signed))
        again = resign(view_of(net, 3), encode_payload(View()))
        net.at(slow.joined + 2 * FIRST_ROUND - 0.5, Delivery(peer(4), chain_of(again, [peer(1)])))

    on_closed(net, 0, close)
    assert departures(hold(net)[:1])[3] == "EQUIVOCATION"


# --- who comes late -------------------------------------------------------------------------------


def test_who_is_one_head_behind_when_a_call_comes_joins_within_delta() -> None:
    """Its VERDICT is withheld from one peer, and the next attempt called at once."""
    mind = all_of(silent(Stage.VERDICT, to=(0,)), silent(*LATER, always=True), no_chains)
    net = Timed(4, minds={3: mind}, delays=most_delay)
    clock = Clock(net)
    called: list[Digest] = []

    def call(net: Timed, toy: Toy, event: ev.Event, effects: list[Any]) -> None:
        for effect in effects:
            if isinstance(effect, fx.Decide) and toy.me == peer(1) and not called:
                called.append(effect.record.head)
                payload = encode_payload(View(claims=(peer(2),)))
                view = sign(Stage.VIEW, called[0], peer(3), payload)
                for i in (1, 2):
                    net.at(net.now, tell(peer(i), view))

    net.watchers.append(call)
    hold(net)
    joined = clock.joined[called[0]]
    assert len(joined) == 3
    assert max(joined.values()) - min(joined.values()) <= DELTA


def test_who_lacks_the_commits_that_an_outcome_rests_on_goes_on_with_the_others() -> None:
    """It is shown them by who settles, so that it is not late for the next call."""
    mind = all_of(
        silent(Stage.COMMIT, to=(0,)),
        silent(Stage.AGGREGATED),
        no_answers,
    )
    net = Timed(5, minds={1: mind}, delays=most_delay)
    ask_nobody_for(net, 0, Stage.COMMIT)
    clock = Clock(net)
    records = hold(net)
    (stuck,) = [record for record in records if record.views]
    assert len(stuck.sets) == 1
    ended = clock.ended[stuck.previous]
    assert max(ended.values()) - min(ended.values()) <= DELTA
