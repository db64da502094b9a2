"""Puts one peer together, for whatever driver: store, worker, conduct, core and session over the
same run.

What all peers of a run share comes as `Ingredients`, made from the run file; what is this peer's
own comes beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zpeer.attacker import Attacker, Resources
from zpeer.compute.parameters import ParameterFiles
from zpeer.compute.store import TensorStore
from zpeer.compute.worker import Worker
from zpeer.conduct import Honest
from zpeer.core.machine import Core
from zpeer.crypto import Remembered
from zpeer.judging.evidence import collect_evidence, write_evidence
from zpeer.shell.reception import Reception
from zpeer.shell.reporting import Reporter, Traffic
from zpeer.shell.session import Session
from zpeer.wire import decode_control

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from zpeer.compute.gradients import Gradients, Trains
    from zpeer.compute.measures import Measures
    from zpeer.compute.worker import Job
    from zpeer.conduct import Conduct
    from zpeer.effects import WriteEvidence
    from zpeer.genesis import Genesis
    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import Aggregator, Attack, Float32, ValidatorPolicy
    from zpeer.numerics.optimizers import Optimizer
    from zpeer.observations import Observation
    from zpeer.record import Record
    from zpeer.recorded.recording import Recorder
    from zpeer.relays import Relay
    from zpeer.shell.session import Network
    from zpeer.signed import Signed, Stage, Statement
    from zpeer.wire import WireLimits

    Verify = Callable[[Signed | Statement], bool]

BYTES_LEAST = 1 << 20
"""What a sender's tensors may take in memory, for each purpose: at least this, and no less than two
and a half gradients. An owner that publishes every row of its part needs one; who shows another all
results of an attempt that it lacks, one more."""
BYTES_A_NUMBER = 10


class Ingredients(NamedTuple):
    """What all peers of a run have alike."""

    genesis: Genesis
    parameters: Float32
    """x_0"""
    aggregator: Aggregator
    policy: ValidatorPolicy
    limits: WireLimits
    make_optimizer: Callable[[], Optimizer]
    learning_rate: Callable[[int], float]
    """By counted steps before."""
    keys: Mapping[PeerId, bytes]
    """Compressed public keys, for evidence."""

    def decode(self, data: bytes) -> Signed | Relay:
        """A control message; raises WireError."""
        return decode_control(data, self.limits)

    def make_core(self, me: PeerId, verify: Verify) -> Core:
        """A fresh core; `verify` is a pure function of the run's public keys."""
        return Core(
            self.genesis,
            me,
            aggregator=self.aggregator,
            policy=self.policy,
            limits=self.limits,
            verify=verify,
        )


class Numerics(NamedTuple):
    """What computes; several peers of one process may share it."""

    trainer: Trains
    gradients: Gradients
    measures: Measures


class Plot(NamedTuple):
    """An attack and who is in it."""

    attack: Attack
    start: int
    """First step in which it attacks."""
    colluders: tuple[PeerId, ...]
    sign: Callable[[Digest], bytes]
    """Signs any digest with the attacker's own key."""


class Own(NamedTuple):
    """What is this peer's alone."""

    name: str
    me: PeerId
    directory: Path
    """Where parameters and evidence lie."""
    entropy: bytes
    sign: Callable[[Stage, Digest, bytes], Signed]
    verify: Verify
    """Asked once for each signature that arrives or that the core asks about."""
    observe: Callable[[Observation], None]
    traffic: Callable[[], Traffic]
    evaluate_every: int = 0
    plot: Plot | None = None
    on_record: Callable[[Record], None] | None = None
    """Told of every record that becomes final."""


class Peer(NamedTuple):
    """One peer, put together."""

    session: Session
    worker: Worker
    store: TensorStore
    files: ParameterFiles
    reporter: Reporter
    reception: Reception


def assemble(
    shared: Ingredients,
    own: Own,
    numerics: Numerics,
    *,
    network: Network,
    submit: Callable[[Job], None],
    opener: Callable[[object], bytes | memoryview | None],
    record: Callable[[Core], Recorder] | None = None,
    record_payloads: bool = False,
    decode: Callable[[bytes], Signed | Relay] | None = None,
) -> Peer:
    """Build a peer.

    `record` makes the log of a fresh core; `opener` makes bytes of a bulk frame.
    """
    genesis = shared.genesis
    files = ParameterFiles(own.directory / "parameters", genesis.dimension)
    files.start(shared.parameters, genesis.parameters)
    bytes_max = max(BYTES_LEAST, BYTES_A_NUMBER * genesis.dimension)
    store = TensorStore(own.me, genesis.run, blob_bytes_max=bytes_max)
    conduct = make_conduct(shared, own, numerics, files, store)
    worker = Worker(
        own.name,
        own.me,
        genesis,
        aggregator=shared.aggregator,
        optimizer=shared.make_optimizer(),
        learning_rate=shared.learning_rate,
        gradients=numerics.gradients,
        measures=numerics.measures,
        evaluate=numerics.gradients.evaluate,
        files=files,
        store=store,
        conduct=conduct,
        entropy=own.entropy,
        opener=opener,
    )
    verify = Remembered(own.verify)
    reception = Reception(
        len(genesis.peers), verify, decode or shared.decode, tensor_bytes_max=bytes_max
    )
    reporter = Reporter(own.name, genesis, own.observe, traffic=own.traffic, loss=worker.losses.get)
    core = shared.make_core(own.me, verify)
    session = Session(
        own.me,
        genesis,
        core,
        reception=reception,
        network=network,
        submit=submit,
        store=store,
        conduct=conduct,
        sign=own.sign,
        write_evidence=make_evidence_writer(shared, own, files, store),
        reporter=reporter,
        recorder=record(core) if record else None,
        record_payloads=record_payloads,
        evaluate_every=own.evaluate_every,
        on_record=own.on_record,
    )
    return Peer(session, worker, store, files, reporter, reception)


def make_conduct(
    shared: Ingredients,
    own: Own,
    numerics: Numerics,
    files: ParameterFiles,
    store: TensorStore,
) -> Conduct:
    """Honest, or what the plot wants."""
    if own.plot is None:
        return Honest()
    resources = Resources(
        shared.genesis,
        shared.aggregator,
        shared.policy,
        shared.limits,
        own.me,
        colluders=own.plot.colluders,
        sign=own.plot.sign,
        flip_labels=numerics.trainer.flip_labels,
        gradients=numerics.gradients,
        files=files,
        store=store,
    )
    return Attacker(own.plot.attack, resources, own.plot.start)


def make_evidence_writer(
    shared: Ingredients, own: Own, files: ParameterFiles, store: TensorStore
) -> Callable[[WriteEvidence], Path]:
    """Writes evidence into the peer's directory, and keeps the parameters file it names."""

    def find(name: Digest) -> bytes | None:
        data = store.find(name)
        return None if data is None else bytes(data)

    def write(effect: WriteEvidence) -> Path:
        files.pin(effect.parameters)
        evidence = collect_evidence(effect, shared.genesis, shared.keys, find)
        return write_evidence(own.directory / "evidence", evidence)

    return write
