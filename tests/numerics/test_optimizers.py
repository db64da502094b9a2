"""Updates bit for bit against a second implementation, in torch and of separate operations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from tests.numerics.cases import normal
from zpeer.errors import ConfigError
from zpeer.numerics.optimizers import BLOCK, Adam, Sgd

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Float32
    from zpeer.numerics.optimizers import Optimizer

LENGTH = BLOCK + 321
STEPS = 40


def single(value: float) -> torch.Tensor:
    """A double rounded to float32, as a tensor: no library decides when a scalar is rounded."""
    return torch.tensor(value, dtype=torch.float64).to(torch.float32)


class TorchSgd:
    def __init__(self, momentum: float, nesterov: bool, decay: float) -> None:
        self.momentum, self.nesterov, self.decay = momentum, nesterov, decay
        self.buffer = torch.zeros(LENGTH)

    def step(self, parameters: torch.Tensor, gradient: torch.Tensor, rate: float) -> torch.Tensor:
        gradient = gradient + parameters * single(self.decay) if self.decay else gradient
        update = gradient
        if self.momentum:
            scaled = self.buffer * single(self.momentum)
            self.buffer = update = scaled + gradient
        if self.nesterov:
            ahead = self.buffer * single(self.momentum)
            update = gradient + ahead
        step = update * single(rate)
        return parameters - step


class TorchAdam:
    def __init__(self, beta1: float, beta2: float, epsilon: float, decay: float) -> None:
        self.beta1, self.beta2, self.epsilon, self.decay = beta1, beta2, epsilon, decay
        self.mean, self.square = torch.zeros(LENGTH), torch.zeros(LENGTH)
        self.power1 = self.power2 = 1.0

    def step(self, parameters: torch.Tensor, gradient: torch.Tensor, rate: float) -> torch.Tensor:
        gradient = gradient + parameters * single(self.decay) if self.decay else gradient
        self.power1 *= self.beta1
        self.power2 *= self.beta2
        kept, added = self.mean * single(self.beta1), gradient * single(1 - self.beta1)
        self.mean = kept + added
        squared = gradient * gradient
        kept, added = self.square * single(self.beta2), squared * single(1 - self.beta2)
        self.square = kept + added
        # torch.sqrt of float32 is off by one bit in a sixth of numbers; in double, and rounded,
        # the root is the correctly rounded one (53 >= 2 * 24 + 2 bits).
        root = torch.sqrt(self.square.double()).to(torch.float32) / single(
            math.sqrt(1 - self.power2)
        )
        ratio = self.mean / (root + single(self.epsilon))
        step = ratio * single(rate / (1 - self.power1))
        return parameters - step


PAIRS: dict[str, tuple[Callable[[], Optimizer], Callable[[], TorchSgd | TorchAdam]]] = {
    "plain": (Sgd, lambda: TorchSgd(0, False, 0)),
    "momentum": (lambda: Sgd(0.9), lambda: TorchSgd(0.9, False, 0)),
    "nesterov": (lambda: Sgd(0.9, True), lambda: TorchSgd(0.9, True, 0)),
    "decay": (lambda: Sgd(0.7, True, 1e-3), lambda: TorchSgd(0.7, True, 1e-3)),
    "adam": (Adam, lambda: TorchAdam(0.9, 0.999, 1e-8, 0)),
    "adam with decay": (
        lambda: Adam(0.8, 0.95, 1e-6, 0.01),
        lambda: TorchAdam(0.8, 0.95, 1e-6, 0.01),
    ),
}
MAKERS = {name: pair[0] for name, pair in PAIRS.items()}


def gradient_of(step: int) -> Float32:
    """Gradients of all sizes, some zero, some denormal."""
    scale = np.float32(10.0) ** np.linspace(-42, 4, LENGTH).astype(np.float32)
    gradient: Float32 = (normal(f"gradient {step}", LENGTH) * scale).astype(np.float32)
    gradient[step::97] = 0
    return gradient


@pytest.mark.parametrize("name", PAIRS)
def test_updates_have_the_bits_of_a_second_implementation(name: str) -> None:
    make_mine, make_other = PAIRS[name]
    mine, other = make_mine(), make_other()
    parameters = normal("parameters", LENGTH)
    twin = torch.from_numpy(parameters.copy())
    for step in range(STEPS):
        gradient = gradient_of(step)
        rate = 0.1 / (step + 3)
        parameters = mine.step(parameters, gradient, rate)
        mine.adopt()
        twin = other.step(twin, torch.from_numpy(gradient), rate)
        assert parameters.tobytes() == twin.numpy().tobytes(), f"step {step}"


@pytest.mark.parametrize("name", MAKERS)
def test_an_update_that_is_discarded_leaves_no_trace(name: str) -> None:
    steady, shaken = MAKERS[name](), MAKERS[name]()
    parameters = normal("parameters", LENGTH)
    for step in range(3):
        before = shaken.state_digest()
        shaken.step(parameters, gradient_of(step + 50), 1.0)
        shaken.discard()
        assert shaken.state_digest() == before
        shaken.step(parameters, gradient_of(step + 60), 1.0)  # never adopted nor discarded
        expected = steady.step(parameters, gradient_of(step), 0.1)
        found = shaken.step(parameters, gradient_of(step), 0.1)
        assert found.tobytes() == expected.tobytes()
        assert shaken.state_digest() == steady.state_digest()
        steady.adopt()
        shaken.adopt()
        shaken.adopt()  # twice is once
        parameters = expected


@pytest.mark.parametrize("name", MAKERS)
def test_an_update_changes_neither_parameters_nor_gradient(name: str) -> None:
    parameters, gradient = normal("parameters", LENGTH), gradient_of(0)
    before = parameters.tobytes(), gradient.tobytes()
    optimizer = MAKERS[name]()
    assert optimizer.step(parameters, gradient, 0.1) is not parameters
    assert (parameters.tobytes(), gradient.tobytes()) == before


@pytest.mark.parametrize("name", MAKERS)
def test_a_state_that_is_saved_and_loaded_goes_on_alike(name: str) -> None:
    first, second = MAKERS[name](), MAKERS[name]()
    parameters = normal("parameters", LENGTH)
    for step in range(3):
        parameters = first.step(parameters, gradient_of(step), 0.1)
        first.adopt()
    saved = first.state()
    second.load(saved)
    for array in saved.values():
        array[:] = 7  # a copy of the caller's own
    assert second.state_digest() == first.state_digest()
    expected = first.step(parameters, gradient_of(9), 0.1)
    assert second.step(parameters, gradient_of(9), 0.1).tobytes() == expected.tobytes()


def test_the_digest_is_of_the_pending_state_until_it_is_dropped() -> None:
    optimizer = Sgd(0.9)
    empty = optimizer.state_digest()
    optimizer.step(normal("parameters", LENGTH), gradient_of(0), 0.1)
    pending = optimizer.state_digest()
    assert pending != empty
    optimizer.adopt()
    assert optimizer.state_digest() == pending


def test_optimizers_with_equal_arrays_of_other_names_have_other_digests() -> None:
    momentum, adam = Sgd(0.9), Adam()
    for optimizer in (momentum, adam):
        optimizer.step(normal("parameters", 10), normal("gradient", 10), 0.1)
    assert momentum.state_digest() != adam.state_digest()


@pytest.mark.parametrize(
    "state",
    [
        {"momentum": np.zeros(5)},
        {"momentum": np.zeros((5, 1), np.float32)},
        {"speed": np.zeros(5, np.float32)},
        {"momentum": np.zeros(5, np.float32), "more": np.zeros(5, np.float32)},
    ],
)
def test_a_state_of_another_kind_is_refused(state: dict[str, Float32]) -> None:
    optimizer = Sgd(0.9)
    with pytest.raises(ValueError, match="optimizer state"):
        optimizer.load(state)
    assert optimizer.state() == {}


def test_adam_refuses_vectors_of_two_lengths_and_powers_in_float32() -> None:
    adam = Adam()
    adam.step(normal("parameters", 10), normal("gradient", 10), 0.1)
    adam.adopt()
    state = adam.state()
    for name in ("mean", "beta1_power"):
        with pytest.raises(ValueError, match="optimizer state"):
            adam.load(state | {name: np.zeros(9, np.float32)})


@pytest.mark.parametrize("place", ["parameters", "gradient"])
def test_vectors_in_double_or_of_another_length_are_refused(place: str) -> None:
    vectors = {"parameters": np.zeros(5, np.float32), "gradient": np.zeros(5, np.float32)}
    for bad in (np.zeros(5), np.zeros((5, 1), np.float32)):
        with pytest.raises(ValueError, match=place):
            Sgd().step(**(vectors | {place: bad}), learning_rate=0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Sgd(1.0), "momentum = 1.0; expected"),
        (lambda: Sgd(float("nan")), "momentum = nan"),
        (lambda: Sgd(0.9, weight_decay=-1.0), "weight_decay = -1.0"),
        (lambda: Sgd(0.0, nesterov=True), "nesterov = True"),
        (lambda: Adam(beta1=1.0), "beta1 = 1.0"),
        (lambda: Adam(beta2=-0.1), "beta2 = -0.1"),
        (lambda: Adam(epsilon=0.0), "epsilon = 0.0"),
    ],
)
def test_parameters_out_of_range_are_named(make: Callable[[], Optimizer], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        make()
