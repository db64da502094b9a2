"""What the types of messages do not say: how many of each, which lengths, which stages where.

Everything here is the same at all peers of a run, so all of them find the same messages readable.
What is refused is no message at all: it raises `WireError`, and nothing else ever does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.errors import WireError
from zpeer.ids import DIGEST_SIZE
from zpeer.messages import (
    Accusation,
    Aggregated,
    Check,
    Closed,
    Commit,
    Decided,
    Finding,
    Projections,
    Reveal,
    Verdict,
    View,
)
from zpeer.proofs import QUOTED_MAX, QUOTED_STAGES, Equivocation, Misdeed
from zpeer.relays import BlobRequest, Certificate, Chain, ProofReply, SetReply, SetRequest
from zpeer.signed import STEP_STAGES, Stage

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sized

    from zpeer.messages import Message
    from zpeer.proofs import Proof
    from zpeer.relays import Relay
    from zpeer.signed import Signed, Statement
    from zpeer.wire import WireLimits

SIGNATURE_SIZE = 64
REPORTS_MAX = 8
"""A validator has at most two draws at a time; the core knows the exact number."""
VIEW_PROOFS_MAX = 1
"""One is all that a call needs."""
SLOTS = frozenset(Stage) - {Stage.WITNESS}
CERTIFYING = (Stage.VERDICT, Stage.DECIDED)
PASSED_ON = (Stage.VIEW, Stage.CLOSED)
"""What travels in chains: what a peer saw, and that it holds a closed set of views."""


def require_size(what: str, data: bytes, size_bytes_max: int) -> None:
    """Refuse more bytes than that."""
    if len(data) > size_bytes_max:
        raise WireError(f"{what} of {len(data)} bytes; at most {size_bytes_max} are allowed")


def require_count(what: str, items: Sized, count_max: int) -> None:
    """Refuse more items than that."""
    if len(items) > count_max:
        raise WireError(f"{len(items)} {what}; at most {count_max} are allowed")


def require_digests(what: str, digests: Iterable[bytes]) -> None:
    """Refuse what is not as long as a digest."""
    for digest in digests:
        if len(digest) != DIGEST_SIZE:
            raise WireError(f"{what} of {len(digest)} bytes; expected {DIGEST_SIZE}")


def require_stage(what: str, stage: Stage, stages: Container[Stage]) -> None:
    """Refuse a stage where it has no business."""
    if stage not in stages:
        raise WireError(f"a {stage.name} as {what}")


# --- what is signed -------------------------------------------------------------------------------


def require_signed(signed: Signed, limits: WireLimits) -> None:
    """A sound header and no more bytes than the stage can need; the payload is not looked into."""
    require_digests("head or sender", (signed.head, signed.sender))
    require_size("payload", signed.payload, limits.payload_bytes(signed.stage))
    require_signature(signed.signature)
    if signed.stage is Stage.WITNESS:
        require_digests("payload of a WITNESS", (signed.payload,))


def require_signature(signature: bytes) -> None:
    """Its length; whether it is good is for others to find out."""
    if len(signature) != SIGNATURE_SIZE:
        raise WireError(f"signature of {len(signature)} bytes; expected {SIGNATURE_SIZE}")


def require_signeds(
    what: str, messages: tuple[Signed, ...], stages: Container[Stage], limits: WireLimits
) -> None:
    """At most one for each peer, of certain stages."""
    require_count(what, messages, limits.peers)
    for signed in messages:
        require_stage(f"one of {what}", signed.stage, stages)
        require_signed(signed, limits)


def require_statement(statement: Statement) -> None:
    """Of a slot: who signs as a WITNESS twice has done nothing wrong."""
    require_stage("half of a proof", statement.stage, SLOTS)
    require_digests("part of a proof", (statement.head, statement.sender, statement.content))
    require_signature(statement.signature)


def require_proof(proof: Proof, limits: WireLimits) -> None:
    """Small, and of a form that can convict; whether it does is the core's to judge."""
    match proof:
        case Equivocation(first=first, second=second):
            require_statement(first)
            require_statement(second)
        case Misdeed(messages=messages):
            if not messages:
                raise WireError("a proof that quotes nothing")
            require_count("quoted messages", messages, QUOTED_MAX)
            require_signeds("quoted messages", messages, QUOTED_STAGES, limits)


# --- relays ---------------------------------------------------------------------------------------


def require_relay(relay: Relay, limits: WireLimits) -> None:
    """All limits of a control message that is no slot."""
    match relay:
        case SetRequest(head=head, stage=stage):
            require_digests("head", (head,))
            require_stage("what is asked for", stage, SLOTS)
        case SetReply(head=head, stage=stage, messages=messages):
            require_digests("head", (head,))
            require_stage("what was asked for", stage, SLOTS)
            require_signeds("messages", messages, SLOTS, limits)
        case ProofReply(proof=proof):
            require_proof(proof, limits)
        case BlobRequest(blob=blob):
            require_digests("blob", (blob,))
        case Chain(view=view, witnesses=witnesses):
            require_signeds("words passed on", (view,), PASSED_ON, limits)
            require_signeds("witnesses", witnesses, (Stage.WITNESS,), limits)
        case Certificate(record=record, messages=messages):
            require_size("record", record, limits.record_bytes)
            require_signeds("certifying messages", messages, CERTIFYING, limits)


# --- messages -------------------------------------------------------------------------------------


def require_message(message: Message, limits: WireLimits) -> None:
    """All limits of a payload."""
    match message:
        case Commit(parts=parts, commitment=commitment):
            require_count("parts", parts, limits.peers)
            require_digests("commitment", (*parts, commitment))
        case Aggregated(echo=echo, result=result):
            require_digests("echo or result", (echo,) if result is None else (echo, result))
        case Reveal(echo=echo, share=share):
            require_digests("echo or share", (echo, share))
        case Projections():
            _require_projections(message, limits)
        case Check():
            _require_check(message, limits)
        case Verdict(echo=echo, record=record):
            require_digests("echo or record", (echo, record))
        case View():
            _require_view(message, limits)
        case Closed(views=views):
            require_digests("views", (views,))
        case Decided(record=record):
            require_digests("record", (record,))


def _require_projections(message: Projections, limits: WireLimits) -> None:
    require_digests("echo or beacon", (message.echo, message.beacon))
    require_count("rows of projections", message.projections, limits.peers)
    for row in message.projections:
        require_count("projections in a row", row, limits.directions)
    require_count("norms", message.norms, limits.peers)


def _require_check(message: Check, limits: WireLimits) -> None:
    require_digests("echo or secret", (message.echo, message.secret))
    require_count("accusations", message.accusations, limits.accusations_max)
    require_count("findings", message.findings, limits.findings_max)
    require_count("reports", message.reports, REPORTS_MAX)
    require_count("durations", message.durations, len(STEP_STAGES))
    require_count("proofs", message.proofs, limits.peers)
    for accusation in message.accusations:
        _require_accusation(accusation, limits)
    for finding in message.findings:
        _require_finding(finding, limits)
    for report in message.reports:
        digests = (report.target, report.attempt, report.gradient)
        require_digests("field of a report", digests)
    require_signeds("views", message.views, (Stage.VIEW,), limits)
    for proof in message.proofs:
        require_proof(proof, limits)


def _require_view(message: View, limits: WireLimits) -> None:
    require_digests("record, set or secret", (message.record, message.commits, message.secret))
    require_count("claims", message.claims, limits.peers)
    require_digests("claimed peer", message.claims)
    require_count("proofs", message.proofs, VIEW_PROOFS_MAX)
    for proof in message.proofs:
        require_proof(proof, limits)


def _require_accusation(item: Accusation, limits: WireLimits) -> None:
    digests = (item.accused, item.attempt, item.about, item.evidence)
    require_digests("field of an accusation", digests)
    if not -1 <= item.part < limits.peers:
        raise WireError(f"part {item.part}; expected -1 to {limits.peers - 1}")


def _require_finding(item: Finding, limits: WireLimits) -> None:
    require_count("lacking peers", item.lacking, limits.peers)
    require_digests("matter or peer", (item.matter, *item.lacking))
