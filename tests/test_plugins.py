"""One door for all plugins; what is broken is named with its file and line."""

from __future__ import annotations

import math
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from zpeer.errors import ConfigError, PluginError
from zpeer.factories import Factory
from zpeer.listing import print_plugins
from zpeer.plugins import HOOKS, Kind, Plugins, load_plugins

if TYPE_CHECKING:
    from collections.abc import Callable

RULE = '''
from pathlib import Path
from typing import Literal
from zpeer.hookspecs import hookimpl

class Mine:
    """My own rule.

    More about it.
    """
    verification = "{verification}"
    def __init__(self, tau: float, names: tuple[str, ...] = (), where: Path = Path("/"),
                 mode: Literal["a", "b"] = "a", count: int | None = None) -> None:
        self.given = (tau, names, where, mode, count)
    def aggregate(self, rows_ND, radius): return rows_ND[0]
    def radius(self, typical): return typical
    def weight(self, norm, radius): return 1.0

@hookimpl
def zpeer_aggregators():
    return {{"{name}": Mine}}
'''

HOOK = """from zpeer.hookspecs import hookimpl
def many(*sizes: int): ...
def vague(size: "Nowhere"): ...
@hookimpl
def zpeer_tasks(): return {}
"""
WRAPPER = """from zpeer.hookspecs import hookimpl
@hookimpl(wrapper=True)
def zpeer_tasks():
    return (yield)
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a plugin file."""

    def write(text: str, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def rule(name: str = "mine", verification: str = "residual") -> str:
    return RULE.format(name=name, verification=verification)


def test_what_ships_comes_through_the_entry_point() -> None:
    plugins = load_plugins()
    shipped = {(plugin.kind, plugin.name) for plugin in plugins}
    assert {
        (Kind.AGGREGATOR, "centered_clip"),
        (Kind.AGGREGATOR, "mean"),
        (Kind.VALIDATOR_POLICY, "uniform"),
        (Kind.SYBIL_POLICY, "closed"),
        (Kind.TASK, "digits"),
        (Kind.TASK, "fashion_mnist"),
        (Kind.ATTACK, "sign_flip"),
    } <= shipped
    assert all("zpeer_plugins." in plugin.origin for plugin in plugins)


def test_a_single_file_is_a_plugin_and_gets_its_parameters(write: Callable[..., Path]) -> None:
    plugins = load_plugins([write(rule())])
    built = plugins.build(
        "aggregator", "mine", {"tau": 1, "names": ["x"], "where": "/tmp", "mode": "b"}
    )
    assert built.given == (1.0, ("x",), Path("/tmp"), "b", None)  # type: ignore[attr-defined]
    assert isinstance(built.given[0], float)  # type: ignore[attr-defined]


def test_parameters_are_written_out_with_their_defaults(write: Callable[..., Path]) -> None:
    plugins = load_plugins([write(rule())])
    assert plugins.normalise("aggregator", "mine", {"tau": 2}) == {
        "tau": 2.0,
        "names": [],
        "where": "/",
        "mode": "a",
    }


def test_everything_wrong_with_parameters_is_said_at_once(write: Callable[..., Path]) -> None:
    plugins = load_plugins([write(rule())])
    with pytest.raises(ConfigError) as caught:
        plugins.build("aggregator", "mine", {"tua": 1, "names": "x", "mode": "c", "count": True})
    assert str(caught.value).splitlines() == [
        "aggregator 'mine': count: found True, expected int | None",
        "aggregator 'mine': mode: found 'c', expected Literal['a', 'b']",
        "aggregator 'mine': names: found 'x', expected tuple[str, ...]",
        "aggregator 'mine': tau: missing; expected float",
        "aggregator 'mine': tua: unknown parameter; did you mean 'tau'?",
    ]


def test_an_infinite_parameter_passes(write: Callable[..., Path]) -> None:
    plugins = load_plugins([write(rule())])
    assert plugins.normalise("aggregator", "mine", {"tau": math.inf})["tau"] == math.inf


def test_a_name_given_twice_names_both_origins(write: Callable[..., Path]) -> None:
    paths = [write(rule(), "first.py"), write(rule(), "second.py")]
    with pytest.raises(PluginError, match=r"'mine' is given twice: by .*first\.py and by .*second"):
        load_plugins(paths)
    with pytest.raises(PluginError, match=r"'mean' is given twice: by zpeer .* and by .*mine\.py"):
        load_plugins([write(rule("mean"))])


def test_one_file_named_twice_is_one_plugin(write: Callable[..., Path]) -> None:
    path = write(rule())
    assert load_plugins([path, path.parent / "." / path.name]).find("aggregator", "mine")


def test_an_unknown_name_is_refused_with_what_may_be_meant() -> None:
    with pytest.raises(ConfigError, match="did you mean 'centered_clip'"):
        load_plugins().build("aggregator", "centred_clip", {})


def test_an_aggregator_without_residual_is_refused_because_audits_are_not_built(
    write: Callable[..., Path],
) -> None:
    audited = load_plugins([write(rule(verification="audit"))])
    with pytest.raises(PluginError, match="audits are not built yet"):
        audited.build("aggregator", "mine", {"tau": 1.0})
    other = load_plugins([write(rule(verification="trust"))])
    with pytest.raises(PluginError, match="verification is 'trust'"):
        other.build("aggregator", "mine", {"tau": 1.0})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\nraise RuntimeError('at import')\n", r"mine\.py:2: RuntimeError: at import"),
        ("x = 1\nimport nowhere_to_be_found\n", r"mine\.py:2: ModuleNotFoundError"),
        ("def f(:\n", r"mine\.py:1: SyntaxError"),
        ("def zpeer_tasks():\n    return {}\n", r"mine\.py: it has no hook"),
        (HOOK.format("1 / 0"), r"hook zpeer_tasks: .*mine\.py:5: ZeroDivisionError"),
        (HOOK.format("[1]"), "hook zpeer_tasks: returned list, expected a dict"),
        (HOOK.format("{'t': 1}"), "expected a name and a callable"),
        (HOOK.format("{'t': lambda size: None}"), "task 't': parameter size: no annotation"),
        (HOOK.format("{'t': many}"), r"task 't': parameter \*sizes"),
        (HOOK.format("{'t': vague}"), "annotation cannot be checked"),
        (HOOK.replace("tasks", "taks"), r"mine\.py: .*zpeer_taks.*expected one of"),
        (HOOK.replace("tasks()", "tasks(config)"), r"mine\.py: .*zpeer_tasks"),
        (WRAPPER, "may not wrap"),
    ],
)
def test_a_broken_plugin_is_named_with_what_is_wrong(
    write: Callable[..., Path], text: str, said: str
) -> None:
    path = write(text)
    with pytest.raises(PluginError, match=said):
        load_plugins([path])


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"none\.py: no such file"):
        load_plugins([tmp_path / "none.py"])


def test_an_object_that_lacks_a_method_is_refused(write: Callable[..., Path]) -> None:
    text = rule().replace("    def weight(self, norm, radius): return 1.0\n", "")
    plugins = load_plugins([write(text)])
    with pytest.raises(PluginError, match=r"aggregator 'mine' .* lacks weight"):
        plugins.build("aggregator", "mine", {"tau": 1.0})


def test_a_factory_that_raises_is_named_with_file_and_line(write: Callable[..., Path]) -> None:
    text = rule().replace("self.given = ", "raise ValueError('too small')\n        self.given = ")
    plugins = load_plugins([write(text)])
    with pytest.raises(PluginError, match=r"aggregator 'mine': .*mine\.py:\d+: ValueError: too sm"):
        plugins.build("aggregator", "mine", {"tau": 1.0})


def test_an_annotation_known_to_type_checkers_only_matters_not_on_the_return() -> None:
    def make(size: int = 1) -> Nowhere:  # type: ignore[name-defined]  # noqa: F821
        return size

    assert Factory("task 't'", make).resolve({"size": 2}) == {"size": 2}


def test_plugins_are_listed_with_kind_origin_parameters_and_summary(
    write: Callable[..., Path],
) -> None:
    out = StringIO()
    print_plugins(load_plugins([write(rule())]), Console(width=300, file=out))
    listed = out.getvalue()
    assert "tau: float" in listed
    assert "mode: Literal['a', 'b'] = 'a'" in listed
    assert "My own rule." in listed
    assert "mine.py" in listed
    assert "centered_clip" in listed


def test_there_is_a_hook_for_every_kind() -> None:
    assert set(HOOKS) == set(Kind)
    assert list(Plugins([])) == []
