"""The registry of rules, continued: how attempts in trouble end (protocol, section 5)."""

from __future__ import annotations

from zpeer.core.rules import Rule
from zpeer.faults import FaultKind

AGREEMENT: tuple[Rule, ...] = (
    Rule(
        "fixed times",
        "schedule",
        "schedule.find_due",
        "Stages are due at times fixed when the attempt starts.",
    ),
    Rule(
        "ask who is ahead",
        "asking",
        "asking.ask_ahead",
        "Who is ahead of me is asked for what I miss.",
    ),
    Rule(
        "ask everybody", "asking", "asking.ask_everybody", "Everybody is asked before a deadline."
    ),
    Rule(
        "ask for bytes",
        "asking",
        "asking.ask_for_bytes",
        "Who lacks bytes asks for them before they are due.",
    ),
    Rule(
        "ask about echoes",
        "asking",
        "asking.ask_about_echo",
        "Who echoes another set is asked for it.",
    ),
    Rule(
        "late verdicts",
        "commit",
        "step.may_pass",
        "n VERDICTs make a record final, also after a call.",
    ),
    Rule(
        "show who waits",
        "commit",
        "step.is_awaited",
        "Who commits while somebody waits shows all the VERDICTs.",
    ),
    Rule(
        "show who leaves",
        "commit",
        "step.is_leaving",
        "Who leaves with a record is shown its VERDICTs.",
    ),
    Rule(
        "answer calls", "commit", "receive.answer_call", "A call on a decided attempt is answered."
    ),
    Rule(
        "my verdict",
        "commit",
        "broadcast.takes_slot",
        "A VERDICT that says what mine says takes its slot.",
    ),
    Rule(
        "valid views",
        "call",
        "call.is_valid",
        "A view with a claim or proof that cannot be is not taken.",
    ),
    Rule("call with proofs", "call", "slow_path.call_with_proof", "Who has a proof in hand calls."),
    Rule("join", "call", "slow_path.is_call", "Who gets a call joins at once."),
    Rule(
        "no more stages",
        "call",
        "step.may_speak",
        "Who has joined signs no stage message of the attempt.",
    ),
    Rule("rounds", "slow path", "slow_path.count_rounds", "F + 1 rounds."),
    Rule(
        "chains in time",
        "slow path",
        "slow_path.is_in_time",
        "A chain of k signatures is taken until k rounds are over.",
    ),
    Rule(
        "all voices",
        "slow path",
        "slow_path.is_voice",
        "Rounds end early only when every origin has closed the same views.",
    ),
    Rule(
        "closed in time",
        "slow path",
        "slow_path.is_closed_in_time",
        "A closed set counts only as long as everybody can still learn it.",
    ),
    Rule(
        "sleepers",
        "slow path",
        "slow_path.has_slept",
        "Who has slept through the end of a round does not end by its own views.",
    ),
    Rule(
        "cut off",
        "slow path",
        "resolve.are_few",
        "Who hears half of the roster or fewer decides nothing.",
    ),
    Rule(
        "rule 1",
        "slow path",
        "resolve.find_voted",
        "A record that more than half voted for is the record.",
    ),
    Rule(
        "q of views",
        "slow path",
        "resolve.find_named_commits",
        "A void attempt has the q that its CHECK would have given.",
    ),
    Rule(
        "misdeeds return",
        "slow path",
        "convict.collect_misdeeds",
        "What convicts a peer by its own words in an attempt that a call voids comes back.",
        (FaultKind.WRONG_SHARE,),
    ),
    Rule(
        "quoted bodies",
        "slow path",
        "convict.is_never_valid",
        "A body that nobody honest signs is a proof.",
        (FaultKind.INVALID_BODY,),
    ),
    Rule(
        "quoted shares",
        "slow path",
        "convict.is_wrong_share",
        "A share that does not open its commitment is a proof.",
        (FaultKind.WRONG_SHARE,),
    ),
    Rule(
        "brought proofs",
        "slow path",
        "check.collect_proofs",
        "What convicts by itself is brought in the next CHECK.",
    ),
    Rule(
        "fetch the outcome",
        "slow path",
        "resolve.ask_for_outcome",
        "Who lacks what the outcome rests on asks for it.",
    ),
    Rule(
        "shown sets",
        "slow path",
        "resolve.keep_shown",
        "Who lacks the set behind the outcome takes one that is shown.",
    ),
    Rule(
        "late views",
        "settling",
        "check.collect_late_views",
        "The claims of a call on a committed attempt are settled in the next CHECK.",
    ),
    Rule(
        "majority of the signed",
        "certificates",
        "resolve.find_majority",
        "More than half of the roster prove a record.",
    ),
    Rule(
        "show who departed",
        "certificates",
        "asking.show_departed",
        "Whom a slow path removes is shown how.",
    ),
)
