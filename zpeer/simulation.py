"""A whole swarm in one process and one thread: n sessions, a virtual clock, a network that delivers
in order.

The same core, worker and attacks as over sockets, without the sockets. Deterministic: equal
ingredients, attacks and seed give equal runs, event by event. A message takes `LATENCY_SECONDS` of
virtual time; computing takes none; when nothing is under way the clock jumps to the next deadline.

Signatures are ideal by default (a digest that everybody can compute and nobody here does for
another): making and checking real ones is most of a small swarm's time, and the protocol is the
same.
"""

from __future__ import annotations

import os
from collections import deque
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from zpeer import events as ev
from zpeer.compute.gradients import Gradients, Trains
from zpeer.compute.measures import Measures
from zpeer.ids import Digest, PeerId, digest, number
from zpeer.shell.assembly import Ingredients, Numerics, Own, Peer, Plot, assemble
from zpeer.shell.reporting import Traffic
from zpeer.signed import Signed, Stage, body_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from zpeer.compute.store import Bytes
    from zpeer.compute.worker import Job
    from zpeer.crypto import SigningKey, Verifier
    from zpeer.interfaces import Attack
    from zpeer.observations import Observation
    from zpeer.record import Departure, Record
    from zpeer.shell.session import Session
    from zpeer.signed import Statement

LATENCY_SECONDS = 0.001
DECODED_REMEMBERED = 1024
GRADIENTS_REMEMBERED = 8
"""For each peer: those of a step, of the one before, and of open draws."""


class Signatures:
    """Ideal ones: a function of signer and body, so that a replay can check them without having
    heard them made. That nobody forges is seen to by who may call: each peer signs with a closure
    over its own name, attackers too."""

    @staticmethod
    def sign(peer: PeerId, body: Digest) -> bytes:
        """64 bytes that stand for a signature."""
        return digest("zpeer/ideal", peer, body) * 2

    @staticmethod
    def verify(signed: Signed | Statement) -> bool:
        """Whether the sender signed exactly this."""
        return signed.signature == Signatures.sign(signed.sender, signed.body)


class RealSignatures:
    """Made and checked with the peers' keys."""

    def __init__(self, keys: Mapping[PeerId, SigningKey], verifier: Verifier) -> None:
        self._keys = keys
        self.verify = verifier.verify

    def sign(self, peer: PeerId, body: Digest) -> bytes:
        """The peer's signature."""
        return self._keys[peer].sign(body)


class Result(NamedTuple):
    """What became of a peer."""

    name: str
    code: int
    """As a process would exit with; -1 if it still ran when the simulation ended."""
    reason: str
    head: Digest
    parameters: Digest
    roster: tuple[PeerId, ...]
    departures: tuple[Departure, ...]
    """All that it recorded, in order."""
    records: tuple[Record, ...]
    evidence: tuple[Path, ...]
    honest: bool


class Wire:
    """One peer's end of the simulated network."""

    def __init__(self, swarm: LocalSwarm, me: PeerId) -> None:
        self._swarm = swarm
        self._me = me
        self.sent = 0
        self.received = 0

    def send_control(self, to: PeerId, data: bytes) -> None:
        """Deliver a control message a little later."""
        self.sent += len(data)
        self._swarm.push(to, self._me, b"", data)

    def send_bulk(self, to: PeerId, header: bytes, data: Bytes) -> None:
        """Deliver a tensor a little later."""
        self.sent += len(header) + memoryview(data).nbytes
        self._swarm.push(to, self._me, header, bytes(data))

    def traffic(self) -> Traffic:
        """Bytes of payloads; there are no frames here."""
        return Traffic(self.sent, self.received)


class Parcel(NamedTuple):
    """Something under way. A tensor has a header, a control message none."""

    at: float
    to: PeerId
    sender: PeerId
    header: bytes
    data: bytes


class LocalSwarm:
    """n peers of one run.

    `attacks`: by peer's name; all attackers collude unless `colluders` says otherwise.
    """

    def __init__(
        self,
        shared: Ingredients,
        trainer: Trains,
        directory: Path,
        *,
        attacks: Mapping[str, Attack] | None = None,
        start: int = 0,
        seed: int = 0,
        signatures: Signatures | RealSignatures | None = None,
        observe: Callable[[Observation], None] | None = None,
        evaluate_every: int = 0,
    ) -> None:
        genesis = shared.genesis
        self.shared = shared
        self.now = 0.0
        self._parcels: deque[Parcel] = deque()
        self._seed = seed
        self._start = start
        self._directory = directory
        self._signatures = signatures or Signatures()
        self._observe = observe or (lambda _observation: None)
        self._evaluate_every = evaluate_every
        self._records: dict[PeerId, list[Record]] = {peer: [] for peer in genesis.peers}
        names = dict(zip(genesis.names, genesis.peers, strict=True))
        self.attackers = tuple(names[name] for name in attacks or {})
        self._numerics = Numerics(
            trainer,
            Gradients(trainer, GRADIENTS_REMEMBERED * len(genesis.peers)),
            Measures(shared.aggregator.weight),
        )
        self._decode = lru_cache(maxsize=DECODED_REMEMBERED)(shared.decode)
        by_peer = {names[name]: attack for name, attack in (attacks or {}).items()}
        self._wires = {peer: Wire(self, peer) for peer in genesis.peers}
        self.peers = {
            peer: self._assemble(peer, name, by_peer.get(peer)) for name, peer in names.items()
        }
        self._soonest = self._find_soonest()

    def _assemble(self, peer: PeerId, name: str, attack: Attack | None) -> Peer:
        """One peer, whose jobs are done where they are given."""
        signatures = self._signatures
        own = Own(
            name=name,
            me=peer,
            directory=self._directory / name,
            entropy=digest("zpeer/simulation", number(self._seed), peer),
            sign=Slots(peer, signatures).sign,
            verify=signatures.verify,
            observe=self._observe,
            traffic=self._wires[peer].traffic,
            evaluate_every=self._evaluate_every,
            plot=self._make_plot(peer, attack),
            on_record=self._records[peer].append,
        )
        return assemble(
            self.shared,
            own,
            self._numerics,
            network=self._wires[peer],
            submit=lambda job: self._work(peer, job),
            opener=lambda frame: frame if isinstance(frame, bytes) else None,
            decode=self._decode,
        )

    def _make_plot(self, peer: PeerId, attack: Attack | None) -> Plot | None:
        """An attacker signs with its own key like everybody, only without a journal."""
        if attack is None:
            return None
        signatures = self._signatures
        return Plot(attack, self._start, self.attackers, lambda body: signatures.sign(peer, body))

    def _work(self, peer: PeerId, job: Job) -> None:
        """Do a job in place. The session hears of it after what it is at."""
        here = self.peers[peer]
        here.session.answer(job, here.worker.run(job), self.now)

    def push(self, to: PeerId, sender: PeerId, header: bytes, data: bytes) -> None:
        """Put something under way."""
        self._parcels.append(Parcel(self.now + LATENCY_SECONDS, to, sender, header, data))

    def run(
        self, max_steps: int | None = None, until: Callable[[Record], bool] | None = None
    ) -> list[Result]:
        """Run until nothing can happen any more, and give what became of the peers.

        Or until an honest peer counts `max_steps` steps, or holds a record that `until` accepts.
        """
        for peer in self.peers.values():
            peer.session.feed(ev.Started(), self.now)
        self._soonest = self._find_soonest()
        try:
            while self._step() and not self._is_enough(max_steps, until):
                pass
        except Exception as problem:
            problem.add_note(self.describe())
            raise
        return [self._result(peer) for peer in self.peers]

    def describe(self) -> str:
        """What this simulation is, and how to repeat it: it depends on nothing else."""
        attacks = [self.peers[peer].reporter.name for peer in self.attackers]
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
        repeat = f"; repeat it: python -m pytest '{test}'" if test else ""
        return (
            f"simulation of {len(self.peers)} peers, seed {self._seed}, attackers"
            f" {', '.join(attacks) or 'none'} from step {self._start}, virtual time"
            f" {self.now:.3f} s, state in {self._directory}{repeat}"
        )

    def _is_enough(self, max_steps: int | None, until: Callable[[Record], bool] | None) -> bool:
        """Asked after every delivery, hence the shortcut."""
        if max_steps is None and until is None:
            return False
        records = [record for peer in self.honest if (record := peer.session.record)]
        return any(
            (max_steps is not None and record.counted >= max_steps)
            or (until is not None and until(record))
            for record in records
        )

    @property
    def honest(self) -> list[Peer]:
        """Peers without an attack."""
        return [peer for name, peer in self.peers.items() if name not in self.attackers]

    def _step(self) -> bool:
        """The next thing that happens; False if nothing can."""
        late = self._soonest
        if self._parcels and self._parcels[0].at <= late.deadline:
            self._deliver(self._parcels.popleft())
            return True
        if late.deadline == inf:
            return False
        self.now = max(self.now, late.deadline)
        late.tick(self.now)
        self._soonest = self._find_soonest()
        return True

    def _find_soonest(self) -> Session:
        """The session that is due first."""
        sessions = [peer.session for peer in self.peers.values()]
        return min(sessions, key=lambda session: session.deadline)

    def _deliver(self, parcel: Parcel) -> None:
        self.now = max(self.now, parcel.at)
        session = self.peers[parcel.to].session
        self._wires[parcel.to].received += len(parcel.header) + len(parcel.data)
        if parcel.header:
            session.receive_bulk(parcel.sender, parcel.header, parcel.data, len(parcel.data))
        else:
            session.receive_control(parcel.sender, parcel.data, self.now)
        if session is self._soonest or session.deadline < self._soonest.deadline:
            self._soonest = self._find_soonest()

    def _result(self, peer: PeerId) -> Result:
        here = self.peers[peer]
        session, genesis = here.session, self.shared.genesis
        record, stop = session.record, session.stopped
        return Result(
            name=here.reporter.name,
            code=stop.code if stop else -1,
            reason=stop.reason if stop else "still running",
            head=record.head if record else genesis.run,
            parameters=here.files.digest,
            roster=record.roster if record else genesis.peers,
            departures=tuple(session.departures),
            records=tuple(self._records[peer]),
            evidence=tuple(session.evidence),
            honest=peer not in self.attackers,
        )


class Slots:
    """Signs one body a slot, as the journal on disk does; a WITNESS is no slot."""

    def __init__(self, me: PeerId, signatures: Signatures | RealSignatures) -> None:
        self._me = me
        self._signatures = signatures
        self._bodies: dict[tuple[Digest, Stage], Digest] = {}

    def sign(self, stage: Stage, head: Digest, payload: bytes) -> Signed:
        """Sign; a second body for a slot is a bug."""
        body = body_digest(stage, head, self._me, payload)
        known = body if stage is Stage.WITNESS else self._bodies.setdefault((head, stage), body)
        assert known == body, "a second body for one slot"
        return Signed(stage, head, self._me, payload, self._signatures.sign(self._me, body))
