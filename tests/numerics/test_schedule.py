from __future__ import annotations

import math
from itertools import pairwise

import pytest

from zpeer.errors import ConfigError
from zpeer.numerics.schedule import learning_rate

TOTAL = 1000


def test_a_constant_rate_is_constant() -> None:
    assert {learning_rate("constant", 0.3, step, TOTAL) for step in (0, 500, 5000)} == {0.3}


def test_a_cosine_falls_from_the_base_to_zero() -> None:
    rates = [learning_rate("cosine", 0.3, step, TOTAL) for step in range(TOTAL + 2)]
    assert rates[0] == 0.3
    assert rates[TOTAL] == rates[TOTAL + 1] == 0.0
    assert all(earlier >= later for earlier, later in pairwise(rates))


def test_a_cosine_is_one() -> None:
    for step in range(TOTAL):
        exact = (1 + math.cos(math.pi * step / TOTAL)) / 2
        assert learning_rate("cosine", 1.0, step, TOTAL) == pytest.approx(exact, abs=1e-15)


def test_rates_have_committed_bits() -> None:
    """Any machine must find these: a failure is a broken platform or a changed protocol."""
    found = [learning_rate("cosine", 0.1, step, 97, 10).hex() for step in (3, 10, 20, 53, 60, 96)]
    assert found == [
        "0x1.47ae147ae147bp-5",
        "0x1.999999999999ap-4",
        "0x1.8c645a6d2968ap-4",
        "0x1.a0feb6fa8a8d2p-5",
        "0x1.3a5722804fa0cp-5",
        "0x1.116db97b34bffp-15",
    ]


@pytest.mark.parametrize("kind", ["constant", "cosine"])
def test_warmup_rises_in_a_straight_line_to_the_base(kind: str) -> None:
    rates = [learning_rate(kind, 1.0, step, TOTAL, 4) for step in range(5)]
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_a_run_that_is_all_warmup_has_rates() -> None:
    assert learning_rate("cosine", 1.0, 3, 4, 4) == 1.0
    assert learning_rate("cosine", 1.0, 4, 4, 4) == 0.0


def test_an_unknown_schedule_is_named() -> None:
    with pytest.raises(ConfigError, match="'linear' does not exist; choose one of constant, cos"):
        learning_rate("linear", 1.0, 0, 10)
