"""Bodies that are almost right: each decodes, and the core finds what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from tests.simulation.small import SMALL, tell
from zpeer.ids import PeerId, digest
from zpeer.messages import Aggregated, Check, Commit, Projections, Reveal, Verdict
from zpeer.simulate.adversaries.forgeries import forge
from zpeer.simulate.plan import Known, Mutator, Script, Twins, change_plan, find_problems
from zpeer.simulate.plans.variations import (
    LARGE,
    UNITS,
    vary_agreement,
    vary_deeds,
    vary_forms,
    vary_limits,
    vary_shows,
    vary_units,
)
from zpeer.simulate.promises.forms import is_count_off
from zpeer.simulate.streams import Stream

if TYPE_CHECKING:
    from zpeer.interfaces import AttackContext
    from zpeer.messages import Message

PEERS = tuple(PeerId(digest("test/forgeries", bytes([place]))) for place in range(4))
ONE, TWO = digest("one"), digest("two")


class StandInContext(NamedTuple):
    """What a forger looks at."""

    me: PeerId = PEERS[3]
    roster: tuple[PeerId, ...] = PEERS
    head: bytes = ONE
    my_part: int = 2
    parts: int = 3


def forge_often(message: Message, count: int = 200) -> list[Message]:
    context = cast("AttackContext", StandInContext())
    return [
        forge(message, context, [ONE, TWO], Stream(digest("seed", bytes([n]))))
        for n in range(count)
    ]


def test_commits_have_another_number_of_parts_or_another_order() -> None:
    said = Commit((ONE, TWO), ONE)
    assert all(each != said for each in forge_often(said))
    counts = {len(each.parts) for each in forge_often(said) if isinstance(each, Commit)}
    assert counts == {1, 2, 3}


def test_a_result_is_there_where_none_belongs_and_the_other_way_round() -> None:
    assert {
        each.result for each in forge_often(Aggregated(ONE, TWO)) if isinstance(each, Aggregated)
    } == {None}
    assert all(
        isinstance(each, Aggregated) and each.result for each in forge_often(Aggregated(ONE, None))
    )


def test_projections_are_too_many_too_few_too_long_or_of_no_norm() -> None:
    said = Projections(ONE, TWO, ((0.5,), (1.0,)), (1.0, 2.0))
    forged = [each for each in forge_often(said) if isinstance(each, Projections)]
    assert any(len(each.norms) == 1 for each in forged)
    assert any(-1.0 in each.norms for each in forged)
    assert any(len(row) == 2 for each in forged for row in each.projections)
    assert any(abs(value) > 1e5 for each in forged for row in each.projections for value in row)


def test_checks_accuse_anybody_of_anything_and_some_twice() -> None:
    said = Check(ONE, TWO, durations=(0.0,) * 6)
    forged = [each for each in forge_often(said) if isinstance(each, Check)]
    made = [each.accusations for each in forged if each.accusations]
    assert {len(each) for each in made} == {1, 2}
    assert len({each[0].fault for each in made}) == 6
    assert {each[0].accused for each in made} == set(PEERS)
    assert any(each.findings for each in forged)
    assert any(each.durations[0] < 0 for each in forged)


def test_what_has_only_one_form_is_left_as_it_is() -> None:
    for said in (Reveal(ONE, TWO), Verdict(ONE, TWO)):
        assert set(forge_often(said, 5)) == {said}


def test_variations_keep_the_liars_and_stay_within_what_the_protocol_assumes() -> None:
    plan = change_plan(SMALL, adversaries=(Twins(1, start=2), Twins(3, start=2)))
    for number in range(40):
        stream = Stream(digest("variation", bytes([number])))
        forms, units = vary_forms(plan, stream), vary_units(plan, stream)
        limits, deeds = vary_limits(plan, stream), vary_deeds(plan, stream)
        for varied in (forms, units, limits, deeds):
            assert varied.byzantine == {1, 3}
            assert not find_problems(varied)
        assert all(isinstance(each, Mutator) and each.start == 2 for each in forms.adversaries)
        known = [each for each in units.adversaries if isinstance(each, Known)]
        assert {each.parameters["units"] for each in known} <= set(UNITS)
        assert units.dimension == LARGE
        assert limits.typical < 0.3
        first, second = (each for each in deeds.adversaries if isinstance(each, Known))
        assert first.attack != "silent"
        assert second.attack == "silent"


def test_counts_and_contradictions_are_seen_without_the_core() -> None:
    base = tell().story.decisions[0].before
    worker = base.workers[0]
    rows = len(base.workers)
    whole = Projections(ONE, TWO, ((0.5,),) * rows, (1.0,) * rows)
    assert not is_count_off(whole, worker, base)
    assert is_count_off(whole, PEERS[0], base)
    assert is_count_off(Projections(ONE, TWO, ((0.5,),), (1.0,)), worker, base)
    assert not is_count_off(Projections(ONE, TWO, (), ()), worker, base)


def test_attempts_end_for_some_and_not_for_others() -> None:
    plan = change_plan(SMALL, adversaries=(Twins(1, start=2), Twins(3, start=2)))
    for number in range(40):
        stream = Stream(digest("ending", bytes([number])))
        unclear, shown = vary_agreement(plan, stream), vary_shows(plan, stream)
        assert unclear.byzantine == shown.byzantine == {1, 3}
        assert not find_problems(unclear)
        assert not find_problems(shown)
        for script in shown.adversaries:
            assert isinstance(script, Script)
            steps = [show.step for show in script.shows]
            assert 4 <= len(steps) <= 12
            assert steps == sorted(steps)
            assert all(not set(show.truth) & set(show.lie) for show in script.shows)
