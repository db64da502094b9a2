"""What is known of a swarm so far, folded from its peers' observations: what view, summary and
figure show.

Pure: observations and exit codes in, facts out. Peers known to attack are listed with the others,
but what they say about loss, accuracy and bans is not taken.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from os.path import normpath
from statistics import fmean, median
from typing import TYPE_CHECKING, assert_never

import msgspec

from zpeer.observations import Assembling, Ended, Evaluated, Left, StepDecided, Waited

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zpeer.observations import Observation

NEWS_MAX = 1000
CODE_FINISHED = 0
CODE_BANNED = 3
CODE_REMOVED = 4
ORDERLY = frozenset({CODE_FINISHED, CODE_BANNED, CODE_REMOVED})
"""Exit codes with which a peer ends as the protocol wants it."""
TAIL = 5
"""Evaluations whose mean is a run's result: a single one jumps by points."""


class Condition(StrEnum):
    """Where a peer stands, for people."""

    STARTING = "starting"
    ASSEMBLING = "assembling"
    WORKING = "working"
    CHECKING = "validator"
    BANNED = "banned"
    REMOVED = "removed"
    FINISHED = "finished"
    STOPPED = "stopped"
    DIED = "died"


class Ban(msgspec.Struct, frozen=True):
    """A ban or removal and the step that it was decided in."""

    step: int
    left: Left


class Member:
    """One peer of the swarm."""

    def __init__(self, name: str, attack: str = "", mark: str = "") -> None:
        self.name = name
        self.attack = attack
        """The plugin it attacks with; empty for an honest one."""
        self.mark = mark
        """Its id as it stands in the names of evidence files."""
        self.condition = Condition.STARTING
        self.why = ""
        self.last: StepDecided | None = None
        self.ended: Ended | None = None
        self.code: int | None = None
        """Exit code of its process; negative: the signal that killed it."""
        self.cause = ""
        """How its process ended, if without a last word."""
        self.steps = 0
        """Records it decided."""
        self.bytes_sent = 0
        self.bulk_bytes_sent = 0
        self.bytes_received = 0

    @property
    def is_honest(self) -> bool:
        """Whether it follows the protocol, as far as this machine knows."""
        return not self.attack

    @property
    def has_left(self) -> bool:
        """Whether the others go on without it."""
        return self.condition in (Condition.BANNED, Condition.REMOVED)

    @property
    def is_running(self) -> bool:
        """Whether its process has not ended yet."""
        return self.code is None


class Scoreboard:
    """The swarm: `hear` what a peer says, `exited` when its process ends."""

    def __init__(
        self, members: Iterable[Member], *, run: str, steps: int, protection: str = "full"
    ) -> None:
        self.run = run
        self.steps = steps
        self.protection = protection
        self.members = {each.name: each for each in members}
        self.leader: StepDecided | None = None
        """The newest record an honest peer told of."""
        self.bans: list[Ban] = []
        self.evaluations: dict[int, dict[str, float]] = {}
        """Figures on held-out samples by counted steps."""
        self.news: deque[str] = deque(maxlen=NEWS_MAX)
        """Lines for people, oldest first; whoever shows them takes them out."""
        self._losses: dict[int, list[float]] = {}
        self.stuck: dict[tuple[int, int], set[frozenset[str]]] = {}
        """Whom honest peers waited for, by the attempt that got stuck: that after this record."""
        self._gone: set[str] = set()
        self._seconds: list[float] = []

    # --- what happens --------------------------------------------------------------------------

    def hear(self, name: str, observation: Observation) -> None:
        """A peer said something."""
        member = self.members[name]
        match observation:
            case Assembling():
                member.condition = Condition.ASSEMBLING
                member.why = f"{observation.connected} of {observation.total} connected"
            case StepDecided():
                self._decided(member, observation)
            case Waited():
                self._waited(member, observation)
            case Evaluated():
                if member.is_honest:
                    self.evaluations.setdefault(observation.step, observation.figures)
            case Ended():
                self._ended(member, with_plain_paths(observation))
            case _:
                assert_never(observation)

    def exited(self, name: str, code: int) -> None:
        """A peer's process ended."""
        member = self.members[name]
        member.code = code
        if member.ended is None:
            how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
            member.cause = f"ended without a last word ({how})"
            self.news.append(f"{name} {member.cause}")
            if name not in self._gone:
                member.condition, member.why = Condition.DIED, member.cause

    def _decided(self, member: Member, decided: StepDecided) -> None:
        member.last = decided
        member.steps += 1
        member.bytes_sent += decided.bytes_sent
        member.bytes_received += decided.bytes_received
        member.bulk_bytes_sent += decided.bulk_bytes_sent
        if member.is_honest:
            self._learn(decided)
        if member.name not in self._gone and member.ended is None:
            checks = member.name in decided.validators
            member.condition = Condition.CHECKING if checks else Condition.WORKING
            member.why = ""

    def _waited(self, member: Member, waited: Waited) -> None:
        """An attempt got stuck: all say so, one line tells of it, more if they wait for others."""
        if not member.is_honest:
            return
        last = place(member.last) if member.last else (-1, 0)
        told, about = self.stuck.setdefault(last, set()), frozenset(waited.waited_for)
        if about not in told and (about or not told):
            self.news.append(
                f"step {waited.step} stuck at {waited.stage}; {member.name}: {waited.reason}"
            )
        told.add(about)
        if member.name not in self._gone:
            member.why = f"stuck at {waited.stage}: {waited.reason}"

    def _learn(self, decided: StepDecided) -> None:
        """Take what an honest peer says about the run."""
        counted = decided.outcome == "counted"
        if counted and decided.loss is not None:
            self._losses.setdefault(decided.step, []).append(decided.loss)
        for left in decided.departures:
            self._leave(decided.step, left)
        if self.leader is None or place(decided) > place(self.leader):
            self.leader = decided
            if counted:
                self._seconds.append(decided.seconds)

    def _leave(self, step: int, left: Left) -> None:
        if left.peer in self._gone:
            return
        self._gone.add(left.peer)
        self.bans.append(Ban(step, left))
        verb = "banned" if left.banned else "removed"
        self.news.append(f"step {step}: {left.peer} {verb}: {left.sentence}")
        member = self.members.get(left.peer)
        if member:
            member.condition = Condition.BANNED if left.banned else Condition.REMOVED
            member.why = left.sentence

    def _ended(self, member: Member, ended: Ended) -> None:
        member.ended = ended
        if member.name in self._gone:
            return
        conditions = {
            CODE_FINISHED: Condition.FINISHED,
            CODE_BANNED: Condition.BANNED,
            CODE_REMOVED: Condition.REMOVED,
        }
        member.condition = conditions.get(ended.code, Condition.STOPPED)
        member.why = ended.reason
        if ended.code != CODE_FINISHED:
            self.news.append(f"{member.name} {member.condition}: {ended.reason}")

    # --- what can be asked ---------------------------------------------------------------------

    @property
    def counted(self) -> int:
        """Steps done."""
        if self.leader is None:
            return 0
        if self.leader.outcome == "closing":
            return self.steps
        return min(self.leader.step + (self.leader.outcome == "counted"), self.steps)

    @property
    def losses(self) -> list[tuple[int, float]]:
        """Steps and the mean loss of the honest workers' minibatches in them."""
        return [(step, fmean(values)) for step, values in sorted(self._losses.items())]

    @property
    def step_seconds(self) -> float:
        """Median duration of a counted step, as its first honest peer measured it."""
        return median(self._seconds) if self._seconds else 0.0

    @property
    def longest_seconds(self) -> float:
        """Longest counted step so far."""
        return max(self._seconds, default=0.0)

    @property
    def finished(self) -> list[Member]:
        """Peers that ended with the run done, in order."""
        return [each for each in self.members.values() if ended_with(each, CODE_FINISHED)]

    @property
    def evidence(self) -> dict[str, str]:
        """For each peer that left, one evidence file that an honest peer wrote about it."""
        written = [
            path
            for each in self.members.values()
            if each.is_honest and each.ended
            for path in each.ended.evidence
        ]
        files: dict[str, str] = {}
        for name in [ban.left.peer for ban in self.bans if ban.left.peer in self.members]:
            about = [path for path in written if f"-{self.members[name].mark}-" in path]
            if about:
                files[name] = about[0]
        return files

    def figure(self, name: str, tail: int = TAIL) -> float | None:
        """Mean of a figure over the last evaluations; None if there is none."""
        steps = sorted(self.evaluations)[-tail:]
        values = [self.evaluations[step][name] for step in steps if name in self.evaluations[step]]
        return fmean(values) if values else None

    def series(self, name: str) -> list[tuple[int, float]]:
        """Steps and a figure of the evaluations."""
        return [
            (step, figures[name])
            for step, figures in sorted(self.evaluations.items())
            if name in figures
        ]

    def disagreement(self) -> str:
        """What the finished peers differ in; empty if they agree. They must agree in all of it."""
        ends = [(each.name, each.ended) for each in self.finished if each.ended]
        for what in ("step", "head", "parameters", "roster"):
            found = {name: getattr(ended, what) for name, ended in ends}
            if len({str(value) for value in found.values()}) > 1:
                listed = ", ".join(f"{name}: {value}" for name, value in found.items())
                return f"the finished peers differ in {what}: {listed}"
        return ""

    def problems(self) -> list[str]:
        """Why this swarm's exit code is not 0; empty if it is."""
        found = [
            f"{each.name} {each.condition}: {say_end(each)}"
            for each in self.members.values()
            if each.code not in ORDERLY or each.ended is None
        ]
        if not self.finished:
            found.append("no peer finished the run")
        different = self.disagreement()
        return [*found, different] if different else found

    def traffic(self) -> tuple[float, float]:
        """Bytes that an honest peer sends in a step: all, and of it tensors; means."""
        honest = [each for each in self.members.values() if each.is_honest and each.steps]
        steps = sum(each.steps for each in honest)
        if not steps:
            return 0.0, 0.0
        return (
            sum(each.bytes_sent for each in honest) / steps,
            sum(each.bulk_bytes_sent for each in honest) / steps,
        )


def with_plain_paths(ended: Ended) -> Ended:
    """The same with paths as people read them: a peer's lead through where its file lies."""
    return msgspec.structs.replace(
        ended,
        model=ended.model and normpath(ended.model),
        log=ended.log and normpath(ended.log),
        evidence=[normpath(path) for path in ended.evidence],
    )


def place(decided: StepDecided) -> tuple[int, int]:
    """Order of records in a run."""
    return decided.step, decided.attempt


def say_end(member: Member) -> str:
    """Why the others go on without it, and how its process ended where that is not the same."""
    said = member.ended.reason if member.ended else member.cause
    if not member.has_left or not said:
        return member.why
    return f"{member.why}; its process: {said}"


def ended_with(member: Member, code: int) -> bool:
    """Whether a peer said so and its process ended so."""
    return member.code == code and member.ended is not None and member.ended.code == code


def names(members: Sequence[Member]) -> str:
    """Peers' names in one line."""
    return ", ".join(each.name for each in members)
