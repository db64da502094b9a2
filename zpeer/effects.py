"""What the core wants done, in the imperative: its only output, a flat ordered list. Drivers carry
it out.

Order matters within a list (what is written before it is sent stands before it). Nothing here holds
a tensor: bytes are named by attempt head, peer, part or digest, and lie in the shell's tensor
store.
"""

from __future__ import annotations

import msgspec

from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, Digest, PeerId
from zpeer.parts import Bulk
from zpeer.proofs import Equivocation
from zpeer.record import Departure, Record
from zpeer.signed import Signed, Stage, Statement

# --- communication --------------------------------------------------------------------------------


class Broadcast(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Encode, journal, sign and send a stage message to all of `to`, and give it back to
    oneself."""

    head: Digest
    stage: Stage
    payload: bytes
    to: tuple[PeerId, ...]


class SendPart(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Send the bytes of one part of my gradient to its owner."""

    head: Digest
    part: int
    to: PeerId


class SendResult(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Send the bytes of my part's aggregate."""

    head: Digest
    to: tuple[PeerId, ...]


class SendSetRequest(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Ask `to` for what it holds of a stage."""

    to: PeerId
    head: Digest
    stage: Stage


class SendSet(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Answer such a request."""

    to: PeerId
    head: Digest
    stage: Stage
    messages: tuple[Signed, ...]


class SendProof(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Show two signed bodies of one slot to others."""

    to: tuple[PeerId, ...]
    proof: Equivocation


class SendBlob(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """Send bytes of the store, whatever they are there as, by their digest."""

    digest: Digest
    to: tuple[PeerId, ...]


class SendBlobRequest(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """Ask for bytes by their digest."""

    digest: Digest
    to: tuple[PeerId, ...]


class PassOn(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """Sign as a WITNESS under a view, and pass it on with the signatures it came through and
    mine."""

    view: Signed
    witnesses: tuple[Signed, ...]
    to: tuple[PeerId, ...]


class SendCertificate(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """Show a record of the slow path, with the DECIDED of those I know to hold it."""

    to: tuple[PeerId, ...]
    record: bytes
    messages: tuple[Signed, ...]


# --- computation ----------------------------------------------------------------------------------


class DrawSecret(msgspec.Struct, frozen=True, array_like=True, tag=20):
    """Draw a_i for the attempt on `head` -> SecretDrawn."""

    head: Digest
    place: Digest = NOTHING
    """Run, epoch, step and attempt: what a_i is a keyed function of. Never the head, which covers
    measured times: with fixed entropy two runs of one genesis draw the same secrets."""


class ComputeParts(msgspec.Struct, frozen=True, array_like=True, tag=21):
    """Compute my gradient (once a step: the seed says), deal and hash it -> PartsComputed."""

    head: Digest
    parameters: Digest
    batch_seed: Digest
    parts: int


class AggregatePart(msgspec.Struct, frozen=True, array_like=True, tag=22):
    """Aggregate my part from the rows that arrived -> PartAggregated."""

    head: Digest
    part: int
    parts: int
    rows: tuple[PeerId | None, ...]
    """In worker order; None: the row counts as zeros."""
    radius: float


class Project(msgspec.Struct, frozen=True, array_like=True, tag=23):
    """Project residuals along the directions of the beacon -> Projected."""

    head: Digest
    beacon: Digest
    workers: tuple[PeerId, ...]
    """Owner of part j is workers[j]."""
    part: int
    """Mine; -1 if I am a validator (then row and column stay empty)."""
    rows: tuple[PeerId | None, ...]
    """As in AggregatePart; empty if I am a validator."""
    radii: tuple[float, ...]
    """Of every part."""


class Recompute(msgspec.Struct, frozen=True, array_like=True, tag=24):
    """Compute another peer's gradient of the attempt on `head` again -> Recomputed."""

    head: Digest
    target: PeerId
    parameters: Digest
    batch_seed: Digest
    workers: tuple[PeerId, ...]
    """Of that attempt: the owner of part j is workers[j]."""
    beacon: Digest
    radii: tuple[float, ...]
    """Empty: no projections wanted (the attempt had no results)."""
    validators: tuple[PeerId, ...]
    """For whom to compute H(v || g)."""


class ProjectBlob(msgspec.Struct, frozen=True, array_like=True, tag=26):
    """Project one published part of the attempt on `head` -> BlobProjected."""

    head: Digest
    part: int
    owner: PeerId
    parts: int
    blob: Digest
    beacon: Digest
    radius: float


class TestAverage(msgspec.Struct, frozen=True, array_like=True, tag=27):
    """Test the residual of a part from its published rows -> AverageTested."""

    head: Digest
    part: int
    owner: PeerId
    parts: int
    blobs: tuple[Digest | None, ...]
    """In worker order; None: the row counts as zeros."""
    radius: float


class Place(msgspec.Struct, frozen=True, array_like=True, tag=29):
    """Put bytes that came by their digest where the PART of a worker or the RESULT of an owner
    belongs. Answered by no event: whatever is asked for later finds them there."""

    head: Digest
    kind: Bulk
    sender: PeerId
    blob: Digest


class Update(msgspec.Struct, frozen=True, array_like=True, tag=28):
    """Apply the optimizer to the results of the attempt on `head` -> Updated."""

    head: Digest
    step: int
    """Counted steps before this one: what the learning rate's schedule counts."""
    workers: tuple[PeerId, ...]
    parameters: Digest
    """From which."""
    digest_state: bool
    """Whether the optimizer's state is digested too."""


# --- bookkeeping ----------------------------------------------------------------------------------


class SetTimer(msgspec.Struct, frozen=True, array_like=True, tag=40):
    """Fire at this time; replaces the timer set before."""

    at: float


class Decide(msgspec.Struct, frozen=True, array_like=True, tag=41):
    """A record is final: adopt its parameters, show it, cut a new log segment."""

    record: Record
    verdicts: tuple[Signed, ...]
    """n VERDICTs; after the slow path the DECIDED that are in, as yet perhaps none."""


class Warn(msgspec.Struct, frozen=True, array_like=True, tag=45):
    """Tell people of trouble that does not end the run: who was waited for, and for what."""

    stage: Stage
    reason: str
    peers: tuple[PeerId, ...]


class Release(msgspec.Struct, frozen=True, array_like=True, tag=42):
    """Nothing rests on these attempts, parameter files and published bytes any longer."""

    heads: tuple[Digest, ...]
    parameters: tuple[Digest, ...]
    blobs: tuple[Digest, ...] = ()


class WriteEvidence(msgspec.Struct, frozen=True, array_like=True, tag=43):
    """Write what proves a ban, before anything else is done with it."""

    departure: Departure
    records: tuple[bytes, ...]
    """Encoded records that the attempts of `sets` and `messages` build on (none for the
    genesis)."""
    sets: tuple[tuple[Signed, ...], ...]
    """Stage sets of the attempt in question, as far as they are complete and needed."""
    messages: tuple[Signed, ...]
    """The accused's own messages that lie outside those sets."""
    statements: tuple[Statement, ...]
    """EQUIVOCATION: the two signatures."""
    blobs: tuple[Digest, ...]
    """Published bytes it rests on."""
    results: tuple[Digest, ...]
    """Aggregates of that attempt it rests on."""
    parameters: Digest
    """The parameters file a gradient is recomputed from; NOTHING where none is."""


class Stop(msgspec.Struct, frozen=True, array_like=True, tag=44):
    """The core is done. Carried out last; no event changes anything after it."""

    code: int
    """0 finished, 3 banned, 4 removed, 5 stopped: too few peers, cut off, agreement = "stop"."""
    reason: str
    fault: FaultKind | None = None
    peers: tuple[PeerId, ...] = ()


Effect = (
    Broadcast
    | SendPart
    | SendResult
    | SendSetRequest
    | SendSet
    | SendProof
    | SendBlob
    | SendBlobRequest
    | PassOn
    | SendCertificate
    | DrawSecret
    | ComputeParts
    | AggregatePart
    | Project
    | Recompute
    | ProjectBlob
    | TestAverage
    | Place
    | Update
    | SetTimer
    | Decide
    | Warn
    | Release
    | WriteEvidence
    | Stop
)

Computation = (
    DrawSecret
    | ComputeParts
    | AggregatePart
    | Project
    | Recompute
    | ProjectBlob
    | TestAverage
    | Update
)
"""The effects that a worker carries out off the loop, each answered by exactly one event."""
