"""A swarm of cores in one process: toy peers (`shell.py`) and the network between them.

Signatures are ideal: a digest of signer and body (`plain.sign`), which everybody can check and
nobody but a test that says so forges. Tests lie by replacing a peer's methods or its effects.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any

from tests.core.plain import ByHash, Clip, is_finite, make_genesis, peer, sign
from tests.core.shell import Toy
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.ids import Digest, PeerId, digest_bytes
from zpeer.signed import Signed, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zpeer.record import Record

Tamper = Callable[["Ring", Toy, list[fx.Effect]], list[fx.Effect]]
"""What a liar makes of its core's effects before they are carried out."""


class Ring:
    """n toys and the network between them: everything arrives, in order, a millisecond later."""

    def __init__(
        self,
        n: int,
        steps: int = 4,
        *,
        radius: float = inf,
        toys: Mapping[int, type[Toy]] | None = None,
        tampers: Mapping[int, Tamper] | None = None,
        **changes: Any,
    ) -> None:
        self.genesis = make_genesis(n, steps, **changes)
        kinds = toys or {}
        self.toys = {peer(i): kinds.get(i, Toy)(self.genesis, peer(i), radius) for i in range(n)}
        self.tampers = {peer(i): tamper for i, tamper in (tampers or {}).items()}
        self.now = 0.0
        self.queue: list[tuple[float, int, PeerId, ev.Event]] = []
        self.count = 0
        self.trace: list[tuple[float, PeerId, ev.Event, list[Any]]] = []

    def push(self, to: PeerId, event: ev.Event, delay: float = 0.001) -> None:
        """Let an event happen to a peer."""
        self.count += 1
        heapq.heappush(self.queue, (self.now + delay, self.count, to, event))

    def run(self, limit: int = 200_000) -> Ring:
        """Until nothing happens any more."""
        for to in self.toys:
            self.push(to, ev.Started())
        while self.step():
            limit -= 1
            assert limit > 0, "the ring does not come to an end"
        return self

    def step(self) -> bool:
        """The next thing that happens: an event, or a timer."""
        waiting = [t for t in self.toys.values() if t.timer < inf and t.stop is None]
        first = min(waiting, key=lambda toy: (toy.timer, toy.me), default=None)
        if first is not None and (not self.queue or first.timer < self.queue[0][0]):
            self.now, first.timer = max(self.now, first.timer), inf
            self.deliver(first, ev.TimerFired())
        elif self.queue:
            self.now, _, to, event = heapq.heappop(self.queue)
            self.deliver(self.toys[to], event)
        else:
            return False
        return True

    def deliver(self, toy: Toy, event: ev.Event) -> None:
        """One event to one core, and what follows."""
        done = toy.core.handle(event, self.now)
        self.trace.append((self.now, toy.me, event, done))
        tamper = self.tampers.get(toy.me)
        for effect in tamper(self, toy, done) if tamper else done:
            self.carry_out(toy, effect)

    def sign(self, toy: Toy, effect: fx.Broadcast) -> Signed:
        """What goes out, with the peer's signature."""
        return sign(effect.stage, effect.head, toy.me, effect.payload)

    def pass_on(self, toy: Toy, effect: fx.PassOn) -> None:
        """A view or a closed set, with the signatures it came through and the peer's own."""
        view = effect.view
        mine = sign(Stage.WITNESS, view.head, toy.me, view.body)
        for each in effect.to:
            self.push(each, ev.ChainReceived(view, (*effect.witnesses, mine)))

    def carry_out(self, toy: Toy, effect: fx.Effect) -> None:  # noqa: C901, PLR0912 - one table
        """One effect."""
        match effect:
            case fx.Broadcast(to=to):
                signed = self.sign(toy, effect)
                for each in (*to, toy.me):
                    self.push(each, ev.MessageReceived(signed))
            case fx.SendPart(head=head, part=part, to=to):
                self.send_part(toy, head, to, toy.parts[head][part])
            case fx.SendResult(head=head, to=to):
                for each in to:
                    self.send_result(toy, head, each, toy.results[head, toy.me])
            case fx.SendBlob(digest=name, to=to):
                data = toy.find_blob(name)
                for each in to:
                    self.toys[each].blobs[name] = data
                    self.push(each, ev.BlobArrived(name, len(data), is_finite(data)))
            case fx.SendBlobRequest(digest=name, to=to):
                for each in to:
                    self.push(each, ev.BlobRequested(toy.me, name))
            case fx.SendSetRequest(to=each, head=head, stage=stage):
                self.push(each, ev.SetRequested(toy.me, head, stage))
            case fx.SendSet(to=each, head=head, stage=stage, messages=messages):
                self.push(each, ev.SetReceived(toy.me, head, stage, messages))
            case fx.SendProof(to=to, proof=proof):
                for each in to:
                    self.push(each, ev.ProofReceived(proof))
            case fx.PassOn():
                self.pass_on(toy, effect)
            case fx.SendCertificate(to=to, record=record, messages=messages):
                for each in to:
                    self.push(each, ev.CertificateReceived(record, messages))
            case fx.Place():
                toy.place(effect)
            case fx.Warn():
                toy.warnings.append(effect)
            case fx.SetTimer(at=at):
                toy.timer = at
            case fx.Decide():
                toy.records.append(effect.record)
            case fx.WriteEvidence():
                toy.evidence.append(effect)
            case fx.Stop():
                toy.stop = effect
            case fx.Release():
                pass
            case _:
                self.push(toy.me, toy.compute(effect))

    def send_part(self, toy: Toy, head: Digest, to: PeerId, data: bytes) -> None:
        """Bulk bytes to an owner."""
        self.toys[to].rows[head, toy.me] = data
        self.push(to, ev.PartArrived(head, toy.me, digest_bytes(data), len(data), is_finite(data)))

    def send_result(self, toy: Toy, head: Digest, to: PeerId, data: bytes) -> None:
        """Bulk bytes to everybody."""
        self.toys[to].results[head, toy.me] = data
        self.push(
            to, ev.ResultArrived(head, toy.me, digest_bytes(data), len(data), is_finite(data))
        )

    # --- what tests look at -----------------------------------------------------------------------

    def honest(self, *liars: int) -> list[Toy]:
        """Everybody else."""
        return [toy for toy in self.toys.values() if toy.me not in {peer(i) for i in liars}]

    def check_agreement(self, *liars: int) -> list[Record]:
        """All honest peers hold the same chain; it is returned."""
        chains = [[record.head for record in toy.records] for toy in self.honest(*liars)]
        assert all(chain == chains[0] for chain in chains), "honest peers differ"
        return self.honest(*liars)[0].records

    def departures(self, *liars: int) -> dict[int, str]:
        """Who left, why, by the agreed chain."""
        records = self.check_agreement(*liars)
        return {d.peer[0]: d.fault.name for record in records for d in record.departures}


__all__ = ["ByHash", "Clip", "Ring", "Tamper", "Toy", "make_genesis", "peer"]
