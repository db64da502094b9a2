"""Turns what pydantic found wrong into lines for people: key, what was found, what was expected.

Everything wrong with an input is said at once. The value of a key that is called a secret is not
shown.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

FOUND_LENGTH_MAX = 60
SECRET_WORDS = ("entropy", "secret")


def explain(problem: ValidationError, model: type[BaseModel] | None = None) -> list[str]:
    """One line a problem; `model` is what was validated, so that known keys can be named."""
    return [explain_one(error, model) for error in problem.errors(include_url=False)]


def explain_one(error: ErrorDetails, model: type[BaseModel] | None) -> str:
    """`key: found X, expected Y`."""
    key = dotted(error["loc"])
    if error["type"] == "missing":
        return f"{key}: missing; expected {expectation(error, 'a value')}"
    if error["type"] == "extra_forbidden":
        return (
            f"{key}: unknown key; {suggest(str(error['loc'][-1]), known_keys(model, error['loc']))}"
        )
    start = f"{key}: " if key else ""
    if error["type"] == "value_error":
        return start + str(error["msg"]).removeprefix("Value error, ")
    return f"{start}found {shown(key, error['input'])}, expected {expectation(error, error['msg'])}"


def dotted(location: Sequence[int | str]) -> str:
    """`limits.block`, `peers[2].address`."""
    text = ""
    for item in location:
        text += f"[{item}]" if isinstance(item, int) else f".{item}" if text else item
    return text


def expectation(error: ErrorDetails, default: str) -> str:
    """What should have stood there."""
    text = str(error["msg"])
    for start in ("Input should be ", "Value should be "):
        if text.startswith(start):
            return text.removeprefix(start)
    return default


def shown(key: str, value: object) -> str:
    """A value as found, short; a secret is not shown."""
    if any(word in key.lower() for word in SECRET_WORDS):
        return "something else"
    text = repr(value)
    return text if len(text) <= FOUND_LENGTH_MAX else text[: FOUND_LENGTH_MAX - 3] + "..."


def suggest(wrong: str, known: Iterable[str]) -> str:
    """What may have been meant."""
    names = sorted(known)
    close = get_close_matches(wrong, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"expected one of {', '.join(names)}" if names else "expected none here"


def known_keys(model: type[BaseModel] | None, location: Sequence[int | str]) -> list[str]:
    """Keys of the section in which a location lies."""
    current: Any = model
    for item in location[:-1]:
        if current is None or isinstance(item, int):
            continue
        field = current.model_fields.get(item)
        current = model_of(field.annotation) if field is not None else None
    return list(current.model_fields) if current is not None else []


def model_of(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as `Section | None` or `tuple[Section, ...]`."""
    if hasattr(annotation, "model_fields"):
        found: type[BaseModel] = annotation
        return found
    inner = (model_of(part) for part in getattr(annotation, "__args__", ()))
    return next((model for model in inner if model is not None), None)
