"""What takes the place of a rule of the core when it is switched off.

A patch is for tests alone, and all cores of a run have it: the honest ones, and those inside of
liars. It is made so that the rule is gone and nothing else. Of each is known when it makes a
difference (`changes`): a run in which it never does is the same with it and without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = Callable[..., Any]


class Patch(NamedTuple):
    """What is done instead of a rule."""

    says: str
    """In a few words."""
    instead: Callable[[Function], Function]
    """Of the function that is the rule."""
    changes: Callable[..., bool]
    """Whether it makes a difference, by what the function gave and what it was given."""


def returns(value: object, says: str = "") -> Patch:
    """The same for everybody."""
    return Patch(
        says or f"always {value!r}",
        lambda _original: lambda *_args, **_named: value,
        lambda result, *_args, **_named: bool(result != value),
    )


def turns(into: Function, says: str) -> Patch:
    """Something else than the rule gives, by that and by what it is given."""
    return Patch(
        says,
        lambda original: lambda *args, **named: into(original(*args, **named), *args, **named),
        lambda result, *args, **named: bool(into(result, *args, **named) != result),
    )


def skips(says: str = "nothing is done", when: Function | None = None) -> Patch:
    """Nothing is done. `when`: whether anything would have been, by the arguments."""
    return Patch(
        says,
        lambda _original: lambda *_args, **_named: None,
        lambda _result, *args, **named: when is None or bool(when(*args, **named)),
    )


def replaces(by: Function, says: str, when: Function | None = None) -> Patch:
    """`by` is called with the original before the arguments."""
    return Patch(
        says,
        lambda original: lambda *args, **named: by(original, *args, **named),
        lambda _result, *args, **named: when is None or bool(when(*args, **named)),
    )
