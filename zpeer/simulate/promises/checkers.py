"""The promises, one checker each: equal records, nobody honest lost, every deed punished, every
draw reported on, nothing void for free.

They judge by records and events of honest peers, never by the core's own state or judgement. An
honest peer that is too slow, cut off or down is faulty by assumption: it may be removed and left
behind, but never banned. All others are *kept*.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from zpeer.faults import FaultKind, is_ban
from zpeer.record import Outcome, Record
from zpeer.simulate.plan import Freeze, most_faulty
from zpeer.simulate.promises.verdicts import Idle, ViolationError

if TYPE_CHECKING:
    from zpeer.effects import Stop
    from zpeer.ids import Digest, PeerId
    from zpeer.record import Departure, Draw
    from zpeer.simulate.host import Host
    from zpeer.simulate.promises.verdicts import Decision, Setting

FINISHED, BANNED, REMOVED, STOPPED = 0, 3, 4, 5
LEAST_PEERS = 3
DUTIES = 2
"""Draws that a validator takes at a time."""
STRAY_RECORDS = 1
"""Records that a cut off peer may hold alone: nobody can build on the first."""


class Agreement(Idle):
    """Equal records at equal heights, and each peer at the parameters that its record names."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._chain: list[Record] = []
        self._heads: dict[PeerId, list[Digest]] = {}
        """Of the slow, cut off and restarted."""
        self._held: dict[PeerId, Record] = {}

    def decided(self, decision: Decision) -> None:
        """Compare with whoever was there first."""
        record, height, peer = decision.record, decision.height, decision.host.me
        self._compare_parameters(decision)
        self._held[peer] = record
        if peer in self._setting.faulty:
            self._heads.setdefault(peer, []).append(record.head)
        elif height == len(self._chain):
            self._chain.append(record)
        elif self._chain[height].head != record.head:
            self._fork(decision)

    def _fork(self, decision: Decision) -> None:
        theirs, record = self._chain[decision.height], decision.record
        fields = [
            name
            for name in record.__struct_fields__
            if getattr(record, name) != getattr(theirs, name)
        ]
        name = self._setting.name(decision.host.me)
        raise ViolationError(
            "fork", f"{name} holds another record {decision.height}: {', '.join(fields)} differ"
        )

    def _compare_parameters(self, decision: Decision) -> None:
        """What the record before named has been adopted by now, unless a job is still at it."""
        before, host = self._held.get(decision.host.me), decision.host
        if before is not None and host.is_idle and host.peer.files.digest != before.parameters:
            name = self._setting.name(host.me)
            raise ViolationError("parameters", f"{name} is not at those of its own last record")

    def finish(self) -> None:
        """A cut off peer may have been wrong about its last record, and was alone with it. Who only
        slept has lost nothing, and knows that it slept."""
        agreed = [record.head for record in self._chain]
        lossy = [fault for fault in self._setting.plan.faults if not isinstance(fault, Freeze)]
        cut_off = {self._setting.numbers[peer] for peer in self._heads}
        cut_off &= {each for fault in lossy for each in self._setting.plan.victims(fault)}
        for peer, heads in self._heads.items():
            here = zip(heads, agreed, strict=False)
            alone = len(heads) - sum(mine == theirs for mine, theirs in here)
            if alone > STRAY_RECORDS * (self._setting.numbers[peer] in cut_off):
                name = self._setting.name(peer)
                raise ViolationError("fork", f"{name}, cut off, went on alone for {alone} records")


class Fairness(Idle):
    """No honest peer banned; no kept one removed, but as half of a pair with a faulty one."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._taken: dict[PeerId, PeerId] = {}
        self._gone: set[PeerId] = set()
        self._rosters: dict[PeerId, int] = {}

    def decided(self, decision: Decision) -> None:
        """Look at who leaves."""
        self._rosters[decision.host.me] = len(decision.record.roster)
        if decision.host.me in self._setting.faulty:
            return
        for departure in decision.record.departures:
            self._judge(departure, decision)

    def _judge(self, departure: Departure, decision: Decision) -> None:
        peer, fault = departure.peer, departure.fault
        where = f"record {decision.height} (step {decision.record.step})"
        if peer in self._setting.byzantine:
            return
        if is_ban(fault):
            raise ViolationError(
                "honest banned", f"{self._setting.name(peer)} for {fault.name} in {where}"
            )
        if peer in self._setting.faulty:
            return
        self._gone.add(peer)
        other = departure.accuser
        partner = self._taken.setdefault(other, peer)
        if fault is not FaultKind.PAIR_ELIMINATED or other not in self._setting.faulty:
            raise ViolationError(
                "honest removed", f"{self._setting.name(peer)} for {fault.name} in {where}"
            )
        if partner != peer:
            both = f"{self._setting.name(partner)} and {self._setting.name(peer)}"
            one = self._setting.name(other)
            raise ViolationError("honest removed", f"{one} alone took {both} with it, {where}")

    def stopped(self, host: Host, stop: Stop) -> None:
        """A kept peer ends with the run, or as one of a pair, or where too few are left."""
        few = self._rosters.get(host.me, LEAST_PEERS) < LEAST_PEERS
        excused = (
            host.me in self._setting.faulty
            or stop.code == FINISHED
            or (stop.code == REMOVED and host.me in self._gone)
            or (stop.code == STOPPED and few)
        )
        if not excused:
            name = self._setting.name(host.me)
            raise ViolationError("honest stopped", f"{name} with code {stop.code}: {stop.reason}")


class Draws(Idle):
    """No draw lapses that anybody could have reported on.

    Where all validators of its time had two older draws or were its target themselves it may: with
    three peers that happens by chance. And where departures are pardoned: there attempts are void
    in any number, and each opens draws.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._records: list[Record] = []

    def decided(self, decision: Decision) -> None:
        """The record says what lapsed."""
        if decision.height != len(self._records) or decision.host.me in self._setting.faulty:
            return
        record = decision.record
        for draw in record.lapsed if not self._setting.plan.pardon else ():
            if any(was_free(earlier, draw) for earlier in self._records):
                target = self._setting.name(draw.target)
                raise ViolationError(
                    "lapsed draw", f"on {target} of step {draw.step} in record {decision.height}"
                )
        self._records.append(record)


def was_free(record: Record, draw: Draw) -> bool:
    """Whether a validator of the attempt after a record could have taken an open draw."""
    accused = any(matter.accusation.accused == draw.target for matter in record.matters)
    if draw not in record.draws or accused:
        return False
    return any(
        validator != draw.target and len(duty) < DUTIES
        for validator, duty in zip(record.validators, record.duties, strict=True)
    )


class Voids(Idle):
    """A void attempt costs somebody its place or a pair a charge, or brings a matter."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    def decided(self, decision: Decision) -> None:
        """What is new in a void record."""
        record, before = decision.record, decision.before
        if decision.host.me in self._setting.faulty:
            return
        self._weigh(decision)
        if record.outcome is not Outcome.VOID:
            return
        charged = len(record.charges) > len(before.charges)
        accused = any(matter.made == before.head for matter in record.matters)
        pardoned = self._setting.pardons.any_granted(before.head)
        if not (record.departures or charged or accused or pardoned):
            raise ViolationError("void for free", f"record {decision.height} cost nobody anything")
        unheard = len(before.roster) - len(record.views) if record.views else 0
        if len(record.departures) < unheard and not pardoned:
            raise ViolationError("void for free", f"who is unheard stays, record {decision.height}")

    def _weigh(self, decision: Decision) -> None:
        """No pair is charged beyond its limit, and nobody with more than can be faulty."""
        pairs = Counter((charge.first, charge.second) for charge in decision.record.charges)
        partners = Counter(peer for pair in pairs for peer in pair)
        most = most_faulty(len(self._setting.genesis.peers))
        worst = max(pairs.values(), default=0), max(partners.values(), default=0)
        pardoned = self._setting.plan.pardon
        if not pardoned and (worst[0] > self._setting.genesis.charges_max or worst[1] > most):
            raise ViolationError(
                "charges", f"who is charged too often stays, record {decision.height}"
            )
