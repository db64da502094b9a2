"""Puts messages and records into words, with peers' names in place of ids and steps beside heads.

Pure: values in, text out. `timeline.py` does the same for what a core saw and wanted.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from zpeer.errors import WireError
from zpeer.faults import FaultKind, is_ban, sentence
from zpeer.foreign import say_foreign
from zpeer.ids import NOTHING, Digest, PeerId, short
from zpeer.messages import (
    MESSAGE_TYPES,
    Accusation,
    Aggregated,
    Check,
    Closed,
    Commit,
    Decided,
    Message,
    Projections,
    Reveal,
    Verdict,
    View,
)
from zpeer.proofs import Equivocation, Proof
from zpeer.record import Outcome, Record
from zpeer.signed import STEP_STAGES, Stage
from zpeer.wire import WireLimits, decode_payload

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zpeer.genesis import Genesis
    from zpeer.record import Charge, Departure, Draw, Matter
    from zpeer.signed import Signed

NOBODY = PeerId(NOTHING)
_RECORD_DECODER = msgspec.msgpack.Decoder(Record, strict=True)


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
        if stage not in MESSAGE_TYPES:
            return None
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

    def gist(self, stage: Stage, payload: bytes) -> str:
        """What one wants to know of a message at a glance."""
        if stage is Stage.WITNESS:
            return f": under the view {short(payload)}"
        message = self.decode_payload(stage, payload)
        if message is None:
            return f": DOES NOT DECODE ({say_foreign(payload)})"
        return self._say_message(message)

    def _say_message(self, message: Message) -> str:  # noqa: PLR0911 - one a case
        match message:
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
            case Verdict(record=record) | Decided(record=record):
                return f": record {short(record)}"
            case View():
                return f": {'; '.join(self._say_view(message))}"
            case Closed(views=views):
                return f": holds the views {short(views)}"

    def _say_check(self, check: Check) -> list[str]:
        accuses = [self.say_accusation(accusation) for accusation in check.accusations]
        findings = [f"finds {short(f.matter)} {f.guilt.name}" for f in check.findings]
        reports = [
            f"reports on {self.name(report.target)}: "
            + ("follows" if report.follows else "DOES NOT FOLLOW")
            for report in check.reports
        ]
        settles = [
            f"settles the VIEW of {self.name(view.sender)}{self.gist(view.stage, view.payload)}"
            for view in check.views
        ]
        return accuses + findings + reports + settles + list(map(self.say_proof, check.proofs))

    def _say_view(self, view: View) -> list[str]:
        said = [f"waits for {self.list_names(view.claims)}"] if view.claims else []
        said += map(self.say_proof, view.proofs)
        if not said:
            said.append("joins a call")
        if view.record != NOTHING:
            said.append(f"voted for record {short(view.record)}")
        if view.commits != NOTHING:
            said.append(f"holds the COMMIT set {short(view.commits)}")
        return said

    def say_proof(self, proof: Proof) -> str:
        """Whom it is to convict, and by which of its words."""
        if isinstance(proof, Equivocation):
            who, stage = self.name(proof.first.sender), proof.first.stage.name
            return f"proves that {who} signed two {stage} bodies"
        if not proof.messages:
            return "proves nothing"
        words = ", ".join(each.stage.name for each in proof.messages)
        return f"proves by its {words} what {self.name(proof.messages[0].sender)} did"

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
        if record.views:
            lines.append(f"it follows from the views of {len(record.views)} peers alone")
        lines += [self.say_departure(departure) for departure in record.departures]
        if record.charges:
            lines.append(f"charged pairs: {self.say_charges(record.charges)}")
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
        if record.durations:
            lines.append(f"stages take {say_durations(record.durations)}")
        lines.append(f"parameters {short(record.parameters)}, typical norm {record.typical:.4g}")
        return lines

    def say_charges(self, charges: Iterable[Charge]) -> str:
        """How many each pair has; one of the two is faulty."""
        pairs = Counter((each.first, each.second) for each in charges)
        said = [f"{self.name(a)} and {self.name(b)} {n}" for (a, b), n in pairs.items()]
        return ", ".join(said) or "none"

    def say_certificate(self, record: bytes, messages: Sequence[Signed]) -> str:
        """What a record is said to be, and who says so."""
        found = read_record(record)
        what = "bytes that are no record"
        if found is not None:
            place = f"step {found.step}.{found.attempt} {found.outcome.name}"
            what = f"record {short(found.head)}, {place}"
        stages = ", ".join(dict.fromkeys(each.stage.name for each in messages)) or "DECIDED"
        return f"{what}, {stages} by {self.list_names(each.sender for each in messages)}"

    def say_departure(self, departure: Departure) -> str:
        """Who left, what it did, who said so."""
        verb = "BANNED" if is_ban(departure.fault) else "REMOVED"
        over = f", part {departure.part}" if departure.part >= 0 else ""
        by = ""
        if departure.accuser != NOBODY:
            paired = departure.fault is FaultKind.PAIR_ELIMINATED
            by = f", {'with' if paired else 'accused by'} {self.name(departure.accuser)}"
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


def read_record(data: bytes) -> Record | None:
    """The record in its encoding; None if the bytes are none."""
    try:
        return _RECORD_DECODER.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def say_agreement(record: Record, words: Sequence[Signed]) -> str:
    """How a record became final (protocol, section 5); `words`: what it was decided with."""
    if record.views:
        return f"by the slow path: void, by the views of {len(record.views)} peers (rule 2)"
    if words and all(each.stage is Stage.VERDICT for each in words):
        return f"by {len(words)} equal VERDICTs"
    return "by the slow path: more than half had voted for it (rule 1)"


def say_durations(durations: Sequence[float]) -> str:
    """Seconds by stage."""
    pairs = zip(STEP_STAGES, durations, strict=False)
    return ", ".join(f"{stage.name} {seconds:.3g} s" for stage, seconds in pairs)


def printable(text: str) -> str:
    """Text without control characters: what a stranger's file holds must not steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def next_place(record: Record) -> tuple[int, int]:
    """(step, attempt) of the attempt that builds on a record."""
    if record.outcome is Outcome.COUNTED:
        return record.step + 1, 0
    return record.step, record.attempt + 1
