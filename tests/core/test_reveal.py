"""REVEAL: the beacon is uniform if one player is honest, and wrong shares cost their owners."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tests.core.lies import attempt_of, check_caught, read, saying
from tests.core.plain import peer
from tests.core.toy import Ring
from zpeer import events as ev
from zpeer.core.mprng import compute_beacon, compute_share
from zpeer.core.reveal import RevealStage
from zpeer.faults import FaultKind
from zpeer.ids import Digest, PeerId, digest
from zpeer.record import Outcome
from zpeer.signed import Stage


def test_a_wrong_share_is_banned_by_the_messages_alone_and_voids_the_attempt() -> None:
    lie = saying(Stage.REVEAL, lambda _, m: replace(m, share=bytes([7]) * 32))
    ring = Ring(5, tampers={1: lie}).run()
    records = check_caught(ring, {1: FaultKind.WRONG_SHARE})
    assert records[0].outcome is Outcome.VOID
    (evidence,) = ring.toys[peer(0)].evidence
    stages = [each[0].stage for each in evidence.sets]
    assert Stage.COMMIT in stages
    assert Stage.REVEAL in stages
    assert not evidence.blobs


def test_the_beacon_of_a_void_attempt_is_that_of_the_shares_that_fit() -> None:
    lie = saying(Stage.REVEAL, lambda _, m: replace(m, share=bytes([7]) * 32))
    ring = Ring(5, tampers={1: lie}).run()
    record = ring.check_agreement(1)[0]
    place = first_place(5)
    shares = [compute_share(place, peer(i), digest("secret", peer(i), place)) for i in (0, 2, 3, 4)]
    assert record.beacon == compute_beacon(shares)


def test_the_beacon_of_a_counted_attempt_is_that_of_all_and_seeds_the_next() -> None:
    record = Ring(4).run().check_agreement()[0]
    place = first_place(4)
    shares = [compute_share(place, peer(i), digest("secret", peer(i), place)) for i in range(4)]
    assert record.beacon == record.seed_beacon == compute_beacon(shares)


def test_a_share_of_somebody_else_does_not_fit() -> None:
    """c_i is bound to its peer: a liar cannot repeat another's commitment and share."""

    def copy_commitment(toy: Any, message: Any) -> Any:
        theirs = attempt_of(toy).messages[Stage.COMMIT][peer(0)]
        return replace(message, commitment=read(toy, theirs).commitment)

    def copy_share(toy: Any, message: Any) -> Any:
        place = attempt_of(toy).base.place
        return replace(
            message, share=compute_share(place, peer(0), digest("secret", peer(0), place))
        )

    commit, reveal = saying(Stage.COMMIT, copy_commitment), saying(Stage.REVEAL, copy_share)

    class Waiting(Ring):
        def push(self, to: PeerId, event: ev.Event, delay: float = 0.001) -> None:
            slow = isinstance(event, ev.SecretDrawn) and to == peer(2)
            super().push(to, event, delay + 0.5 * slow)

    tamper = lambda ring, toy, effects: reveal(ring, toy, commit(ring, toy, effects))  # noqa: E731
    check_caught(Waiting(5, tampers={2: tamper}).run(), {2: FaultKind.WRONG_SHARE})


def test_an_undecodable_reveal_is_one_fault_and_its_share_does_not_count() -> None:
    lie = saying(Stage.REVEAL, lambda _, __: b"\xff")
    records = check_caught(Ring(5, tampers={1: lie}).run(), {1: FaultKind.INVALID_BODY})
    assert len(records[0].departures) == 1


def first_place(n: int) -> Digest:
    """What secrets of the first attempt are bound to."""
    ring = Ring(n)
    ring.toys[peer(0)].tell(ev.Started(), 0.0)
    return attempt_of(ring.toys[peer(0)]).base.place


def test_in_reveal_only_messages_are_awaited() -> None:
    core = Ring(4).toys[peer(0)].core
    core.handle(ev.Started(), 0.0)
    assert RevealStage.awaited(core._context) == []
