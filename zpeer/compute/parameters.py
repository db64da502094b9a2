"""Parameter vectors by digest: x_t in memory, and each of the last ones as a file beside the run.

A gradient of an earlier step is computed again from the file of its x_t, and evidence names that
file. A file is raw little-endian float32, called by the BLAKE3 of its bytes, written whole or not
at all, and read memory-mapped. Its bytes are hashed again before they are used, so a damaged disk
convicts nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zpeer.errors import StartError, ZpeerError
from zpeer.ids import Digest, digest_bytes
from zpeer.numerics.dealing import to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zpeer.interfaces import Float32

SUFFIX = ".f32"


class ParameterFiles:
    """The vectors that something may still rest on, in one directory."""

    def __init__(self, directory: Path, dimension: int) -> None:
        self._directory = directory
        self._dimension = dimension
        self._pinned: set[Digest] = set()
        self._beside: set[Digest] = set()
        self._digest: Digest | None = None
        self._current: Float32 | None = None
        directory.mkdir(parents=True, exist_ok=True)

    def path(self, name: Digest) -> Path:
        """Where the vector of that digest lies, or would."""
        return self._directory / f"{name.hex()}{SUFFIX}"

    def start(self, parameters: Float32, expected: Digest) -> None:
        """Take x_0; raises StartError if it is not the one that the run names."""
        found = digest_bytes(to_bytes(parameters))
        if parameters.shape != (self._dimension,) or found != expected:
            raise StartError(
                f"initial parameters: digest {found.hex()} of {parameters.shape} numbers, expected"
                f" {expected.hex()} of ({self._dimension},); take the parameters file of this run"
            )
        self.write(parameters)
        self.adopt(expected, parameters)

    def write(self, parameters: Float32) -> Digest:
        """Write a vector beside the present one and return its digest."""
        name = digest_bytes(to_bytes(parameters))
        path = self.path(name)
        if not path.exists():
            self._beside.add(name)
            partial = path.with_suffix(".partial")
            try:
                partial.write_bytes(to_bytes(parameters))
                partial.replace(path)
            except OSError as problem:
                raise ZpeerError(f"{path} cannot be written: {problem.strerror}") from problem
        return name

    def adopt(self, name: Digest, parameters: Float32) -> None:
        """Make a vector that was written the present one."""
        self._beside.discard(name)
        self._digest, self._current = name, parameters

    def discard(self, name: Digest) -> None:
        """Delete a vector that was written and never adopted; an older one of the same bytes stays,
        something may rest on it."""
        if name in self._beside:
            self._beside.remove(name)
            self.path(name).unlink(missing_ok=True)

    @property
    def digest(self) -> Digest:
        """Of the present vector."""
        assert self._digest is not None, "the store was used before its start"
        return self._digest

    @property
    def current(self) -> Float32:
        """The present vector, shape (dimension,)."""
        assert self._current is not None, "the store was used before its start"
        return self._current

    def load(self, name: Digest) -> Float32:
        """The vector of that digest, from memory or memory-mapped.

        Raises ZpeerError if its file is gone or holds other bytes.
        """
        if name == self._digest:
            return self.current
        path = self.path(name)
        try:
            mapped = np.memmap(path, dtype="<f4", mode="r", shape=(self._dimension,))
        except (OSError, ValueError) as problem:
            raise ZpeerError(f"{path}: parameters cannot be read: {problem}") from problem
        if digest_bytes(to_bytes(mapped)) != name:
            raise ZpeerError(f"{path}: its bytes are not those of its name; the disk is damaged")
        return mapped

    def pin(self, name: Digest) -> None:
        """Keep a file for good: evidence names it."""
        self._pinned.add(name)

    def release(self, names: Iterable[Digest]) -> None:
        """Delete files that nothing rests on any longer."""
        for name in names:
            if name not in self._pinned and name != self._digest:
                self.path(name).unlink(missing_ok=True)
