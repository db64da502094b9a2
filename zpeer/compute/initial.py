"""The file of x_0: made once, when a run is made, because initialisation differs between builds.

Safetensors with one float32 vector called `parameters`. It is refused unless it is what the run
names by digest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from zpeer.errors import StartError, ZpeerError
from zpeer.ids import digest_bytes
from zpeer.numerics.dealing import to_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from zpeer.interfaces import Float32
    from zpeer.runs.config import RunFile

TENSOR = "parameters"


def write_initial(path: Path, parameters: Float32) -> None:
    """Write x_0, shape (dimension,)."""
    try:
        save_file({TENSOR: np.ascontiguousarray(parameters, dtype="<f4")}, path)
    except (OSError, SafetensorError) as problem:
        raise ZpeerError(f"{path} cannot be written: {problem}") from None


def read_initial(run: RunFile) -> Float32:
    """x_0 of a run, shape (dimension,); StartError unless it is what the run names."""
    path, expected = run.parameters_path, run.parameters
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as problem:
        raise StartError(
            f"{path}: the initial parameters cannot be read: {problem}; take the file that was "
            f"made with {run.path.name}"
        ) from None
    vector = tensors.get(TENSOR)
    if vector is None or vector.dtype != np.float32 or vector.shape != (expected.dimension,):
        held = {name: (str(each.dtype), each.shape) for name, each in tensors.items()}
        raise StartError(
            f"{path}: found {held}, expected {TENSOR!r} of {expected.dimension} float32"
        )
    found = digest_bytes(to_bytes(vector)).hex()
    if found != expected.digest:
        raise StartError(
            f"{path}: digest {found}, but {run.path.name} names {expected.digest}; take the file "
            "that was made with this run"
        )
    return vector
