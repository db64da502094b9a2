"""A worker in a thread of its own: jobs in, answers out, and the loop is woken.

What a job raises is given back as it is; the loop decides what it means.
"""

from __future__ import annotations

from collections import deque
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.compute.worker import Answer, Job


class Done(NamedTuple):
    """A job and what became of it."""

    job: Job
    answer: Answer
    problem: Exception | None = None


class Hand:
    """Does jobs one after the other. `wake` is called from its thread whenever one is done."""

    def __init__(self, run: Callable[[Job], Answer], wake: Callable[[], None]) -> None:
        self._run = run
        self._wake = wake
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._done: deque[Done] = deque()
        self._is_given_up = False
        self._thread = Thread(target=self._work, name="worker", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Take a job; the order is kept."""
        self._jobs.put(job)

    def take(self) -> list[Done]:
        """What was done since the last call, in order."""
        done = []
        while self._done:
            done.append(self._done.popleft())
        return done

    def stop(self, timeout_s: float, *, give_up: bool = False) -> bool:
        """End after the jobs given so far, or the present one; False if that takes too long."""
        self._is_given_up = give_up
        self._jobs.put(None)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None and not self._is_given_up:
            try:
                done = Done(job, self._run(job))
            except Exception as problem:  # noqa: BLE001 - the loop raises it, in the thread that can stop the peer
                self._done.append(Done(job, None, problem))
                self._wake()
                return
            self._done.append(done)
            self._wake()
