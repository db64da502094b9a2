"""The stages of a step, in order: one file each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.aggregate import AggregatedStage
from zpeer.core.check import CheckStage
from zpeer.core.commit import CommitStage
from zpeer.core.reveal import RevealStage
from zpeer.core.verdict import VerdictStage
from zpeer.core.verify import ProjectionsStage
from zpeer.signed import Stage

if TYPE_CHECKING:
    from zpeer.core.context import Context, StageRules

STAGES: dict[Stage, type[StageRules]] = {
    Stage.COMMIT: CommitStage,
    Stage.AGGREGATED: AggregatedStage,
    Stage.REVEAL: RevealStage,
    Stage.PROJECTIONS: ProjectionsStage,
    Stage.CHECK: CheckStage,
    Stage.VERDICT: VerdictStage,
}


def list_awaited(context: Context) -> list[str]:
    """What is still missing for my message of the present stage, for people."""
    attempt = context.attempt
    lines = STAGES[attempt.stage].awaited(context) if attempt.stage not in attempt.sent else []
    if not context.is_protected and attempt.stage is Stage.AGGREGATED:
        lines += ProjectionsStage.awaited(context)
    return lines


def awaits_myself(context: Context) -> bool:
    """Whether nobody but I is awaited: for the parameters after the record."""
    return context.attempt.stage is Stage.VERDICT and bool(VerdictStage.awaited(context))
