"""The coin toss: what every secret and share is bound to, and that none can be left out unseen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.core.plain import peer
from zpeer.core.mprng import (
    compute_batch_seed,
    compute_beacon,
    compute_commitment,
    compute_place,
    compute_secret_beacon,
    compute_share,
)
from zpeer.ids import NOTHING, Digest, digest

digests = st.binary(min_size=32, max_size=32).map(Digest)


def test_the_chain_of_two_secrets_is_bound_to_run_step_attempt_and_peer() -> None:
    places = [
        compute_place(run, step, attempt)
        for run in (digest("a"), digest("b"))
        for step in (0, 1)
        for attempt in (0, 1)
    ]
    secret = digest("secret")
    shares = {compute_share(place, peer(i), secret) for place in places for i in (1, 2)}
    assert len(set(places)) == 8
    assert len(shares) == 16
    commitments = {compute_commitment(place, peer(i), secret) for place in places for i in (1, 2)}
    assert len(commitments) == 16
    assert not shares & commitments


@given(st.lists(digests, min_size=1, max_size=8), digests, st.data())
def test_every_single_share_changes_the_beacon(
    shares: list[Digest], other: Digest, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(shares) - 1))
    changed = [*shares]
    changed[place] = other
    same = other == shares[place]
    assert (compute_beacon(changed) == compute_beacon(shares)) == same
    assert (compute_secret_beacon(changed) == compute_secret_beacon(shares)) == same


@given(st.permutations([digest(str(k)) for k in range(5)]))
def test_the_order_of_peers_does_not_matter(shares: list[Digest]) -> None:
    assert compute_beacon(shares) == compute_beacon(sorted(shares))


def test_directions_and_draws_never_share_a_beacon() -> None:
    assert compute_beacon([NOTHING]) != compute_secret_beacon([NOTHING])
    assert compute_beacon([]) == compute_beacon([NOTHING])


def test_a_minibatch_is_the_same_in_every_attempt_and_another_for_every_peer_and_step() -> None:
    beacon = digest("r")
    seeds = {compute_batch_seed(beacon, step, peer(i)) for step in (0, 1) for i in (0, 1)}
    assert len(seeds) == 4
