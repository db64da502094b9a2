"""Attackers of different kinds at once, one plot."""

from __future__ import annotations

from typing import NamedTuple


class Mix(NamedTuple):
    """Different attacks by the places of their peers."""

    title: str
    attacks: dict[int, tuple[str, dict[str, object]]]
    peers: int = 10
    steps: int = 4


MIXES = (
    Mix(
        "withhold and claim",
        {
            1: ("withheld_part", {}),
            3: ("false_claim", {"stage": "CHECK"}),
            5: ("withheld_result", {"of": "all"}),
            7: ("silent", {"stage": "REVEAL"}),
        },
    ),
    Mix(
        "two stories everywhere",
        {
            1: ("equivocation", {"stage": "VIEW"}),
            3: ("equivocation", {"stage": "CLOSED"}),
            5: ("equivocation", {"stage": "VERDICT", "bodies": 3}),
            7: ("equivocation", {"stage": "CHECK", "lie": "accusation"}),
        },
    ),
    Mix(
        "late and dead",
        {
            1: ("crash", {"stage": "CHECK", "told": "half"}),
            3: ("late_chain", {}),
            5: ("freeze", {"stage": "PROJECTIONS", "seconds": 60.0}),
            7: ("partial_broadcast", {"stage": "VERDICT", "when": "edge"}),
        },
    ),
    Mix(
        "lies under cover of calls",
        {
            1: ("colluding_cover", {"shift": 1.0}),
            3: ("false_claim", {"of": "turns", "stage": "VERDICT"}),
            5: ("sign_flip", {}),
            7: ("wrong_verdict", {}),
        },
    ),
    Mix(
        "accusations and floods",
        {
            1: ("false_accusation", {"to": "one"}),
            3: ("flood", {"kind": "signed", "count": 10}),
            5: ("stale_claim", {}),
            7: ("held_secret", {"then": "withheld", "when": "unwelcome"}),
        },
    ),
)
BIG_MIXES = (
    Mix(
        "seven of sixteen, by numbers",
        {
            1: ("sign_flip", {}),
            3: ("colluding_cover", {"shift": 1.0}),
            5: ("lazy_validator", {}),
            7: ("small_lies", {}),
            9: ("false_report", {}),
            11: ("smokescreen", {}),
            13: ("label_flip", {}),
        },
        peers=16,
        steps=40,
    ),
    Mix(
        "seven of sixteen, by silence and two faces",
        {
            1: ("withheld_part", {"of": "some"}),
            3: ("equivocation", {"stage": "VIEW"}),
            5: ("false_claim", {"of": "turns"}),
            7: ("restart", {"stage": "REVEAL"}),
            9: ("crash", {"stage": "CLOSED"}),
            11: ("held_secret", {"when": "unwelcome"}),
            13: ("shake_off", {"by": "share"}),
        },
        peers=16,
        steps=40,
    ),
)
"""Too long for the tests; `tools/attack_matrix` has them."""
