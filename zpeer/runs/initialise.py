"""Makes runs: keys, run file, initial parameters and peer files, from a template.

    DIR/run.toml                 what all share; its digest is the run's id
    DIR/parameters.safetensors   x_0
    DIR/plugins/*.py             copies of the plugin files that the template names
    DIR/keys/NAME.key, NAME.pub  and
    DIR/peers/NAME.toml          of the peers on this machine (`init_local` only)
    DIR/state/NAME               what a peer writes, once it runs
    DIR/earlier/RUN              run file and state of a run whose keys were used again (`renew`)

The run file is the template's text with the missing keys added, its comments kept. It is written
last, and validated as it will be read.
"""

from __future__ import annotations

import secrets
import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field
from socket import AF_INET, SOCK_STREAM, socket
from typing import TYPE_CHECKING, Any, NamedTuple

import tomlkit
from msgspec.structs import asdict

from zpeer.compute.initial import write_initial
from zpeer.compute.trainer import Trainer, initial_parameters
from zpeer.errors import ConfigError
from zpeer.identity import keygen
from zpeer.ids import digest, number
from zpeer.plugins import Kind, Plugins, load_plugins
from zpeer.runs.config import RUN_FILE, RunFile, Template, load_template, parse
from zpeer.runs.documents import read_document, set_key, set_section, write_text
from zpeer.runs.measuring import PARAMETERS_FILE, measure_run
from zpeer.runs.peerfile import write_peer
from zpeer.runs.renewal import STATE, make_nonce
from zpeer.runs.settings import PEERS_LEAST
from zpeer.signed import PROTOCOL_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zpeer.identity import PublicIdentity

KEYS, PEERS, PLUGINS = "keys", "peers", "plugins"
LOOPBACK = "127.0.0.1"
PORTS = range(20_000, 32_768)
"""Below the ports that systems give to outgoing connections, so that none is taken meanwhile."""
EVALUATORS = 2
"""The first so many peers of a run on one machine evaluate: all have the same parameters, so the
others would only repeat it. One alone might leave.
"""
MADE_FROM = "# A run. `zpeer init` made it of this template:\n#\n"


@dataclass(frozen=True)
class Attackers:
    """The last `count` peers of a run attack together."""

    count: int = 0
    name: str = ""
    start: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)


class Member(NamedTuple):
    """A peer of a run to be."""

    identity: PublicIdentity
    address: str


def init_local(
    template: Path,
    directory: Path,
    peers: int,
    *,
    attackers: Attackers | None = None,
    changes: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    entropy: str | None = None,
) -> RunFile:
    """Make a run whose peers are all on this machine, with their keys and peer files.

    `changes`: values for keys of the template (`run.steps`); `settings`: for those of every peer
    file; `entropy`: any text that fixes the peers' secrets, for tests.
    """
    attackers = attackers or Attackers()
    if not peers >= PEERS_LEAST or not 0 <= attackers.count < peers:
        raise ConfigError(
            f"{peers} peers of which {attackers.count} attack; expected at least {PEERS_LEAST}, "
            "and one that does not"
        )
    make = Maker(template, directory, changes or {}, seed)
    names = [f"peer-{place}" for place in range(peers)]
    attacks = plan_attacks(make.plugins, names, attackers)
    make.measure([LOOPBACK] * peers)
    (directory / KEYS).mkdir()
    identities = [keygen(directory / KEYS / name, name).public for name in names]
    addresses = [f"{LOOPBACK}:{port}" for port in find_free_ports(peers)]
    members = [Member(*pair) for pair in zip(identities, addresses, strict=True)]
    (directory / PEERS).mkdir()
    for place, member in enumerate(members):
        name = member.identity.name
        own: dict[str, Any] = {} if place < EVALUATORS else {"evaluate": False}
        own |= settings or {}
        if entropy is not None:
            own["entropy"] = digest("zpeer/test", entropy.encode(), number(place)).hex()
        write_peer(
            directory / PEERS / f"{name}.toml",
            run=directory / RUN_FILE,
            key=directory / KEYS / f"{name}.key",
            bind=member.address,
            state=directory / STATE / name,
            settings=own | attacks.get(name, {}),
        )
    return make.write_run(members)


def init_shared(
    template: Path,
    directory: Path,
    members: Sequence[Member],
    *,
    changes: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> RunFile:
    """Make a run of people who do not trust each other, from their public identities.

    No private key is needed or made; everybody writes a peer file of their own (`write_peer`).
    """
    if len(members) < PEERS_LEAST:
        raise ConfigError(f"{len(members)} identities; a run needs at least {PEERS_LEAST} peers")
    make = Maker(template, directory, changes or {}, seed)
    make.measure([member.address.rpartition(":")[0] for member in members])
    return make.write_run(members)


class Maker:
    """A template, checked, and the directory in which it becomes a run."""

    def __init__(
        self, template: Path, directory: Path, changes: Mapping[str, Any], seed: int
    ) -> None:
        """Check everything that can be checked before anything is written."""
        checked = load_template(template)
        self.document = read_document(template)
        if changes:
            for key, value in changes.items():
                set_key(self.document, key, value)
            checked = parse(self.document.unwrap(), Template, template)
        self.template: Template = checked
        self.plugins = load_plugins(checked.plugin_paths)
        self.plugins.require_choices(checked)
        for kind, choice in checked.choices.items():
            built = self.plugins.choose(kind, choice)
            self.task: Any = built if kind == Kind.TASK else getattr(self, "task", None)
        self.directory = directory
        self.seed = seed

    def measure(self, hosts: Sequence[str]) -> None:
        """Build the model, measure, and make the directory: what is slow or fails comes first."""
        template = self.template
        self.parameters = initial_parameters(self.task, self.seed)
        trainer = Trainer(
            self.task,
            template.task.batch_size,
            gradient_clip=template.optimizer.gradient_clip,
            threads=template.reference.threads,
        )
        self.measured = measure_run(trainer, self.parameters, template, hosts)
        make_directory(self.directory)

    def write_run(self, members: Sequence[Member]) -> RunFile:
        """Write plugins, initial parameters and run file."""
        write_initial(self.directory / PARAMETERS_FILE, self.parameters)
        document = self.document
        set_section(document, "run", {"nonce": make_nonce(), "protocol": PROTOCOL_VERSION})
        for kind, choice in self.template.choices.items():
            known = self.plugins.normalise(kind, choice.name, choice.parameters)
            set_section(document, kind, {"name": choice.name, **known})
        for name, values in self.measured.items():
            set_section(document, name, values)
        copied = copy_plugins(self.template.plugin_paths, self.directory)
        if copied:
            document["plugins"] = copied
        entries = tomlkit.aot()
        for member in members:
            entries.append(tomlkit.item({**asdict(member.identity), "address": member.address}))
        document["peers"] = entries
        path = self.directory / RUN_FILE
        run = parse(document.unwrap(), RunFile, path)
        write_text(path, MADE_FROM + tomlkit.dumps(document))
        return run


def plan_attacks(
    plugins: Plugins, names: Sequence[str], attackers: Attackers
) -> dict[str, dict[str, Any]]:
    """The [attack] sections, by peer's name; ConfigError if there is no such attack."""
    if not attackers.count:
        return {}
    known = plugins.normalise(Kind.ATTACK, attackers.name, attackers.parameters)
    chosen = names[len(names) - attackers.count :]
    section = {"name": attackers.name, **known, "start": attackers.start}
    return {
        name: {"attack": {**section, "colluders": [other for other in chosen if other != name]}}
        for name in chosen
    }


def find_free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on."""
    ports: list[int] = []
    with ExitStack() as stack:
        for _ in range(50 * count):
            if len(ports) == count:
                break
            candidate = stack.enter_context(socket(AF_INET, SOCK_STREAM))
            port = PORTS[secrets.randbelow(len(PORTS))]
            try:
                candidate.bind((LOOPBACK, port))
            except OSError:
                continue
            ports.append(port)
    if len(ports) < count:
        raise ConfigError(f"found {len(ports)} free ports on {LOOPBACK}, expected {count}")
    return ports


def copy_plugins(paths: Sequence[Path], directory: Path) -> list[str]:
    """Copy plugin files into the run; their names relative to it."""
    for path in paths:
        (directory / PLUGINS).mkdir(exist_ok=True)
        target = directory / PLUGINS / path.name
        if target.exists():
            raise ConfigError(f"two plugin files are called {path.name}; rename one of them")
        shutil.copyfile(path, target)
    return [f"{PLUGINS}/{path.name}" for path in paths]


def make_directory(directory: Path) -> None:
    """The directory of a run, new or empty."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise ConfigError(f"{directory}: not empty; a run is made in a directory of its own")
    except OSError as problem:
        raise ConfigError(f"{directory}: cannot be made: {problem.strerror}") from None
