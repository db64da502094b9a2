"""Chance from hashes."""

from __future__ import annotations

from zpeer.ids import digest
from zpeer.simulate.streams import Entropy, Stream

SEED = digest("test/stream")


def test_a_stream_repeats_itself_and_goes_on_without_a_seam() -> None:
    first, second = Stream(SEED), Stream(SEED)
    words = [first.word() for _ in range(5000)]
    assert words == [second.word() for _ in range(5000)]
    assert len(set(words)) == 5000


def test_draws_are_in_their_ranges_and_fill_them() -> None:
    stream = Stream(SEED)
    assert {stream.below(7) for _ in range(500)} == set(range(7))
    assert {stream.between(3, 5) for _ in range(200)} == {3, 4, 5}
    shares = [stream.share() for _ in range(2000)]
    assert 0 <= min(shares) < 0.01
    assert 0.99 < max(shares) < 1
    assert 900 < sum(stream.chance(0.5) for _ in range(2000)) < 1100
    assert {stream.weighted((("a", 1), ("b", 0), ("c", 3))) for _ in range(200)} == {"a", "c"}


def test_shuffling_keeps_everything_and_choosing_keeps_the_order() -> None:
    stream = Stream(SEED)
    items = tuple(range(20))
    shuffled = stream.shuffled(items)
    assert sorted(shuffled) == list(items)
    assert shuffled != list(items)
    some = stream.some(items, 5)
    assert some == sorted(some)
    assert len(set(some)) == 5


def test_streams_of_other_purposes_seeds_and_futures_are_others() -> None:
    def first(entropy: Entropy, *fields: bytes) -> int:
        return entropy.stream("delay", *fields).word()

    words = [
        first(Entropy(1)),
        first(Entropy(2)),
        first(Entropy(1), b"a"),
        first(Entropy(1), b"a", b""),
        Entropy(1).stream("order").word(),
    ]
    assert len(set(words)) == len(words)


def test_another_future_changes_streams_that_are_held_already() -> None:
    plain, branched, other = Entropy(1), Entropy(1), Entropy(1)
    streams = [each.stream("delay") for each in (plain, branched, other)]
    assert len({stream.word() for stream in streams}) == 1
    branched.branch(1)
    other.branch(2)
    assert len({stream.word() for stream in streams}) == 3
