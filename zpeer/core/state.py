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
from zpeer.proofs import Proof
from zpeer.record import Charge, Departure, Draw, Matter, Outcome
from zpeer.signed import STEP_STAGES, Signed, Stage


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
    checked: Digest
    """Head of the last attempt whose CHECK set stands in a record."""
    charges: tuple[Charge, ...]
    durations: tuple[float, ...]
    """Agreed seconds by stage; empty before the first counted step."""
    allowances: tuple[float, ...]
    """Seconds that each stage of this attempt is given (`schedule.py`)."""

    def part_of(self, peer: PeerId) -> int:
        """The part the peer owns; -1 for who is no worker."""
        return self.workers.index(peer) if peer in self.workers else -1

    def duty_of(self, peer: PeerId) -> tuple[Draw, ...]:
        """What the peer must report on in this attempt's CHECK."""
        if peer not in self.validators:
            return ()
        return self.duties[self.validators.index(peer)]


class SlowPath(msgspec.Struct):
    """The agreement on views of an attempt that got stuck (`slow_path.py`)."""

    joined: float
    """Its rounds are counted from here."""
    looked: float
    """When I last handled anything: a timer makes that often."""
    overslept: bool = False
    """Whether my clock has jumped since (`slow_path.has_slept`)."""
    closed: tuple[Digest, ...] | None = None
    """Names of the views I held after the first round (`slow_path.name_views`); None before."""
    carrier: Signed | None = None
    """The CLOSED under which others signed that they hold all of them."""
    voices: tuple[Signed, ...] = ()
    """Their signatures."""
    agreed: tuple[Signed, ...] | None = None
    """The views all honest peers end with, in roster order; None while rounds run."""


class Attempt(msgspec.Struct):
    """One attempt at a step, filled by what arrives."""

    base: Base
    stage: Stage = Stage.COMMIT
    started: float = 0.0
    """When I started it: all its due times are counted from here."""
    entered: float = 0.0
    """When this stage was entered."""
    timer: float = 0.0
    """What the timer is set to; 0 where something may be due sooner."""
    messages: dict[int, dict[PeerId, Signed]] = {}
    """First signed body by stage and sender."""
    sent: set[int] = set()
    """Stages in which my message is out."""
    sets: dict[int, Digest] = {}
    """Digests of complete stage sets."""
    asked: set[bytes] = set()
    """What was asked for already (`asking.py`)."""
    answered: dict[bytes, int] = {}
    """(stage, peer): how often a set was shown."""
    ahead: dict[PeerId, int] = {}
    """Latest stage by sender, past mine: who has what I wait for. 7: it builds on the next head."""
    ahead_since: dict[PeerId, float] = {}
    """When each of them was first seen past the stage that was mine."""
    timed: set[int] = set()
    """Stages whose duration is measured (`timing.py`)."""
    mostly_in: dict[int, float] = {}
    """By stage, when the bytes that my word rests on were in but for those of f."""
    all_in: dict[int, float] = {}
    """When all were."""
    views: dict[PeerId, tuple[Signed, ...]] = {}
    """Valid VIEWs by origin: the first two."""
    chains: dict[Digest, tuple[Signed, ...]] = {}
    """Witnesses by the body of the view that came through them."""
    slow: SlowPath | None = None
    """Set when I have joined a call: I sign no stage message any more."""
    tries: int = 0
    """How often I have asked for what the outcome of the slow path rests on."""
    tried: float = 0.0
    """When I last did."""
    shown: dict[bytes, tuple[Signed, ...]] = {}
    """Sets that others showed while the attempt was stuck, by stage and who did (`resolve.py`)."""
    refused: set[Digest] = set()
    """CHECK sets that did not lead to the record that is decided."""
    candidates: dict[Digest, bytes] = {}
    """Encoded records by head that somebody says the slow path led to."""
    convictions: dict[PeerId, Proof] = {}
    """Proofs that the record of this attempt acts on."""
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
    """Faults that all see in the sets, first one a peer."""
    departures_before_check: int = 0
    """How many of them were there before CHECK: another CHECK set may be the agreed one."""
    expected_reports: dict[bytes, Digest] = {}
    """H(v || my gradient) by attempt and validator: what the reports in its CHECK set must say."""
    failed_sums: list[int] = []
    averages: list[int] = []
    """Parts whose averaging a majority of norms calls into question."""
    outcome: Outcome | None = None
    verdict: bytes = b""
    """The encoded record I arrived at; when decided, the one that was."""
    is_settled: bool = False
    """Whether it was decided by the slow path."""

    def signed(self, stage: Stage, peer: PeerId) -> Signed | None:
        """The peer's message of a stage, if it is in."""
        slots = self.messages.get(stage)
        return None if slots is None else slots.get(peer)

    def members(self, stage: Stage) -> tuple[Signed, ...]:
        """The messages of a stage in roster order, as far as they are in."""
        slots = self.messages.get(stage, {})
        return tuple([slots[peer] for peer in self.base.roster if peer in slots])

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
    """A stage; 20 for a PART, 21 for a RESULT."""
    signed: Signed | None = None
    arrival: Arrival | None = None


class EarlyChain(msgspec.Struct, frozen=True):
    """A view that was passed on to me before I knew its head."""

    view: Signed
    witnesses: tuple[Signed, ...]


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
    early_chains: dict[PeerId, tuple[EarlyChain, ...]] = {}
    """By who passed them on; of one head."""
    blobs: dict[Digest, Arrival] = {}
    """Published bytes at hand."""
    blob_answers: set[bytes] = set()
    """(blob, peer) pairs answered: each once."""
    proofs: dict[PeerId, Proof] = {}
    """What convicts a peer of the roster by its own signatures, until a record acts on it."""
    durations: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(STEP_STAGES))
    """Seconds that each stage took, when I last saw it in a first attempt (`timing.py`)."""
    stopped: bool = False
