"""SGD with momentum, and Adam, bit-equal on any hardware.

Parameters must have the same bits at every peer, so an update is a chain of elementwise operations
that are rounded one by one: no fused multiply-add, no reduction. Arrays are float32. Scalars are
computed in double (powers of beta by running product: `b**t` differs from it in nine steps of ten)
and rounded to float32 once, where they meet an array. Every operation is written out below in the
order in which it is made; a test holds it against another library's, bit for bit. numpy's square
root is the processor's, which IEEE 754 wants correctly rounded (torch's is not, in float32).

An update is made before it is known whether the attempt counts: `step` leaves the new state
*pending*, `adopt` makes it the state, `discard` drops it. A new `step` starts from the adopted
state and replaces what is pending.

Vectors are worked on in blocks that stay in the cache. Adopting exchanges two sets of arrays, so
that a step allocates nothing but the parameters it returns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from zpeer.errors import ConfigError
from zpeer.ids import Digest, digest, digest_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from zpeer.interfaces import Float32

    Arrays = dict[str, NDArray[np.float32 | np.float64]]

BLOCK = 1 << 14
LEAST_EPSILON = 1e-30
"""Far above the least float32, so that 0 / epsilon is 0."""


class Optimizer(Protocol):
    """What a peer asks of an optimizer."""

    def step(self, parameters: Float32, gradient: Float32, learning_rate: float) -> Float32:
        """New parameters, shape (dimension,); the state that belongs to them is pending."""
        ...

    def adopt(self) -> None:
        """The attempt counted: what is pending becomes the state."""
        ...

    def discard(self) -> None:
        """The attempt is void: drop what is pending."""
        ...

    def state_digest(self) -> Digest:
        """Digest of the pending state; of the adopted one where none is pending."""
        ...

    def state(self) -> Arrays:
        """Copies of the adopted state by name; empty before the first step."""
        ...

    def load(self, state: Mapping[str, NDArray[np.float32 | np.float64]]) -> None:
        """Go on from such a state. Raises ValueError if it is none of this optimizer's."""
        ...


class State:
    """Named arrays in two sets: the adopted one, and a spare one that the next step fills."""

    def __init__(self, vectors: tuple[str, ...], numbers: tuple[str, ...]) -> None:
        self._vectors = vectors
        self._numbers = numbers
        self._adopted: Arrays = {}
        self._spare: Arrays = {}
        self._is_pending = False

    def write(self, dimension: int) -> tuple[Arrays, Arrays]:
        """Adopted arrays to read and pending ones to fill; the first are 0, numbers 1."""
        if not self._spare:
            self._spare = self._make(dimension)
        self._is_pending = True
        return self._adopted or self._make(dimension), self._spare

    def _make(self, dimension: int) -> Arrays:
        made: Arrays = {name: np.zeros(dimension, np.float32) for name in self._vectors}
        return made | {name: np.ones(1, np.float64) for name in self._numbers}

    def adopt(self) -> None:
        """What is pending becomes the adopted set."""
        if self._is_pending:
            self._adopted, self._spare = self._spare, self._adopted
        self._is_pending = False

    def discard(self) -> None:
        """What is pending is spare again."""
        self._is_pending = False

    def digest(self) -> Digest:
        """Of names and arrays of the pending set, else of the adopted one."""
        arrays = self._spare if self._is_pending else self._adopted
        fields = [
            field
            for name in sorted(arrays)
            for field in (name.encode(), digest_bytes(_little_endian(arrays[name])))
        ]
        return digest("zpeer/optimizer", *fields)

    def copy(self) -> Arrays:
        """The adopted set."""
        return {name: array.copy() for name, array in self._adopted.items()}

    def load(self, state: Mapping[str, NDArray[np.float32 | np.float64]]) -> None:
        """Replace the adopted set."""
        if state:
            self._check(state)
        self._adopted = {name: array.copy() for name, array in state.items()}
        self._spare = {}
        self._is_pending = False

    def _check(self, state: Mapping[str, NDArray[np.float32 | np.float64]]) -> None:
        expected = (*self._vectors, *self._numbers)
        if sorted(state) != sorted(expected):
            raise ValueError(f"optimizer state of {sorted(state)}; expected {sorted(expected)}")
        lengths = {state[name].shape for name in self._vectors}
        flat = all(state[name].ndim == 1 for name in expected)
        single = all(state[name].dtype == np.float32 for name in self._vectors)
        double = all(
            state[name].dtype == np.float64 and state[name].shape == (1,) for name in self._numbers
        )
        if not (flat and single and double and len(lengths) <= 1):
            raise ValueError("optimizer state with arrays of another shape or type than it writes")


def _little_endian(array: NDArray[np.float32 | np.float64]) -> memoryview:
    ordered = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return ordered.view(np.uint8).data


class Sgd:
    """Stochastic gradient descent with (Nesterov) momentum; weight decay adds to the gradient.

    g' = g + decay p;  b = mu b + g';  u = g' + mu b if Nesterov, else b;  p - rate u.
    """

    def __init__(
        self, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0
    ) -> None:
        _require(0 <= momentum < 1, "momentum", momentum, "0 <= momentum < 1")
        _require(weight_decay >= 0, "weight_decay", weight_decay, "a number >= 0")
        _require(momentum > 0 or not nesterov, "nesterov", nesterov, "a momentum above 0 with it")
        self._momentum = np.float32(momentum)
        self._nesterov = nesterov
        self._decay = np.float32(weight_decay)
        self._state = State(("momentum",) if momentum else (), ())
        self.adopt = self._state.adopt
        self.discard = self._state.discard
        self.state_digest = self._state.digest
        self.state = self._state.copy
        self.load = self._state.load

    def step(self, parameters: Float32, gradient: Float32, learning_rate: float) -> Float32:
        """See `Optimizer.step`."""
        _check(parameters, gradient)
        old, new = self._state.write(len(parameters))
        result = np.empty_like(parameters)
        rate = np.float32(learning_rate)
        with np.errstate(over="ignore", under="ignore"):
            for cut, gradients, spare in _blocks(parameters, gradient, self._decay):
                update = gradients
                if self._momentum:
                    buffer = np.multiply(
                        old["momentum"][cut], self._momentum, out=new["momentum"][cut]
                    )
                    buffer += gradients
                    update = self._look_ahead(gradients, buffer, spare)
                np.multiply(update, rate, out=spare)
                np.subtract(parameters[cut], spare, out=result[cut])
        return result

    def _look_ahead(self, gradients: Float32, buffer: Float32, spare: Float32) -> Float32:
        if not self._nesterov:
            return buffer
        np.multiply(buffer, self._momentum, out=spare)
        return np.add(gradients, spare, out=spare)


class Adam:
    """Adam (Kingma, Ba 2015) with bias correction; weight decay adds to the gradient.

    g' = g + decay p;  m = beta1 m + (1 - beta1) g';  v = beta2 v + (1 - beta2) (g' g');
    p - (rate / (1 - beta1^t)) (m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)).
    """

    def __init__(
        self,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        _require(0 <= beta1 < 1, "beta1", beta1, "0 <= beta1 < 1")
        _require(0 <= beta2 < 1, "beta2", beta2, "0 <= beta2 < 1")
        _require(
            LEAST_EPSILON <= epsilon < 1, "epsilon", epsilon, f"{LEAST_EPSILON} <= epsilon < 1"
        )
        _require(weight_decay >= 0, "weight_decay", weight_decay, "a number >= 0")
        self._beta1 = float(beta1)
        self._beta2 = float(beta2)
        self._epsilon = np.float32(epsilon)
        self._decay = np.float32(weight_decay)
        self._state = State(("mean", "square"), ("beta1_power", "beta2_power"))
        self.adopt = self._state.adopt
        self.discard = self._state.discard
        self.state_digest = self._state.digest
        self.state = self._state.copy
        self.load = self._state.load

    def step(self, parameters: Float32, gradient: Float32, learning_rate: float) -> Float32:
        """See `Optimizer.step`."""
        _check(parameters, gradient)
        old, new = self._state.write(len(parameters))
        new["beta1_power"][0] = old["beta1_power"][0] * self._beta1
        new["beta2_power"][0] = old["beta2_power"][0] * self._beta2
        rate = np.float32(learning_rate / (1.0 - float(new["beta1_power"][0])))
        root = np.float32(np.sqrt(1.0 - float(new["beta2_power"][0])))
        result = np.empty_like(parameters)
        with np.errstate(over="ignore", under="ignore"):
            for cut, gradients, spare in _blocks(parameters, gradient, self._decay):
                mean = _average(old["mean"][cut], new["mean"][cut], self._beta1, gradients, spare)
                np.multiply(gradients, gradients, out=gradients)
                square = _average(
                    old["square"][cut], new["square"][cut], self._beta2, gradients, spare
                )
                np.sqrt(square, out=spare)
                np.divide(spare, root, out=spare)
                np.add(spare, self._epsilon, out=spare)
                np.divide(mean, spare, out=spare)
                np.multiply(spare, rate, out=spare)
                np.subtract(parameters[cut], spare, out=result[cut])
        return result


def _average(
    old: NDArray[np.float32 | np.float64],
    new: NDArray[np.float32 | np.float64],
    beta: float,
    sample: Float32,
    spare: Float32,
) -> NDArray[np.float32 | np.float64]:
    """new = beta old + (1 - beta) sample, four roundings with those of the scalars."""
    np.multiply(old, np.float32(beta), out=new)
    np.multiply(sample, np.float32(1.0 - beta), out=spare)
    return np.add(new, spare, out=new)


def _blocks(
    parameters: Float32, gradient: Float32, decay: np.float32
) -> Iterator[tuple[slice, Float32, Float32]]:
    """Where a block lies, its gradient with weight decay in space of its own, and spare space."""
    size = min(BLOCK, len(parameters))
    space, spare = np.empty(size, np.float32), np.empty(size, np.float32)
    for start in range(0, len(parameters), BLOCK):
        cut = slice(start, min(start + BLOCK, len(parameters)))
        decayed, rest = space[: cut.stop - start], spare[: cut.stop - start]
        np.copyto(decayed, gradient[cut])
        if decay:
            np.multiply(parameters[cut], decay, out=rest)
            decayed += rest
        yield cut, decayed, rest


def _check(parameters: Float32, gradient: Float32) -> None:
    for name, vector in (("parameters", parameters), ("gradient", gradient)):
        if vector.dtype != np.float32 or vector.shape != (len(parameters),):
            raise ValueError(
                f"{name} of {vector.dtype} and shape {vector.shape}; expected float32 and one axis"
            )


def _require(holds: bool, name: str, found: object, expected: str) -> None:
    if not holds:
        raise ConfigError(f"optimizer: {name} = {found}; expected {expected}")
