"""A worker in its thread: order kept, failures handed over, and an end that does not hang."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

import pytest

from zpeer.compute.hand import Done, Hand
from zpeer.effects import DrawSecret
from zpeer.errors import PluginError
from zpeer.events import SecretDrawn
from zpeer.ids import Digest, digest, number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zpeer.compute.worker import Answer, Job

WAIT_SECONDS = 10.0


def job(place: int) -> DrawSecret:
    """A job that can be told from others."""
    return DrawSecret(digest("job", number(place)))


class Bench:
    """A hand whose jobs may be held up."""

    def __init__(self, work: Callable[[Job], Answer]) -> None:
        self.woken = Event()
        self.hand = Hand(work, self.woken.set)

    def take(self, count: int) -> list[Done]:
        """So many answers, as they come."""
        done: list[Done] = []
        while len(done) < count:
            assert self.woken.wait(WAIT_SECONDS), "the hand woke nobody"
            self.woken.clear()
            done += self.hand.take()
        return done


@pytest.fixture
def gate() -> Iterator[Event]:
    """Opened at the end whatever happens, so that no thread is left."""
    opened = Event()
    yield opened
    opened.set()


def draw(asked: Job) -> Answer:
    """An answer that names its job."""
    assert isinstance(asked, DrawSecret)
    return SecretDrawn(asked.head, Digest(asked.head))


def test_jobs_are_answered_in_the_order_they_were_given() -> None:
    bench = Bench(draw)
    for place in range(50):
        bench.hand.submit(job(place))
    bench.hand.start()
    done = bench.take(50)
    assert [each.job for each in done] == [job(place) for place in range(50)]
    assert [each.answer for each in done] == [draw(job(place)) for place in range(50)]
    assert bench.hand.stop(WAIT_SECONDS)


def test_what_a_job_raises_comes_back_with_it_and_nothing_is_done_after_it() -> None:
    def fail(asked: Job) -> Answer:
        if asked == job(1):
            raise PluginError("no")
        return draw(asked)

    bench = Bench(fail)
    for place in range(3):
        bench.hand.submit(job(place))
    bench.hand.start()
    first, second = bench.take(2)
    assert (first.problem, str(second.problem)) == (None, "no")
    assert bench.hand.stop(WAIT_SECONDS)
    assert bench.hand.take() == []


def test_an_end_waits_for_the_jobs_given_before_it() -> None:
    bench = Bench(draw)
    bench.hand.start()
    for place in range(20):
        bench.hand.submit(job(place))
    assert bench.hand.stop(WAIT_SECONDS)
    assert len(bench.hand.take()) == 20


def test_who_gives_up_waits_for_the_present_job_alone(gate: Event) -> None:
    begun = Event()

    def slow(asked: Job) -> Answer:
        begun.set()
        gate.wait(WAIT_SECONDS)
        return draw(asked)

    bench = Bench(slow)
    bench.hand.start()
    for place in range(5):
        bench.hand.submit(job(place))
    assert begun.wait(WAIT_SECONDS)
    assert not bench.hand.stop(0.0, give_up=True)
    gate.set()
    assert bench.hand.stop(WAIT_SECONDS, give_up=True)
    assert len(bench.hand.take()) == 1


def test_a_hand_that_never_began_ends_at_once() -> None:
    assert Bench(draw).hand.stop(WAIT_SECONDS)
