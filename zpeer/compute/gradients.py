"""Gradients on demand, the last few remembered. A gradient is a function of (parameters, batch
seed) alone.

One that is not finite is replaced by zeros, by workers and by those who check them alike (protocol,
section 3).

A peer needs one again when it is drawn as a target or repeats an attempt; in a simulation sixteen
peers share one memory. Safe to call from any thread: the task's model is one object, and used by
one caller at a time.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from zpeer.numerics.dealing import is_finite

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.ids import Digest
    from zpeer.interfaces import Batch, Float32

REMEMBERED = 1
"""As large as the model. A target checks its validator's report before it computes its next
gradient, so its last one is still here; and a repeated attempt needs the same again."""


class Trains(Protocol):
    """What a peer needs of a task: `zpeer.compute.trainer.Trainer`."""

    def gradient(
        self,
        parameters: Float32,
        batch_seed: Digest,
        transform: Callable[[Batch], Batch] | None = None,
    ) -> tuple[Float32, float]:
        """Gradient, shape (dimension,), and loss of the seed's minibatch."""
        ...

    def evaluate(self, parameters: Float32) -> dict[str, float]:
        """Figures on held-out samples."""
        ...

    def flip_labels(self, batch: Batch) -> Batch:
        """The batch with wrong labels."""
        ...


class Gradient(NamedTuple):
    """A gradient, read-only, and the loss it came with."""

    vector: Float32
    loss: float


class Gradients:
    """A source with a memory of `remembered` gradients."""

    def __init__(self, source: Trains, remembered: int = REMEMBERED) -> None:
        self._source = source
        self._remembered = remembered
        self._known: OrderedDict[tuple[Digest, Digest], Gradient] = OrderedDict()
        self._lock = RLock()

    def get(self, name: Digest, load: Callable[[Digest], Float32], batch_seed: Digest) -> Gradient:
        """The gradient at the parameters called `name`, which `load` finds if they are needed."""
        key = (name, batch_seed)
        with self._lock:
            if key not in self._known:
                self._known[key] = self._compute(load(name), batch_seed, None)
                while len(self._known) > self._remembered:
                    self._known.popitem(last=False)
            self._known.move_to_end(key)
            return self._known[key]

    def transformed(
        self, parameters: Float32, batch_seed: Digest, transform: Callable[[Batch], Batch]
    ) -> Gradient:
        """The gradient of a changed minibatch; not remembered."""
        with self._lock:
            return self._compute(parameters, batch_seed, transform)

    def evaluate(self, parameters: Float32) -> dict[str, float]:
        """The task's figures at these parameters."""
        with self._lock:
            return self._source.evaluate(parameters)

    def _compute(
        self,
        parameters: Float32,
        batch_seed: Digest,
        transform: Callable[[Batch], Batch] | None,
    ) -> Gradient:
        vector, loss = self._source.gradient(parameters, batch_seed, transform)
        if not is_finite(vector):
            vector = np.zeros_like(vector)
        vector.flags.writeable = False
        return Gradient(vector, loss)
