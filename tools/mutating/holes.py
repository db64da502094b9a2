"""Puts patches into the core, and runs simulations with them.

First a seed is run as it is, with every rule watched: in which runs does its patch make a
difference? Any other run is the same with the hole and without, so only these are tried with it.
"""

from __future__ import annotations

import pkgutil
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import zpeer.core
from tools.mutating.agreement import AGREEMENT as AGREEMENT_PATCHES
from tools.mutating.matters import DRAWS as DRAWS_PATCHES
from tools.mutating.matters import MATTERS as MATTERS_PATCHES
from tools.mutating.seen import SEEN as SEEN_PATCHES
from zpeer.core.rules import SEEN, Rule
from zpeer.core.rules_of_agreement import AGREEMENT
from zpeer.core.rules_of_matters import DRAWS, MATTERS
from zpeer.ids import digest
from zpeer.simulate.ingredients import plugins
from zpeer.simulate.plans.drawing import draw_plan
from zpeer.simulate.running import run_plan
from zpeer.simulate.sweep import digest_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    from tools.mutating.patches import Function, Patch
    from zpeer.simulate.plan import Plan
    from zpeer.simulate.running import Failure

RULES: dict[str, Rule] = {each.name: each for each in (*SEEN, *MATTERS, *DRAWS, *AGREEMENT)}
PATCHES: dict[str, Patch] = SEEN_PATCHES | MATTERS_PATCHES | DRAWS_PATCHES | AGREEMENT_PATCHES


class Watched(msgspec.Struct, frozen=True, tag="watched"):
    """A seed that was run as it is."""

    code: str
    seed: int
    check: str
    """The promise that breaks without any patch: such a seed tells nothing."""
    bites: tuple[str, ...]
    """Rules whose patch makes a difference in it."""


class Tried(msgspec.Struct, frozen=True, tag="tried"):
    """A rule that was switched off in some seeds, as far as the first in which that was found."""

    code: str
    rule: str
    first: int
    last: int
    """The range of seeds; those in which the rule does not bite were not run."""
    ran: int
    seed: int = -1
    """Where it was found; -1: nowhere."""
    check: str = ""
    text: str = ""


Line = Watched | Tried


@cache
def list_modules() -> tuple[ModuleType, ...]:
    """All of the core."""
    found = pkgutil.iter_modules(zpeer.core.__path__)
    return tuple(import_module(f"zpeer.core.{each.name}") for each in found)


@contextmanager
def replacing(path: str, make: Callable[[Function], Function]) -> Iterator[None]:
    """Put something in the place of a function of the core, wherever the core calls it."""
    module, name = path.split(".")
    original = getattr(import_module(f"zpeer.core.{module}"), name)
    holders = [each for each in list_modules() if vars(each).get(name) is original]
    instead = make(original)
    try:
        for holder in holders:
            setattr(holder, name, instead)
        yield
    finally:
        for holder in holders:
            setattr(holder, name, original)


def run_without(rule: str, plan: Plan) -> Failure | None:
    """Run a plan without a rule."""
    with replacing(RULES[rule].function, PATCHES[rule].instead):
        return run_plan(plan).failure


def watch(plan: Plan) -> tuple[Failure | None, frozenset[str]]:
    """Run a plan as it is; the rules whose patches would make a difference in it."""
    bites: set[str] = set()
    by_function: dict[str, list[str]] = {}
    for name, rule in RULES.items():
        by_function.setdefault(rule.function, []).append(name)
    with ExitStack() as stack:
        for function, names in by_function.items():
            stack.enter_context(replacing(function, make_noting(names, bites)))
        failure = run_plan(plan).failure
    return failure, frozenset(bites)


def make_noting(names: Sequence[str], bites: set[str]) -> Callable[[Function], Function]:
    """Makes a function note when one of these rules bites."""

    def make(original: Function) -> Function:
        def noting(*args: Any, **named: Any) -> Any:
            result = original(*args, **named)
            for name in names:
                if name not in bites and PATCHES[name].changes(result, *args, **named):
                    bites.add(name)
            return result

        return noting

    return make


def watch_seed(seed: int, code: str) -> Watched:
    """Run a seed as it is."""
    failure, bites = watch(draw_plan(seed, plugins()))
    return Watched(code, seed, failure.check if failure else "", tuple(sorted(bites)))


def try_rule(rule: str, span: tuple[int, int], seeds: Sequence[int], code: str) -> Tried:
    """Run seeds of a span without a rule, as far as the first one that is found."""
    first, last = span
    for ran, seed in enumerate(seeds, 1):
        failure = run_without(rule, draw_plan(seed, plugins()))
        if failure is not None:
            return Tried(code, rule, first, last, ran, seed, failure.check, failure.text)
    return Tried(code, rule, first, last, len(seeds))


def digest_check() -> str:
    """Of all that a line is made by: core, simulator, attacks and patches."""
    sources = [each.read_bytes() for each in sorted(Path(__file__).parent.glob("*.py"))]
    return digest("zpeer/mutation", digest_code().encode(), *sources).hex()[:16]
