"""Fashion-MNIST (Xiao, Rasul, Vollgraf 2017) from its original files: 60,000 + 10,000 images.

Read from a directory with the four gzipped IDX files under their original names, such as the Debian
package `dataset-fashion-mnist` installs. Nothing is downloaded.
"""

from __future__ import annotations

import gzip
import math
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from zpeer.errors import ConfigError
from zpeer.hookspecs import hookimpl

from ._samples import Classification, Samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Task

CLASSES = 10
SIDE = 28
WHITE = 255.0
DIRECTORY = Path("/usr/share/datasets/fashion-mnist")
UNSIGNED_BYTES = 0x08
"""IDX's code of the only type that these files hold."""
FILE_BYTES_MAX = 60_000 * SIDE * SIDE + 16


class FashionMnist(Classification):
    """A small convolutional network on Fashion-MNIST.

    `directory`: where the four original files lie. `held_out`: how many of the test images are
    evaluated on.
    """

    def __init__(
        self, directory: Path = DIRECTORY, channels: int = 16, held_out: int = 2000
    ) -> None:
        training, test = load_samples(directory)
        few = Samples(test.images[:held_out], test.labels[:held_out])
        super().__init__(training, few, classes=CLASSES, white=WHITE)
        self.channels = channels

    def build_model(self) -> nn.Module:
        """Two convolutions and a linear layer: 20,746 parameters with 16 channels."""
        inner, outer = self.channels, 2 * self.channels
        return nn.Sequential(
            nn.Conv2d(1, inner, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(inner, outer, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(outer * (SIDE // 4) ** 2, CLASSES),
        )


@cache
def load_samples(directory: Path) -> tuple[Samples, Samples]:
    """Training and test samples, pixels from 0 to 255; ConfigError if a file is missing."""
    return load_pair(directory, "train"), load_pair(directory, "t10k")


def load_pair(directory: Path, start: str) -> Samples:
    """Images and labels of one half."""
    images = read_idx(directory / f"{start}-images-idx3-ubyte.gz", dimensions=3)
    labels = read_idx(directory / f"{start}-labels-idx1-ubyte.gz", dimensions=1)
    if images.shape[1:] != (SIDE, SIDE) or len(images) != len(labels) or not len(labels):
        raise ConfigError(
            f"{directory}: {start}: images of shape {tuple(images.shape)} and {len(labels)} labels;"
            f" expected as many labels as images of {SIDE} x {SIDE}"
        )
    if int(labels.max()) >= CLASSES:
        raise ConfigError(f"{directory}: {start}: label {int(labels.max())}; expected 0 to 9")
    return Samples(images.unsqueeze(1), labels.to(torch.int64))


def read_idx(path: Path, dimensions: int) -> torch.Tensor:
    """An array of unsigned bytes from a gzipped IDX file.

    The format: two zero bytes, the type's code, the number of dimensions; their sizes as big-endian
    uint32; the numbers in row-major order.
    """
    data = unpack(path)
    start = 4 + 4 * dimensions
    if len(data) < start or data[:4] != bytes((0, 0, UNSIGNED_BYTES, dimensions)):
        raise ConfigError(
            f"{path}: begins with {data[:4].hex()}; expected an IDX file of unsigned bytes with "
            f"{dimensions} dimensions ({bytes((0, 0, UNSIGNED_BYTES, dimensions)).hex()})"
        )
    shape = [int.from_bytes(data[at : at + 4], "big") for at in range(4, start, 4)]
    if len(data) - start != math.prod(shape):
        raise ConfigError(
            f"{path}: {len(data) - start} numbers; expected {math.prod(shape)} for shape {shape}"
        )
    return torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=start).view(shape)


def unpack(path: Path) -> bytes:
    """A gzipped file's content."""
    try:
        with gzip.open(path) as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file; install Fashion-MNIST with `apt-get install "
            "dataset-fashion-mnist`, or name the directory of its four original files under "
            "`directory` in [task]"
        ) from None
    except (OSError, EOFError, zlib.error) as problem:
        raise ConfigError(f"{path}: no readable gzip file: {problem}") from None
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"{path}: more than {FILE_BYTES_MAX} bytes; no file of Fashion-MNIST is")
    return data


@hookimpl
def zpeer_tasks() -> dict[str, Callable[..., Task]]:
    """`fashion_mnist`."""
    return {"fashion_mnist": FashionMnist}
