"""The part of a run file that the core needs: what all share, as plain numbers and digests."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from zpeer.ids import Digest, PeerId


class Protection(StrEnum):
    """How much of the protocol is on. Anything but FULL exists for comparison, and the program says
    so in red."""

    FULL = "full"
    CLIP = "clip"
    """The aggregator clips, nothing is checked; only bodies that cannot be read cost the place."""
    NONE = "none"
    """Plain Butterfly All-Reduce: the mean, nothing is checked."""


WARNINGS: dict[str, str] = {
    Protection.NONE: (
        "NOT PROTECTED: plain averaging, nothing is checked, one attacker decides the model"
    ),
    Protection.CLIP: ("NOT PROTECTED: clipped averages, but nothing is checked; who lies stays"),
}
"""What people are told, in red, of a run without protection."""


class Agreement(StrEnum):
    """What becomes of an attempt in which something is missing."""

    FULL = "full"
    """Calls, the slow path, removal for silence (section 5)."""
    STOP = "stop"
    """The run stops at the first missed deadline: for debugging."""


class Genesis(msgspec.Struct, frozen=True):
    """A run, fixed. `run` is the digest of the whole run file, and the first head."""

    run: Digest
    peers: tuple[PeerId, ...]
    names: tuple[str, ...]
    """How people call them, in the same order; for messages to people only."""
    dimension: int
    block: int
    steps: int
    validators: int
    """m: how many peers check instead of compute in a step, before the cap of (n-1)//2."""
    parameters: Digest
    """Of x_0, whose file is made once, when the run is made."""
    typical_norm: float
    """First value of the typical residual norm, per square root of length."""
    delta_multiple: float
    """Delta_max in typical norms."""
    typical_growth: float = 0.01
    """Most that the typical norm moves in a step, as a share."""
    typical_window: int = 50
    """Counted steps whose median it follows."""
    directions: int = 4
    optimizer_digest_every: int = 10
    protection: Protection = Protection.FULL
    agreement: Agreement = Agreement.FULL
    patience: float = 10.0
    """Least seconds a stage is given. A message between honest peers arrives within a sixth of
    it."""
    work: float = 0.0
    """Seconds that COMMIT and CHECK, in which gradients are computed, are given more at first."""
    charges_max: int = 3
    """Charges that a pair may have; one more and both leave."""
    charge_lifetime: int = 1000
    """Counted steps after which a charge lapses."""

    @property
    def delta(self) -> float:
        """Delta: seconds within which a message between honest peers arrives (section 5)."""
        return self.patience / 6
