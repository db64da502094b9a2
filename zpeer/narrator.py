"""Puts messages and records into words, with peers' names in place of ids and steps beside heads.

Pure: values in, text out. `timeline.py` does the same for what a core saw and wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.errors import WireError
from zpeer.faults import is_ban, sentence
from zpeer.foreign import say_foreign
from zpeer.ids import NOTHING, Digest, PeerId, short
from zpeer.messages import (
    Accusation,
    Aggregated,
    Check,
    Commit,
    Message,
    Projections,
    Reveal,
    Verdict,
)
from zpeer.record import Outcome
from zpeer.wire import WireLimits, decode_payload

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zpeer.genesis import Genesis
    from zpeer.record import Departure, Draw, Matter, Record
    from zpeer.signed import Signed, Stage

NOBODY = PeerId(NOTHING)


class Narrator:
    """Knows the names of one run, and learns from each record which step a head belongs to."""

    def __init__(self, names: Mapping[PeerId, str], limits: WireLimits, run: Digest) -> None:
        self._names = names
        self._limits = limits
        self._places = {run: (0, 0)}

    @classmethod
    def of(cls, genesis: Genesis) -> Narrator:
        """For a run that is known."""
        names = dict(zip(genesis.peers, genesis.names, strict=True))
        return cls(names, WireLimits(len(genesis.peers), genesis.directions), genesis.run)

    def name(self, peer: PeerId) -> str:
        """A peer's name, or the start of its id."""
        return printable(self._names.get(peer) or short(peer))

    def name_or_hex(self, data: bytes) -> str:
        """The name where the bytes are a peer's id, else hex."""
        return printable(self._names.get(PeerId(data)) or data.hex())

    def list_names(self, peers: Iterable[PeerId | None]) -> str:
        """Several names; a row that counts as zeros is a dash."""
        return ", ".join("-" if peer is None else self.name(peer) for peer in peers) or "nobody"

    def learn(self, head: Digest, step: int, attempt: int) -> None:
        """Tell which attempt builds on a head."""
        self._places[head] = (step, attempt)

    def place_of(self, head: Digest) -> tuple[int, int] | None:
        """(step, attempt) of the attempt on a head, if it is known."""
        return self._places.get(head)

    def place(self, head: Digest) -> str:
        """The attempt on a head, for people."""
        place = self._places.get(head)
        known = f", step {place[0]}.{place[1]}" if place else ""
        return f"(head {short(head)}{known})"

    def decode(self, signed: Signed) -> Message | None:
        """The typed message; None if the bytes are none."""
        return self.decode_payload(signed.stage, signed.payload)

    def decode_payload(self, stage: Stage, payload: bytes) -> Message | None:
        """The same of a payload that is not signed yet."""
        try:
            return decode_payload(stage, payload, self._limits)
        except WireError:
            return None

    def say_signed(self, signed: Signed) -> str:
        """A stage message: kind, sender, what matters of its content, and where it belongs."""
        gist = self.gist(signed.stage, signed.payload)
        return (
            f"{signed.stage.name} from {self.name(signed.sender)}{gist}  {self.place(signed.head)}"
        )

    def gist(self, stage: Stage, payload: bytes) -> str:  # noqa: PLR0911 - one a case
        """What one wants to know of a message at a glance."""
        match message := self.decode_payload(stage, payload):
            case None:
                return f": DOES NOT DECODE ({say_foreign(payload)})"
            case Commit(parts=parts):
                return f": {len(parts)} parts" if parts else ": secrets alone"
            case Aggregated(result=result):
                return ": no result" if result is None else f": result {short(result)}"
            case Reveal(share=share):
                return f": share {short(share)}"
            case Projections(norms=norms):
                return f": norms {min(norms):.3g} to {max(norms):.3g}" if norms else ": none"
            case Check():
                said = self._say_check(message)
                return f": {'; '.join(said)}" if said else ""
            case Verdict(record=record):
                return f": record {short(record)}"

    def _say_check(self, check: Check) -> list[str]:
        accuses = [self.say_accusation(accusation) for accusation in check.accusations]
        findings = [f"finds {short(f.matter)} {f.guilt.name}" for f in check.findings]
        reports = [
            f"reports on {self.name(report.target)}: "
            + ("follows" if report.follows else "DOES NOT FOLLOW")
            for report in check.reports
        ]
        return accuses + findings + reports

    def say_accusation(self, accusation: Accusation) -> str:
        """Whom, of what, over which part."""
        over = f" over part {accusation.part}" if accusation.part >= 0 else ""
        about = f" about {self.name(accusation.about)}" if accusation.about != NOBODY else ""
        fault = accusation.fault.name
        where = self.place(accusation.attempt)
        return f"accuses {self.name(accusation.accused)} of {fault}{over}{about} {where}"

    def record(self, record: Record) -> list[str]:
        """A paragraph on a record: outcome, departures, roster, validators, draws, matters."""
        head = record.head
        self.learn(head, *next_place(record))
        place = f"step {record.step}.{record.attempt} {record.outcome.name}"
        counted = f"{record.counted} counted, on {short(record.previous)}"
        lines = [f"RECORD {short(head)}: {place}, {counted}"]
        lines += [self.say_departure(departure) for departure in record.departures]
        lines.append(f"roster of {len(record.roster)}: {self.list_names(record.roster)}")
        lines += [
            f"validator {self.name(validator)}: {self._say_draws(duty)}"
            for validator, duty in zip(record.validators, record.duties, strict=False)
        ]
        if record.draws:
            lines.append(f"open draws: {self._say_draws(record.draws)}")
        if record.lapsed:
            lines.append(f"LAPSED draws: {self._say_draws(record.lapsed)}")
        lines += [self.say_matter(matter) for matter in record.matters]
        lines.append(f"parameters {short(record.parameters)}, typical norm {record.typical:.4g}")
        return lines

    def say_departure(self, departure: Departure) -> str:
        """Who left, what it did, who said so."""
        verb = "BANNED" if is_ban(departure.fault) else "REMOVED"
        over = f", part {departure.part}" if departure.part >= 0 else ""
        accuser = departure.accuser
        by = "" if accuser == NOBODY else f", accused by {self.name(accuser)}"
        detail = f"{departure.fault.name}{over}{by}"
        return f"{verb} {self.name(departure.peer)}: {sentence(departure.fault)} ({detail})"

    def _say_draws(self, draws: Iterable[Draw]) -> str:
        said = [
            f"{self.name(draw.target)} of step {draw.step}" + ("" if draw.counted else " (void)")
            for draw in draws
        ]
        return ", ".join(said) or "nothing"

    def say_matter(self, matter: Matter) -> str:
        """An open accusation."""
        by = "the norms" if matter.accuser == NOBODY else self.name(matter.accuser)
        said = self.say_accusation(matter.accusation)
        return f"open matter {short(matter.name)}: {by} {said}, age {matter.age}"


def printable(text: str) -> str:
    """Text without control characters: what a stranger's file holds must not steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def next_place(record: Record) -> tuple[int, int]:
    """(step, attempt) of the attempt that builds on a record."""
    if record.outcome is Outcome.COUNTED:
        return record.step + 1, 0
    return record.step, record.attempt + 1
