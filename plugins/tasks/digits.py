"""Handwritten digits of scikit-learn: 1,797 images of 8 x 8 that come with it, no download.

scikit-learn lists the images writer by writer. Every third one is held out (599), so that training
and held-out samples are alike.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch
from sklearn.datasets import load_digits
from torch import nn

from zpeer.hookspecs import hookimpl

from ._samples import Classification, Samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Task

CLASSES = 10
SIDE = 8
WHITE = 16.0
HELD_OUT_EVERY = 3


@cache
def load_samples() -> tuple[Samples, Samples]:
    """Training and held-out samples, pixels from 0 to 16."""
    data = load_digits()
    images = torch.tensor(data.data, dtype=torch.uint8).view(-1, 1, SIDE, SIDE)
    labels = torch.tensor(data.target, dtype=torch.int64)
    is_held_out = torch.arange(len(labels)) % HELD_OUT_EVERY == 0
    training = Samples(images[~is_held_out], labels[~is_held_out])
    return training, Samples(images[is_held_out], labels[is_held_out])


class Digits(Classification):
    """A small convolutional network on scikit-learn's digits."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__(*load_samples(), classes=CLASSES, white=WHITE)
        self.channels = channels

    def build_model(self) -> nn.Module:
        """Two convolutions and a linear layer: 6,090 parameters with 16 channels."""
        inner, outer = self.channels, 2 * self.channels
        return nn.Sequential(
            nn.Conv2d(1, inner, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(inner, outer, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(outer * (SIDE // 4) ** 2, CLASSES),
        )


class DigitsLinear(Classification):
    """Softmax regression on scikit-learn's digits: 650 parameters, for quick tests."""

    def __init__(self) -> None:
        super().__init__(*load_samples(), classes=CLASSES, white=WHITE)

    def build_model(self) -> nn.Module:
        """One linear layer."""
        return nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, CLASSES))


class DigitsMlp(Classification):
    """One hidden layer on scikit-learn's digits: 2,410 parameters with 32 hidden units."""

    def __init__(self, hidden: int = 32) -> None:
        super().__init__(*load_samples(), classes=CLASSES, white=WHITE)
        self.hidden = hidden

    def build_model(self) -> nn.Module:
        """Two linear layers."""
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(SIDE * SIDE, self.hidden),
            nn.ReLU(),
            nn.Linear(self.hidden, CLASSES),
        )


@hookimpl
def zpeer_tasks() -> dict[str, Callable[..., Task]]:
    """Three sizes of the same problem."""
    return {"digits": Digits, "digits_linear": DigitsLinear, "digits_mlp": DigitsMlp}
