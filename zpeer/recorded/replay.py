"""`zpeer replay`: runs a log through a fresh core, shows it as a timeline, and finds the first
event after which anything came out differently.

Exit codes: 0 all is equal, 1 something differs; what cannot be read raises, and ends in 2.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import msgspec

from zpeer.core.machine import Core
from zpeer.core.state import State
from zpeer.errors import LogError
from zpeer.ids import short
from zpeer.narrator import Narrator, printable
from zpeer.plugins import Kind, load_plugins
from zpeer.recorded.log_keys import make_verify
from zpeer.recorded.recording import digest_core, digest_source
from zpeer.recorded.reexecute import Reexecution
from zpeer.recorded.rerun import Boundary, Rerun, Turn
from zpeer.recorded.selection import Selection, find_peer, require_kind
from zpeer.recorded.timeline import render_effect, render_event
from zpeer.recorded.zlog import Payload, read_log
from zpeer.signed import PROTOCOL_VERSION
from zpeer.wire import WireLimits

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import TextIO

    from zpeer.ids import Digest
    from zpeer.interfaces import Aggregator, ValidatorPolicy
    from zpeer.recorded.rerun import Maker
    from zpeer.recorded.zlog import Header, LogReader

EQUAL, DIFFERENT = 0, 1
DIFFERENCES_SHOWN = 12


class CoreMaker:
    """Makes cores from a log's header and the plugins that it names."""

    def __init__(self, header: Header, aggregator: Aggregator, policy: ValidatorPolicy) -> None:
        self._header = header
        self._aggregator = aggregator
        self._policy = policy
        genesis = header.genesis
        self._limits = WireLimits(len(genesis.peers), genesis.directions)
        self._verify = make_verify(header)

    def fresh(self) -> Core:
        """A core before its first event."""
        return Core(
            self._header.genesis,
            self._header.me,
            aggregator=self._aggregator,
            policy=self._policy,
            limits=self._limits,
            verify=self._verify,
        )

    def restore(self, snapshot: bytes) -> Core:
        """A core that goes on from a state; LogError where this core has another kind of state."""
        try:
            return Core.restore(
                snapshot,
                self._header.genesis,
                self._header.me,
                aggregator=self._aggregator,
                policy=self._policy,
                limits=self._limits,
                verify=self._verify,
            )
        except (msgspec.MsgspecError, ValueError, RecursionError) as problem:
            raise LogError(
                f"the recorded state is not one of this core ({problem});"
                " replay it with the version of zpeer that made the log"
            ) from problem

    @staticmethod
    def place(snapshot: bytes) -> tuple[Digest, int, int] | None:
        """Where in the run a state is."""
        attempt = msgspec.msgpack.decode(snapshot, type=State).attempt
        return (
            None
            if attempt is None
            else (attempt.base.head, attempt.base.step, attempt.base.attempt)
        )


def replay_log(
    log: Path,
    *,
    step: int | None = None,
    peer: str | None = None,
    kind: str | None = None,
    until: float | None = None,
    plugin_files: Iterable[Path] = (),
    quiet: bool = False,
    go_on: bool = False,
    out: TextIO | None = None,
) -> int:
    """Replay a log file, prefix or directory and print its timeline; 0 equal, 1 different.

    `step`, `peer` (a name, or the start of an id) and `kind` choose what is shown, `until` (in s)
    where to end; `quiet` shows differences alone; `go_on`: after a difference, go on. Raises
    LogError for an unreadable log, ConfigError or PluginError where its plugins are not here.
    """
    reader = read_log(log)
    header = reader.header
    found = load_plugins(plugin_files)
    chosen = [
        found.build(part, choice.name, choice.parameters)
        for part, choice in (
            (Kind.AGGREGATOR, header.aggregator),
            (Kind.VALIDATOR_POLICY, header.policy),
        )
    ]
    aggregator, policy = cast("Aggregator", chosen[0]), cast("ValidatorPolicy", chosen[1])
    require_kind(kind)
    wanted = find_peer(header.genesis, peer) if peer is not None else None
    return replay_with(
        reader,
        CoreMaker(header, aggregator, policy),
        aggregator=aggregator,
        cause=explain(header, aggregator, policy),
        selection=Selection(step=step, peer=wanted, kind=kind, until=until),
        quiet=quiet,
        go_on=go_on,
        out=out,
    )


def explain(header: Header, aggregator: object, policy: object) -> str:
    """The likely cause of a difference: what is not what it was when the log was made."""
    if header.protocol != PROTOCOL_VERSION:
        return f"the log is of protocol version {header.protocol}, this is {PROTOCOL_VERSION}"
    for what, choice, plugin in (
        ("aggregator", header.aggregator, aggregator),
        ("validator policy", header.policy, policy),
    ):
        now = digest_source(plugin)
        if choice.source != now:
            before = short(choice.source) or "unknown"
            return f"the {what} {choice.name!r} has changed: its file was {before}, is {short(now)}"
    if header.core != digest_core():
        return "the core or its vocabulary has changed since the log was made"
    return (
        "neither protocol, plugins nor core have changed: the log was altered,"
        " or the core depends on something that is no event (a bug of ours)"
    )


@dataclass
class Replayer:
    """Prints what a rerun yields, and keeps count."""

    rerun: Rerun
    selection: Selection
    cause: str
    numerics: Reexecution
    out: TextIO
    quiet: bool = False
    go_on: bool = False
    """Go on after a difference: what would a changed plugin have done?"""
    differing: int = field(default=0, init=False)

    def run(self) -> int:
        """The exit code."""
        for item in self.rerun:
            match item:
                case Boundary():
                    self._show_boundary(item)
                case Turn():
                    if self.selection.is_past(item):
                        break
                    self._show_turn(item)
                case Payload():
                    self.numerics.take(item)
            if self.differing and not self.go_on:
                return DIFFERENT
        return self._conclude()

    def _show_boundary(self, boundary: Boundary) -> None:
        if boundary.differences:
            self._show_difference(
                f"at the start of segment {boundary.position.segment}", boundary.differences
            )
        elif not self.quiet:
            self.say(f"--- segment {boundary.position.segment}: state equal")

    def _show_turn(self, turn: Turn) -> None:
        narrator = self.rerun.narrator
        chosen = self.selection.choose(turn, narrator)
        lines = [render_event(narrator, turn.now, turn.event)]
        shown = {id(effect) for effect in chosen or ()}
        for effect in turn.replayed:
            line = render_effect(narrator, effect)  # records are read here, shown or not
            if id(effect) in shown:
                lines.append(line)
        if chosen is not None and not self.quiet:
            self.say("\n".join(lines))
        differences = [*turn.differences, *self.numerics.turn(turn.event, turn.recorded)]
        if differences:
            place = narrator.place(turn.head)
            event = render_event(narrator, turn.now, turn.event).strip()
            self._show_difference(f"at {turn.position} {place}: {event}", differences)

    def _show_difference(self, where: str, differences: Iterable[str]) -> None:
        lines = list(differences)
        self.say(f"DIFFERENCE {where}")
        for line in lines[:DIFFERENCES_SHOWN]:
            self.say(f"    {line}")
        if len(lines) > DIFFERENCES_SHOWN:
            self.say(f"    ... and {len(lines) - DIFFERENCES_SHOWN} more fields")
        if not self.differing:
            self.say(f"likely cause: {self.cause}")
        self.differing += 1

    def _conclude(self) -> int:
        for path, size in self.rerun.reader.dropped.items():
            self.say(f"note: the last {size} bytes of {path.name} are torn and were left out")
        heads = () if self.selection.until is not None else self.rerun.compare_heads()
        if heads:
            self._show_difference("at the end", heads)
        last, events = self.rerun.last, self.rerun.events
        head = f"head {short(last)}" if last else "nothing decided"
        if self.differing:
            self.say(f"{events} events replayed; {self.differing} differ")
            return DIFFERENT
        self.say(f"{events} events replayed, all effects equal; {head}")
        if self.numerics.compared:
            lacking = f", of {self.numerics.lacking} bytes are lacking"
            tail = lacking if self.numerics.lacking else ""
            self.say(f"{self.numerics.compared} results computed again, all equal{tail}")
        return EQUAL

    def say(self, text: str) -> None:
        """One line, or a paragraph."""
        self.out.write(printable(text) + "\n")


def replay_with(
    reader: LogReader,
    maker: Maker,
    *,
    aggregator: Aggregator,
    cause: str,
    selection: Selection | None = None,
    quiet: bool = False,
    go_on: bool = False,
    out: TextIO | None = None,
) -> int:
    """Replay a log with cores that are given."""
    header = reader.header
    rerun = Rerun(reader, maker, Narrator.of(header.genesis))
    numerics = Reexecution(header.genesis, header.me, aggregator, rerun.narrator)
    chosen, to = selection or Selection(), out or sys.stdout
    return Replayer(rerun, chosen, cause, numerics, to, quiet=quiet, go_on=go_on).run()
