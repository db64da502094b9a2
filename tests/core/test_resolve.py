"""What the slow path leads to: a record that was voted for, or a void attempt by the views alone;
the same draw either way; and who is told."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.core.forging import JUNK, tell
from tests.core.lies import Shifting
from tests.core.minds import (
    LATER,
    all_of,
    crash,
    no_answers,
    no_bulk,
    no_chains,
    silent,
    stuck_at,
    two_faced,
)
from tests.core.plain import ByHash, peer, sign
from tests.core.scenes import (
    Clock,
    as_it_is,
    ask_nobody_for,
    departures,
    hold,
    most_delay,
    on_join,
    steady,
    view_of,
)
from tests.core.timed import DELTA, Delivery, Sent, Timed
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.mprng import compute_place, compute_secret_beacon
from zpeer.ids import NOTHING, Digest, PeerId, digest
from zpeer.messages import Decided, Reveal, View
from zpeer.record import Outcome
from zpeer.signed import Stage
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.core.shell import Toy


def secret_of(net: Timed, i: int, step: int = 0, attempt: int = 0) -> Digest:
    """The a_i of a toy peer."""
    return digest("secret", peer(i), compute_place(net.genesis.run, step, attempt))


def draw_of(net: Timed, peers: Iterable[int]) -> Digest:
    """q of the first attempt, if these open their secrets."""
    return compute_secret_beacon(secret_of(net, i) for i in peers)


# --- rule 1: what more than half voted for --------------------------------------------------------


@pytest.mark.parametrize("n", [3, 4, 5, 7])
def test_a_record_that_all_honest_peers_voted_for_stands(n: int) -> None:
    """One withholds its VERDICT from everybody, and says in its view that it has none."""
    mind = all_of(stuck_at(Stage.VERDICT, *LATER), no_chains)
    net = Timed(n, minds={1: mind})
    records = hold(net)
    assert (records[0].outcome, records[0].views) == (Outcome.COUNTED, ())
    assert records[0].secret_beacon == draw_of(net, range(n))


def test_a_record_that_half_voted_for_does_not() -> None:
    """A call reaches two of four before they have voted. Nobody can have committed."""
    net = Timed(4, minds={1: as_it_is}, delays=steady, starts=0.0)
    voted: list[PeerId] = []

    def watch(net: Timed, toy: Toy, event: ev.Event, effects: list[Any]) -> None:
        for e in effects if not toy.records else ():
            said = e.stage if isinstance(e, fx.Broadcast) else None
            if said is Stage.CHECK and toy.me == peer(0):
                view = view_of(net, 1, (3,))
                net.instead[peer(1), view.head, Stage.VIEW] = partial(instead, view.payload)
                for i in (1, 2, 3):
                    net.at(net.now, tell(peer(i), view))
            elif said is Stage.VERDICT:
                voted.append(toy.me)

    net.watchers.append(watch)
    records = hold(net)
    assert voted == [peer(0)] or voted == []
    assert records[0].outcome is Outcome.VOID
    assert records[0].views


def instead(payload: bytes, _: bytes) -> bytes:
    """Something else."""
    return payload


@pytest.mark.parametrize("story", [False, True], ids=["missing", "another body"])
@pytest.mark.parametrize("votes", [True, False])
def test_who_lacks_the_checks_behind_a_record_takes_those_of_who_has_them(
    *, votes: bool, story: bool
) -> None:
    """Peer 0 does not get the CHECK of the liar, or gets another. Two of four vote, and the liar
    with them, or not."""
    hidden = two_faced(Stage.CHECK, (0,)) if story else silent(Stage.CHECK, to=(0,))
    net = Timed(4, minds={1: all_of(hidden, stuck_at(Stage.VERDICT))}, delays=steady, starts=0.0)
    ask_nobody_for(net, 0, Stage.CHECK)
    if not votes:
        net.instead[peer(1), net.genesis.run, Stage.VIEW] = partial(change, record=NOTHING)
    records = hold(net)
    assert records[0].outcome is (Outcome.COUNTED if votes else Outcome.VOID)
    assert net.toy(0).records[0].head == records[0].head
    assert departures(records[:2]).get(1) == ("EQUIVOCATION" if story else None)


# --- rule 2: void, by the views alone -------------------------------------------------------------


@pytest.mark.parametrize("n", [4, 7])
@pytest.mark.parametrize("stage", [Stage.AGGREGATED, Stage.REVEAL, Stage.PROJECTIONS, Stage.CHECK])
def test_a_called_attempt_draws_by_the_same_q_that_its_check_would_have_given(
    stage: Stage, n: int
) -> None:
    """Who dislikes the draw wins nothing by calling before the secrets are open."""
    net = Timed(n, minds={1: stuck_at(stage)})
    records = hold(net)
    stuck = records[0]
    assert stuck.outcome is Outcome.VOID
    assert stuck.secret_beacon == draw_of(net, range(n))
    workers = [peer(i) for i in range(n)]
    assert ByHash().targets(stuck.secret_beacon, workers, 1)[0] in {d.target for d in stuck.draws}


def test_without_commits_there_is_no_draw() -> None:
    net = Timed(5, minds={1: stuck_at(Stage.COMMIT)})
    stuck = hold(net)[0]
    assert (stuck.secret_beacon, stuck.sets, stuck.draws) == (NOTHING, (), ())


SECRETS = {
    "withheld": (NOTHING, "SECRET_WITHHELD"),
    "wrong": (digest("wrong"), "WRONG_SECRET"),
}


@pytest.mark.parametrize("how", SECRETS)
def test_a_view_must_open_the_secret_that_was_committed_to(how: str) -> None:
    secret, why = SECRETS[how]
    net = Timed(5, minds={1: stuck_at(Stage.REVEAL)})
    net.instead[peer(1), net.genesis.run, Stage.VIEW] = partial(change, secret=secret)
    records = hold(net)
    assert departures(records[:1]) == {1: why}
    assert records[0].secret_beacon == draw_of(net, (0, 2, 3, 4))
    is_ban = why == "WRONG_SECRET"
    assert all(bool(toy.evidence) == is_ban for toy in net.honest())


@pytest.mark.parametrize("how", SECRETS)
def test_where_nothing_was_committed_to_no_secret_is_asked_for(how: str) -> None:
    net = Timed(5, minds={1: stuck_at(Stage.COMMIT)})
    secret = SECRETS[how][0]
    net.instead[peer(1), net.genesis.run, Stage.VIEW] = partial(change, secret=secret)
    gone = departures(hold(net)[:1])
    assert gone.get(1, "CLAIMED_BY_MOST") == "CLAIMED_BY_MOST"


def change(payload: bytes, **changes: Any) -> bytes:
    """Another view."""
    view = msgspec.msgpack.decode(payload, type=View)
    return encode_payload(replace(view, **changes))


@pytest.mark.parametrize("n", [4, 6])
def test_secrets_held_back_until_all_others_are_open_cost_the_place(n: int) -> None:
    """It calls when the others' secrets are out, and knows what its own would make of the draw."""
    net = Timed(n, minds={1: stuck_at(Stage.CHECK)})
    net.instead[peer(1), net.genesis.run, Stage.VIEW] = partial(change, secret=NOTHING)
    assert departures(hold(net)[:1]) == {1: "SECRET_WITHHELD"}


@pytest.mark.parametrize("view_names", [True, False])
def test_commits_that_one_peer_lacks_are_fetched_if_most_views_name_them(
    *, view_names: bool
) -> None:
    """The liar's COMMIT does not reach peer 0; the liar names the set, or does not."""
    net = Timed(5, minds={1: all_of(silent(Stage.COMMIT, to=(0,)), stuck_at(Stage.AGGREGATED))})
    ask_nobody_for(net, 0, Stage.COMMIT)
    if not view_names:
        net.instead[peer(1), net.genesis.run, Stage.VIEW] = partial(change, commits=NOTHING)
    records = hold(net)
    assert len(records[0].sets) == 1
    assert records[0].secret_beacon == draw_of(net, range(5))
    assert net.toy(0).records[0].head == records[0].head


def test_commits_that_half_of_the_views_name_judge_nobody() -> None:
    """Two of four lack a COMMIT; the liar names a set that nobody has."""
    net = Timed(4, minds={1: all_of(silent(Stage.COMMIT, to=(0, 2)), no_answers)})
    for i in (0, 2):
        ask_nobody_for(net, i, Stage.COMMIT)
    name = digest("no such set")
    net.instead[peer(1), net.genesis.run, Stage.VIEW] = partial(change, commits=name)
    stuck = hold(net)[0]
    assert (stuck.sets, stuck.secret_beacon) == ((), NOTHING)


def test_an_invalid_commit_in_the_set_that_is_named_costs_the_place() -> None:
    net = Timed(5, minds={1: as_it_is, 2: stuck_at(Stage.REVEAL)})
    net.instead[peer(1), net.genesis.run, Stage.COMMIT] = lambda payload: JUNK
    assert departures(hold(net)[:1]) == {1: "INVALID_BODY"}


def test_what_all_saw_in_the_sets_of_a_called_attempt_comes_back_in_the_next_check() -> None:
    """One opens a wrong share, another gets the attempt voided before that is recorded."""
    net = Timed(6, minds={1: as_it_is, 2: stuck_at(Stage.PROJECTIONS)})
    wrong = msgspec.msgpack.encode
    net.instead[peer(1), net.genesis.run, Stage.REVEAL] = lambda payload: wrong(
        replace(msgspec.msgpack.decode(payload, type=Reveal), share=digest("wrong"))
    )
    records = hold(net)
    assert records[0].outcome is Outcome.VOID
    assert 1 not in departures(records[:1])
    assert departures(records[:2])[1] == "WRONG_SHARE"


def test_a_failed_sum_of_a_called_attempt_is_dropped() -> None:
    net = Timed(6, toys={1: Shifting}, minds={1: as_it_is, 2: stuck_at(Stage.CHECK)})
    records = hold(net)
    assert records[0].outcome is Outcome.VOID
    assert 1 not in departures(records[:1])


# --- who is cut off, and who is told --------------------------------------------------------------


def cut_off(net: Timed, i: int, start: float, end: float) -> None:
    """Nothing reaches or leaves a peer for a time."""
    real = net.send

    def send(toy: Toy, delivery: Delivery) -> None:
        is_cut = peer(i) in (toy.me, delivery.to) and toy.me != delivery.to
        if not (is_cut and start <= net.now < end):
            real(toy, delivery)

    net.send = send  # type: ignore[method-assign]


def test_who_is_cut_off_for_good_decides_nothing_and_says_so() -> None:
    net = Timed(4, minds={0: as_it_is})
    cut_off(net, 0, 1.5, 9999.0)
    records = hold(net)
    assert departures(records) == {0: "SILENT"}
    assert net.toy(0).records == []
    assert net.toy(0).ended.code == 5
    assert net.toy(0).ended.reason.startswith("cut off in step 0")


@pytest.mark.parametrize("end", [20.0, 30.0, 45.0])
def test_who_missed_a_slow_path_is_told_how_it_ended(end: float) -> None:
    """It was removed as silent; a certificate shows it, and it stops."""
    net = Timed(5, minds={0: as_it_is})
    cut_off(net, 0, 1.5, end)
    records = hold(net)
    assert departures(records) == {0: "SILENT"}
    assert net.toy(0).ended.code in (4, 5)
    if net.toy(0).ended.code == 4:
        assert net.toy(0).records[0].head == records[0].head


def test_who_is_late_for_the_last_round_is_brought_up_by_those_who_decided() -> None:
    """It hears the views, but not how the others closed them; DECIDED and the record come later."""
    net = Timed(5, minds={0: as_it_is, 1: crash(Stage.REVEAL)})
    on_join(net, 0, lambda now: cut_off(net, 0, now + 2.1, now + 8.0))
    records = hold(net)
    assert departures(records) == {1: "SILENT"}
    assert [r.head for r in net.toy(0).records] == [r.head for r in records]


def test_who_hears_what_most_decided_before_its_rounds_end_goes_on_by_its_own_views() -> None:
    """It lacks one CLOSED, which the others show it when they end; their DECIDED come sooner."""
    mind = all_of(stuck_at(Stage.REVEAL), silent(Stage.CLOSED, to=(0,)), no_chains)
    net = Timed(5, minds={1: mind}, delays=most_delay)
    real = net.delay

    def delay(sender: PeerId, delivery: Delivery) -> Iterator[Sent]:
        event = delivery.event
        is_quick = isinstance(event, ev.MessageReceived) and event.signed.stage is Stage.DECIDED
        yield from [(0.001, delivery)] if is_quick else real(sender, delivery)

    net.delay = delay  # type: ignore[method-assign]
    clock = Clock(net)
    hold(net)
    ended = clock.ended[net.genesis.run]
    assert max(ended.values()) - min(ended.values()) <= DELTA


@pytest.mark.parametrize("fault", ["banned", "eliminated"])
def test_who_left_is_told(fault: str) -> None:
    net = Timed(5, minds={1: two_faced(Stage.REVEAL, (0,))}, charges_max=0)
    if fault == "eliminated":
        net = Timed(5, minds={1: no_bulk(ev.PartArrived, (0,))}, charges_max=0)
    hold(net)
    assert net.toy(1).ended.code == (3 if fault == "banned" else 4)
    assert net.toy(0).ended.code == (0 if fault == "banned" else 4)


@pytest.mark.parametrize("count", [2, 3])
def test_more_than_half_of_the_roster_decide_for_who_was_not_there(count: int) -> None:
    """DECIDED of half, and any record with them, move nobody."""
    net = Timed(4, minds={1: as_it_is})
    net.run(until=1.5)
    toy = net.toy(0)
    head = net.genesis.run
    words = [
        sign(Stage.DECIDED, head, peer(i), encode_payload(Decided(digest("a record"))))
        for i in range(1, 1 + count)
    ]
    effects = toy.tell(ev.CertificateReceived(b"junk", tuple(words)), net.now)
    asked = {e.stage for e in effects if isinstance(e, fx.SendSetRequest)}
    assert (Stage.DECIDED in asked) == (count == 3)


def test_a_record_that_more_than_half_decided_must_be_just_that_record() -> None:
    """A certificate may bring any bytes: only those that hash to what is decided are taken."""
    net = Timed(5, minds={1: crash(Stage.REVEAL), 2: as_it_is})
    net.run_while(lambda: not net.toy(0).records)
    record = net.toy(0).records[0]
    toy = net.toy(2)
    encoded = msgspec.msgpack.encode(record)
    words = tuple(
        sign(Stage.DECIDED, net.genesis.run, peer(i), encode_payload(Decided(record.head)))
        for i in (0, 3, 4)
    )
    for forged in (
        b"",
        JUNK,
        encoded + b"\x00",
        msgspec.msgpack.encode(replace(record, roster=record.roster[1:])),
    ):
        if toy.records:
            break
        toy_effects = toy.tell(ev.CertificateReceived(forged, words), net.now)
        assert not any(isinstance(e, fx.Decide) for e in toy_effects)
    effects = toy.tell(ev.CertificateReceived(encoded, words), net.now)
    assert [e.record.head for e in effects if isinstance(e, fx.Decide)] == [record.head]
