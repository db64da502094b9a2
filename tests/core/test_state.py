"""The state as values: slots by sender, faults once a peer, and nothing that does not encode."""

from __future__ import annotations

import msgspec

from tests.core.pieces import closed_of, commit_of, prove, view_of, witness
from tests.core.plain import Clip, make_genesis, peer
from zpeer.core.base import make_first_base
from zpeer.core.context import encode
from zpeer.core.state import Attempt, EarlyChain, SlowPath, State
from zpeer.faults import FaultKind
from zpeer.ids import digest
from zpeer.proofs import Misdeed
from zpeer.record import Departure
from zpeer.signed import Signed, Stage


def make_attempt() -> Attempt:
    """The first of a run of three."""
    return Attempt(base=make_first_base(make_genesis(3), Clip()))


def test_attempts_and_states_share_nothing() -> None:
    one, other = make_attempt(), make_attempt()
    one.messages[Stage.COMMIT] = {}
    one.requested.add("secret")
    one.depart(Departure(peer(1), FaultKind.WRONG_SHARE, digest("h")))
    assert not other.messages
    assert not other.requested
    assert not other.departures
    assert other == make_attempt()
    state = State()
    state.durations[0] = 9.0
    assert State().durations == [0.0] * 6


def test_the_members_of_a_stage_stand_in_roster_order() -> None:
    attempt = make_attempt()
    said = {
        peer(i): Signed(Stage.COMMIT, attempt.base.head, peer(i), b"", bytes(64)) for i in (2, 0)
    }
    attempt.messages[Stage.COMMIT] = said
    assert [signed.sender for signed in attempt.members(Stage.COMMIT)] == [peer(0), peer(2)]
    assert attempt.signed(Stage.COMMIT, peer(1)) is None
    assert attempt.signed(Stage.REVEAL, peer(0)) is None
    assert attempt.members(Stage.REVEAL) == ()


def test_a_peer_departs_once_for_its_first_fault() -> None:
    attempt = make_attempt()
    attempt.depart(Departure(peer(1), FaultKind.WRONG_SHARE, digest("h")))
    attempt.depart(Departure(peer(1), FaultKind.WRONG_BEACON, digest("h")))
    attempt.depart(Departure(peer(2), FaultKind.WRONG_BEACON, digest("h")))
    assert [(d.peer, d.fault) for d in attempt.departures] == [
        (peer(1), FaultKind.WRONG_SHARE),
        (peer(2), FaultKind.WRONG_BEACON),
    ]
    assert attempt.is_departing(peer(2))
    assert not attempt.is_departing(peer(0))


def test_an_attempt_in_the_slow_path_comes_back_byte_for_byte() -> None:
    attempt = make_attempt()
    head = attempt.base.head
    view, closed = view_of(1, head, claims=(peer(2),)), closed_of(1, head, digest("views"))
    two = prove(commit_of(2, head), commit_of(2, head, 1))
    attempt.views[peer(1)] = (view, view_of(1, head))
    attempt.chains[view.body] = (witness(2, view), witness(0, view))
    attempt.slow = SlowPath(
        joined=1.5,
        looked=2.25,
        overslept=True,
        closed=(view.body,),
        carrier=closed,
        voices=(witness(2, closed),),
        agreed=(view,),
    )
    attempt.candidates[digest("record")] = b"a record"
    attempt.convictions[peer(2)] = two
    attempt.ahead[peer(1)] = 7
    attempt.answered[b"mark"] = 2
    state = State(
        attempt=attempt,
        proofs={peer(2): two, peer(0): Misdeed((commit_of(0, head),))},
        early_chains={peer(1): (EarlyChain(view, (witness(2, view),)),)},
    )
    again = msgspec.msgpack.decode(encode(state), type=State)
    assert again == state
    assert encode(again) == encode(state)


def test_the_encoding_does_not_depend_on_the_order_of_insertion() -> None:
    def make(order: tuple[int, ...]) -> State:
        attempt = make_attempt()
        for i in order:
            attempt.requested.add(f"request {i}")
            attempt.invalid.add(bytes([i]))
            attempt.messages.setdefault(i + 1, {})[peer(i)] = Signed(
                Stage.COMMIT, attempt.base.head, peer(i), b"", bytes(64)
            )
        return State(attempt=attempt)

    one, other = encode(make((0, 1, 2))), encode(make((2, 0, 1)))
    assert one == other
    assert encode(msgspec.msgpack.decode(one, type=State)) == one
