"""Run file, template and peer file: read, validated, digested.

A *run file* is the genesis, what all share. Its digest is the run's id: it covers every key as
validated and with defaults filled in, in canonical form, except addresses and paths; comments and
order do not matter. Of a plugin it covers name and parameters, not the code: two files that differ
in a comment compute alike, and equal files may import different ones. What plugins compute is held
by the protocol itself; a log names the digests of the plugin files used.

A *template* is a run file without peers, nonce and what is measured. A *peer file* is local.
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from zpeer.errors import ConfigError
from zpeer.genesis import Genesis
from zpeer.ids import Digest, PeerId, digest
from zpeer.runs.settings import (
    PEERS_LEAST,
    Address,
    AttackChoice,
    Choice,
    Hex32,
    LimitKeys,
    LimitSection,
    OptimizerSection,
    ParameterSection,
    PeerEntry,
    Port,
    Positive,
    Reachable,
    ReferenceKeys,
    ReferenceSection,
    RunKeys,
    RunSection,
    Section,
    TaskChoice,
    Texts,
)
from zpeer.validation import explain

if TYPE_CHECKING:
    from zpeer.identity import PublicIdentity

T = TypeVar("T", bound="File")

RUN_FILE = "run.toml"
KEYS_MAX = 64
"""Digests a greeting has room for (`transport.hello.SECTIONS_MAX`)."""
WORK_GRADIENTS = 10
"""COMMIT and CHECK have room for that many gradients on every peer that shares a core."""
ASSEMBLY_SECONDS = 300.0
FILE_BYTES_MAX = 1 << 22


class File(Section):
    """A file of ours; paths in it are relative to where it lies."""

    plugins: Texts = ()
    """Plugin files, relative to this file. Not part of the run's digest."""

    _path: Path = PrivateAttr(default=Path("run.toml"))

    @property
    def path(self) -> Path:
        """Where it was read from."""
        return self._path

    def resolve(self, name: str) -> Path:
        """A path that stands in the file."""
        return self._path.parent / name

    @property
    def plugin_paths(self) -> tuple[Path, ...]:
        """The plugin files it names."""
        return tuple(self.resolve(name) for name in self.plugins)


class Shared(File):
    """Sections that template and run file have in common."""

    run: RunKeys
    task: TaskChoice
    optimizer: OptimizerSection
    aggregator: Choice
    validator_policy: Choice = Choice(name="uniform")
    sybil_policy: Choice = Choice(name="closed")

    @property
    def choices(self) -> dict[str, Choice]:
        """The plugins chosen, by section."""
        names = ("task", "aggregator", "validator_policy", "sybil_policy")
        return {name: getattr(self, name) for name in names}

    @model_validator(mode="after")
    def _require_sense(self) -> Shared:
        if self.optimizer.nesterov and not self.optimizer.momentum:
            raise ValueError("optimizer.nesterov: needs optimizer.momentum above 0")
        if self.optimizer.warmup >= self.run.steps:
            raise ValueError(
                f"optimizer.warmup: found {self.optimizer.warmup}, expected less than run.steps = "
                f"{self.run.steps}"
            )
        return self


class Template(Shared):
    """A run file to be: without peers, nonce and measured things."""

    limits: LimitKeys = LimitKeys()
    reference: ReferenceKeys = ReferenceKeys()


class RunFile(Shared):
    """A run."""

    run: RunSection
    limits: LimitSection
    reference: ReferenceSection
    parameters: ParameterSection
    peers: Annotated[tuple[PeerEntry, ...], Field(strict=False, min_length=PEERS_LEAST)]

    @model_validator(mode="after")
    def _require_different_peers(self) -> RunFile:
        problems = []
        for key in ("name", "ecdsa", "curve", "address"):
            counts = Counter(getattr(peer, key) for peer in self.peers)
            twice = [value for value, count in counts.items() if count > 1]
            problems += [
                f"peers: two have the {key} {value!r}; each needs its own" for value in twice
            ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @cached_property
    def id(self) -> Digest:
        """The run's id, its first head: digest of all that is shared."""
        fields = [part for name, value in self._keys() for part in (name.encode(), value.encode())]
        return digest("zpeer/run", *fields)

    def sections(self) -> dict[str, Digest]:
        """Digest of every key (`optimizer.learning_rate`; all peers as one), to tell what differs.

        Of every section where there are more than KEYS_MAX.
        """
        keys = [(name, digest("zpeer/key", value.encode())) for name, value in self._keys()]
        if len(keys) <= KEYS_MAX:
            return dict(keys)
        grouped: dict[str, list[bytes]] = {}
        for name, value in keys:
            grouped.setdefault(name.split(".")[0], []).extend((name.encode(), value))
        return {name: digest("zpeer/section", *fields) for name, fields in grouped.items()}

    def _keys(self) -> list[tuple[str, str]]:
        """Every shared key and its value in canonical JSON, sorted."""
        keys = {"peers": canonical([plain(peer) for peer in self.peers])}
        for name, section in self:
            if isinstance(section, Section):
                keys |= {f"{name}.{key}": canonical(value) for key, value in plain(section).items()}
        return sorted(keys.items())

    def entry(self, peer: PeerId) -> PeerEntry | None:
        """A peer of the run."""
        return dict(zip(self.peer_ids, self.peers, strict=True)).get(peer)

    @cached_property
    def identities(self) -> tuple[PublicIdentity, ...]:
        """Public identities, verified when the file was read."""
        return tuple(peer.identity for peer in self.peers)

    @cached_property
    def peer_ids(self) -> tuple[PeerId, ...]:
        """Ids, in the file's order."""
        return tuple(identity.peer for identity in self.identities)

    @property
    def parameters_path(self) -> Path:
        """The file of x_0."""
        return self.resolve(self.parameters.file)


class PeerFile(File):
    """One peer's own settings."""

    run: str
    """The run file."""
    key: str
    """The private key file."""
    bind: Address
    """host:port to listen on; 0.0.0.0 for every interface."""
    advertise: Reachable | None = None
    """Where others reach this peer, if not at its address in the run file."""
    bulk_port: Port | None = None
    """Where tensors are sent from, on the host of `bind`; None: any port that is free."""
    advertise_bulk_port: Port | None = None
    """Where others reach that, on the host of `advertise`; None: the same port."""
    state: str
    """Directory of its own: journal, parameters, logs, evidence, model."""
    record: Literal["events", "full", "off"] = "events"
    """`full` records the bytes of tensors too."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_segments_max: int = Field(default=0, ge=0)
    """Segments of the log that are kept; 0 for all."""
    evaluate: bool = True
    """Whether this peer evaluates on held-out samples, every `run.evaluate_every` steps."""
    assembly: Positive = ASSEMBLY_SECONDS
    """Seconds to wait for all at the start."""
    entropy: Hex32 | None = None
    """For tests: fixes the secrets of the beacon. Who knows it can predict this peer's draws."""
    attack: AttackChoice | None = None
    """For tests and experiments: what this peer does instead of the protocol."""

    @model_validator(mode="after")
    def _require_ports_that_fit(self) -> PeerFile:
        if self.bulk_port is None and self.advertise_bulk_port is not None:
            raise ValueError(
                "advertise_bulk_port: found without bulk_port, expected the port it forwards to"
            )
        if self.bulk_port == int(self.bind.rpartition(":")[2]):
            raise ValueError(
                f"bulk_port: found {self.bulk_port}, expected another than that of bind"
            )
        return self

    @property
    def run_path(self) -> Path:
        """The run file."""
        return self.resolve(self.run)

    @property
    def key_path(self) -> Path:
        """The private key file."""
        return self.resolve(self.key)

    @property
    def state_path(self) -> Path:
        """The directory of its own."""
        return self.resolve(self.state)


def load_run(path: Path) -> RunFile:
    """A run file, or the one in a run's directory; ConfigError lists everything wrong with it."""
    return load(path / RUN_FILE if path.is_dir() else path, RunFile)


def load_template(path: Path) -> Template:
    """A template; ConfigError lists everything wrong with it."""
    return load(path, Template)


def load_peer(path: Path) -> PeerFile:
    """A peer file; ConfigError lists everything wrong with it."""
    return load(path, PeerFile)


def load(path: Path, kind: type[T]) -> T:
    """Read and validate a file."""
    return parse(read_toml(path), kind, path)


def parse(data: dict[str, Any], kind: type[T], path: Path) -> T:
    """Validate what was read from `path`, or is about to be written there."""
    try:
        file = kind.model_validate(data)
    except ValidationError as problem:
        lines = [line for text in explain(problem, kind) for line in text.splitlines()]
        raise ConfigError("\n".join(f"{path}: {line}" for line in lines)) from None
    file._path = path  # noqa: SLF001 - set once, here
    return file


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as it stands."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be read: {problem.strerror}") from None
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"{path}: more than {FILE_BYTES_MAX} bytes; this is no file of zpeer's")
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as problem:  # numbers and nesting without end, too
        raise ConfigError(f"{path}: not valid TOML: {problem}") from None


def plain(section: Section) -> dict[str, Any]:
    """A section's shared keys as plain data, defaults filled in."""
    return section.model_dump(mode="python", exclude=set(section.LOCAL))


def canonical(value: object) -> str:
    """One text for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def genesis(run: RunFile) -> Genesis:
    """The part of a run that the core needs."""
    return Genesis(
        run=run.id,
        peers=run.peer_ids,
        names=tuple(peer.name for peer in run.peers),
        dimension=run.parameters.dimension,
        block=run.limits.block,
        steps=run.run.steps,
        validators=run.run.validators,
        parameters=Digest(bytes.fromhex(run.parameters.digest)),
        typical_norm=run.limits.typical_norm,
        delta_multiple=run.limits.delta_multiple,
        typical_growth=run.limits.typical_growth,
        typical_window=run.limits.typical_window,
        directions=run.limits.directions,
        protection=run.run.protection,
        agreement=run.run.agreement,
        patience=run.run.patience,
        work=WORK_GRADIENTS * run.reference.seconds * run.reference.peers_per_core,
        charges_max=run.run.charges_max,
        charge_lifetime=run.run.charge_lifetime,
    )
