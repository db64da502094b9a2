"""What tasks that classify images share: a batch is drawn from arrays that lie in memory."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional


class Samples(NamedTuple):
    """Images as bytes, shape (samples, channels, height, width), and labels, shape (samples,)."""

    images: torch.Tensor
    labels: torch.Tensor


class Classification:
    """Everything of a task but its model: subclasses add `build_model`.

    `white`: the largest pixel; the model sees pixels from -0.5 to 0.5.
    """

    def __init__(self, training: Samples, held_out: Samples, *, classes: int, white: float) -> None:
        self.training = training
        self.held_out = held_out
        self.classes = classes
        self.white = white

    def batch(self, generator: torch.Generator, size: int) -> Samples:
        """Training samples drawn with replacement."""
        chosen = torch.randint(len(self.training.labels), (size,), generator=generator)
        return Samples(self.training.images[chosen], self.training.labels[chosen])

    def loss(self, model: nn.Module, batch: Samples) -> torch.Tensor:
        """Mean cross entropy."""
        return functional.cross_entropy(model(self.scale(batch.images)), batch.labels)

    def scale(self, images: torch.Tensor) -> torch.Tensor:
        """Pixels as the model sees them."""
        return images.to(torch.float32) / self.white - 0.5

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Share of held-out samples that are recognised, and their mean loss."""
        scores = model(self.scale(self.held_out.images))
        recognised = scores.argmax(dim=1) == self.held_out.labels
        loss = functional.cross_entropy(scores, self.held_out.labels)
        return {"accuracy": recognised.double().mean().item(), "loss": loss.item()}

    def flip_labels(self, batch: Samples) -> Samples:
        """Label l becomes classes - 1 - l."""
        return Samples(batch.images, self.classes - 1 - batch.labels)
