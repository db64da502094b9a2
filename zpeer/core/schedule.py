"""When each stage of an attempt is due (protocol, section 5, *Schedule*).

All due times are fixed when the attempt starts, as a sum of agreed durations, not from when a peer
entered a stage: else who is kept waiting would wait longer, and his neighbours with him. A stage is
given `patience` (6 Delta: starts lie up to 3 Delta apart, asking takes 2), or several times what it
took lately if that is more. Where bytes must be in before a peer can speak, they are due 6 Delta
before its word is: who lacks them calls before anybody can miss what it could not say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.core.limits import lower_median
from zpeer.signed import STEP_STAGES, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zpeer.core.context import Context
    from zpeer.genesis import Genesis

SPACIOUS = 5.0
"""Times what a stage took lately: others' machines, and today's load."""
DECAY = 0.95
"""Agreed durations grow at once and shrink by so much a counted step: one quick attempt says
little."""
SECONDS_MAX = 3600.0
"""Most that a stage's agreed duration can be."""
HEAVY = (Stage.COMMIT, Stage.CHECK)
WITH_BYTES = (Stage.AGGREGATED, Stage.PROJECTIONS)


def compute_allowance(genesis: Genesis, durations: Sequence[float], stage: Stage) -> float:
    """Seconds a stage is given, by agreed durations (none yet: empty)."""
    recent = durations[STEP_STAGES.index(stage)] if durations else 0.0
    work = max(SPACIOUS * recent, genesis.work if stage in HEAVY else 0.0)
    if stage in WITH_BYTES:
        return genesis.patience + max(genesis.patience, work)
    return max(genesis.patience, work + genesis.patience * (stage in HEAVY))


def find_due(context: Context) -> float:
    """When the present stage must be over.

    Who comes into a stage after the one before was due (its machine slept) still gives it
    `patience`.
    """
    attempt = context.attempt
    spans = (attempt.base.allowances[s - 1] for s in context.stages if s <= attempt.stage)
    return max(attempt.started + sum(spans), attempt.entered + context.genesis.patience)


def find_bytes_due(context: Context) -> float:
    """When the PARTs or RESULTs that the present stage's messages rest on must be in."""
    patience = context.genesis.patience
    return max(find_due(context) - patience, context.attempt.entered + patience)


def follow_durations(
    before: Sequence[float], reported: Iterable[Sequence[float]]
) -> tuple[float, ...]:
    """Agreed durations after a counted step: the median over peers, so only many can make it long.

    `reported`: seconds by stage, of every peer.
    """
    rows = list(reported)
    old = before or (0.0,) * len(STEP_STAGES)
    if not rows:
        return tuple(old)
    medians = [lower_median([row[place] for row in rows]) for place in range(len(STEP_STAGES))]
    return tuple(
        max(min(median, SECONDS_MAX), DECAY * earlier)
        for median, earlier in zip(medians, old, strict=True)
    )
