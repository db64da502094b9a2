"""The state as values: slots by sender, faults once a peer, and nothing that does not encode."""

from __future__ import annotations

import msgspec

from tests.core.plain import Clip, make_genesis, peer
from zpeer.core.base import make_first_base
from zpeer.core.context import encode
from zpeer.core.state import Attempt, State
from zpeer.faults import FaultKind
from zpeer.ids import digest
from zpeer.record import Departure
from zpeer.signed import Signed, Stage


def make_attempt() -> Attempt:
    """The first of a run of three."""
    return Attempt(base=make_first_base(make_genesis(3), Clip()))


def test_attempts_share_nothing() -> None:
    one, other = make_attempt(), make_attempt()
    one.messages[Stage.COMMIT] = {}
    one.requested.add("secret")
    one.depart(Departure(peer(1), FaultKind.WRONG_SHARE, digest("h")))
    assert not other.messages
    assert not other.requested
    assert not other.departures


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
