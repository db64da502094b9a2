"""Small swarms in one process for tests: softmax regression on the digits, written out in numpy.

650 numbers and a gradient in a fraction of a millisecond, so that 16 peers take 200 steps in
seconds; the core, the worker, the numerics and the attacks are the real ones.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from blake3 import blake3
from sklearn.datasets import load_digits

from plugins.aggregators.centered_clip import CenteredClip
from plugins.validators.uniform import Uniform
from zpeer.genesis import Genesis, Protection
from zpeer.ids import Digest, PeerId, digest, digest_bytes, number
from zpeer.numerics.optimizers import Sgd
from zpeer.shell.assembly import Ingredients
from zpeer.simulation import LocalSwarm
from zpeer.wire import WireLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from zpeer.interfaces import Aggregator, Attack, Batch, Float32

CLASSES, PIXELS = 10, 64
DIMENSION = CLASSES * (PIXELS + 1)
BATCH = 32
HELD_OUT = 500


@cache
def load() -> tuple[np.ndarray, np.ndarray]:
    """Images, shape (samples, pixels + 1), the last one 1; and labels."""
    data = load_digits()
    images = np.asarray(data.data / 16, dtype=np.float32)
    return np.hstack([images, np.ones((len(images), 1), np.float32)]), np.asarray(data.target)


class Softmax:
    """The task and its trainer."""

    def gradient(
        self,
        parameters: Float32,
        batch_seed: Digest,
        transform: Callable[[Batch], Batch] | None = None,
    ) -> tuple[Float32, float]:
        """Gradient and loss of the seed's minibatch."""
        images, labels = load()
        train = len(images) - HELD_OUT
        words = np.frombuffer(blake3(batch_seed).digest(length=4 * BATCH), dtype="<u4")
        chosen = words % train
        batch = images[chosen], labels[chosen]
        images, labels = transform(batch) if transform else batch
        odds = self._odds(parameters, images)
        loss = float(-np.log(odds[np.arange(len(labels)), labels] + 1e-12).mean())
        odds[np.arange(len(labels)), labels] -= 1
        gradient = (odds.T @ images / len(labels)).ravel()
        return np.asarray(gradient, dtype=np.float32), loss

    def evaluate(self, parameters: Float32) -> dict[str, float]:
        """Accuracy on held-out samples."""
        images, labels = load()
        odds = self._odds(parameters, images[-HELD_OUT:])
        return {"accuracy": float((odds.argmax(axis=1) == labels[-HELD_OUT:]).mean()), "loss": 0.0}

    def flip_labels(self, batch: Batch) -> Batch:
        """9 - y."""
        images, labels = batch
        return images, CLASSES - 1 - labels

    @staticmethod
    def _odds(parameters: Float32, images: np.ndarray) -> np.ndarray:
        scores = images @ parameters.reshape(CLASSES, PIXELS + 1).T
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def names(count: int) -> tuple[str, ...]:
    """peer-00, peer-01, ..."""
    return tuple(f"peer-{place:02}" for place in range(count))


def make_shared(
    peers: int = 8,
    steps: int = 10,
    *,
    ids: tuple[PeerId, ...] | None = None,
    aggregator: Aggregator | None = None,
    **changes: object,
) -> Ingredients:
    """A run of softmax regression."""
    start = np.zeros(DIMENSION, np.float32)
    ids = ids or tuple(PeerId(digest("test peer", number(place))) for place in range(peers))
    fields = {
        "run": digest("test run", number(peers), number(steps)),
        "peers": ids,
        "names": names(peers),
        "dimension": DIMENSION,
        "block": 4,
        "steps": steps,
        "validators": 1,
        "parameters": digest_bytes(start.tobytes()),
        "typical_norm": 0.012,
        "delta_multiple": 4.0,
        "protection": Protection.FULL,
    }
    genesis = Genesis(**{**fields, **changes})  # type: ignore[arg-type]
    return Ingredients(
        genesis=genesis,
        parameters=start,
        aggregator=aggregator or CenteredClip(),
        policy=Uniform(),
        limits=WireLimits(peers, genesis.directions),
        make_optimizer=lambda: Sgd(momentum=0.9, nesterov=True),
        learning_rate=lambda _step: 0.1,
        keys={peer: b"\2" + peer for peer in ids},
    )


def make_swarm(
    directory: Path,
    attacks: Mapping[int, Attack] | None = None,
    *,
    peers: int = 8,
    steps: int = 10,
    start: int = 0,
    seed: int = 0,
    aggregator: Aggregator | None = None,
    **changes: object,
) -> LocalSwarm:
    """A swarm; `attacks` by the place of their peers."""
    shared = make_shared(peers, steps, aggregator=aggregator, **changes)  # type: ignore[arg-type]
    by_name = {names(peers)[place]: attack for place, attack in (attacks or {}).items()}
    return LocalSwarm(shared, Softmax(), directory, attacks=by_name, start=start, seed=seed)
