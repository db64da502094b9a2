"""The hook reference and the config reference say what is, with exact names."""

from __future__ import annotations

import inspect
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zpeer import hookspecs, interfaces
from zpeer.attacker import HonestAttack
from zpeer.compute.trainer import Trainer, initial_parameters
from zpeer.conduct import After
from zpeer.effects import SendPart
from zpeer.ids import NOTHING, PeerId, digest, number
from zpeer.plugins import HOOKS, Plugin, load_plugins
from zpeer.runs.config import PeerFile, RunFile, Template, load_template
from zpeer.validation import model_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import BaseModel

ROOT = Path(__file__).parents[1]
REFERENCE = (ROOT / "plugins" / "README.md").read_text()
KEYS = (ROOT / "config" / "README.md").read_text()
TEMPLATE = (ROOT / "config" / "digits.toml").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", REFERENCE, flags=re.DOTALL)
KINDS: dict[type, str] = {
    interfaces.Aggregator: "Aggregator",
    interfaces.ValidatorPolicy: "ValidatorPolicy",
    interfaces.SybilPolicy: "SybilPolicy",
    interfaces.Task: "Task",
    interfaces.Attack: "Attack",
}


def signature_of(function: Callable[..., object]) -> str:
    """As it stands in the source, without self."""
    found = inspect.signature(function)
    named = [each for each in found.parameters.values() if each.name != "self"]
    return f"{function.__name__}{found.replace(parameters=named)}".replace("'", "")


def public(kind: type) -> dict[str, Any]:
    return {name: each for name, each in vars(kind).items() if not name.startswith("_")}


def section(text: str, title: str) -> str:
    """A section of Markdown, to the next heading of its level."""
    return re.split(r"\n## ", text.partition(f"\n## {title}\n")[2])[0]


# --- the hook reference ---------------------------------------------------------------------------


def test_every_hook_of_the_specification_has_a_kind() -> None:
    specified = {name for name in vars(hookspecs) if name.startswith("zpeer_")}
    assert specified == set(HOOKS.values())


@pytest.mark.parametrize("hook", HOOKS.values())
def test_every_hook_has_a_heading_with_its_exact_signature(hook: str) -> None:
    assert f"\n### `{signature_of(getattr(hookspecs, hook))}`\n" in REFERENCE


def test_no_heading_names_a_hook_that_is_not_there() -> None:
    assert set(re.findall(r"### `(zpeer_\w+)", REFERENCE)) == set(HOOKS.values())


@pytest.mark.parametrize("kind", KINDS, ids=KINDS.values())
def test_every_method_of_an_interface_has_a_heading_with_its_exact_signature(kind: type) -> None:
    text = section(REFERENCE, KINDS[kind])
    methods = {name: each for name, each in public(kind).items() if inspect.isfunction(each)}
    for method in methods.values():
        assert f"\n#### `{signature_of(method)}`\n" in text
    headings = set(re.findall(r"\n#### `(\w+)\(", text))
    assert headings == set(methods)


def test_what_an_attack_knows_is_listed_in_full() -> None:
    text = section(REFERENCE, "Attack")
    context = interfaces.AttackContext
    for name in {**inspect.get_annotations(context), **public(context)}:
        assert f"`{name}`" in text, name


def test_every_link_leads_somewhere() -> None:
    for base, text in ((ROOT / "plugins", REFERENCE), (ROOT / "config", KEYS)):
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            assert (base / link).exists(), link
    anchors = {title.lower() for title in re.findall(r"\n## (\w+)\n", REFERENCE)}
    assert set(re.findall(r"\]\(#(\w+)\)", REFERENCE)) <= anchors


def test_every_shipped_aggregator_policy_and_task_is_named() -> None:
    for plugin in load_plugins():
        if plugin.kind != "attack" and "zpeer_plugins" in plugin.origin:
            assert re.search(rf"[\[`]{plugin.name}[\]`]", REFERENCE), plugin.name


def test_every_shipped_attack_is_in_the_table_and_no_other() -> None:
    shipped = {path.stem for path in (ROOT / "plugins" / "attacks").glob("[a-z]*.py")}
    assert set(re.findall(r"\n\| \[(\w+)\]\(attacks/\1\.py\) \|", REFERENCE)) == shipped


# --- its examples ---------------------------------------------------------------------------------


@cache
def read_rows() -> Any:
    """Six rows, one of them far away."""
    rows = np.sin(np.arange(6 * 40, dtype=np.float32)).reshape(6, 40)
    rows[5] *= 1000
    return rows


def exercise_aggregator(built: Any) -> None:
    rows, radius = read_rows(), built.radius(0.7) * 40**0.5
    result = built.aggregate(rows, radius)
    assert result.shape == (40,)
    assert result.dtype == np.float32
    norms = np.linalg.norm(rows - result, axis=1)
    weights = np.array([built.weight(float(each), radius) for each in norms])
    assert (weights * norms <= radius * (1 + 1e-6)).all()
    force = (weights * norms).sum()
    assert np.linalg.norm(weights @ (rows - result)) < 1e-3 * force


def exercise_policy(built: Any) -> None:
    peers = [PeerId(digest("test", number(place))) for place in range(5)]
    for draw in (built.validators, built.targets):
        everybody = draw(NOTHING, peers, 5)
        assert sorted(everybody) == sorted(peers)
        assert draw(NOTHING, peers, 2) == everybody[:2]
        assert draw(NOTHING, peers[::-1], 5) == everybody


def exercise_sybil(built: Any) -> None:
    assert isinstance(built.admits(PeerId(NOTHING), 3), bool)


def exercise_task(built: Any) -> None:
    x, trainer = initial_parameters(built, 1), Trainer(built, 64)
    before = trainer.evaluate(x)
    for place in range(50):
        gradient, _ = trainer.gradient(x, digest("test", number(place)))
        x = x - np.float32(0.1) * gradient
    after = trainer.evaluate(x)
    assert after["loss"] < before["loss"] / 2
    flipped, _ = trainer.gradient(x, NOTHING, trainer.flip_labels)
    assert not np.array_equal(flipped, trainer.gradient(x, NOTHING)[0])


class Context:
    """What the example of an attack asks for."""

    step = 3

    @staticmethod
    def shared_vector(label: str) -> Any:
        assert label == "noise 3"
        return np.ones(5, np.float32)


def exercise_attack(built: Any) -> None:
    assert isinstance(built, HonestAttack)
    context: Any = Context()
    gradient = built.gradient(context, np.zeros(5, np.float32))
    assert gradient.dtype == np.float32
    assert gradient.tolist() == [10.0] * 5
    sent = SendPart(NOTHING, 0, PeerId(NOTHING))
    assert built.effects(context, [sent]) == [After(2.0, sent)]


EXERCISES = {
    "aggregator": exercise_aggregator,
    "validator_policy": exercise_policy,
    "sybil_policy": exercise_sybil,
    "task": exercise_task,
    "attack": exercise_attack,
}


def test_there_is_an_example_of_every_kind() -> None:
    hooks = [hook for text in EXAMPLES for hook in re.findall(r"def (zpeer_\w+)", text)]
    assert sorted(hooks) == sorted(HOOKS.values())


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: text[3:20].partition(".")[0])
def test_every_example_is_a_plugin_that_works(text: str, tmp_path: Path) -> None:
    path = tmp_path / re.match(r'"""(\w+\.py): ', text)[1]  # type: ignore[index]
    path.write_text(text)
    plugins = load_plugins([path])
    (mine,) = [plugin for plugin in plugins if plugin.origin == str(path)]
    EXERCISES[mine.kind](plugins.build(mine.kind, mine.name, {}))
    assert_config_fits(plugins.find(mine.kind, mine.name))


def assert_config_fits(plugin: Plugin) -> None:
    """A section of the reference that names the plugin has keys that it takes."""
    for text in re.findall(r"```toml\n(.*?)```", REFERENCE, flags=re.DOTALL):
        if f'name = "{plugin.name}"' in text:
            keys = re.findall(
                r"^(\w+) =", text.partition(f"[{plugin.kind}]")[2], flags=re.MULTILINE
            )
            assert set(keys) <= {"name", "start", "colluders", *plugin.factory.parameters}


# --- config keys ----------------------------------------------------------------------------------


def keys_of(model: type[BaseModel]) -> Iterator[str]:
    """`run.steps`, `plugins`."""
    for name, field in model.model_fields.items():
        inner = model_of(field.annotation)
        if inner is None:
            yield name
        else:
            yield from (f"{name}.{key}" for key in inner.model_fields)


def keys_in_template() -> Iterator[str]:
    """Keys of config/digits.toml, commented out or not, each with a comment above its group."""
    current = ""
    for line in TEMPLATE.splitlines():
        head = re.match(r"\[(\w+)\]$", line)
        key = re.match(r"(?:# )?(\w+) = ", line)
        if head:
            current = f"{head[1]}."
        elif key:
            yield current + key[1]


@pytest.mark.parametrize("key", sorted(keys_of(Template)))
def test_every_key_of_a_template_stands_in_the_template_of_digits(key: str) -> None:
    assert key in set(keys_in_template())


def test_the_template_of_digits_is_valid_with_every_key_in_force(tmp_path: Path) -> None:
    path = tmp_path / "all.toml"
    path.write_text(re.sub(r"^# (\w+ = )", r"\1", TEMPLATE, flags=re.MULTILINE))
    whole, plain = load_template(path), load_template(ROOT / "config" / "digits.toml")
    assert whole.limits.block == 16
    assert whole.optimizer == plain.optimizer, "a key that is commented out shows its default"


@pytest.mark.parametrize("key", sorted(set(keys_of(RunFile)) - set(keys_of(Template))))
def test_every_other_key_of_a_run_file_is_documented(key: str) -> None:
    assert f"| `{key}` |" in section(KEYS, "Run file")


@pytest.mark.parametrize("key", sorted(keys_of(PeerFile)))
def test_every_key_of_a_peer_file_is_documented(key: str) -> None:
    assert f"| `{key}` |" in section(KEYS, "Peer file")


def test_no_key_is_documented_that_is_not_there() -> None:
    known = {*keys_of(RunFile), *keys_of(PeerFile)}
    assert set(re.findall(r"^\| `([\w.]+)` \|", KEYS, flags=re.MULTILINE)) <= known
    mine = {key for key in keys_in_template() if not key.startswith(("task.", "aggregator."))}
    assert mine <= set(keys_of(Template))


@pytest.mark.parametrize(
    "key", ["agreement", "patience", "protection", "charges_max", "gradient_clip"]
)
def test_a_comment_stands_above_a_key(key: str) -> None:
    assert re.search(rf"^# .*\n(# )?{key} = ", TEMPLATE, flags=re.MULTILINE)
