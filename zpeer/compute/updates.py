"""Parameters and optimizer state move together, with the record that counts them, or not at all.

An update is made before it is known whether its attempt counts: the record's digest covers it.
Until then it lies beside what is present. A record that counts exactly this update makes it
present; any other undoes it, so that after a void attempt both are, bit for bit, what they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zpeer.events import Updated
from zpeer.ids import NOTHING
from zpeer.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.compute.parameters import ParameterFiles
    from zpeer.effects import Update
    from zpeer.ids import Digest
    from zpeer.interfaces import Float32
    from zpeer.numerics.optimizers import Optimizer
    from zpeer.record import Record


class Pending(NamedTuple):
    """Parameters of an attempt that is not decided yet."""

    head: Digest
    """Of the attempt."""
    name: Digest
    parameters: Float32

    def belongs_to(self, record: Record) -> bool:
        """Whether the record counts just this. That its parameters are equal is not enough: an
        update may change nothing but the optimizer, and a void attempt not even that."""
        counted = record.outcome is Outcome.COUNTED
        return counted and (record.previous, record.parameters) == (self.head, self.name)


class Updates:
    """One peer's optimizer and parameter files. `learning_rate`: by counted steps before."""

    def __init__(
        self, optimizer: Optimizer, learning_rate: Callable[[int], float], files: ParameterFiles
    ) -> None:
        self.optimizer = optimizer
        self._learning_rate = learning_rate
        self._files = files
        self._pending: Pending | None = None

    def write(self, job: Update, gradient: Float32) -> Updated:
        """Write the next parameters beside the present ones, instead of any written before."""
        self._discard()
        rate = self._learning_rate(job.step)
        parameters = self.optimizer.step(self._files.load(job.parameters), gradient, rate)
        name = self._files.write(parameters)
        self._pending = Pending(job.head, name, parameters)
        state = self.optimizer.state_digest() if job.digest_state else NOTHING
        return Updated(job.head, name, state)

    def decide(self, record: Record) -> None:
        """Make present what the record counts; undo anything else."""
        pending = self._pending
        if pending is not None and pending.belongs_to(record):
            self._pending = None
            self.optimizer.adopt()
            self._files.adopt(pending.name, pending.parameters)
        self._discard()
        assert record.parameters == self._files.digest, "the core counts what it had updated"

    def _discard(self) -> None:
        """An attempt has come to nothing."""
        if self._pending is not None:
            self.optimizer.discard()
            self._files.discard(self._pending.name)
            self._pending = None
