"""A plugin's factory seen as a table of parameters: what it takes, and what a config gives it.

The signature is the contract: every parameter has an annotation, which pydantic checks strictly.
An int does for a float, a list for a tuple, a string for a path or an enum; nothing else is
converted.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from traceback import extract_tb
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from zpeer.errors import ConfigError, PluginError, ZpeerError
from zpeer.validation import shown, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REQUIRED = inspect.Parameter.empty
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Parameter(NamedTuple):
    """One key that a plugin takes in a config."""

    name: str
    annotation: str
    """As people read it."""
    default: object
    """REQUIRED where there is none."""
    adapter: TypeAdapter[Any]


class Factory:
    """A callable whose keyword parameters are a plugin's parameters."""

    def __init__(self, label: str, call: Callable[..., object]) -> None:
        """Read the signature; PluginError where a config could not be checked against it."""
        self.label = label
        self.call = call
        self.parameters = read_parameters(label, call)

    @property
    def summary(self) -> str:
        """First paragraph of the docstring, on one line."""
        paragraph = (inspect.getdoc(self.call) or "").partition("\n\n")[0]
        return " ".join(paragraph.split())

    def resolve(self, given: Mapping[str, object]) -> dict[str, Any]:
        """Every parameter as the factory takes it, defaults filled in; ConfigError lists faults."""
        values, problems = {}, []
        for name in given.keys() - self.parameters.keys():
            known = suggest(name, self.parameters)
            problems.append(f"{self.label}: {name}: unknown parameter; {known}")
        for name, parameter in self.parameters.items():
            if name in given:
                try:
                    values[name] = validate(parameter.adapter, given[name])
                except ValidationError:
                    found = f"found {shown(name, given[name])}, expected {parameter.annotation}"
                    problems.append(f"{self.label}: {name}: {found}")
            elif parameter.default is REQUIRED:
                expected = f"expected {parameter.annotation}"
                problems.append(f"{self.label}: {name}: missing; {expected}")
            else:
                values[name] = parameter.default
        if problems:
            raise ConfigError("\n".join(sorted(problems)))
        return values

    def normalise(self, given: Mapping[str, object]) -> dict[str, Any]:
        """Every parameter as a config holds it, defaults written out (those of None left out)."""
        values = self.resolve(given)
        return {
            name: self.parameters[name].adapter.dump_python(value, mode="json")
            for name, value in values.items()
            if value is not None
        }

    def build(self, given: Mapping[str, object]) -> object:
        """The plugin. PluginError where the factory raises."""
        values = self.resolve(given)
        try:
            return self.call(**values)
        except ZpeerError:
            raise
        except Exception as problem:
            raise PluginError(f"{self.label}: {describe_error(problem)}") from problem


def read_parameters(label: str, call: Callable[..., object]) -> dict[str, Parameter]:
    """The table of parameters in order."""
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError) as problem:
        raise PluginError(f"{label}: its factory has no readable signature: {problem}") from None
    return {name: read(label, call, found) for name, found in signature.parameters.items()}


def read(label: str, call: Callable[..., object], found: inspect.Parameter) -> Parameter:
    """One parameter; its annotation must say what a config may give."""
    where = f"{label}: parameter {found}"
    if found.kind not in NAMED:
        raise PluginError(f"{where}: a config gives parameters by name; expected no {found.kind}")
    if found.annotation is REQUIRED:
        raise PluginError(f"{where}: no annotation; a config is checked against it")
    text = found.annotation if isinstance(found.annotation, str) else name_of(found.annotation)
    try:
        kind = evaluate_annotation(call, found.annotation)
        adapter: TypeAdapter[Any] = TypeAdapter(kind, config=ConfigDict(strict=True))
    except (NameError, AttributeError, TypeError, SyntaxError, PydanticUserError) as problem:
        raise PluginError(f"{where}: its annotation cannot be checked: {problem}") from None
    return Parameter(found.name, text, found.default, adapter)


def evaluate_annotation(call: Callable[..., object], annotation: object) -> Any:
    """An annotation that may be text, in the module that it stands in.

    One by one, because others (a return type) may be known to type checkers only.
    """
    owner = inspect.unwrap(call.__init__ if inspect.isclass(call) else call)
    scope = getattr(owner, "__globals__", {})
    holder: Any = SimpleNamespace(__annotations__={"it": annotation})
    return get_type_hints(holder, globalns=scope, include_extras=True)["it"]


def name_of(annotation: Any) -> str:
    """`float` rather than `<class 'float'>`, `Literal` rather than `typing.Literal`."""
    return (
        annotation.__name__
        if inspect.isclass(annotation)
        else str(annotation).replace("typing.", "")
    )


def validate(adapter: TypeAdapter[Any], value: object) -> Any:
    """A value of a config as the annotation wants it.

    Through JSON: only there does pydantic, when strict, take a list for a tuple, or a string for a
    path.
    """
    return adapter.validate_json(json.dumps(value, default=str), strict=True)


def describe_error(problem: BaseException, file: Path | None = None) -> str:
    """What was raised and where: in `file` if it passed there, else where it was raised."""
    text = f"{type(problem).__name__}: {problem}"
    if isinstance(problem, SyntaxError) and problem.filename:
        return f"{problem.filename}:{problem.lineno}: {text}"
    frames = [f for f in extract_tb(problem.__traceback__) if not f.filename.startswith("<frozen")]
    in_file = [f for f in frames if file is not None and Path(f.filename) == file]
    if not frames:
        return text
    frame = (in_file or frames)[-1]
    return f"{frame.filename}:{frame.lineno}: {text}"
