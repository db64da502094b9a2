"""What a peer file leads to: everything a run needs, loaded and checked before anything is sent.

Each step refuses with its own message (ConfigError, IdentityError, PluginError, StartError): the
files, the key and its place in the run, the plugins, the initial parameters, and that this
machine's gradients are the run's.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple, cast

from zpeer.compute.gradients import Gradients
from zpeer.compute.initial import read_initial
from zpeer.compute.measures import Measures
from zpeer.compute.trainer import Trainer, make_trainer, require_reference
from zpeer.errors import ConfigError, StartError
from zpeer.identity import Identity, load_private
from zpeer.numerics.optimizers import Adam, Optimizer, Sgd
from zpeer.numerics.schedule import learning_rate
from zpeer.plugins import Kind, Plugins, load_plugins
from zpeer.recorded.recording import choose, make_header
from zpeer.runs.config import PeerFile, RunFile, genesis, load_peer, load_run
from zpeer.shell.assembly import Ingredients, Numerics
from zpeer.shell.journal import journal_path
from zpeer.wire import WireLimits

if TYPE_CHECKING:
    from pathlib import Path

    from zpeer.ids import PeerId
    from zpeer.interfaces import Aggregator, Attack, Task, ValidatorPolicy
    from zpeer.recorded.zlog import Header


class Prepared(NamedTuple):
    """A peer that may start."""

    file: PeerFile
    run: RunFile
    identity: Identity
    name: str
    """In the run, which may call it otherwise than its key file does."""
    shared: Ingredients
    trainer: Trainer
    numerics: Numerics
    header: Header
    """Of its log."""
    attack: Attack | None
    colluders: tuple[PeerId, ...]

    @property
    def me(self) -> PeerId:
        """The peer itself."""
        return self.identity.peer

    @property
    def directory(self) -> Path:
        """Where all that the peer writes lies, but for its key's journal."""
        return self.file.state_path.resolve()

    @property
    def entropy(self) -> bytes:
        """32 bytes that its secrets are made from; new at every call unless the file fixes them."""
        fixed = self.file.entropy
        return secrets.token_bytes(32) if fixed is None else bytes.fromhex(fixed)


def prepare(path: Path) -> Prepared:
    """Load and check everything that a peer file names."""
    file = load_peer(path)
    run = load_run(file.run_path)
    identity = load_private(file.key_path)
    name = require_member(file, run, identity)
    require_unused(file, run)
    plugins = load_plugins((*run.plugin_paths, *file.plugin_paths))
    plugins.require_choices(run)
    trainer = make_trainer(run, cast("Task", plugins.choose(Kind.TASK, run.task)))
    shared = make_ingredients(run, plugins)
    require_reference(trainer, shared.parameters, run.reference)
    return Prepared(
        file=file,
        run=run,
        identity=identity,
        name=name,
        shared=shared,
        trainer=trainer,
        numerics=Numerics(trainer, Gradients(trainer), Measures(shared.aggregator.weight)),
        header=make_log_header(run, shared, identity.peer),
        attack=build_attack(file, plugins),
        colluders=find_colluders(file, run),
    )


def require_member(file: PeerFile, run: RunFile, identity: Identity) -> str:
    """The peer's name in the run; StartError if its key has no place there."""
    entry = run.entry(identity.peer)
    if entry is None:
        members = ", ".join(f"{peer.name} ({peer.identity.peer.hex()[:16]})" for peer in run.peers)
        raise StartError(
            f"{file.key_path}: peer {identity.peer.hex()[:16]} is not in {run.path}; expected one"
            f" of {members}. Name the key that this run was made with"
        )
    return entry.name


def require_unused(file: PeerFile, run: RunFile) -> None:
    """Refuse early what `SlotJournal.claim` will refuse for certain."""
    path = journal_path(file.key_path, run.id)
    if path.exists():
        raise StartError(
            f"{path} exists: the key {file.key_path} was used in this run before; signing a second"
            " body for a slot would convict you. Make a new run (`zpeer init`), or a new key"
        )


def make_ingredients(run: RunFile, plugins: Plugins) -> Ingredients:
    """What all peers of a run have alike."""
    optimizer, steps = run.optimizer, run.run.steps
    return Ingredients(
        genesis=genesis(run),
        parameters=read_initial(run),
        aggregator=cast("Aggregator", plugins.choose(Kind.AGGREGATOR, run.aggregator)),
        policy=cast("ValidatorPolicy", plugins.choose(Kind.VALIDATOR_POLICY, run.validator_policy)),
        limits=WireLimits(len(run.peers), run.limits.directions),
        make_optimizer=lambda: make_optimizer(run),
        learning_rate=lambda step: learning_rate(
            optimizer.schedule, optimizer.learning_rate, step, steps, optimizer.warmup
        ),
        keys={identity.peer: identity.key.compressed for identity in run.identities},
    )


def make_optimizer(run: RunFile) -> Optimizer:
    """The run's update rule, in its first state."""
    section = run.optimizer
    if section.kind == "sgd":
        return Sgd(section.momentum, section.nesterov, section.weight_decay)
    return Adam(section.beta1, section.beta2, section.epsilon, section.weight_decay)


def make_log_header(run: RunFile, shared: Ingredients, me: PeerId) -> Header:
    """What the peer's log opens with."""
    aggregator, policy = run.aggregator, run.validator_policy
    return make_header(
        shared.genesis,
        me,
        keys=shared.keys,
        aggregator=choose(aggregator.name, aggregator.parameters, shared.aggregator),
        policy=choose(policy.name, policy.parameters, shared.policy),
    )


def build_attack(file: PeerFile, plugins: Plugins) -> Attack | None:
    """The attack of the peer file, if there is one."""
    choice = file.attack
    return cast("Attack", plugins.choose(Kind.ATTACK, choice)) if choice else None


def find_colluders(file: PeerFile, run: RunFile) -> tuple[PeerId, ...]:
    """Who attacks together with this peer; ConfigError for names that the run lacks."""
    known = {peer.name: peer.identity.peer for peer in run.peers}
    wanted = file.attack.colluders if file.attack else ()
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ConfigError(
            f"{file.path}: attack.colluders: found {', '.join(unknown)}, expected names of peers"
            f" of the run: {', '.join(known)}"
        )
    return tuple(known[name] for name in wanted)
