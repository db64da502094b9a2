"""Runs in one process in which a peer cheats, what honest peers wrote about it, and a court."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from plugins.attacks._accuse import accuse, accuse_over_my_part
from plugins.attacks.wrong_sum import WrongSum
from tests.swarms import Softmax, make_shared, names
from zpeer import effects as fx
from zpeer.attacker import HonestAttack
from zpeer.faults import FaultKind
from zpeer.ids import PeerId, digest
from zpeer.judging.case import Court
from zpeer.judging.evidence import Evidence, read_evidence
from zpeer.messages import Accusation, Check, stage_of
from zpeer.plugins import load_plugins
from zpeer.relays import Chain
from zpeer.signed import Signed, Stage, body_digest
from zpeer.simulation import LocalSwarm, Signatures
from zpeer.wire import decode_control, decode_payload, encode_payload

if TYPE_CHECKING:
    from zpeer.compute.parameters import ParameterFiles
    from zpeer.conduct import Outgoing
    from zpeer.ids import Digest
    from zpeer.interfaces import Attack, AttackContext, Float32
    from zpeer.messages import Message
    from zpeer.record import Record

replace = msgspec.structs.replace
PEERS = 7
STEPS = 8


class UnpublishedShield(WrongSum):
    """The first of the plot excuses its failed sum by accusing the second. The bytes of that never
    reach anybody: neither of them hands them out."""

    def aggregate(self, context: AttackContext, honest: Float32) -> Float32:
        return super().aggregate(context, honest) if is_first(context) else honest

    def effects(self, context: AttackContext, effects: list[fx.Effect]) -> list[Outgoing]:
        told = super().effects(context, effects)
        return [effect for effect in told if not isinstance(effect, fx.SendBlob)]

    def lie(self, context: AttackContext, message: Message) -> Message | bytes:
        second = context.colluders[-1]
        is_able = is_first(context) and context.my_part >= 0 and second in context.workers
        if not isinstance(message, Check) or not is_able:
            return message
        fault = FaultKind.WRONG_PROJECTION
        return accuse(message, accuse_over_my_part(context, fault, second))


class InventedReport(HonestAttack):
    """Accuses a report on itself that nobody made."""

    def message(self, context: AttackContext, message: Message) -> Message | bytes:
        if not isinstance(message, Check) or not context.step:
            return message
        invented = Accusation(
            FaultKind.WRONG_REPORT,
            next(peer for peer in context.roster if peer != context.me),
            context.head,
            about=context.me,
            evidence=digest("made up"),
        )
        return replace(message, accusations=(*message.accusations, invented))


def is_first(context: AttackContext) -> bool:
    """Whether I am the first of the plot, and do what it is about."""
    return context.me == context.colluders[0] != context.colluders[-1]


class Overheard(LocalSwarm):
    """A swarm in which somebody keeps all that goes over the wires."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        self.frames: dict[bytes, None] = {}
        self.tensors: dict[bytes, None] = {}
        super().__init__(*args, **rest)

    def push(self, to: PeerId, sender: PeerId, header: bytes, data: bytes) -> None:
        (self.tensors if header else self.frames)[data] = None
        super().push(to, sender, header, data)

    def list_words(self) -> tuple[Signed, ...]:
        """Everything that anybody signed, alone or in a chain of witnesses."""
        words: dict[Signed, None] = {}
        for frame in self.frames:
            said = decode_control(frame, self.shared.limits)
            if isinstance(said, Signed):
                words[said] = None
            elif isinstance(said, Chain):
                words.update(dict.fromkeys((said.view, *said.witnesses)))
        return tuple(words)


class Verified(NamedTuple):
    """A run with a cheat, the evidence of one honest peer, and a court of that run."""

    swarm: Overheard
    evidence: tuple[Evidence, ...]
    court: Court
    honest: tuple[PeerId, ...]
    records: tuple[Record, ...]
    written: tuple[tuple[Evidence, ...], ...]
    """By each honest peer."""


CHEATS: dict[str, tuple[tuple[int, ...], dict[str, object]]] = {
    "concealed_projection": ((1, 2), {}),
    "equivocation": ((1,), {}),
    "false_accusation": ((1,), {}),
    "false_report": ((1, 2, 3), {}),
    "invalid_body": ((1,), {"mode": "nan"}),
    "lazy_validator": ((1, 2, 3), {}),
    "part_not_finite": ((1,), {}),
    "result_not_finite": ((1,), {}),
    "sign_flip": ((1,), {}),
    "wrong_average": ((1, 2, 3), {}),
    "wrong_beacon": ((1,), {}),
    "wrong_projection": ((1,), {}),
    "wrong_secret": ((1,), {}),
    "wrong_share": ((1,), {}),
    "wrong_sum": ((1,), {}),
}
"""At least one for every fault that is a ban."""


def run_attacks(attacks: dict[int, Attack], seed: int = 0, **changes: object) -> Verified:
    swarm = Overheard(
        make_shared(PEERS, STEPS, **changes),  # type: ignore[arg-type]
        Softmax(),
        Path(mkdtemp()),
        attacks={names(PEERS)[place]: attack for place, attack in attacks.items()},
        seed=seed,
    )
    genesis = swarm.shared.genesis
    witness = 0
    files = swarm.peers[genesis.peers[witness]].files
    keep_parameters(files)
    results = swarm.run()
    trainer = Softmax()

    def gradient(parameters: Digest, seed: Digest) -> Float32:
        return trainer.gradient(files.load(parameters), seed)[0]

    court = Court(
        genesis,
        swarm.shared.aggregator,
        swarm.shared.policy,
        swarm._signatures.verify,
        gradient,
    )
    written = tuple(
        tuple(map(read_evidence, result.evidence)) for result in results if result.honest
    )
    honest = tuple(
        peer for peer, result in zip(genesis.peers, results, strict=True) if result.honest
    )
    return Verified(swarm, written[witness], court, honest, results[witness].records, written)


def keep_parameters(files: ParameterFiles) -> None:
    """Claims against honest peers are judged, too, for which no peer keeps parameters."""

    class Everything(set[bytes]):
        def __contains__(self, name: object) -> bool:
            return True

    files._pinned = Everything()  # type: ignore[assignment]


@cache
def run_cheat(name: str) -> Verified:
    places, parameters = CHEATS[name]
    plugins = load_plugins()
    attacks = {place: plugins.build("attack", name, parameters) for place in places}
    verified = run_attacks(attacks)  # type: ignore[arg-type]
    assert verified.evidence, "the cheat was not caught"
    return verified


def first_of(name: str, fault: FaultKind) -> tuple[Evidence, Verified]:
    verified = run_cheat(name)
    return next(each for each in verified.evidence if each.departure.fault is fault), verified


def sign(peer: PeerId, head: Digest, message: Message) -> Signed:
    """What a peer would have signed."""
    return sign_bytes(peer, head, stage_of(message), encode_payload(message))


def sign_bytes(peer: PeerId, head: Digest, stage: Stage, payload: bytes) -> Signed:
    body = body_digest(stage, head, peer, payload)
    return Signed(stage, head, peer, payload, Signatures.sign(peer, body))


def read(verified: Verified, signed: Signed) -> Message:
    return decode_payload(signed.stage, signed.payload, verified.swarm.shared.limits)
