"""The registry of rules: which function of the core is which rule of the protocol.

Pure data, for tests that switch off one rule at a time and nothing else: whoever changes such a
function keeps it to that one rule. Here is what all see, and who is removed without a proof; what
only some see, and what decides who is drawn, is in `rules_of_matters.py`, and what ends attempts in
trouble in `rules_of_agreement.py`.
"""

from __future__ import annotations

from typing import NamedTuple

from zpeer.faults import FaultKind


class Rule(NamedTuple):
    """One rule."""

    name: str
    place: str
    """The row of section 3, the paragraph of section 2 or 5, that it is from."""
    function: str
    """Module and name below `zpeer.core`."""
    says: str
    faults: tuple[FaultKind, ...] = ()
    """What it names."""


ROWS = (
    "equivocation",
    "invalid body",
    "part not delivered",
    "result not delivered",
    "part not finite",
    "result not finite",
    "wrong secret",
    "wrong beacon",
    "wrong projection",
    "wrong sum",
    "wrong average",
    "wrong gradient",
    "wrong report",
    "foreign head",
    "silence",
)
"""Of section 3's table, those that are built: there is no tolerance mode."""

SEEN: tuple[Rule, ...] = (
    Rule(
        "two bodies",
        "equivocation",
        "broadcast.put",
        "A second body for a slot is a proof against its signer.",
        (FaultKind.EQUIVOCATION,),
    ),
    Rule(
        "shown bodies",
        "equivocation",
        "convict.is_equivocation",
        "Two bodies that others show convict their signer.",
        (FaultKind.EQUIVOCATION,),
    ),
    Rule(
        "two views",
        "equivocation",
        "adjudicate.settle_views",
        "Who signs two views is banned.",
        (FaultKind.EQUIVOCATION,),
    ),
    Rule(
        "unreadable body",
        "invalid body",
        "faulty.is_unreadable",
        "A body that does not decode is not valid.",
        (FaultKind.INVALID_BODY,),
    ),
    Rule(
        "unreadable verdict",
        "invalid body",
        "receive.is_garbled_verdict",
        "A VERDICT that does not decode is a proof.",
        (FaultKind.INVALID_BODY,),
    ),
    Rule(
        "COMMIT",
        "invalid body",
        "bodies.problem_of_commit",
        "A worker commits to every part, a validator to none.",
        (FaultKind.INVALID_BODY,),
    ),
    Rule(
        "AGGREGATED",
        "invalid body",
        "bodies.problem_of_aggregated",
        "A worker fixes a result, unless the attempt is void.",
        (FaultKind.INVALID_BODY,),
    ),
    Rule(
        "PROJECTIONS",
        "invalid body",
        "bodies.problem_of_projections",
        "A worker states scalars on every part.",
        (FaultKind.INVALID_BODY,),
    ),
    Rule(
        "scalars",
        "invalid body",
        "bodies.problem_of_row",
        "So many projections as directions, and a norm that is one.",
        (FaultKind.INVALID_BODY,),
    ),
    Rule(
        "impossible scalars",
        "invalid body",
        "bodies.is_impossible",
        "No projection is longer than what it is one of.",
        (FaultKind.INVALID_BODY,),
    ),
    Rule(
        "findings",
        "invalid body",
        "bodies.problem_of_findings",
        "CHECK holds a finding on each judged matter.",
        (FaultKind.INVALID_BODY,),
    ),
    Rule(
        "reports",
        "invalid body",
        "bodies.problem_of_reports",
        "A validator's CHECK reports on each of its draws.",
        (FaultKind.INVALID_BODY,),
    ),
    Rule(
        "report and accusation",
        "invalid body",
        "bodies.contradicts",
        "A report that something does not follow comes with an accusation.",
        (FaultKind.INVALID_BODY,),
    ),
    Rule(
        "durations",
        "invalid body",
        "bodies.problem_of_durations",
        "CHECK holds a time for each stage.",
        (FaultKind.INVALID_BODY,),
    ),
    Rule(
        "one accusation a deed",
        "invalid body",
        "bodies.repeats_itself",
        "Nobody accuses twice of one deed.",
        (FaultKind.INVALID_BODY,),
    ),
    Rule(
        "may accuse",
        "invalid body",
        "bodies.may_accuse",
        "An accusation is made by whose it is to make.",
        (FaultKind.INVALID_BODY,),
    ),
    Rule(
        "owners accuse",
        "invalid body",
        "bodies.is_owners",
        "Of a part its owner accuses, in the same attempt.",
        (FaultKind.INVALID_BODY,),
    ),
    Rule(
        "validators accuse",
        "invalid body",
        "bodies.is_validators",
        "Of a gradient only its validator accuses.",
        (FaultKind.INVALID_BODY,),
    ),
    Rule(
        "targets accuse",
        "invalid body",
        "bodies.is_targets",
        "Of a report only its target accuses.",
        (FaultKind.INVALID_BODY,),
    ),
    Rule(
        "void",
        "invalid body",
        "faulty.note",
        "What all see before CHECK makes the attempt void.",
        (FaultKind.INVALID_BODY,),
    ),
    Rule(
        "PART",
        "part not delivered",
        "aggregate.is_committed",
        "A PART is used only as it was committed to.",
    ),
    Rule("charges", "part not delivered", "claims.charge", "A pair in dispute is charged."),
    Rule(
        "elimination",
        "part not delivered",
        "claims.find_eliminated",
        "A pair over its limit leaves.",
        (FaultKind.PAIR_ELIMINATED,),
    ),
    Rule(
        "contentious",
        "part not delivered",
        "claims.find_contentious",
        "Who has charges with more than F leaves.",
        (FaultKind.CHARGED_WITH_MOST,),
    ),
    Rule(
        "RESULT",
        "result not delivered",
        "verify.is_fixed",
        "A RESULT is used only as it was fixed.",
    ),
    Rule(
        "claimed by most",
        "result not delivered",
        "claims.find_claimed",
        "Whom more than F wait for leaves.",
        (FaultKind.CLAIMED_BY_MOST,),
    ),
    Rule(
        "claims most",
        "result not delivered",
        "claims.find_claiming",
        "Who waits for more than F leaves.",
        (FaultKind.CLAIMS_MOST,),
    ),
    Rule(
        "whole PART",
        "part not finite",
        "aggregate.is_sound",
        "A PART as committed to that is no part is accused, and counts as zeros.",
        (FaultKind.PART_NOT_FINITE,),
    ),
    Rule(
        "whole RESULT",
        "result not finite",
        "verify.is_finite_result",
        "A RESULT as fixed that is no part costs its owner the name.",
        (FaultKind.RESULT_NOT_FINITE,),
    ),
    Rule(
        "share",
        "wrong secret",
        "reveal.opens_commitment",
        "b_i opens c_i.",
        (FaultKind.WRONG_SHARE,),
    ),
    Rule(
        "secret", "wrong secret", "reveal.opens_share", "a_i opens b_i.", (FaultKind.WRONG_SECRET,)
    ),
    Rule(
        "secret of a view",
        "wrong secret",
        "resolve.opens_both",
        "The a_i of a view is the one behind c_i.",
        (
            FaultKind.WRONG_SECRET,
            FaultKind.SECRET_WITHHELD,
        ),
    ),
    Rule(
        "beacon",
        "wrong beacon",
        "verify.is_beacon_wrong",
        "Everybody states the r of the shares.",
        (FaultKind.WRONG_BEACON,),
    ),
    Rule(
        "head", "foreign head", "receive.builds_on", "What builds on another head is not counted."
    ),
    Rule(
        "silence", "silence", "resolve.find_silent", "Who has no view leaves.", (FaultKind.SILENT,)
    ),
)
