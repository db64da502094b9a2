"""Proofs that convict a peer by its own signatures alone (protocol, section 5, rule 2).

A proof is small, whatever was signed: views and CHECKs carry them, and a proof of two CHECKs must
fit into a CHECK. So two bodies of one slot are named by their hashes, and bodies are quoted only of
stages whose bodies are small.
"""

from __future__ import annotations

import msgspec

from zpeer.signed import Signed, Stage, Statement

QUOTED_STAGES = (
    Stage.COMMIT,
    Stage.AGGREGATED,
    Stage.REVEAL,
    Stage.PROJECTIONS,
    Stage.VERDICT,
)
"""Whose bodies a `Misdeed` may quote; CHECK and VIEW are as large as what carries proofs."""
QUOTED_MAX = 2


class Equivocation(msgspec.Struct, frozen=True, array_like=True, tag="two"):
    """Two different bodies signed for one slot."""

    first: Statement
    second: Statement


class Misdeed(msgspec.Struct, frozen=True, array_like=True, tag="own"):
    """Bodies of one peer in one attempt that no honest peer signs: one that does not decode, or a
    share that does not open its commitment."""

    messages: tuple[Signed, ...]


Proof = Equivocation | Misdeed
