"""The record of a decided attempt: what all honest peers agree on, and all the next attempt needs
to start.

`head = H(record)`. A record is a function of the stage sets before VERDICT and of bytes they name
by hash, so all who hold those compute the same one (protocol, section 1, *Chain*).
"""

from __future__ import annotations

from enum import IntEnum
from functools import cached_property

import msgspec

from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, Digest, PeerId, digest
from zpeer.messages import Accusation
from zpeer.signed import PROTOCOL_VERSION


class Outcome(IntEnum):
    """What became of an attempt."""

    GENESIS = 0
    COUNTED = 1
    VOID = 2
    CLOSING = 3
    """After the last step: an attempt that only checks."""


class Draw(msgspec.Struct, frozen=True, array_like=True):
    """A target whose gradient of one attempt waits for a validator's report."""

    target: PeerId
    attempt: Digest
    """Head of the attempt whose gradient is checked."""
    step: int
    counted: bool
    """False: the attempt was void, and only the gradient is judged."""
    opened: int
    """Counted steps in the run when it was opened; it lapses only long after."""


class Matter(msgspec.Struct, frozen=True, array_like=True, dict=True):
    """An accusation that waits for findings."""

    accuser: PeerId
    """NOTHING for a check of the averaging, which nobody brings."""
    accusation: Accusation
    made: Digest
    """Head of the attempt in whose CHECK it was made."""
    age: int = 0
    """Records with a CHECK set in which it was first in line and stayed undecided."""
    shields: bool = False
    """Its accuser's sum failed on this part: if the accusation falls, the accuser is banned for the
    sum."""

    @cached_property
    def name(self) -> Digest:
        """Identity of the matter; neither age nor shield belongs to it."""
        return digest(
            "zpeer/matter", self.accuser, self.made, msgspec.msgpack.encode(self.accusation)
        )


class Departure(msgspec.Struct, frozen=True, array_like=True):
    """A ban or a removal, with its reason."""

    peer: PeerId
    fault: FaultKind
    attempt: Digest
    """Head of the attempt in which the deed was done."""
    accuser: PeerId = PeerId(NOTHING)
    part: int = -1


class Charge(msgspec.Struct, frozen=True, array_like=True):
    """A dispute that nobody can judge, charged to both: one of them is faulty (section 5)."""

    first: PeerId
    second: PeerId
    """The greater id of the two."""
    counted: int
    """Counted steps in the run when it was charged; it lapses only long after."""


class Record(msgspec.Struct, frozen=True, array_like=True, dict=True):
    """One decided attempt. Its roster is already without those it bans or removes."""

    version: int
    run: Digest
    """Whose record it is: what a peer signed in one run says nothing about it in another."""
    previous: Digest
    """The head this attempt built on; the run id's preimage stands before the first."""
    step: int
    attempt: int
    outcome: Outcome
    counted: int
    """Counted steps in the run so far, this one included."""
    parameters: Digest
    """Of the parameters after it."""
    optimizer: Digest
    """Of the optimizer's state after it, every so many steps; else NOTHING."""
    roster: tuple[PeerId, ...]
    seed_beacon: Digest
    """r of the last counted step: what the next attempt's batch seeds come from."""
    draw_beacon: Digest
    """q that drew the validators in force: who replaces a validator that leaves is read off it
    again."""
    beacon: Digest
    """This attempt's r."""
    secret_beacon: Digest
    """This attempt's q."""
    validators: tuple[PeerId, ...]
    """Of the next attempt, in drawn order."""
    duties: tuple[tuple[Draw, ...], ...]
    """For each validator of the next attempt, what it must report on."""
    draws: tuple[Draw, ...]
    """All open draws, oldest first."""
    matters: tuple[Matter, ...]
    typical: float
    """Agreed typical norm of a residual per square root of a part's length."""
    typical_window: tuple[float, ...]
    """The measured values it is the median of."""
    delta_floor: float
    """Least limit for norms, per square root of length, for the rest of this step (0: none)."""
    sets: tuple[Digest, ...]
    """Digests of the stage sets COMMIT ... CHECK; after the slow path of COMMIT at most."""
    departures: tuple[Departure, ...] = ()
    lapsed: tuple[Draw, ...] = ()
    checked: Digest = NOTHING
    """Head of the last attempt whose CHECK set stands in a record: the next CHECK settles its
    views, and its reports may be accused."""
    charges: tuple[Charge, ...] = ()
    """In force, oldest first."""
    durations: tuple[float, ...] = ()
    """Agreed seconds that each stage takes, by which deadlines are computed."""
    views: tuple[Digest, ...] = ()
    """Of each origin of the agreed views its body, or that it signed two, where the record follows
    from them alone (void by the slow path)."""

    @cached_property
    def head(self) -> Digest:
        """What the next attempt's messages carry."""
        return digest(f"zpeer/{PROTOCOL_VERSION}/record", msgspec.msgpack.encode(self))
