"""The registry of rules, continued: what only some see, and all judge; and who is drawn."""

from __future__ import annotations

from zpeer.core.rules import Rule
from zpeer.faults import FaultKind

MATTERS: tuple[Rule, ...] = (
    Rule(
        "V1",
        "wrong projection",
        "check.is_misstated",
        "The owner accuses whose scalars do not follow from its bytes.",
        (FaultKind.WRONG_PROJECTION,),
    ),
    Rule(
        "accused beyond",
        "wrong projection",
        "thresholds.is_accused",
        "Honest peers accuse only further out than honest machines differ and all uphold.",
        (FaultKind.WRONG_PROJECTION,),
    ),
    Rule(
        "upheld beyond",
        "wrong projection",
        "thresholds.is_upheld",
        "What an honest peer accuses every honest peer upholds.",
        (FaultKind.WRONG_PROJECTION,),
    ),
    Rule(
        "uphold",
        "wrong projection",
        "adjudicate.uphold",
        "More than half guilty bans the accused.",
        (FaultKind.WRONG_PROJECTION,),
    ),
    Rule(
        "reject",
        "wrong projection",
        "adjudicate.reject",
        "More than half innocent bans the accuser.",
        (FaultKind.FALSE_ACCUSATION,),
    ),
    Rule(
        "majority of findings",
        "wrong projection",
        "adjudicate.decides",
        "More than half of the roster decides a matter.",
    ),
    Rule(
        "fall",
        "wrong projection",
        "adjudicate.is_old",
        "A matter that is not decided in three records falls, and its accuser leaves.",
        (FaultKind.ACCUSATION_FELL,),
    ),
    Rule(
        "evidence",
        "wrong projection",
        "published.is_evidence",
        "Bytes are evidence only as the accused committed to them.",
        (FaultKind.FALSE_ACCUSATION,),
    ),
    Rule(
        "queue of a pair",
        "wrong projection",
        "bodies.judged_matters",
        "Of several matters between two peers the first is judged.",
    ),
    Rule(
        "moot",
        "wrong projection",
        "adjudicate.is_moot",
        "A ban makes what else stands against its peer moot.",
    ),
    Rule(
        "V2",
        "wrong sum",
        "verify.verify_sum_fails",
        "The projections of a part sum to zero.",
        (FaultKind.WRONG_SUM,),
    ),
    Rule(
        "tolerance of sums",
        "wrong sum",
        "thresholds.compute_sum_tolerance",
        "Honest sums, and what liars may be off unaccused, stay within the tolerance.",
        (FaultKind.WRONG_SUM,),
    ),
    Rule(
        "blame of sums",
        "wrong sum",
        "adjudicate.blame_sums",
        "A failed sum bans the owner.",
        (FaultKind.WRONG_SUM,),
    ),
    Rule(
        "shield",
        "wrong sum",
        "adjudicate.shields",
        "An owner who accuses somebody over the part is not banned at once.",
        (FaultKind.WRONG_SUM,),
    ),
    Rule(
        "fallen shield",
        "wrong sum",
        "adjudicate.get_fault_of_fall",
        "An excuse that falls costs the name.",
        (FaultKind.WRONG_SUM,),
    ),
    Rule(
        "V3",
        "wrong average",
        "verify.verify_norms_fail",
        "No majority states norms beyond the limit.",
        (FaultKind.WRONG_AVERAGE,),
    ),
    Rule(
        "residual",
        "wrong average",
        "judge.is_average_wrong",
        "An aggregate is held to its published rows.",
        (FaultKind.WRONG_AVERAGE,),
    ),
    Rule(
        "publishing",
        "wrong average",
        "published.publish_averages",
        "A questioned part is published by its owners.",
    ),
    Rule(
        "unpublished rows",
        "wrong average",
        "adjudicate.remove_unpublished",
        "Whose row most lack leaves, and the part's owner with it.",
        (FaultKind.PARTS_NOT_PUBLISHED,),
    ),
    Rule(
        "looser limit",
        "wrong average",
        "adjudicate.compute_floor",
        "After an averaging that was right the limit has room for the step.",
    ),
    Rule(
        "reporters drawn",
        "wrong average",
        "adjudicate.find_reporters",
        "Who stated a norm beyond the limit of an averaging that was right is drawn.",
    ),
    Rule(
        "gradient",
        "wrong gradient",
        "judge.follows",
        "Validators compute gradients again.",
        (FaultKind.WRONG_GRADIENT,),
    ),
    Rule(
        "own statements",
        "wrong gradient",
        "check.accuse_statements",
        "A target's scalars follow from its gradient.",
        (FaultKind.WRONG_PROJECTION,),
    ),
    Rule(
        "quiet owners",
        "wrong gradient",
        "judge.is_quiet",
        "Who held the bytes of a lie and kept quiet is blamed.",
        (FaultKind.CONCEALED_PROJECTION,),
    ),
    Rule(
        "blamed beyond",
        "wrong gradient",
        "thresholds.is_blamed",
        "Owners are blamed only for what they must have seen.",
        (FaultKind.CONCEALED_PROJECTION,),
    ),
    Rule(
        "blame upheld beyond",
        "wrong gradient",
        "thresholds.is_blame_upheld",
        "What an honest validator blames every honest peer upholds.",
        (FaultKind.CONCEALED_PROJECTION,),
    ),
    Rule(
        "report",
        "wrong report",
        "check.is_report_wrong",
        "A target accuses a validator whose digest does not follow.",
        (FaultKind.WRONG_REPORT,),
    ),
)
"""Section 3, with the judging of section 2."""

DRAWS: tuple[Rule, ...] = (
    Rule(
        "draw by q", "drawn last", "verdict.get_draw_beacon", "Validators and targets come from q."
    ),
    Rule(
        "draws of void attempts",
        "void draws",
        "verdict.draws_targets",
        "A void attempt has targets of its own.",
    ),
    Rule(
        "validators of void attempts",
        "void draws",
        "verdict.get_draw_beacon",
        "A void attempt keeps the step's validators.",
    ),
    Rule(
        "duties",
        "duties",
        "draw.may_take",
        "A validator takes the oldest draws that are not on itself.",
    ),
    Rule(
        "suspended draws",
        "duties",
        "draw.is_suspended",
        "A draw waits while an accusation from it is open.",
    ),
    Rule(
        "closing reports",
        "reports",
        "verdict.closes",
        "A report closes its draw only without an accusation.",
    ),
    Rule(
        "fallen reports",
        "reports",
        "adjudicate.reopen_reported",
        "A draw is open again when its report falls.",
    ),
    Rule("lapsing", "reports", "draw.split_lapsed", "A draw lapses after 2n counted steps."),
    Rule(
        "removed are drawn",
        "reports",
        "adjudicate.open_draws_of_removed",
        "The last gradient of who is removed is an open draw.",
    ),
    Rule(
        "last checks",
        "reports",
        "step.is_finished",
        "The run ends when nothing is open and one more CHECK set is recorded.",
    ),
)
"""Section 2: *The draw is made last*, *A validator's report*."""
