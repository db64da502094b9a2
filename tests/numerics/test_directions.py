from __future__ import annotations

import hashlib
import json
import math
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from tests.numerics.cases import normal
from zpeer.ids import Digest
from zpeer.numerics.directions import Directions, directions
from zpeer.numerics.fixed import norm

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.interfaces import Float32

BEACON = Digest(bytes(range(32)))
UNIT = 2.0**-24
VECTORS = json.loads((Path(__file__).parent / "vectors_directions.json").read_text())["cases"]


def whole(made: Directions) -> np.ndarray:
    """Every z written out, shape (K, length), in double: there the products are exact."""
    table = made.left[:, :, None].astype(np.float64) * made.right[:, None, :]
    return table.reshape(len(made.left), -1)[:, : made.length]


@pytest.mark.parametrize("vector", VECTORS)
def test_directions_are_those_of_the_committed_vectors(vector: dict[str, Any]) -> None:
    made = directions(
        Digest(bytes.fromhex(vector["beacon"])),
        vector["part"],
        vector["length"],
        len(vector["left"]),
    )
    assert [row.astype("<f4").tobytes().hex() for row in made.left] == vector["left"]
    assert [row.astype("<f4").tobytes().hex() for row in made.right] == vector["right"]
    assert [value.hex() for value in made.norms()] == vector["norms"]


def test_directions_follow_the_specification_in_exact_fractions() -> None:
    made = directions(BEACON, 3, 10, 2)
    message = b"z" + BEACON + (3).to_bytes(8, "little") + (1).to_bytes(8, "little")
    stream = blake3(message).digest(length=32)
    words = [int.from_bytes(stream[i : i + 4], "little") for i in range(0, 32, 4)]
    for word, number in zip(words, [*made.left[1], *made.right[1]], strict=True):
        exact = (Fraction(word) + Fraction(1, 2)) / 2**32 * 2 * Fraction(math.sqrt(3))
        assert abs(Fraction(float(number)) - (exact - Fraction(math.sqrt(3)))) < Fraction(1, 2**23)


def test_parts_and_beacons_have_directions_of_their_own() -> None:
    seen = {
        directions(Digest(hashlib.sha256(bytes([b])).digest()), part, 50, 2).left.tobytes()
        for b in range(4)
        for part in range(4)
    }
    assert len(seen) == 16


def test_a_beacon_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="31 bytes; expected 32"):
        directions(Digest(bytes(31)), 0, 10, 1)


@given(st.integers(0, 300), st.integers(1, 4))
def test_projections_are_inner_products(length: int, count: int) -> None:
    made = directions(BEACON, 0, length, count)
    residual = normal("project", length)
    expected = whole(made) @ residual.astype(np.float64)
    scale = max(norm(residual), 1e-30)
    assert np.abs(np.subtract(made.project(residual), expected)).max() < 10 * UNIT * scale
    wide = made.project(residual.astype(np.float64))
    assert np.abs(np.subtract(wide, expected)).max() < 1e-12 * scale


@given(st.integers(0, 300))
def test_norms_are_those_of_the_cut_directions(length: int) -> None:
    made = directions(BEACON, 0, length, 3)
    expected = [math.sqrt(math.fsum(z * z)) for z in whole(made)]
    assert made.norms() == pytest.approx(expected, rel=1e-13)


def test_a_residual_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(9,\); expected \(10,\)"):
        directions(BEACON, 0, 10, 1).project(np.zeros(9, np.float32))


def test_directions_have_variance_one_and_never_vanish() -> None:
    made = directions(BEACON, 0, 90_000, 8)
    assert np.abs(made.left).max() <= np.float32(math.sqrt(3))
    assert np.mean(np.square(made.left)) == pytest.approx(1, rel=0.05)
    assert all(value > 0 for value in made.norms())


RESIDUALS: dict[str, Callable[[int], Float32]] = {
    "normal": lambda length: normal("residual", length),
    "constant": lambda length: np.full(length, 1.1, np.float32),
    "ramp": lambda length: np.linspace(0, 1, length, dtype=np.float32),
    "one row": lambda length: (np.arange(length) < 500).astype(np.float32),
    "one number": lambda length: (np.arange(length) == 777).astype(np.float32),
    "columns": lambda length: (np.arange(length) % 500).astype(np.float32),
}


@pytest.mark.parametrize("name", RESIDUALS)
def test_projections_of_two_libraries_differ_by_far_less_than_20_units(name: str) -> None:
    length = 250_000
    residual = RESIDUALS[name](length)
    size = norm(residual)
    for trial in range(5):
        made = directions(Digest(hashlib.sha256(bytes([trial])).digest()), 0, length, 4)
        table = torch.from_numpy(residual.copy()).reshape(500, 500)
        sums = torch.zeros(4, 500, dtype=torch.float64)
        for start in range(0, 500, 32):
            left = torch.from_numpy(made.left[:, start : start + 32].copy())
            sums += (left @ table[start : start + 32]).double()
        other = (sums * torch.from_numpy(made.right.copy()).double()).sum(1).numpy()
        exact = np.array(made.project(residual.astype(np.float64)))
        mine = np.array(made.project(residual))
        assert np.abs(mine - exact).max() < 10 * UNIT * size
        assert np.abs(mine - other).max() < 20 * UNIT * size
