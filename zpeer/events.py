"""What happens to a peer, in the past tense: the only input of the core. A log is a list of these.

The shell has done what needs a key or a tensor before an event is made: signatures are valid
(`Signed.sender` signed `Signed.body`), bytes are hashed, computations are finished. Which of it is
*true* is the core's question. Every event reaches the core with a time in seconds (monotonic, its
zero is arbitrary).
"""

from __future__ import annotations

import msgspec

from zpeer.ids import Digest, PeerId
from zpeer.proofs import Equivocation
from zpeer.signed import Signed, Stage


class Started(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """All peers of the genesis are connected: the run begins."""


class MessageReceived(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """A broadcast with a valid signature; one's own comes back this way too."""

    signed: Signed


class SetRequested(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """A peer asks for what I hold of a stage."""

    peer: PeerId
    head: Digest
    stage: Stage


class SetReceived(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """A peer's answer; every signature in it is valid, nothing else is known of it."""

    peer: PeerId
    head: Digest
    stage: Stage
    messages: tuple[Signed, ...]


class ProofReceived(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Two validly signed statements, said to be of two bodies for one slot."""

    proof: Equivocation


class PartArrived(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """PART bytes from a worker, addressed to me. They lie in the tensor store under (head,
    sender)."""

    head: Digest
    sender: PeerId
    digest: Digest
    size_bytes: int
    finite: bool


class ResultArrived(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """RESULT bytes from an owner."""

    head: Digest
    sender: PeerId
    digest: Digest
    size_bytes: int
    finite: bool


class BlobArrived(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """Bytes by digest, published or asked for; they lie in the store under it."""

    digest: Digest
    size_bytes: int
    finite: bool


class BlobRequested(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """A peer asks for bytes: published ones, a PART for it, a RESULT."""

    peer: PeerId
    digest: Digest


class SecretDrawn(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """Entropy: 32 unpredictable bytes, the a_i of the attempt on `head`."""

    head: Digest
    secret: Digest


class PartsComputed(msgspec.Struct, frozen=True, array_like=True, tag=11):
    """My gradient of the step is dealt and hashed: one digest a part."""

    head: Digest
    digests: tuple[Digest, ...]


class PartAggregated(msgspec.Struct, frozen=True, array_like=True, tag=12):
    """My part's aggregate is computed and hashed."""

    head: Digest
    digest: Digest


class Scalars(msgspec.Struct, frozen=True, array_like=True):
    """What one row and one aggregate give: k projections of the residual, and the norm of the
    difference."""

    projections: tuple[float, ...]
    norm: float


class Projected(msgspec.Struct, frozen=True, array_like=True, tag=13):
    """My row as worker, my column as owner, and what all can compute from results and beacon."""

    head: Digest
    row: tuple[Scalars, ...]
    """Mine, one for each part; empty if I am a validator."""
    column: tuple[Scalars, ...]
    """Every worker's on my part, in worker order; empty if I am a validator."""
    result_norms: tuple[float, ...]
    """||v_j||, in fixed order arithmetic: the same bits everywhere."""
    direction_norms: tuple[tuple[float, ...], ...]
    """||z|| by part and direction, likewise."""


class Recomputed(msgspec.Struct, frozen=True, array_like=True, tag=14):
    """The gradient of `target` on the attempt `head`, computed again."""

    head: Digest
    target: PeerId
    digests: tuple[Digest, ...]
    row: tuple[Scalars, ...]
    """Against the results of that attempt; empty where it had none."""
    reports: tuple[Digest, ...]
    """H(v || g) for each validator v asked for."""


class BlobProjected(msgspec.Struct, frozen=True, array_like=True, tag=16):
    """A published part against the aggregate of its attempt."""

    head: Digest
    part: int
    blob: Digest
    scalars: Scalars | None
    """None: not finite, or of the wrong length."""


class AverageTested(msgspec.Struct, frozen=True, array_like=True, tag=17):
    """Full residual of a part from its published rows: the test of CheckAveraging."""

    head: Digest
    part: int
    residual: float
    """|| sum of psi_i ||"""
    norms: tuple[float, ...]
    """||g_i[j] - v_j|| in worker order."""


class Updated(msgspec.Struct, frozen=True, array_like=True, tag=18):
    """The optimizer has written the next parameters beside the present ones."""

    head: Digest
    parameters: Digest
    optimizer: Digest


class ChainReceived(msgspec.Struct, frozen=True, array_like=True, tag=20):
    """A view passed on in the slow path; every signature is valid, and every witness's is under
    this view."""

    view: Signed
    witnesses: tuple[Signed, ...]


class CertificateReceived(msgspec.Struct, frozen=True, array_like=True, tag=21):
    """A record, said to be decided; every signature is valid, nothing else is known of it."""

    record: bytes
    messages: tuple[Signed, ...]


class TimerFired(msgspec.Struct, frozen=True, array_like=True, tag=19):
    """The time last asked for by `SetTimer` has come."""


Event = (
    Started
    | MessageReceived
    | SetRequested
    | SetReceived
    | ProofReceived
    | PartArrived
    | ResultArrived
    | BlobArrived
    | BlobRequested
    | SecretDrawn
    | PartsComputed
    | PartAggregated
    | Projected
    | Recomputed
    | BlobProjected
    | AverageTested
    | Updated
    | ChainReceived
    | CertificateReceived
    | TimerFired
)
