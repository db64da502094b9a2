"""Runs are made from templates, on one machine or of public identities."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.line import write_template
from zpeer.compute.initial import read_initial, write_initial
from zpeer.compute.trainer import make_trainer, require_reference
from zpeer.errors import ConfigError, PluginError, StartError
from zpeer.identity import keygen, load_private
from zpeer.ids import digest_bytes
from zpeer.numerics.dealing import to_bytes
from zpeer.plugins import load_plugins
from zpeer.runs import config
from zpeer.runs.documents import read_document, set_key
from zpeer.runs.initialise import Attackers, Member, init_local, init_shared
from zpeer.runs.measuring import choose_block, count_peers_per_core
from zpeer.runs.peerfile import join_run
from zpeer.runs.renewal import renew
from zpeer.runs.templates import find_template

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIG = Path(__file__).parents[2] / "config"
SMALL = {"run.steps": 3, "task.channels": 2, "task.batch_size": 4}


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return write_template(tmp_path)


def make(template: Path, directory: Path, **options: object) -> config.RunFile:
    return init_local(template, directory, 4, **options)  # type: ignore[arg-type]


def test_a_run_on_this_machine_has_keys_run_file_parameters_and_peer_files(tmp_path: Path) -> None:
    made = make(CONFIG / "digits.toml", tmp_path / "run", changes=SMALL)
    run = config.load_run(tmp_path / "run")
    assert run.id == made.id
    assert run.run.steps == 3
    assert run.task.parameters == {"channels": 2}
    assert [peer.name for peer in run.peers] == [f"peer-{place}" for place in range(4)]
    for peer in run.peers:
        own = config.load_peer(tmp_path / "run" / "peers" / f"{peer.name}.toml")
        assert config.load_run(own.run_path).id == run.id
        assert load_private(own.key_path).public == peer.identity
        assert stat.S_IMODE(own.key_path.stat().st_mode) == 0o600
        assert own.bind == peer.address
        assert own.entropy is None
    assert len({peer.address for peer in run.peers}) == 4


def test_what_a_run_states_of_itself_was_measured(tmp_path: Path) -> None:
    make(CONFIG / "digits.toml", tmp_path / "run", changes=SMALL)
    run = config.load_run(tmp_path / "run")
    parameters = read_initial(run)
    assert run.parameters.dimension == len(parameters)
    assert run.parameters.digest == digest_bytes(to_bytes(parameters)).hex()
    task = load_plugins().choose("task", run.task)
    require_reference(make_trainer(run, task), parameters, run.reference)  # type: ignore[arg-type]
    assert 0 < run.limits.typical_norm < 1
    assert run.reference.seconds > 0
    assert run.reference.peers_per_core == max(4 / (os.cpu_count() or 1), 1)


def test_defaults_of_plugins_are_written_out_and_comments_are_kept(
    template: Path, tmp_path: Path
) -> None:
    make(template, tmp_path / "run")
    text = (tmp_path / "run" / "run.toml").read_text()
    assert "# few" in text
    data = tomllib.loads(text)
    assert data["aggregator"] == {"name": "centered_clip", "tau": "auto", "multiple": 1.0}
    assert data["validator_policy"] == {"name": "uniform"}


def test_a_task_of_one_s_own_is_copied_into_the_run(template: Path, tmp_path: Path) -> None:
    make(template, tmp_path / "run")
    (tmp_path / "line.py").unlink()
    run = config.load_run(tmp_path / "run")
    assert run.plugins == ("plugins/line.py",)
    assert load_plugins(run.plugin_paths).choose("task", run.task)
    assert run.parameters.dimension == 500


def test_two_runs_never_have_one_id_but_one_seed_gives_the_same_parameters(
    template: Path, tmp_path: Path
) -> None:
    first, second = (make(template, tmp_path / name, seed=5) for name in ("a", "b"))
    other = make(template, tmp_path / "c", seed=6)
    assert first.id != second.id
    assert first.parameters.digest == second.parameters.digest != other.parameters.digest


def test_of_peers_on_one_machine_two_evaluate_unless_all_are_asked_to(
    template: Path, tmp_path: Path
) -> None:
    made, asked = tmp_path / "made", tmp_path / "asked"
    init_local(template, made, 4)
    init_local(template, asked, 4, settings={"evaluate": True})

    def say(directory: Path) -> list[bool]:
        return [config.load_peer(directory / f"peers/peer-{i}.toml").evaluate for i in range(4)]

    assert say(made) == [True, True, False, False]
    assert say(asked) == [True] * 4


def test_the_last_peers_attack_together(template: Path, tmp_path: Path) -> None:
    attackers = Attackers(2, "sign_flip", 7, {"scale": 5})
    make(template, tmp_path / "run", attackers=attackers, entropy="test")
    peers = [config.load_peer(tmp_path / f"run/peers/peer-{place}.toml") for place in range(4)]
    assert [peer.attack is None for peer in peers] == [True, True, False, False]
    attack = peers[2].attack
    assert attack is not None
    assert (attack.name, attack.start, attack.colluders) == ("sign_flip", 7, ("peer-3",))
    assert attack.parameters["scale"] == 5.0
    assert len({peer.entropy for peer in peers} - {None}) == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"attackers": Attackers(2, "sing_flip")}, "did you mean 'sign_flip'"),
        ({"attackers": Attackers(1, "sign_flip", 0, {"size": 1})}, "size: unknown parameter"),
        ({"attackers": Attackers(4, "sign_flip")}, "expected at least 3, and one that does not"),
        ({"changes": {"run.stpes": 3}}, "run.stpes: unknown key; did you mean 'steps'"),
        ({"changes": {"aggregator.tua": 3}}, "tua: unknown parameter; did you mean 'tau'"),
        ({"changes": {"steps": 3}}, "expected a key as section.key"),
        (
            {"changes": {"run.protection": "none", "run.agreement": "full"}},
            'run.agreement: found "full" with run.protection = "none"',
        ),
        ({"settings": {"recrod": "full"}}, "recrod: unknown key; did you mean 'record'"),
    ],
)
def test_what_cannot_be_made_is_refused(
    template: Path, tmp_path: Path, options: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        make(template, tmp_path / "run", **options)
    assert not (tmp_path / "run" / "run.toml").exists()


def test_an_aggregator_that_asks_for_audits_makes_no_run(template: Path, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="audits are not built yet"):
        make(template, tmp_path / "run", changes={"aggregator.name": "coordinate_median"})
    assert not (tmp_path / "run").exists()


def test_a_directory_that_holds_something_is_not_touched(template: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not empty"):
        make(template, tmp_path)
    assert not (tmp_path / "keys").exists()


# --- of several owners ----------------------------------------------------------------------------


def members(directory: Path, names: Sequence[str]) -> list[Member]:
    directory.mkdir()
    return [
        Member(keygen(directory / name, name).public, f"{name}.example.org:4000") for name in names
    ]


def test_a_run_of_several_owners_is_made_of_public_identities_alone(
    template: Path, tmp_path: Path
) -> None:
    chosen = members(tmp_path / "keys", ["ann", "bob", "cat"])
    run = init_shared(template, tmp_path / "run", chosen)
    assert run.peer_ids == tuple(member.identity.peer for member in chosen)
    assert not list((tmp_path / "run").rglob("*.key"))
    peer = join_run(
        tmp_path / "run" / "run.toml",
        tmp_path / "keys" / "ann.key",
        tmp_path / "ann.toml",
        bind="0.0.0.0:4000",
    )
    assert config.load_run(peer.run_path).id == run.id
    assert load_private(peer.key_path).peer == chosen[0].identity.peer
    assert peer.bind == "0.0.0.0:4000"
    listens = join_run(tmp_path / "run", tmp_path / "keys" / "bob.key", tmp_path / "bob.toml")
    assert listens.bind == "bob.example.org:4000"


def test_a_key_that_is_not_in_the_run_cannot_join(template: Path, tmp_path: Path) -> None:
    chosen = members(tmp_path / "keys", ["ann", "bob", "cat", "dan"])
    init_shared(template, tmp_path / "run", chosen[:3])
    with pytest.raises(ConfigError, match="whose peers are ann, bob, cat"):
        join_run(tmp_path / "run", tmp_path / "keys" / "dan.key", tmp_path / "dan.toml")


def test_two_identities_are_no_run(template: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 3"):
        init_shared(template, tmp_path / "run", members(tmp_path / "keys", ["ann", "bob"]))


# --- a run once more ------------------------------------------------------------------------------


def test_a_renewed_run_has_a_new_id_and_the_former_one_stays_whole(
    template: Path, tmp_path: Path
) -> None:
    home = tmp_path / "run"
    before = make(template, home)
    (home / "state" / "peer-0").mkdir(parents=True)
    (home / "state" / "peer-0" / "x.evidence").write_text("proof")
    after = renew(home)
    assert after.id != before.id
    assert config.load_run(home).id == after.id
    assert not (home / "state").exists()
    (former,) = (home / "earlier").iterdir()
    archived = config.load_run(former)
    assert archived.id == before.id
    assert read_initial(archived).shape == (500,)
    assert load_plugins(archived.plugin_paths).choose("task", archived.task)
    assert (former / "state" / "peer-0" / "x.evidence").read_text() == "proof"
    mine, theirs = before.sections(), after.sections()
    assert [name for name in mine if mine[name] != theirs[name]] == ["run.nonce"]


def test_a_whole_number_does_for_a_float(template: Path, tmp_path: Path) -> None:
    run = make(template, tmp_path / "run", changes={"optimizer.learning_rate": 1})
    text = (tmp_path / "run" / "run.toml").read_text()
    (tmp_path / "run" / "run.toml").write_text(
        text.replace("learning_rate = 1\n", "learning_rate = 1.0\n")
    )
    assert config.load_run(tmp_path / "run").id == run.id


def test_a_run_that_never_ran_leaves_nothing_behind(template: Path, tmp_path: Path) -> None:
    before = make(template, tmp_path / "run")
    assert renew(tmp_path / "run").id != before.id
    assert not (tmp_path / "run" / "earlier").exists()


# --- initial parameters ---------------------------------------------------------------------------


def test_parameters_that_are_not_the_run_s_are_refused(template: Path, tmp_path: Path) -> None:
    run = make(template, tmp_path / "run")
    good = read_initial(run)
    write_initial(run.parameters_path, good * 2)
    with pytest.raises(StartError, match=r"digest .*, but run\.toml names"):
        read_initial(run)
    write_initial(run.parameters_path, good[1:])
    with pytest.raises(StartError, match="expected 'parameters' of 500 float32"):
        read_initial(run)
    run.parameters_path.write_bytes(b"nothing")
    with pytest.raises(StartError, match="cannot be read"):
        read_initial(run)
    run.parameters_path.unlink()
    with pytest.raises(StartError, match="cannot be read"):
        read_initial(run)


@pytest.mark.parametrize(
    ("dimension", "workers", "block"),
    [(650, 7, 16), (6090, 7, 16), (28_938, 7, 128), (11_173_962, 15, 16_384), (10**9, 3, 65_536)],
)
def test_blocks_are_powers_of_two_that_give_every_part_tens_of_them(
    dimension: int, workers: int, block: int
) -> None:
    assert choose_block(dimension, workers) == block


@pytest.mark.parametrize(
    ("hosts", "cores", "expected"),
    [
        (["127.0.0.1"] * 16, 4, 4.0),
        (["127.0.0.1"] * 3, 8, 1.0),
        (["a.org", "b.org", "c.org"], 1, 1.0),
        (["a.org", "b.org", "a.org", "b.org", "a.org"], 2, 1.5),
    ],
)
def test_peers_share_a_core_where_several_are_on_one_host(
    hosts: list[str], cores: int, expected: float
) -> None:
    assert count_peers_per_core(hosts, cores) == expected


def test_peers_of_several_owners_have_a_core_each(template: Path, tmp_path: Path) -> None:
    run = init_shared(template, tmp_path / "run", members(tmp_path / "keys", ["ann", "bob", "cat"]))
    assert run.reference.peers_per_core == 1


@pytest.mark.parametrize("name", ["digits", "fashion_mnist"])
def test_a_template_that_ships_makes_runs_without_protection_too(name: str) -> None:
    document = read_document(find_template(name))
    set_key(document, "run.protection", "none")
    made = config.parse(document.unwrap(), config.Template, Path("t.toml"))
    assert made.run.agreement == "stop"
