"""A task plugin of any dimension whose gradient costs next to nothing: for measurements.

Loss: half the squared distance between the parameters and a point that is noise around zero, drawn
anew for every minibatch; so a gradient is parameters minus noise, and gradients of different peers
agree as little as real ones do. Named in a run file: `plugins = ["quadratic_task.py"]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from zpeer.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Task


class Point(nn.Module):
    """A vector of parameters."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.ones(dimension))

    def forward(self, noise: torch.Tensor) -> torch.Tensor:
        """How far away it is."""
        return self.position - noise


class Quadratic:
    """The task."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension

    def build_model(self) -> nn.Module:
        """As many parameters as asked for."""
        return Point(self.dimension)

    def batch(self, generator: torch.Generator, size: int) -> torch.Tensor:
        """The mean of `size` normal vectors, shape (dimension,), drawn as one."""
        return torch.randn(self.dimension, generator=generator).div_(size**0.5)

    def loss(self, model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        """Half the squared distance."""
        difference: torch.Tensor = model(batch)
        return difference.square().sum() * 0.5

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Mean square of the parameters; there is nothing to recognise."""
        with torch.no_grad():
            loss = model(torch.zeros(1)).square().mean()
        return {"accuracy": 0.0, "loss": loss.item()}

    def flip_labels(self, batch: torch.Tensor) -> torch.Tensor:
        """Noise that points the other way."""
        return -batch


@hookimpl
def zpeer_tasks() -> dict[str, Callable[..., Task]]:
    """One task."""
    return {"quadratic": Quadratic}
