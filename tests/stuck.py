"""Plots in which attempts get stuck, so that deeds are banned behind the slow path.

Peers 1 and 2 of seven are Byzantine, sometimes 3. What keeps an attempt from ending is mostly a
PART that one honest owner waits for in vain: nobody else sees it, the pair is charged, and the
attempt is void by the views alone.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import msgspec

from plugins.attacks._accuse import accuse
from plugins.attacks._colluder import Colluder, other
from plugins.attacks.equivocation import Equivocation
from plugins.attacks.false_report import FalseReport
from plugins.attacks.invalid_body import InvalidBody
from plugins.attacks.lazy_validator import LazyValidator
from plugins.attacks.silent import Silent
from plugins.attacks.withheld_part import WithheldPart
from plugins.attacks.wrong_share import WrongShare
from tests.cheats import InventedReport, UnpublishedShield, Verified, run_attacks
from zpeer.attacker import HonestAttack
from zpeer.core.adjudicate import AGE_MAX
from zpeer.effects import Broadcast, SendSet
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING
from zpeer.messages import Accusation, Check, View, stage_of
from zpeer.signed import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext, Bytes, Float32
    from zpeer.messages import Message

replace = msgspec.structs.replace


class At(HonestAttack):
    """Another attack, in some attempts only."""

    def __init__(self, attack: Attack, *places: tuple[int, int]) -> None:
        self.attack = attack
        self.places = places

    def pick(self, context: AttackContext) -> Attack:
        """Whose plan this attempt goes by."""
        is_on = (context.step, context.attempt) in self.places
        return self.attack if is_on else HonestAttack()

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:
        return self.pick(context).gradient(context, honest)

    def part(self, context: AttackContext, part: int, data: Bytes) -> Bytes:
        return self.pick(context).part(context, part, data)

    def aggregate(self, context: AttackContext, honest: Float32) -> Float32:
        return self.pick(context).aggregate(context, honest)

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        return list(self.pick(context).effects(context, effects))


class Saying(HonestAttack):
    """Says something else in one stage: another message, or bytes."""

    def __init__(self, stage: Stage, lie: Callable[[Message], Message | bytes]) -> None:
        self.stage = stage
        self.lie = lie

    def message(self, context: AttackContext, message: Message) -> Message | bytes:
        return self.lie(message) if stage_of(message) is self.stage else message


class AccusingVoid(Colluder):
    """As a validator accuses honest targets of their gradients in attempts that were void."""

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        if not isinstance(message, Check):
            return message
        duties = context.base.duty_of(context.me)  # type: ignore[attr-defined]
        void = [(each.target, each.attempt) for each in duties if not each.counted]
        lies = [
            report
            for report in message.reports
            if (report.target, report.attempt) in void and report.target not in context.colluders
        ]
        told = tuple(replace(r, follows=False) if r in lies else r for r in message.reports)
        fault = FaultKind.WRONG_GRADIENT
        accusations = tuple(Accusation(fault, each.target, each.attempt) for each in lies)
        return accuse(replace(message, reports=told), *accusations)


class Both(HonestAttack):
    """One attack and another after it."""

    def __init__(self, first: Attack, second: Attack) -> None:
        self.first = first
        self.second = second

    def part(self, context: AttackContext, part: int, data: Bytes) -> Bytes:
        return self.second.part(context, part, self.first.part(context, part, data))

    def aggregate(self, context: AttackContext, honest: Float32) -> Float32:
        return self.second.aggregate(context, self.first.aggregate(context, honest))

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        told = self.first.effects(context, effects)
        return list(self.second.effects(context, list(told)))


class Mute(HonestAttack):
    """Sends nothing at all, as if it had crashed."""

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        return [effect for effect in effects if not hasattr(effect, "to")]


class WithoutVerdict(HonestAttack):
    """Is quiet about the record that bans it, also when asked."""

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        told = super().effects(context, effects)
        late = any(
            each.accuser == context.me and each.age + 1 == AGE_MAX for each in context.matters
        )
        return [e for e in told if not (late and speaks_of_verdict(e))]

    def message(self, context: AttackContext, message: Message) -> Message | bytes:
        return replace(message, record=NOTHING) if isinstance(message, View) else message


def speaks_of_verdict(effect: Outgoing) -> bool:
    return isinstance(effect, Broadcast | SendSet) and effect.stage is Stage.VERDICT


def stall(*places: tuple[int, int]) -> At:
    """Let one owner wait for a PART in these attempts."""
    return At(WithheldPart(), *places)


def spoil(message: Message) -> Message:
    """Another secret."""
    assert isinstance(message, Check | View)
    return replace(message, secret=other(message.secret))


def garble(_: Message) -> bytes:
    """What does not decode."""
    return b"\xc1"


PLOTS: dict[str, Callable[[], dict[int, Attack]]] = {
    "share": lambda: {1: At(WrongShare(), (1, 0)), 2: At(Silent("PROJECTIONS"), (1, 0))},
    "view secret": lambda: {1: At(Saying(Stage.VIEW, spoil), (1, 0)), 2: stall((1, 0))},
    "commit": lambda: {
        1: At(InvalidBody("wrong_counts", "COMMIT"), (1, 0)),
        2: At(Silent("REVEAL"), (1, 0)),
    },
    "commit garbage": lambda: {
        1: At(InvalidBody("garbage", "COMMIT"), (1, 0)),
        2: At(Silent("REVEAL"), (1, 0)),
    },
    "aggregated": lambda: {
        1: At(InvalidBody("garbage", "AGGREGATED"), (1, 0)),
        2: At(Silent("REVEAL"), (1, 0)),
    },
    "projections": lambda: {
        1: At(InvalidBody("nan"), (1, 0)),
        2: At(Silent("CHECK"), (1, 0)),
    },
    "verdict": lambda: {1: At(Saying(Stage.VERDICT, garble), (1, 0))},
    "two commits": lambda: {1: At(Equivocation("COMMIT"), (1, 0))},
    "two checks": lambda: {1: At(Equivocation("CHECK"), (1, 0))},
    "two verdicts": lambda: {1: At(Equivocation("VERDICT"), (1, 0))},
    "two verdicts and a secret": lambda: {
        1: Both(
            At(Equivocation("VERDICT"), (1, 0)),
            At(Saying(Stage.CHECK, spoil), (2, 0)),
        ),
    },
    "two views": lambda: {1: At(Equivocation("VIEW"), (1, 0)), 2: stall((1, 0))},
    "two closed": lambda: {1: At(Equivocation("CLOSED"), (1, 0)), 2: stall((1, 0))},
    "invented report": lambda: {1: At(InventedReport(), (3, 2)), 2: stall((3, 0), (3, 1))},
    "invented report after a vote": lambda: {
        1: At(InventedReport(), (2, 1)),
        2: stall((2, 0)),
        3: At(Saying(Stage.VERDICT, garble), (1, 0)),
    },
    "lazy": lambda: {
        1: Both(LazyValidator(), stall((2, 0), (3, 0), (4, 0))),
        2: LazyValidator(),
        3: LazyValidator(),
    },
    "false gradient": lambda: {
        1: Both(AccusingVoid(), stall((1, 0), (3, 0), (5, 0))),
        2: AccusingVoid(),
        3: AccusingVoid(),
    },
    "false concealed": lambda: {
        1: Both(FalseReport("concealed"), stall((1, 0), (3, 0), (5, 0))),
        2: FalseReport("concealed"),
        3: FalseReport("concealed"),
    },
    "fallen shield": lambda: {
        1: Both(At(UnpublishedShield(), (1, 0)), WithoutVerdict()),
        2: UnpublishedShield(),
    },
    "shield of who has left": lambda: {
        1: Both(At(UnpublishedShield(), (1, 0)), At(Silent("COMMIT"), (2, 0))),
        2: UnpublishedShield(),
    },
    "shield of who has crashed": lambda: {
        1: Both(At(UnpublishedShield(), (1, 0)), At(Mute(), (2, 0))),
        2: UnpublishedShield(),
    },
}  # fmt: skip
"""Deeds whose bans lie behind the slow path."""


FAULTS = {
    "share": FaultKind.WRONG_SHARE,
    "view secret": FaultKind.WRONG_SECRET,
    "commit": FaultKind.INVALID_BODY,
    "commit garbage": FaultKind.INVALID_BODY,
    "aggregated": FaultKind.INVALID_BODY,
    "projections": FaultKind.INVALID_BODY,
    "verdict": FaultKind.INVALID_BODY,
    "two commits": FaultKind.EQUIVOCATION,
    "two checks": FaultKind.EQUIVOCATION,
    "two verdicts": FaultKind.EQUIVOCATION,
    "two verdicts and a secret": FaultKind.WRONG_SECRET,
    "two views": FaultKind.EQUIVOCATION,
    "two closed": FaultKind.EQUIVOCATION,
    "invented report": FaultKind.INVALID_BODY,
    "invented report after a vote": FaultKind.INVALID_BODY,
    "lazy": FaultKind.WRONG_REPORT,
    "false gradient": FaultKind.FALSE_ACCUSATION,
    "false concealed": FaultKind.FALSE_ACCUSATION,
    "fallen shield": FaultKind.WRONG_SUM,
    "shield of who has left": FaultKind.WRONG_SUM,
    "shield of who has crashed": FaultKind.WRONG_SUM,
}
"""What each is banned for."""
SEEDS = 8


@cache
def run_plot(name: str) -> Verified:
    """The run of a plot: the first in which its deed could be done, for that depends on draws."""
    for seed in range(SEEDS):
        verified = run_attacks(PLOTS[name](), seed)
        if any(each.departure.fault is FAULTS[name] for each in verified.evidence):
            return verified
    raise AssertionError(f"in {SEEDS} runs nobody was caught in the plot {name!r}")
