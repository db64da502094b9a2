"""Gradient attacks are those of the papers, and colluders make the same of what all can see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from plugins.attacks.a_little_is_enough import compute_z
from tests.attacks.harness import build, run
from zpeer.attacker import HonestAttack

if TYPE_CHECKING:
    from pathlib import Path

    from zpeer.interfaces import Attack, AttackContext, Float32


class Watched(HonestAttack):
    """Makes another attack's gradients, and keeps the first: what it made, and what of."""

    def __init__(self, attack: Attack) -> None:
        self._attack = attack
        self.made: Float32 = np.empty(0, np.float32)
        self.honest = self.made
        self.others: list[Float32] = []
        self.radii: tuple[float, ...] = ()
        self.parts: list[Float32] = []
        self.centres: list[Float32] = []

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:
        made = self._attack.gradient(context, honest)
        if not self.made.size:
            self.made, self.honest = made, honest
            self.others = [context.honest_gradient(peer) for peer in context.honest_workers]
            self.radii = context.radii
            self.parts = context.deal(made)
            self.centres = context.deal(np.mean(self.others, axis=0, dtype=np.float32))
        return made


def watch(tmp_path: Path, name: str, **parameters: object) -> list[Watched]:
    """Two colluders of six, after one step."""
    watched = [Watched(build(name, parameters)) for _ in range(2)]
    run(tmp_path, dict(zip((1, 4), watched, strict=True)), steps=1)
    return watched


@pytest.mark.parametrize(
    "name",
    [
        "a_little_is_enough",
        "inner_product_manipulation",
        "mimic",
        "relocated_momentum",
    ],
)
def test_colluders_decide_alike_without_a_channel(name: str, tmp_path: Path) -> None:
    first, second = watch(tmp_path, name)
    assert np.array_equal(first.made, second.made)
    assert not np.array_equal(first.honest, second.honest)


def test_a_random_direction_is_the_plots_and_as_long_as_it_says(tmp_path: Path) -> None:
    first, second = watch(tmp_path, "random_direction", scale=10.0)
    sizes = [np.linalg.norm(each.made) for each in (first, second)]
    cosine = np.dot(first.made, second.made) / np.prod(sizes)
    assert cosine == pytest.approx(1, abs=1e-5)
    assert sizes[0] == pytest.approx(10 * np.linalg.norm(first.honest), rel=1e-5)


def test_a_flipped_sign_is_the_honest_gradient_turned_round(tmp_path: Path) -> None:
    flipped = watch(tmp_path, "sign_flip", scale=2.0)[0]
    assert np.array_equal(flipped.made, -2 * flipped.honest)


def test_flipped_labels_give_another_gradient_of_ordinary_size(tmp_path: Path) -> None:
    flipped = watch(tmp_path, "label_flip")[0]
    assert not np.array_equal(flipped.made, flipped.honest)
    ratio = np.linalg.norm(flipped.made) / np.linalg.norm(flipped.honest)
    assert 0.5 < ratio < 2


def test_manipulation_points_against_the_honest_mean(tmp_path: Path) -> None:
    pushed = watch(tmp_path, "inner_product_manipulation", epsilon=0.5)[0]
    assert np.allclose(pushed.made, -0.5 * np.mean(pushed.others, axis=0), atol=1e-7)


def test_a_little_stays_within_the_honest_spread(tmp_path: Path) -> None:
    shifted = watch(tmp_path, "a_little_is_enough", z=1.5)[0]
    mean, spread = np.mean(shifted.others, axis=0), np.std(shifted.others, axis=0)
    assert np.allclose(shifted.made, mean - 1.5 * spread, atol=1e-6)


@pytest.mark.parametrize(
    ("workers", "honest", "z"),
    [
        (50, 38, 0.3360),  # 14 supporters: 24 of 38 further out
        (50, 26, 1.4261),  # 2 supporters: 24 of 26
        (15, 8, 1.1503),  # 1 supporter: 7 of 8
    ],
)
def test_the_largest_unnoticed_shift_follows_from_the_counts(
    workers: int, honest: int, z: float
) -> None:
    assert compute_z(workers, honest) == pytest.approx(z, abs=1e-3)


def test_mimics_copy_the_first_honest_worker(tmp_path: Path) -> None:
    mimic = watch(tmp_path, "mimic")[0]
    assert np.array_equal(mimic.made, mimic.others[0])


def test_a_relocated_gradient_stands_one_radius_off_at_a_right_angle(tmp_path: Path) -> None:
    moved = watch(tmp_path, "relocated_momentum")[0]
    for part, centre, radius in zip(moved.parts, moved.centres, moved.radii, strict=True):
        step = part - centre
        assert np.linalg.norm(step) == pytest.approx(radius, rel=1e-4)
        cosine = np.dot(step, centre) / (np.linalg.norm(step) * np.linalg.norm(centre))
        assert abs(cosine) < 1e-3


def test_a_delayed_gradient_is_that_of_so_many_steps_ago(tmp_path: Path) -> None:
    late = build("delayed_gradient", {"delay": 2})
    made: list[Float32] = []
    honest: list[Float32] = []

    class Noting(HonestAttack):
        def gradient(self, context: AttackContext, honest_one: Float32) -> Float32:
            honest.append(honest_one)
            made.append(late.gradient(context, honest_one))
            return honest_one

    run(tmp_path, {1: Noting()}, steps=5, validators=0)  # works in every step
    assert len(made) == 5
    assert all(np.array_equal(m, honest[max(0, i - 2)]) for i, m in enumerate(made))
