"""What Byzantine peers of a random run are up to: tables of behaviours, and one choice of them.

In each attempt every liar is in some mood; in some runs all of them follow a campaign besides, from
attempt to attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zpeer.signed import STEP_STAGES, Stage

if TYPE_CHECKING:
    from tests.core.timed import Stream
    from zpeer.ids import PeerId

WORDS = ("as it is", "as it is", "mute", "to some", "late", "two", "junk", "echo", "noise", "crash",
         "freeze")  # fmt: skip
BULK = ("as it is", "as it is", "as it is", "no part", "no result", "bad part", "bad result")
CALLS = ("no", "no", "once", "to some", "through chains")
VIEWS = ("as it is", "as it is", "none", "to some", "two", "three", "edge", "one more at the edge")
CONTENTS = ("as it is", "as it is", "no secret", "wrong secret", "no vote", "false vote", "claims",
            "frame", "no commits", "false commits")  # fmt: skip
CLOSEDS = ("as it is", "as it is", "none", "to some", "two", "edge", "voices", "borrowed voices")
DECIDEDS = ("as it is", "as it is", "none", "to some", "two", "false")
RELAYS = ("as it is", "as it is", "none", "to some", "late")
ANSWERS = ("as it is", "as it is", "none", "parts", "late")
CHECKS = ("as it is", "as it is", "frame", "old views", "no views")

QUIET = {"call": "no", "bulk": "as it is", "check": "as it is"}
CAMPAIGNS: dict[str, tuple[dict[str, Any], ...]] = {
    "none": ({},),
    "leave one behind": (
        {**QUIET, "words": "to some", "stage": Stage.VERDICT, "whom": "victim", "answers": "none"},
        {**QUIET, "call": "to some", "call_after": 0.0, "view": "none", "whom": "others"},
    ),
    "hide commits, call, call again": (
        {
            **QUIET,
            "words": "to some",
            "stage": Stage.COMMIT,
            "whom": "victim",
            "call": "once",
            "call_after": 2.5,
            "answers": "none",
            "closed": "none",
            "relay": "none",
        },
        {**QUIET, "call": "to some", "call_after": 0.0, "whom": "others", "view": "none"},
    ),
    "split checks, call again": (
        {**QUIET, "words": "two", "stage": Stage.CHECK, "whom": "victim", "closed": "none"},
        {**QUIET, "call": "once", "call_after": 0.0},
    ),
    "end for one alone": (
        {"words": "mute", "closed": "voices", "view": "one more at the edge", "relay": "none"},
        {"closed": "borrowed voices", "view": "one more at the edge", "relay": "none"},
        {"closed": "edge", "view": "one more at the edge", "relay": "none", "call": "once"},
    ),
    "hide views": ({"words": "mute", "view": "edge"}, {"closed": "none", "relay": "none"}),
    "call again and again": ({"call": "once", "content": "claims"},),
}
"""What all liars do from attempt to attempt, whatever else each is up to."""


class Mood:
    """What one Byzantine peer is up to in one attempt."""

    def __init__(
        self, stream: Stream, others: list[PeerId], victim: PeerId, plan: dict[str, Any]
    ) -> None:
        self.stream = stream
        self.words = stream.pick(WORDS)
        self.stage = stream.pick((*STEP_STAGES, Stage.VERDICT))
        self.bulk = stream.pick(BULK)
        self.call = stream.pick(CALLS)
        self.call_after = stream.share() * stream.pick((0.0, 0.0, 2.0, 12.0, 50.0))
        self.view = stream.pick(VIEWS)
        self.content = stream.pick(CONTENTS)
        self.closed = stream.pick(CLOSEDS)
        self.decided = stream.pick(DECIDEDS)
        self.relay = stream.pick(RELAYS)
        self.answers = stream.pick(ANSWERS)
        self.check = stream.pick(CHECKS)
        self.signatures = 1 + stream.below(4)
        most = tuple(each for each in others if each != victim)
        self.to = stream.pick((stream.some(others), (victim,), most))
        self.victim = victim
        self.shown_to = victim
        """Who is shown a view at the edge of a round."""
        for key, value in plan.items():
            setattr(self, key, value)
        self.to = {"victim": (victim,), "others": most}.get(plan.get("whom", ""), self.to)

    def __repr__(self) -> str:
        said = {k: v for k, v in vars(self).items() if isinstance(v, str) and v != "as it is"}
        to = "".join(str(each[0]) for each in self.to)
        what = ", ".join(f"{key}: {value}" for key, value in said.items())
        return f"{what}, stage: {self.stage.name}, to: {to}, victim: {self.victim[0]}"
