"""Run file, template and peer file: what is refused and how it is said, and what the id covers."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tomlkit

from zpeer.errors import ConfigError
from zpeer.genesis import Agreement
from zpeer.identity import Identity
from zpeer.ids import digest, number
from zpeer.runs import config
from zpeer.signed import PROTOCOL_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

DIGEST = "ab" * 32


def make_peer(place: int) -> dict[str, Any]:
    public = Identity.generate(f"peer-{place}", digest("test", number(place)) * 2).public
    return {
        "name": public.name,
        "ecdsa": public.ecdsa,
        "curve": public.curve,
        "signature": public.signature,
        "address": f"127.0.0.1:{4000 + place}",
    }


@pytest.fixture(scope="module")
def peers() -> list[dict[str, Any]]:
    return [make_peer(place) for place in range(4)]


@pytest.fixture
def data(peers: list[dict[str, Any]]) -> dict[str, Any]:
    """A run file as TOML gives it."""
    return {
        "run": {"name": "test", "nonce": DIGEST, "protocol": PROTOCOL_VERSION, "steps": 10},
        "task": {"name": "digits", "batch_size": 8, "channels": 4},
        "optimizer": {"kind": "sgd", "learning_rate": 0.1},
        "aggregator": {"name": "centered_clip", "tau": 1.0},
        "limits": {"typical_norm": 0.1, "block": 16},
        "reference": {
            "torch": "2.6.0",
            "instruction_set": "AVX2",
            "gradient": DIGEST,
            "seconds": 0.5,
            "peers_per_core": 2.0,
        },
        "parameters": {"dimension": 100, "digest": DIGEST, "file": "x.safetensors"},
        "peers": [dict(peer) for peer in peers],
    }


def parse(data: dict[str, Any]) -> config.RunFile:
    return config.parse(data, config.RunFile, Path("here/run.toml"))


def refused(data: dict[str, Any], kind: type[config.File] = config.RunFile) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config.parse(data, kind, Path("here/run.toml"))
    return str(caught.value).splitlines()


def test_a_run_file_is_read_and_defaults_are_filled_in(data: dict[str, Any]) -> None:
    run = parse(data)
    assert run.run.patience == 10
    assert run.run.agreement == "full"
    assert run.validator_policy.name == "uniform"
    assert run.aggregator.parameters == {"tau": 1.0}
    assert run.parameters_path == Path("here/x.safetensors")


def test_every_error_is_said_at_once_with_file_key_found_and_expected(data: dict[str, Any]) -> None:
    del data["run"]["steps"]
    data["run"]["pateince"] = 20.0
    data["task"]["batch_size"] = "8"
    data["limits"]["block"] = 0
    data["peers"][2]["address"] = "nowhere"
    lines = refused(data)
    assert all(line.startswith("here/run.toml: ") for line in lines)
    text = "\n".join(lines)
    assert "run.steps: missing" in text
    assert "run.pateince: unknown key; did you mean 'patience'?" in text
    assert "task.batch_size: found '8', expected a valid integer" in text
    assert "limits.block: found 0, expected greater than or equal to 1" in text
    assert "peers[2].address: found 'nowhere', expected host:port" in text
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["run"].update(agreement="slow_path"), "run.agreement"),
        (lambda d: d["run"].update(patience=0.5), "run.patience: found 0.5, expected greater"),
        (lambda d: d["run"].update(charges_max=-1), "run.charges_max"),
        (lambda d: d["run"].update(charges_max=101), "run.charges_max"),
        (lambda d: d["run"].update(charge_lifetime=0), "run.charge_lifetime"),
        (lambda d: d["reference"].update(peers_per_core=0.5), "reference.peers_per_core"),
        (lambda d: d["reference"].pop("peers_per_core"), "reference.peers_per_core: missing"),
        (lambda d: d["run"].update(protection="half"), "run.protection"),
        (lambda d: d["run"].update(protocol=PROTOCOL_VERSION + 1), "run.protocol"),
        (lambda d: d["run"].update(nonce="AB" * 32), "run.nonce"),
        (lambda d: d["run"].update(steps=True), "run.steps"),
        (lambda d: d["run"].update(name="../up"), "run.name"),
        (lambda d: d["optimizer"].update(learning_rate=math.nan), "optimizer.learning_rate"),
        (lambda d: d["optimizer"].update(nesterov=True), "optimizer.nesterov"),
        (lambda d: d["optimizer"].update(warmup=10), "optimizer.warmup"),
        (lambda d: d["optimizer"].update(kind="lion"), "optimizer.kind"),
        (lambda d: d["aggregator"].pop("name"), "aggregator.name"),
        (lambda d: d["aggregator"].update(tau={"a": 1}), "aggregator.tau"),
        (lambda d: d["peers"].pop() and d["peers"].pop(), "peers"),
        (lambda d: d["peers"][1].update(name="peer-0"), "peers: two have the name"),
        (lambda d: d["peers"][1].update(address="127.0.0.1:4000"), "two have the address"),
        (lambda d: d["peers"][1].update(address="127.0.0.1:70000"), "peers[1].address"),
        (lambda d: d["peers"][1].update(curve=d["peers"][0]["curve"]), "peers[1]"),
        (lambda d: d["peers"][1].update(ecdsa="02" * 33), "peers[1]"),
        (lambda d: d.update(extra={}), "extra: unknown key"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(
    data: dict[str, Any], change: Callable[[dict[str, Any]], object], said: str
) -> None:
    change(data)
    assert any(said in line for line in refused(data)), refused(data)


@pytest.mark.parametrize("protection", ["clip", "none"])
def test_a_run_without_protection_stops_at_a_missed_deadline_and_refuses_to_agree(
    data: dict[str, Any], protection: str
) -> None:
    data["run"]["protection"] = protection
    run = parse(data)
    assert run.run.agreement is Agreement.STOP
    assert config.genesis(run).agreement is Agreement.STOP
    data["run"]["agreement"] = "stop"
    assert parse(data).id == run.id
    data["run"]["agreement"] = "full"
    (line,) = refused(data)
    assert line.startswith(
        f'here/run.toml: run.agreement: found "full" with run.protection = "{protection}", expected'
        ' "stop"'
    )


def test_a_wrong_protection_is_said_alone(data: dict[str, Any]) -> None:
    different: tuple[object, ...] = ("half", 3, [], {})
    for wrong in different:
        data["run"]["protection"] = wrong
        (line,) = refused(data)
        assert "run.protection: found" in line


def test_a_protected_run_may_stop_at_a_missed_deadline_too(data: dict[str, Any]) -> None:
    before = parse(data)
    data["run"]["agreement"] = "stop"
    after = parse(data)
    assert config.genesis(after).agreement is Agreement.STOP
    assert after.id != before.id


def test_order_comments_defaults_and_numbers_alike_do_not_change_the_id(
    data: dict[str, Any], tmp_path: Path
) -> None:
    plain = tmp_path / "plain.toml"
    plain.write_text(tomlkit.dumps(data))
    reordered = {key: data[key] for key in reversed(list(data))}
    reordered["run"] = {**data["run"], "patience": 10.0, "protection": "full"}
    reordered["reference"] = {**data["reference"], "threads": 1}
    other = tmp_path / "other.toml"
    other.write_text("# a comment\n" + tomlkit.dumps(reordered))
    assert config.load_run(plain).id == config.load_run(other).id


def test_addresses_and_paths_do_not_change_the_id(data: dict[str, Any]) -> None:
    before = parse(data).id
    data["peers"][0]["address"] = "elsewhere.example:9"
    data["parameters"]["file"] = "moved.safetensors"
    data["plugins"] = ["mine.py"]
    data["task"]["directory"] = "/data"
    assert parse(data).id == before


CHANGES = [
    ("run", "name", "other"),
    ("run", "nonce", "cd" * 32),
    ("run", "steps", 11),
    ("run", "validators", 2),
    ("run", "patience", 11.0),
    ("run", "agreement", "stop"),
    ("run", "charges_max", 4),
    ("run", "charge_lifetime", 10),
    ("run", "evaluate_every", 3),
    ("task", "name", "other"),
    ("task", "batch_size", 9),
    ("task", "channels", 5),
    ("optimizer", "kind", "adam"),
    ("optimizer", "learning_rate", 0.2),
    ("optimizer", "schedule", "cosine"),
    ("optimizer", "warmup", 1),
    ("optimizer", "momentum", 0.5),
    ("optimizer", "weight_decay", 0.1),
    ("optimizer", "beta1", 0.8),
    ("optimizer", "beta2", 0.9),
    ("optimizer", "epsilon", 1e-6),
    ("optimizer", "gradient_clip", 1.0),
    ("aggregator", "name", "mean"),
    ("aggregator", "tau", 2.0),
    ("validator_policy", "name", "other"),
    ("sybil_policy", "name", "other"),
    ("limits", "typical_norm", 0.2),
    ("limits", "delta_multiple", 5.0),
    ("limits", "typical_growth", 0.02),
    ("limits", "typical_window", 51),
    ("limits", "block", 32),
    ("limits", "directions", 5),
    ("reference", "threads", 2),
    ("reference", "torch", "2.7.0"),
    ("reference", "instruction_set", "AVX512"),
    ("reference", "gradient", "cd" * 32),
    ("reference", "seconds", 0.6),
    ("reference", "peers_per_core", 3.0),
    ("parameters", "dimension", 101),
    ("parameters", "digest", "cd" * 32),
]


@pytest.mark.parametrize(("section", "key", "value"), CHANGES)
def test_every_shared_key_changes_the_id_and_is_named_as_what_differs(
    data: dict[str, Any], section: str, key: str, value: object
) -> None:
    before = parse(data)
    data.setdefault(section, {})[key] = value
    after = parse(data)
    assert after.id != before.id
    mine, theirs = before.sections(), after.sections()
    assert [name for name in mine if theirs.get(name) != mine[name]] == [f"{section}.{key}"]


def test_protection_changes_the_id_and_what_follows_from_it(data: dict[str, Any]) -> None:
    before = parse(data)
    data["run"]["protection"] = "clip"
    after = parse(data)
    assert after.id != before.id
    mine, theirs = before.sections(), after.sections()
    changed = [name for name in mine if theirs[name] != mine[name]]
    assert changed == ["run.agreement", "run.protection"]


def test_the_peers_and_their_order_belong_to_the_id(data: dict[str, Any]) -> None:
    before = parse(data)
    data["peers"].reverse()
    after = parse(data)
    assert after.id != before.id
    mine, theirs = before.sections(), after.sections()
    assert [name for name in mine if theirs[name] != mine[name]] == ["peers"]


def test_a_run_of_many_keys_still_fits_a_greeting_by_section(data: dict[str, Any]) -> None:
    data["task"] |= {f"key{place}": place for place in range(40)}
    before = parse(data)
    assert len(before.sections()) <= config.KEYS_MAX
    data["task"]["key7"] = 0
    after = parse(data).sections()
    assert [n for n, d in before.sections().items() if after[n] != d] == ["task"]


def test_the_genesis_is_what_the_core_needs_of_a_run(data: dict[str, Any]) -> None:
    run = parse(data)
    genesis = config.genesis(run)
    assert genesis.run == run.id
    assert genesis.names == ("peer-0", "peer-1", "peer-2", "peer-3")
    assert genesis.peers == run.peer_ids
    assert (genesis.dimension, genesis.block, genesis.steps) == (100, 16, 10)
    assert genesis.parameters.hex() == DIGEST


def test_all_peers_compute_deadlines_from_the_run_file_alone(data: dict[str, Any]) -> None:
    data["run"] |= {"patience": 1.5, "charges_max": 2, "charge_lifetime": 7}
    genesis = config.genesis(parse(data))
    assert genesis.patience == 1.5
    assert genesis.delta == 0.25
    assert genesis.work == 10 * 0.5 * 2.0
    assert (genesis.charges_max, genesis.charge_lifetime) == (2, 7)
    assert genesis.agreement is Agreement.FULL


def test_a_file_that_is_missing_or_no_toml_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        config.load_run(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[run\n")
    with pytest.raises(ConfigError, match=r"broken\.toml: not valid TOML"):
        config.load_run(broken)
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not valid TOML"):
        config.load_run(broken)


@pytest.mark.parametrize("endless", ["[" * 4000, "{a=" * 2000, "9" * 5000])
def test_a_file_of_brackets_or_digits_without_end_is_no_toml(endless: str, tmp_path: Path) -> None:
    file = tmp_path / "endless.toml"
    file.write_text(f"x = {endless}")
    with pytest.raises(ConfigError, match=r"endless\.toml: not valid TOML"):
        config.load_peer(file)


def test_paths_of_a_peer_file_are_relative_to_it(tmp_path: Path) -> None:
    file = tmp_path / "me.toml"
    file.write_text(
        'run = "run.toml"\nkey = "../me.key"\nbind = "0.0.0.0:4000"\nstate = "s"\n'
        'plugins = ["a.py"]\n[attack]\nname = "sign_flip"\nscale = 2.0\nstart = 3\n'
        'colluders = ["peer-1"]\n'
    )
    peer = config.load_peer(file)
    assert peer.run_path == tmp_path / "run.toml"
    assert peer.key_path == tmp_path / "../me.key"
    assert peer.state_path == tmp_path / "s"
    assert peer.plugin_paths == (tmp_path / "a.py",)
    assert peer.attack is not None
    assert peer.attack.parameters == {"scale": 2.0}
    assert peer.attack.colluders == ("peer-1",)


PEER = {"run": "run.toml", "key": "me.key", "bind": "0.0.0.0:4000", "state": "s"}


def test_a_peer_file_may_say_where_others_reach_both_its_ports(tmp_path: Path) -> None:
    ports = {"bulk_port": 4001, "advertise_bulk_port": 5001}
    peer = config.parse(PEER | ports | {"advertise": "example.org:5000"}, config.PeerFile, tmp_path)
    assert (peer.advertise, peer.bulk_port, peer.advertise_bulk_port) == (
        "example.org:5000",
        4001,
        5001,
    )


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"advertise": "example.org:0"}, "advertise: found 'example.org:0', expected host:port"),
        ({"advertise": "rubbish"}, "advertise: found 'rubbish', expected host:port"),
        ({"advertise": "0.0.0.0:4000"}, "advertise: .* a machine that others can reach"),
        ({"advertise": "*:4000"}, "advertise: found"),
        ({"bulk_port": 0}, "bulk_port: .*1"),
        ({"bulk_port": 65536}, "bulk_port: .*65535"),
        ({"bulk_port": 4000}, "bulk_port: found 4000, expected another than that of bind"),
        ({"advertise_bulk_port": 5001}, "advertise_bulk_port: found without bulk_port"),
    ],
)
def test_an_address_for_others_that_they_cannot_use_is_refused(
    keys: dict[str, Any], text: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=text):
        config.parse(PEER | keys, config.PeerFile, tmp_path)


def test_the_value_of_a_secret_is_not_repeated_in_an_error() -> None:
    wrong = {"run": "r", "key": "k", "bind": "h:1", "state": "s", "entropy": 123456}
    text = "\n".join(refused(wrong, config.PeerFile))
    assert "entropy" in text
    assert "123456" not in text


def test_a_plugin_may_take_infinity_but_nothing_else_may(data: dict[str, Any]) -> None:
    data["aggregator"]["tau"] = math.inf
    assert parse(data).aggregator.parameters["tau"] == math.inf
    data["limits"]["typical_norm"] = math.inf
    assert any("limits.typical_norm" in line for line in refused(data))


@pytest.mark.parametrize("name", ["digits", "fashion_mnist"])
def test_templates_are_valid(name: str) -> None:
    path = Path(__file__).parents[2] / "config" / f"{name}.toml"
    template = config.load_template(path)
    assert template.run.name == name
    with path.open("rb") as file:
        assert "nonce" not in tomllib.load(file)["run"]
