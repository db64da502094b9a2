"""Limits that fit themselves: minorities cannot move them, and they move only a little a step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.lies import attempt_of, check_honest, saying
from tests.core.plain import peer
from tests.core.toy import Ring, Toy
from zpeer.core.limits import follow, lower_median, measure_typical, scale
from zpeer.parts import Layout
from zpeer.record import Outcome
from zpeer.signed import Stage

norms = st.floats(1e-3, 1e3)


def test_a_median_of_an_even_count_is_the_lower_one() -> None:
    assert lower_median([4.0, 1.0, 3.0, 2.0]) == 2.0
    assert lower_median([3.0, 1.0, 2.0]) == 2.0
    assert lower_median([1.0]) == 1.0


def test_a_limit_is_kept_per_root_of_a_parts_length() -> None:
    layout = Layout(dimension=20, block=4, parts=3)
    assert [layout.length(j) for j in range(3)] == [8, 8, 4]
    assert scale(3.0, layout) == pytest.approx((3 * 8**0.5, 3 * 8**0.5, 6.0))


@given(st.lists(norms, min_size=9, max_size=9), st.data())
def test_fewer_than_half_cannot_move_the_typical_norm_out_of_the_honest_range(
    honest: list[float], data: st.DataObject
) -> None:
    """Liars own rows and columns: f of n, f < n/2, in either."""
    n, f = 9, 4
    layout = Layout(dimension=n, block=1, parts=n)
    table = [[honest[(i + j) % n] for j in range(n)] for i in range(n)]
    lie = st.floats(0, 1e30)
    for i in range(n):
        for j in range(n):
            if i < f or j < f:
                table[i][j] = data.draw(lie)
    assert min(honest) <= measure_typical(table, layout) <= max(honest)


def test_parts_without_numbers_are_no_part_of_the_median() -> None:
    layout = Layout(dimension=2, block=1, parts=3)
    assert measure_typical([[1.0, 1.0, 0.0]] * 3, layout) == 1.0


def test_the_typical_norm_follows_the_window_at_most_a_little_a_step() -> None:
    assert follow(1.0, [5.0, 9.0, 7.0], 0.01) == pytest.approx(1.01)
    assert follow(1.0, [0.1], 0.01) == pytest.approx(0.99)
    assert follow(1.0, [1.001, 1.002, 1.003], 0.01) == 1.002
    assert follow(1.0, [0.0], 0.01) > 0


def test_the_agreed_limit_moves_with_counted_steps_alone_over_a_bounded_window() -> None:
    ring = Ring(5, steps=6, delta_multiple=0.3, typical_window=3).run()
    records = check_honest(ring)
    before = ring.genesis.typical_norm
    for record in records:
        if record.outcome is Outcome.COUNTED:
            assert 0.99 * before <= record.typical <= 1.01 * before
            assert len(record.typical_window) == min(record.counted, 3)
        else:
            assert record.typical == before
        before = record.typical
    assert before != ring.genesis.typical_norm
    base = attempt_of(ring.toys[peer(0)]).base
    assert base.typical == records[-2].typical


def test_unclipped_liars_of_a_minority_do_not_raise_the_limit() -> None:
    def boast(toy: Toy, message: Any) -> Any:
        if not message.norms:
            return None
        return replace(message, norms=tuple(50 * norm for norm in message.norms))

    ring = Ring(5, steps=1, tampers={i: saying(Stage.PROJECTIONS, boast, times=9) for i in (1, 2)})
    record = ring.run().check_agreement(1, 2)[0]
    honest = Ring(5, steps=1).run().check_agreement()[0]
    assert record.typical_window[0] < 2 * honest.typical_window[0]
