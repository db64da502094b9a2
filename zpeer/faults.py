"""What a peer can do wrong, one name and one sentence each (protocol, section 3).

A fault is a value with evidence, never an exception. Most are a ban; those without transferable
evidence cost the place but not the name (`is_ban`).
"""

from __future__ import annotations

from enum import IntEnum


class FaultKind(IntEnum):
    """Deeds that cost a peer its place. The number is what a record holds."""

    EQUIVOCATION = 1
    INVALID_BODY = 2
    PART_NOT_FINITE = 3
    RESULT_NOT_FINITE = 4
    WRONG_SHARE = 5
    WRONG_SECRET = 6
    WRONG_BEACON = 7
    WRONG_PROJECTION = 8
    WRONG_SUM = 9
    WRONG_AVERAGE = 10
    WRONG_GRADIENT = 11
    WRONG_REPORT = 12
    CONCEALED_PROJECTION = 13
    FALSE_ACCUSATION = 14
    # Removals: no transferable evidence, so no ban.
    ACCUSATION_FELL = 20
    PARTS_NOT_PUBLISHED = 21
    SILENT = 22
    CLAIMED_BY_MOST = 23
    CLAIMS_MOST = 24
    PAIR_ELIMINATED = 25
    CHARGED_WITH_MOST = 26
    SECRET_WITHHELD = 27


SENTENCES: dict[FaultKind, str] = {
    FaultKind.EQUIVOCATION: "signed two different bodies for one slot",
    FaultKind.INVALID_BODY: "signed a body that is not valid for its slot",
    FaultKind.PART_NOT_FINITE: "sent a part as committed that is not finite or has a wrong length",
    FaultKind.RESULT_NOT_FINITE: "sent a result that is not finite or has a wrong length",
    FaultKind.WRONG_SHARE: "opened a share that does not fit its commitment",
    FaultKind.WRONG_SECRET: "opened a secret that does not fit its share",
    FaultKind.WRONG_BEACON: "stated a beacon that is not that of the opened shares",
    FaultKind.WRONG_PROJECTION: "stated scalars that do not follow from its committed part",
    FaultKind.WRONG_SUM: "aggregated a part whose projections do not sum to zero",
    FaultKind.WRONG_AVERAGE: "aggregated a part whose published rows do not balance",
    FaultKind.WRONG_GRADIENT: "committed to a gradient that is not that of its minibatch",
    FaultKind.WRONG_REPORT: "reported on a gradient without having computed it",
    FaultKind.CONCEALED_PROJECTION: "held the bytes of a wrong projection and kept quiet",
    FaultKind.FALSE_ACCUSATION: "accused a peer that is innocent",
    FaultKind.ACCUSATION_FELL: "made an accusation whose evidence did not reach most",
    FaultKind.PARTS_NOT_PUBLISHED: "did not publish its parts for a check of the averaging",
    FaultKind.SILENT: "was not heard when an attempt got stuck",
    FaultKind.CLAIMED_BY_MOST: "kept more peers waiting than can be faulty",
    FaultKind.CLAIMS_MOST: "claimed to wait for more peers than can be faulty",
    FaultKind.PAIR_ELIMINATED: "had too many disputes with one peer that nobody can judge",
    FaultKind.CHARGED_WITH_MOST: "had disputes with more peers than can be faulty",
    FaultKind.SECRET_WITHHELD: "did not open the secret it had committed to",
}


def is_ban(kind: FaultKind) -> bool:
    """Whether the fault is proven to anybody (ban), or only costs the place (removal)."""
    return kind < FaultKind.ACCUSATION_FELL


def sentence(kind: FaultKind) -> str:
    """What was done, as the end of a sentence that starts with the peer's name."""
    return SENTENCES[kind]
