"""A template with a task of its own: as small as can be, and not one that ships."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TASK = """
from zpeer.hookspecs import hookimpl
from torch import nn
import torch

class Line:
    def build_model(self): return nn.Linear(4, 100)
    def batch(self, generator, size): return torch.randn(size, 4, generator=generator)
    def loss(self, model, batch): return model(batch).square().mean()
    def evaluate(self, model): return {"accuracy": 0.0, "loss": 0.0}
    def flip_labels(self, batch): return -batch

@hookimpl
def zpeer_tasks():
    return {"line": Line}
"""
TEMPLATE = """
plugins = ["line.py"]  # a task of one's own
[run]
name = "line"
steps = 5  # few
[task]
name = "line"
batch_size = 4
[optimizer]
kind = "sgd"
learning_rate = 0.1
[aggregator]
name = "centered_clip"
"""


def write_template(directory: Path) -> Path:
    """The template, and the task beside it."""
    (directory / "line.py").write_text(TASK)
    path = directory / "line.toml"
    path.write_text(TEMPLATE)
    return path
