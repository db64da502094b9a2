"""All that the core remembers, as values that encode: a log segment opens with it, replay starts
from it.

Symbols of the paper: t `step`, n `len(roster)`, m validators, g_i[j] part j of worker i's gradient,
v_j (the paper's g-hat) the aggregate of part j, r `beacon`, q `secret_beacon`, tau `radius`,
Delta_max `delta_max`.
"""

from __future__ import annotations

import msgspec

from zpeer.events import AverageTested, BlobProjected, Projected, Recomputed
from zpeer.ids import NOTHING, Digest, PeerId
from zpeer.record import Departure, Draw, Matter, Outcome
from zpeer.signed import Signed, Stage


class Arrival(msgspec.Struct, frozen=True, array_like=True):
    """Bytes that lie in the tensor store, as the shell described them."""

    digest: Digest
    size_bytes: int
    finite: bool


class Base(msgspec.Struct, frozen=True):
    """What the record an attempt builds on says about it: the same at all honest peers."""

    head: Digest
    place: Digest
    """Run, epoch, step and attempt: what this attempt's secrets and shares are bound to."""
    record: bytes
    """The encoded record behind `head`; empty for the genesis."""
    step: int
    attempt: int
    counted: int
    """Counted steps before this attempt."""
    closing: bool
    """After the last step: everybody checks, nobody computes."""
    roster: tuple[PeerId, ...]
    validators: tuple[PeerId, ...]
    workers: tuple[PeerId, ...]
    """Worker j owns part j."""
    duties: tuple[tuple[Draw, ...], ...]
    draws: tuple[Draw, ...]
    matters: tuple[Matter, ...]
    parameters: Digest
    seed_beacon: Digest
    draw_beacon: Digest
    typical: float
    typical_window: tuple[float, ...]
    delta_floor: float
    radii: tuple[float, ...]
    """tau of every part."""
    delta_max: tuple[float, ...]
    """Delta_max of every part."""

    def part_of(self, peer: PeerId) -> int:
        """The part the peer owns; -1 for who is no worker."""
        return self.workers.index(peer) if peer in self.workers else -1

    def duty_of(self, peer: PeerId) -> tuple[Draw, ...]:
        """What the peer must report on in this attempt's CHECK."""
        if peer not in self.validators:
            return ()
        return self.duties[self.validators.index(peer)]


class Attempt(msgspec.Struct):
    """One attempt at a step, filled by what arrives."""

    base: Base
    stage: Stage = Stage.COMMIT
    entered: float = 0.0
    """When this stage was entered."""
    messages: dict[int, dict[PeerId, Signed]] = {}
    """First signed body by stage and sender."""
    sent: set[int] = set()
    """Stages in which my message is out."""
    sets: dict[int, Digest] = {}
    """Digests of complete stage sets."""
    asked: set[bytes] = set()
    """(stage, signer) of echoes whose set was asked for."""
    answered: set[bytes] = set()
    """(stage, peer) of sets shown: each once."""
    durations: list[float] = []
    parts: dict[PeerId, Arrival] = {}
    """PARTs addressed to me, by worker."""
    results: dict[PeerId, Arrival] = {}
    """RESULTs, by owner."""
    requested: set[str] = set()
    """Computations asked for, each once."""
    secret: Digest = NOTHING
    own_parts: tuple[Digest, ...] | None = None
    own_result: Digest | None = None
    beacon: Digest = NOTHING
    secret_beacon: Digest = NOTHING
    projected: Projected | None = None
    parameters_after: Digest = NOTHING
    optimizer_after: Digest = NOTHING
    recomputed: dict[bytes, Recomputed] = {}
    """By attempt and target."""
    blobs_projected: dict[bytes, BlobProjected] = {}
    """By blob."""
    averages_tested: dict[bytes, AverageTested] = {}
    """By attempt and part."""
    void: bool = False
    results_judged: bool = False
    has_projections: bool = False
    """Whether the attempt was still whole when its beacon was opened."""
    invalid: set[bytes] = set()
    """(stage, sender) of bodies that were judged not valid."""
    departures: list[Departure] = []
    """Faults that all see in the sets before CHECK, first one a peer."""
    failed_sums: list[int] = []
    averages: list[int] = []
    """Parts whose averaging a majority of norms calls into question."""
    outcome: Outcome | None = None
    verdict: bytes = b""
    """The encoded record I arrived at."""

    def signed(self, stage: Stage, peer: PeerId) -> Signed | None:
        """The peer's message of a stage, if it is in."""
        return self.messages.get(stage, {}).get(peer)

    def members(self, stage: Stage) -> tuple[Signed, ...]:
        """The messages of a stage in roster order, as far as they are in."""
        slots = self.messages.get(stage, {})
        return tuple(slots[peer] for peer in self.base.roster if peer in slots)

    def is_departing(self, peer: PeerId) -> bool:
        """Whether a fault of the peer is already known in this attempt."""
        return any(departure.peer == peer for departure in self.departures)

    def depart(self, departure: Departure) -> None:
        """Note a fault; the first one a peer is what its ban says."""
        if not self.is_departing(departure.peer):
            self.departures.append(departure)


class Early(msgspec.Struct, frozen=True):
    """Something for a head I do not know yet: at most one a (sender, kind)."""

    head: Digest
    sender: PeerId
    kind: int
    """A stage; 10 for a PART, 11 for a RESULT."""
    signed: Signed | None = None
    arrival: Arrival | None = None


class State(msgspec.Struct):
    """Everything. Dictionaries are only looked into by key, or in the order of a roster."""

    attempt: Attempt | None = None
    """None until the run has started."""
    past: dict[Digest, Attempt] = {}
    """Attempts that draws, matters or accusations rest on, and the last few."""
    order: list[Digest] = []
    """Heads in `past`, oldest first."""
    bulk: list[Digest] = []
    """Heads whose tensors are still held."""
    files: list[Digest] = []
    """Parameter files that are still held, besides the present one."""
    known_heads: list[Digest] = []
    """The last heads, so that late messages are told from early ones."""
    early: dict[bytes, Early] = {}
    blobs: dict[Digest, Arrival] = {}
    """Published bytes at hand."""
    blob_answers: set[bytes] = set()
    """(blob, peer) pairs answered: each once."""
    expected_reports: dict[bytes, Digest] = {}
    """H(v || my gradient) by attempt and validator: what the reports in the last CHECK set must
    say."""
    stopped: bool = False
