"""The shipped aggregators, through the hook that any plugin uses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pluggy
import pytest

from plugins.aggregators import centered_clip, coordinate_median, geometric_median, mean
from tests.numerics.cases import make, spread
from zpeer import hookspecs
from zpeer.errors import ConfigError
from zpeer.interfaces import Aggregator
from zpeer.numerics.projections import residual

if TYPE_CHECKING:
    from collections.abc import Callable

MODULES = (centered_clip, coordinate_median, geometric_median, mean)


def collect() -> dict[str, Callable[..., Aggregator]]:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for module in MODULES:
        manager.register(module)
    found: list[dict[str, Callable[..., Aggregator]]] = manager.hook.zpeer_aggregators()
    return {name: factory for one in found for name, factory in one.items()}


FACTORIES = collect()


def test_four_aggregators_are_shipped() -> None:
    expected = ["centered_clip", "coordinate_median", "geometric_median", "mean"]
    assert sorted(FACTORIES) == expected


@pytest.mark.parametrize("name", FACTORIES)
def test_every_aggregator_keeps_the_interface(name: str) -> None:
    aggregator = FACTORIES[name]()
    rows = make("x -10^3", 5, 1000)
    radius = aggregator.radius(spread(rows))
    vector = aggregator.aggregate(rows, radius)
    assert isinstance(aggregator, Aggregator)
    assert vector.shape == (1000,)
    assert vector.dtype == np.float32


@pytest.mark.parametrize("name", FACTORIES)
@pytest.mark.parametrize("size", [0.0, 1e-300, 0.5, 1.0, 3.0, 1e300, math.inf, math.nan])
@pytest.mark.parametrize("radius", [0.0, 1.0, 3.7, math.inf, math.nan])
def test_no_weight_times_norm_exceeds_the_radius(name: str, size: float, radius: float) -> None:
    weight = FACTORIES[name]().weight(size, radius)
    assert 0 <= weight <= 1
    if math.isfinite(size) and not math.isnan(radius):
        assert weight * size <= radius


@pytest.mark.parametrize("name", ["centered_clip", "geometric_median", "mean"])
def test_what_says_residual_has_one_that_vanishes(name: str) -> None:
    aggregator = FACTORIES[name]()
    rows = make("x -10^3", 7, 3000)
    radius = aggregator.radius(spread(rows))
    left, norms = residual(
        rows, aggregate := aggregator.aggregate(rows, radius), radius, aggregator.weight
    )
    assert aggregator.verification == "residual"
    assert np.isfinite(aggregate).all()
    assert left < 1e-6 * sum(min(size, radius) for size in norms)


def test_the_coordinate_median_says_that_it_needs_audits() -> None:
    aggregator = FACTORIES["coordinate_median"]()
    assert aggregator.verification == "audit"
    rows = np.array([[1, 9], [2, 8], [30, 7], [4, 6]], np.float32)
    assert aggregator.aggregate(rows, math.inf).tolist() == [2, 7]
    assert aggregator.aggregate(rows[:3], math.inf).tolist() == [2, 8]


def test_an_automatic_radius_is_a_multiple_of_the_typical_norm() -> None:
    assert FACTORIES["centered_clip"]().radius(0.2) == 0.2
    assert FACTORIES["centered_clip"](multiple=3).radius(0.5) == 1.5
    assert FACTORIES["geometric_median"]().radius(2.0) == pytest.approx(0.2)
    assert FACTORIES["mean"]().radius(2.0) == math.inf


@pytest.mark.parametrize("tau", [1, 1.0, 1e-6])
def test_a_fixed_radius_is_that_number(tau: float) -> None:
    radius = FACTORIES["centered_clip"](tau=tau).radius(0.2)
    assert radius == tau
    assert isinstance(radius, float)


@pytest.mark.parametrize("tau", [0, -1.0, math.inf, math.nan, True, "big"])
def test_a_fixed_radius_that_is_none_is_refused(tau: object) -> None:
    with pytest.raises(ConfigError, match="centered_clip: tau = "):
        FACTORIES["centered_clip"](tau=tau)


@pytest.mark.parametrize("multiple", [0, -1.0, math.inf, math.nan])
def test_a_multiple_that_is_none_is_refused(multiple: float) -> None:
    with pytest.raises(ConfigError, match="centered_clip: multiple = "):
        FACTORIES["centered_clip"](multiple=multiple)


@pytest.mark.parametrize("smoothing", [0.0, 0.001, 1.5, math.nan])
def test_a_smoothing_that_hides_shifts_is_refused(smoothing: float) -> None:
    with pytest.raises(ConfigError, match="geometric_median: smoothing = "):
        FACTORIES["geometric_median"](smoothing=smoothing)
