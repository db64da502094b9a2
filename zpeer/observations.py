"""What a running peer says of itself to whoever watches: the live view, a report, a test.

One line of JSON each, on a pipe or in `<state>/observations.jsonl`. The protocol reads none.
"""

from __future__ import annotations

import msgspec


class Assembling(msgspec.Struct, frozen=True, tag="assembling"):
    """Waiting for the others at the start."""

    peer: str
    connected: int
    total: int
    missing: list[str]


class Left(msgspec.Struct, frozen=True):
    """A ban or removal, for people."""

    peer: str
    fault: str
    sentence: str
    banned: bool
    accuser: str = ""


class StepDecided(msgspec.Struct, frozen=True, tag="step"):
    """A record became final."""

    peer: str
    head: str
    step: int
    attempt: int
    outcome: str
    roster: list[str]
    validators: list[str]
    departures: list[Left]
    parameters: str
    loss: float | None
    """Of this peer's own minibatch; None for a validator."""
    seconds: float
    stage_seconds: dict[str, float]
    bytes_sent: int
    bytes_received: int
    bulk_bytes_sent: int
    """Tensor bytes of PART and RESULT alone, without tags and frames."""
    open_draws: int
    open_matters: int


class Waited(msgspec.Struct, frozen=True, tag="waited"):
    """Trouble that does not end the run: a deadline passed, or somebody was caught lying."""

    peer: str
    stage: str
    reason: str
    waited_for: list[str]
    """Names of the peers that it is about."""
    step: int
    """Counted steps so far."""


class Evaluated(msgspec.Struct, frozen=True, tag="evaluated"):
    """The task's figures on held-out samples, at the parameters after `step` counted steps."""

    peer: str
    step: int
    figures: dict[str, float]


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The last line of every peer."""

    peer: str
    code: int
    reason: str
    step: int
    head: str
    parameters: str
    roster: list[str]
    model: str = ""
    log: str = ""
    evidence: list[str] = []


Observation = Assembling | StepDecided | Waited | Evaluated | Ended
