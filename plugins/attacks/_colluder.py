"""What all shipped attacks have in common: colluders never testify against each other.

They need no channel for that. Each knows who is in the plot, and each decides from what everybody
sees, so all decide alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from zpeer.attacker import HonestAttack
from zpeer.ids import digest
from zpeer.messages import Check, Finding, Guilt

if TYPE_CHECKING:
    from zpeer.ids import Digest, PeerId
    from zpeer.interfaces import AttackContext
    from zpeer.messages import Message, Report


class Colluder(HonestAttack):
    """Covers for its colluders in CHECK, and otherwise says what `lie` makes of the truth.

    As a validator it reports on a colluder with the right digest and "follows", which no target
    disputes: a gradient attack ends only where an honest validator is drawn (numerics, *Ban law*).
    """

    def message(self, context: AttackContext, message: Message) -> Message | bytes:
        """The truth without what hurts a colluder, as `lie` changes it."""
        return self.lie(
            context, protect(context, message) if isinstance(message, Check) else message
        )

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
    )
    return check if kind == check else kind


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
