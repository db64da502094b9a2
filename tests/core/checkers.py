"""What must hold of honest peers in a timed run, whatever the Byzantine ones do.

`Watch` looks on while it runs: no honest peer signs two bodies of a slot, claims another honest one
or decides another record, and all who join a call do so within Delta of each other. `check_end`
looks at what came of it: one chain, nobody honest banned, each Byzantine peer takes at most one
honest one with it, every void attempt cost somebody, and the run came to an end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.core.plain import verify
from tests.core.timed import DELTA
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.faults import FaultKind, is_ban
from zpeer.messages import View
from zpeer.record import Outcome
from zpeer.signed import Stage
from zpeer.wire import decode_payload

if TYPE_CHECKING:
    from tests.core.shell import Toy
    from tests.core.timed import Timed
    from zpeer.ids import Digest, PeerId
    from zpeer.record import Record


class Watch:
    """Looks on, and remembers when who started and joined."""

    def __init__(self, net: Timed) -> None:
        self.slots: dict[tuple[Digest, Stage, PeerId], bytes] = {}
        self.joined: dict[Digest, dict[PeerId, float]] = {}
        self.started: dict[Digest, dict[PeerId, float]] = {}
        self.decided: dict[Digest, Digest] = {}
        net.watchers.append(self)

    def __call__(self, net: Timed, toy: Toy, event: ev.Event, effects: list[Any]) -> None:
        if toy.me in net.minds:
            return
        for effect in effects:
            if isinstance(effect, fx.Broadcast):
                self.see(net, toy, effect)
            elif isinstance(effect, fx.Decide):
                record = effect.record
                first = self.decided.setdefault(record.previous, record.head)
                assert first == record.head, f"{name(net, toy.me)} decides another record"
                self.started.setdefault(record.head, {})[toy.me] = net.now

    def see(self, net: Timed, toy: Toy, effect: fx.Broadcast) -> None:
        """One body that an honest peer signs."""
        slot = (effect.head, effect.stage, toy.me)
        before = self.slots.setdefault(slot, effect.payload)
        assert before == effect.payload, f"{name(net, toy.me)} signs two {effect.stage.name}s"
        if effect.stage is Stage.VIEW:
            joined = self.joined.setdefault(effect.head, {})
            joined[toy.me] = net.now
            gap = max(joined.values()) - min(joined.values())
            assert gap <= DELTA, f"{name(net, toy.me)} joins {gap:.3f} Delta after another"
            view = decode_payload(effect.stage, effect.payload, toy.core._context.limits)
            assert isinstance(view, View)
            wrong = [name(net, each) for each in view.claims if each not in net.minds]
            assert not wrong, f"{name(net, toy.me)}, honest, claims {wrong}, honest"

    def find_skew(self, times: dict[Digest, dict[PeerId, float]]) -> float:
        """How far apart honest peers did the same thing."""
        return max((max(each.values()) - min(each.values()) for each in times.values()), default=0)


def name(net: Timed, peer: PeerId) -> str:
    """A peer as people call it."""
    return dict(zip(net.genesis.peers, net.genesis.names, strict=True)).get(peer, peer.hex()[:8])


def check_chain(net: Timed) -> list[Record]:
    """No two honest peers decide different records at one height; the longest chain is given
    back."""
    chains = sorted((toy.records for toy in net.honest()), key=len)
    longest = chains[-1]
    for chain in chains:
        heads = [record.head for record in chain]
        assert heads == [record.head for record in longest[: len(chain)]], "honest peers differ"
    return longest


def check_departures(net: Timed, records: list[Record]) -> set[PeerId]:
    """No honest peer is banned; one that is removed was half of a pair whose other half is
    Byzantine, and each of these took but one. The honest ones that left."""
    taken: dict[PeerId, PeerId] = {}
    for record in records:
        for departure in record.departures:
            if departure.peer in net.minds:
                continue
            who = name(net, departure.peer)
            assert not is_ban(departure.fault), f"{who}, honest, is banned: {departure.fault.name}"
            is_pair = departure.fault is FaultKind.PAIR_ELIMINATED
            assert is_pair, f"{who}, honest, is removed: {departure.fault.name}"
            other = departure.accuser
            assert other in net.minds, f"{who} is eliminated with {name(net, other)}, honest"
            assert other not in taken, f"{name(net, other)} takes a second honest peer with it"
            taken[other] = departure.peer
    return set(taken.values())


def check_charges(net: Timed, records: list[Record]) -> None:
    """Two honest peers are never charged. Every void attempt costs somebody something."""
    before: tuple[Any, ...] = ()
    for record in records:
        for charge in record.charges:
            pair = {charge.first, charge.second}
            assert pair & set(net.minds), "two honest peers are charged"
        has_charged = len(record.charges) > len(before) or set(record.charges) - set(before)
        is_paid = bool(record.departures or record.matters or has_charged)
        is_free = record.outcome is Outcome.VOID and not is_paid
        assert not is_free, f"step {record.step}, attempt {record.attempt}: void for nothing"
        before = record.charges


def check_end(net: Timed) -> list[Record]:
    """All of it, for a run that is over."""
    records = check_chain(net)
    lost = check_departures(net, records)
    check_charges(net, records)
    for toy in net.honest():
        who = name(net, toy.me)
        assert toy.stop is not None, f"{who} still waits at {net.now:.1f}"
        if toy.me in lost:
            assert toy.stop.code == 4, f"{who}: {toy.stop.reason}"
        elif len(records[-1].roster) < 3:
            assert toy.stop.code == 5, f"{who}: {toy.stop.reason}"
            assert toy.stop.reason.startswith("fewer than 3"), toy.stop.reason
        else:
            assert toy.stop.code == 0, f"{who}: {toy.stop.reason}"
            assert not records[-1].draws
            assert not records[-1].matters
        assert toy.me in lost or len(toy.records) == len(records), f"{who} misses records"
        check_evidence(net, toy)
    return records


def check_evidence(net: Timed, toy: Toy) -> None:
    """What is written down is against Byzantine peers, and rests on what they signed."""
    for evidence in toy.evidence:
        culprit = evidence.departure.peer
        assert culprit in net.minds
        if evidence.departure.fault is FaultKind.EQUIVOCATION:
            first, second = evidence.statements
            assert first.sender == second.sender == culprit
            assert first.content != second.content
            assert verify(first)
            assert verify(second)
