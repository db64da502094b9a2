"""`zpeer inspect LOG --why PEER`: why a peer left, told from one peer's log.

Who accused it and what the others found; or, where an attempt got stuck, who called, who waited for
whom, and which rule of the slow path decided. Tells what the log's owner saw; judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from zpeer.effects import Decide, Stop, Warn, WriteEvidence
from zpeer.events import ChainReceived, MessageReceived, SetReceived
from zpeer.faults import FaultKind
from zpeer.messages import Check, Guilt, View
from zpeer.narrator import NOBODY, Narrator, say_agreement
from zpeer.recorded.zlog import Entry
from zpeer.signed import Signed, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.genesis import Genesis
    from zpeer.ids import Digest, PeerId
    from zpeer.messages import Finding
    from zpeer.record import Charge, Departure, Matter, Record
    from zpeer.recorded.zlog import LogReader

Row = tuple[str, str]

VIEWS_KEPT = 2
"""Of one origin in an attempt: more say nothing new, however many it signed."""
FALLS_AFTER = "after three records without a majority of findings an accusation falls"
RULES: dict[FaultKind, str] = {
    FaultKind.SILENT: "the slow path ended without a view of this peer: who has none is removed",
    FaultKind.CLAIMED_BY_MOST: (
        "removed is whom more than F = {faulty} of {peers} peers wait for: one of them is honest"
    ),
    FaultKind.CLAIMS_MOST: (
        "removed is who waits for more than F = {faulty} of {peers} peers: one of them is honest"
    ),
    FaultKind.PAIR_ELIMINATED: (
        "a pair may have {charges} disputes that nobody can judge; at one more both leave, for one"
        " of them is faulty"
    ),
    FaultKind.CHARGED_WITH_MOST: (
        "removed is who has disputes with more than F = {faulty} of {peers} peers: one is honest"
    ),
    FaultKind.SECRET_WITHHELD: "removed is who does not open what it committed to",
    FaultKind.EQUIVOCATION: "two bodies signed for one slot convict by themselves",
    FaultKind.ACCUSATION_FELL: f"{FALLS_AFTER}, and its accuser is removed",
    FaultKind.PARTS_NOT_PUBLISHED: (
        "removed is whose part, to be published for a check of the averaging, most peers lack"
    ),
}
"""What a departure rests on that is decided by a rule (protocol, sections 2, 3 and 5)."""
JUDGED = "it was accused, and more than half of the roster found it guilty"
ACCUSED_FALSELY = "it accused, and more than half of the roster found the accused innocent"
SEEN_BY_ALL = "all see it in the signed messages of the attempt"


class End(NamedTuple):
    """A ban or removal, and the record that it stands in."""

    departure: Departure
    record: Record
    decided: str
    """How the record became final."""


class Call(NamedTuple):
    """That the log's owner said its view of an attempt, and why."""

    head: Digest
    where: str
    claims: tuple[PeerId, ...]


@dataclass
class Story:
    """What a log tells about one peer, folded entry by entry."""

    genesis: Genesis
    narrator: Narrator
    peer: PeerId
    is_mine: bool
    """Whether the log is the peer's own."""
    ends: list[End] = field(default_factory=list)
    record: Record | None = None
    """The last one."""
    charged: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    """Where the log's owner called, or joined a call."""
    notes: list[str] = field(default_factory=list)
    """Evidence, and its own last word."""
    views: dict[Digest, list[Signed]] = field(default_factory=dict)
    """By head, in the order in which they came."""
    matters: dict[Digest, Matter] = field(default_factory=dict)
    """Accusations of it or by it, by name."""
    findings: dict[Digest, dict[PeerId, Finding]] = field(default_factory=dict)
    """By matter and who found."""
    rosters: dict[Digest, int] = field(default_factory=dict)
    """How many peers the attempt on a head had."""

    def take(self, entry: Entry) -> None:
        """One event and what was to be done about it."""
        for signed in list_signed(entry.event):
            self._hear(signed)
        for effect in entry.effects:
            self._see(effect)

    def _hear(self, signed: Signed) -> None:
        if signed.stage is Stage.VIEW:
            self._keep(signed)
        elif signed.stage is Stage.CHECK:
            check = self.narrator.decode(signed)
            if isinstance(check, Check):
                for view in check.views:
                    self._keep(view)
                for finding in check.findings:
                    self.findings.setdefault(finding.matter, {})[signed.sender] = finding

    def _keep(self, view: Signed) -> None:
        known = self.views.setdefault(view.head, [])
        of_origin = [each.body for each in known if each.sender == view.sender]
        if view.body not in of_origin and len(of_origin) < VIEWS_KEPT:
            known.append(view)

    def _see(self, effect: Effect) -> None:
        match effect:
            case Decide(record=record, verdicts=words):
                self._decide(record, say_agreement(record, words))
            case Warn(stage=stage, reason=reason, peers=peers):
                head = self.record.head if self.record else self.genesis.run
                where = f"{self.narrator.place(head)} {stage.name}: {reason}"
                self.calls.append(Call(head, where, peers))
            case WriteEvidence(departure=departure) if departure.peer == self.peer:
                where = self.narrator.place(departure.attempt)
                self.notes.append(f"evidence of {departure.fault.name} was written {where}")
            case Stop(code=code, reason=reason) if self.is_mine:
                self.notes.append(f"its own last word: {reason} (code {code})")
            case _:
                pass

    def _decide(self, record: Record, decided: str) -> None:
        self.narrator.record(record)  # where it learns the place of the next attempt
        before = self.record.charges if self.record else ()
        for other in list_partners(self.peer, new_charges(before, record.charges)):
            where = f"step {record.step}.{record.attempt}"
            self.charged.append(f"{where}: charged with {self.narrator.name(other)}")
        for matter in record.matters:
            if self.peer in (matter.accuser, matter.accusation.accused):
                self.matters[matter.name] = matter
        mine = [each for each in record.departures if each.peer == self.peer]
        self.ends += [End(departure, record, decided) for departure in mine]
        self.rosters[record.head] = len(record.roster)
        self.record = record

    # --- telling --------------------------------------------------------------------------------

    def tell(self) -> Iterator[Row]:
        """The rows, in the order in which one asks."""
        yield "peer", f"{self.narrator.name(self.peer)} {self.peer.hex()}"
        for end in self.ends:
            yield from self._tell_end(end)
        if not self.ends:
            yield "left", "not as far as this log goes"
        for matter in self.matters.values():
            yield "accusation", self.narrator.say_matter(matter)
            yield "findings", self._say_findings(matter)
        yield from (("charge", line) for line in self.charged)
        decisive = {end.departure.attempt for end in self.ends}
        for call in self.calls:
            if call.head in decisive or self.peer in call.claims:
                yield "call", call.where
        yield from self._tell_views(decisive)
        yield from (("note", line) for line in self.notes)

    def _tell_end(self, end: End) -> Iterator[Row]:
        record, departure = end.record, end.departure
        yield "left", self.narrator.say_departure(departure)
        place = f"step {record.step}.{record.attempt} {record.outcome.name}"
        where = self.narrator.place(departure.attempt)
        yield "when", f"in the record of {place}, for what it did in the attempt {where}"
        yield "decided", end.decided
        yield "rule", self._say_rule(departure)

    def _say_rule(self, departure: Departure) -> str:
        rule = RULES.get(departure.fault)
        if rule is not None:
            peers = self.rosters.get(departure.attempt, len(self.genesis.peers))
            charges = self.genesis.charges_max
            return rule.format(faulty=(peers - 1) // 2, peers=peers, charges=charges)
        if departure.fault is FaultKind.FALSE_ACCUSATION:
            return ACCUSED_FALSELY
        return SEEN_BY_ALL if departure.accuser == NOBODY else JUDGED

    def _say_findings(self, matter: Matter) -> str:
        found = self.findings.get(matter.name, {})
        said = []
        for guilt in Guilt:
            who = [peer for peer, finding in found.items() if finding.guilt is guilt]
            if who:
                said.append(f"{guilt.name.lower()}: {self.narrator.list_names(who)}")
        return "; ".join(said) or "none"

    def _tell_views(self, decisive: set[Digest]) -> Iterator[Row]:
        """All views of an attempt that it left for, and others in which it is waited for or waits.

        Both sides: who was claimed by whom.
        """
        for head, views in self.views.items():
            for signed in views:
                if head in decisive or self._concerns(signed):
                    yield "view", self.narrator.say_signed(signed)
            claimers = [each.sender for each in views if self.peer in self._claims(each)]
            if claimers:
                yield "claimed by", self.narrator.list_names(dict.fromkeys(claimers))

    def _concerns(self, signed: Signed) -> bool:
        claims = self._claims(signed)
        return self.peer in claims or (signed.sender == self.peer and bool(claims))

    def _claims(self, signed: Signed) -> tuple[PeerId, ...]:
        view = self.narrator.decode(signed)
        return view.claims if isinstance(view, View) else ()


def tell_why(log: LogReader, peer: PeerId) -> Iterator[Row]:
    """All that a log says about why a peer left, or was waited for."""
    header = log.header
    story = Story(header.genesis, Narrator.of(header.genesis), peer, peer == header.me)
    for _, frame in log:
        if isinstance(frame, Entry):
            story.take(frame)
    yield from story.tell()


def list_signed(event: Event) -> tuple[Signed, ...]:
    """The signed messages that an event brings."""
    match event:
        case MessageReceived(signed=signed) | ChainReceived(view=signed):
            return (signed,)
        case SetReceived(messages=messages):
            return messages
        case _:
            return ()


def new_charges(before: tuple[Charge, ...], after: tuple[Charge, ...]) -> list[Charge]:
    """Charges of a record that the one before had not; a pair may have equal ones."""
    rest = list(before)
    fresh = []
    for charge in after:
        if charge in rest:
            rest.remove(charge)
        else:
            fresh.append(charge)
    return fresh


def list_partners(peer: PeerId, charges: list[Charge]) -> list[PeerId]:
    """With whom a peer is charged."""
    pairs = [(charge.first, charge.second) for charge in charges]
    return [b if a == peer else a for a, b in pairs if peer in (a, b)]
