"""What a peer's process prints: one canonical line a step, notices, and its last word.

Lines for people on a terminal, JSON elsewhere. Nothing secret is ever given to it: keys, shares and
a_i do not reach this file.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

from zpeer.observations import Assembling, Ended, Evaluated, StepDecided, Waited

if TYPE_CHECKING:
    from zpeer.observations import Observation


def make_logger(peer: str, level: str) -> structlog.typing.FilteringBoundLogger:
    """A logger that writes to standard output and names the peer in every line."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=True)
        if sys.stdout.isatty()
        else structlog.processors.JSONRenderer()
    )
    threshold = logging.getLevelNamesMapping()[level.upper()]
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(sys.stdout),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        peer=peer,
    )
    return logger


def log_observation(logger: structlog.typing.FilteringBoundLogger, seen: Observation) -> None:
    """The canonical line of an observation; a ban is a warning of its own."""
    match seen:
        case Assembling():
            logger.info(
                "waiting for peers",
                connected=seen.connected,
                total=seen.total,
                missing=", ".join(seen.missing),
            )
        case StepDecided():
            log_step(logger, seen)
        case Waited():
            logger.warning(
                "trouble",
                stage=seen.stage,
                why=seen.reason,
                peers=", ".join(seen.waited_for),
                step=seen.step,
            )
        case Evaluated():
            logger.info("evaluated", step=seen.step, **seen.figures)
        case Ended():
            logger.info(
                "ended",
                code=seen.code,
                reason=seen.reason,
                step=seen.step,
                head=seen.head[:16],
                parameters=seen.parameters[:16],
                roster=len(seen.roster),
                model=seen.model,
                log=seen.log,
                evidence=seen.evidence,
            )


def log_step(logger: structlog.typing.FilteringBoundLogger, seen: StepDecided) -> None:
    """One line a record, and one for each peer that leaves with it."""
    for left in seen.departures:
        logger.warning(
            "banned" if left.banned else "removed",
            who=left.peer,
            fault=left.fault,
            why=left.sentence,
            accuser=left.accuser,
            step=seen.step,
        )
    logger.info(
        "decided",
        step=seen.step,
        attempt=seen.attempt,
        outcome=seen.outcome,
        roster=len(seen.roster),
        loss=seen.loss,
        seconds=round(seen.seconds, 4),
        bytes_sent=seen.bytes_sent,
        bytes_received=seen.bytes_received,
        open_draws=seen.open_draws,
        open_matters=seen.open_matters,
        head=seen.head[:16],
    )
