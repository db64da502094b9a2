"""The mutation check: every rule has a patch, a patch is one hole and nothing else, what is done is
not done again."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from tests.simulation.small import SMALL
from tools.mutating.agreement import AGREEMENT as AGREEMENT_PATCHES
from tools.mutating.holes import PATCHES, RULES, Tried, Watched, replacing, run_without, watch
from tools.mutating.matters import DRAWS as DRAWS_PATCHES
from tools.mutating.matters import MATTERS as MATTERS_PATCHES
from tools.mutating.outside import OUTSIDE, Outside
from tools.mutating.patches import returns, skips, turns
from tools.mutating.seen import SEEN as SEEN_PATCHES
from tools.mutation_check import Check, Lines, read_lines
from zpeer.core import verify
from zpeer.errors import ConfigError
from zpeer.simulate.plan import Known, change_plan
from zpeer.simulate.running import run_plan

if TYPE_CHECKING:
    from tools.mutating.patches import Patch

ROOT = Path(__file__).parent.parent
LYING = change_plan(
    SMALL, dimension=600, block=4, adversaries=(Known(4, "wrong_projection", {"units": 200.0}),)
)


def test_every_rule_has_just_one_patch() -> None:
    kinds: tuple[dict[str, Patch], ...] = (
        SEEN_PATCHES,
        MATTERS_PATCHES,
        DRAWS_PATCHES,
        AGREEMENT_PATCHES,
    )
    names = [name for each in kinds for name in each]
    assert sorted(names) == sorted(RULES)
    assert all(patch.says for patch in PATCHES.values())


@pytest.mark.parametrize("rule", OUTSIDE, ids=lambda rule: rule.where)
def test_what_provokes_a_rule_outside_the_core_is_there(rule: Outside) -> None:
    file, name = rule.test.split("::")
    assert f"def {name}(" in (ROOT / file).read_text()
    assert (ROOT / rule.where).exists()


def test_a_patch_takes_the_place_wherever_a_function_is_called_and_leaves_it() -> None:
    original = vars(verify)["is_sound"]
    with replacing("aggregate.is_sound", lambda _original: lambda *_args: True):
        assert vars(verify)["is_sound"](None, 0)
    assert vars(verify)["is_sound"] is original


def test_patches_say_when_they_make_a_difference() -> None:
    never, doubled = returns(value=False), turns(lambda result, _given: 2 * result, "twice")
    idle = skips(when=lambda given: given > 1)
    assert [never.changes(result) for result in (True, False)] == [True, False]
    assert [doubled.changes(result, 1) for result in (0, 1)] == [False, True]
    assert [idle.changes(None, given) for given in (1, 2)] == [False, True]
    assert doubled.instead(lambda given: given + 1)(1) == 4


def test_a_rule_bites_where_a_liar_breaks_it_and_its_hole_is_found_there() -> None:
    failure, bites = watch(LYING)
    assert failure is None
    assert {"V1", "uphold"} <= bites
    assert "beacon" not in bites
    found = run_without("V1", LYING)
    assert found is not None
    assert found.check == "unpunished"


def test_where_a_rule_does_not_bite_the_run_is_the_same_without_it() -> None:
    whole = run_plan(LYING)
    for rule in ("beacon", "residual", "late verdicts"):
        with replacing(RULES[rule].function, PATCHES[rule].instead):
            assert run_plan(LYING).trace == whole.trace


def make_lines(path: Path) -> Lines:
    lines = Lines(path, "code")
    for seed, bites in ((3, ("duties",)), (4, ("duties", "V1")), (5, ())):
        lines.add(Watched("code", seed, "", bites))
    lines.add(Watched("code", 6, "fork", ("duties",)))
    return lines


def test_lines_are_kept_for_the_code_that_made_them(tmp_path: Path) -> None:
    path = tmp_path / "done.json"
    make_lines(path).add(Tried("code", "V1", 0, 20, 1, 4, "unpunished", "somebody"))
    again = Lines(path, "code")
    assert again.list_bites("duties", range(10)) == [3, 4]
    found = again.find("V1")
    assert found is not None
    assert (found.seed, found.check) == (4, "unpunished")
    assert again.find("duties") is None
    assert not Lines(path, "other code").watched
    path.write_bytes(b"{}\n")
    with pytest.raises(ConfigError, match="no line of this check"):
        list(read_lines(path))


def test_a_rule_is_switched_off_in_the_seeds_in_which_it_bites_and_the_table_says_what_broke(
    tmp_path: Path,
) -> None:
    out = StringIO()
    lines = make_lines(tmp_path / "done.json")
    asked = Check(lines, "code", ["duties", "beacon"], Console(file=out, width=160))
    asked.run([range(3, 6)], 1)
    found = lines.find("duties")
    assert found is not None
    assert (found.seed, found.ran, found.check) == (3, 1, "duties")
    assert asked.tabulate([range(3, 6)]) == 1
    table = out.getvalue()
    assert "checks itself" in table
    assert "NOT FOUND" in table
    assert "3 seeds watched; 1 rules not found missing" in table
