"""Calls: what a peer says of an attempt that got stuck, and whom it waits for (protocol, section 5,
*Call*).

A view is signed once; it ends its signer's part in the attempt. Whoever gets a valid one with a
claim or a proof joins at once (`slow_path.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from zpeer.core.aggregate import AggregatedStage, find_missing_parts
from zpeer.core.broadcast import is_agreed, read
from zpeer.core.convict import find_fault, get_culprit
from zpeer.core.schedule import find_bytes_due, find_due
from zpeer.core.verify import ProjectionsStage, find_missing_results
from zpeer.ids import NOTHING
from zpeer.messages import View
from zpeer.record import Record
from zpeer.signed import Signed, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.core.context import Context
    from zpeer.core.state import Attempt
    from zpeer.ids import Digest, PeerId


def find_claims(context: Context) -> tuple[PeerId, ...]:
    """Whom I wait for past a deadline; nobody before it."""
    attempt = context.attempt
    stage = attempt.stage
    late: list[PeerId] = []
    if stage not in attempt.sent and context.now >= find_bytes_due(context):
        late += find_missing_bytes(context)
    if context.now >= find_due(context):
        late += find_missing_messages(context)
    return tuple(peer for peer in attempt.base.roster if peer in late and peer != context.me)


def find_missing_bytes(context: Context) -> list[PeerId]:
    """Whose PART or RESULT my next message waits for."""
    attempt = context.attempt
    if attempt.stage is Stage.AGGREGATED and not attempt.void:
        return find_missing_parts(context) if context.me in attempt.base.workers else []
    return find_missing_results(context) if attempt.stage is Stage.PROJECTIONS else []


def find_missing_messages(context: Context) -> list[PeerId]:
    """Which others' message of my stage is not here, echoes another set, or names another
    record."""
    attempt = context.attempt
    return [
        peer
        for peer in context.others
        if (signed := attempt.signed(attempt.stage, peer)) is None or not is_agreed(context, signed)
    ]


def describe_waiting(context: Context) -> str:
    """What I wait for others for, for people: bytes and messages."""
    attempt = context.attempt
    lines = []
    if attempt.stage not in attempt.sent and find_missing_bytes(context):
        stage = AggregatedStage if attempt.stage is Stage.AGGREGATED else ProjectionsStage
        lines += stage.awaited(context)
    return "; ".join([*lines, *describe_missing_messages(context)])


def describe_missing_messages(context: Context) -> list[str]:
    """Whose messages of my stage are missing, and whose do not agree with mine."""
    attempt = context.attempt
    stage = attempt.stage
    missing = find_missing_messages(context)
    silent = [peer for peer in missing if attempt.signed(stage, peer) is None]
    odd = [peer for peer in missing if peer not in silent]
    lines = [f"{stage.name} from {context.names(silent)}"] if silent else []
    if odd:
        lines.append(f"{stage.name} that agrees with mine from {context.names(odd)}")
    return lines


def compose_view(context: Context, claims: tuple[PeerId, ...]) -> View:
    """My view of the attempt."""
    attempt = context.attempt
    has_voted = context.stages[-1] in attempt.sent
    proofs = [
        context.state.proofs[peer] for peer in attempt.base.roster if peer in context.state.proofs
    ]
    return View(
        record=decode_head(attempt.verdict) if has_voted else NOTHING,
        commits=attempt.sets.get(Stage.COMMIT, NOTHING),
        secret=attempt.secret,
        claims=claims,
        proofs=tuple(proofs[:1]),
    )


def decode_head(encoded: bytes) -> Digest:
    """The digest of an encoded record of mine."""
    return msgspec.msgpack.decode(encoded, type=Record).head


def read_view(context: Context, attempt: Attempt, signed: Signed) -> View | None:
    """The view, if it is valid: each claim names another member of the roster, each once, and each
    proof convicts a member. Any other is not taken."""
    view = read(context, signed)
    if not isinstance(view, View) or signed.sender not in attempt.base.roster:
        return None
    return view if is_valid(context, view, signed.sender, attempt.base.roster) else None


def is_valid(context: Context, view: View, sender: PeerId, roster: Sequence[PeerId]) -> bool:
    """Whether a view of this signer can be taken."""
    if len(set(view.claims)) < len(view.claims) or len(view.proofs) > 1:
        return False
    others = [peer for peer in roster if peer != sender]
    if not all(peer in others for peer in view.claims):
        return False
    return all(
        find_fault(context, proof) is not None and get_culprit(proof) in roster
        for proof in view.proofs
    )
