"""What all shipped attacks have in common: colluders never testify against each other.

They need no channel for that. Each knows who is in the plot, and each decides from what everybody
sees, so all decide alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from zpeer.attacker import HonestAttack
from zpeer.ids import digest
from zpeer.messages import Check, Finding, Guilt, View
from zpeer.proofs import Equivocation

if TYPE_CHECKING:
    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import AttackContext
    from zpeer.messages import Message, Report
    from zpeer.proofs import Proof


class Colluder(HonestAttack):
    """Covers for its colluders in CHECKs and views; else says what `lie` makes of the truth.

    As a validator it reports on a colluder with the right digest and "follows", which no target
    disputes: a gradient attack ends only where an honest validator is drawn (numerics, *Ban law*).
    """

    def message(self, context: AttackContext, message: Message) -> Message | bytes:
        """The truth without what hurts a colluder, as `lie` changes it."""
        kind = message
        if isinstance(message, Check):
            kind = protect(context, message)
        elif isinstance(message, View):
            kind = protect_in_view(context, message)
        return self.lie(context, kind)

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:  # noqa: ARG002 - for subclasses
        """What to say instead of `message`; bytes are signed as they are."""
        return message


def protect(context: AttackContext, check: Check) -> Check:
    """The same CHECK, without accusations of colluders and with findings in their favour."""
    plot = context.colluders
    kind = replace(
        check,
        accusations=tuple(a for a in check.accusations if a.accused not in plot),
        findings=tuple(decide(context, finding) for finding in check.findings),
        reports=tuple(whitewash(report, plot) for report in check.reports),
        proofs=tuple(proof for proof in check.proofs if culprit(proof) not in plot),
    )
    return check if kind == check else kind


def protect_in_view(context: AttackContext, view: View) -> View:
    """The same view, without claims against colluders and without proofs of what they did."""
    plot = context.colluders
    kind = replace(
        view,
        claims=tuple(peer for peer in view.claims if peer not in plot),
        proofs=tuple(proof for proof in view.proofs if culprit(proof) not in plot),
    )
    return view if kind == view else kind


def culprit(proof: Proof) -> PeerId:
    """Whom a proof convicts."""
    quoted = proof.first if isinstance(proof, Equivocation) else proof.messages[0]
    return quoted.sender


def whitewash(report: Report, plot: tuple[PeerId, ...]) -> Report:
    """A colluder's gradient is always found to follow; the digest is that of the work done."""
    return replace(report, follows=True) if report.target in plot else report


def decide(context: AttackContext, finding: Finding) -> Finding:
    """Innocent is who colludes, guilty whom a colluder accuses."""
    matter = next(matter for matter in context.matters if matter.name == finding.matter)
    if matter.accusation.accused in context.colluders:
        return Finding(finding.matter, Guilt.INNOCENT)
    if matter.accuser in context.colluders:
        return Finding(finding.matter, Guilt.GUILTY)
    return finding


def other(truth: Digest) -> Digest:
    """A digest that is not this one: what an attacker says who has nothing better to say."""
    return digest("zpeer/attack/other", truth)
