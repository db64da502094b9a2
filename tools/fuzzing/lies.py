"""Liars: members of a roster who sign anything, and throw it at the others' doors.

What they say is mostly true but for one field; or it is put together from true pieces, passed on,
repeated, late, early, of another attempt, of the wrong size, or no message at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tests.core.plain import sign
from tools.fuzzing.aim import JUNK, accuse
from tools.fuzzing.bytes import garble
from tools.fuzzing.trees import alter, alter_encoded
from tools.fuzzing.words import SLOTS, Pool, Speaker
from tools.fuzzing.world import SAID_KEPT
from zpeer.ids import NOTHING, Digest, PeerId
from zpeer.parts import Bulk
from zpeer.record import Record
from zpeer.relays import BlobRequest, Chain, SetRequest
from zpeer.shell.reception import make_header
from zpeer.signed import Signed, Stage
from zpeer.wire import encode_relay, encode_signed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tools.fuzzing.world import Host, World
    from zpeer import effects as fx
    from zpeer.relays import Relay
    from zpeer.simulate.streams import Stream

KINDS = tuple(Bulk)
SIZES = (0, 1, 3, 4, 8, 12, 16, 24, 32, 48, 96, 97, 2**31, 2**40)
JUMPS = (0.0, 0.0, 0.0, 0.0, 0.001, 0.3, 1.0, 2.0, 5.0, 7.0, 10.0, 25.0, 1e4)
WORDS_SEARCHED = 30
REPEATED = 24
"""How many of the last inputs may come again."""
FRESH = 64
"""Inputs after which liars look again at what is known."""


class Tensor(NamedTuple):
    """Bytes on the bulk plane, as the worker will describe them."""

    header: bytes
    name: Digest
    size_bytes: int
    finite: bool


class Input(NamedTuple):
    """What a victim is told: a frame or a tensor at its door, or that time has passed."""

    sender: PeerId
    frame: bytes = b""
    tensor: Tensor | None = None
    later: float = 0.0
    """Seconds that pass before."""


class Liars:
    """All liars of one swarm, of one mind.

    Sly ones say one thing in each slot, and nothing that ends the attempt at once: what follows
    from a lie is found out only some stages later.
    """

    def __init__(
        self, world: World, members: Sequence[PeerId], stream: Stream, *, sly: bool = False
    ) -> None:
        self.world = world
        self.members = tuple(members)
        self.stream = stream
        self.sly = sly
        self.recent: list[Input] = []
        self._count = 0
        for member in members:
            world.tampers[member] = self.tamper
        self.speaker = self._look(world.genesis.run)

    def _look(self, head: Digest) -> Speaker:
        """Take in what is known by now."""
        known = self.world.known
        heads = [head, *(host.core.head for host in self.world.hosts.values())]
        heads += [record.head for record in known.records]
        heads += [self.world.genesis.run, JUNK]
        names: list[Digest] = [NOTHING, JUNK, *known.digests[-WORDS_SEARCHED:]]
        for signed in known.said[-WORDS_SEARCHED:]:
            names += [signed.body, *find_digests(signed.payload)]
        names += [name for record in known.records[-2:] for name in (*record.sets, record.beacon)]
        said = known.said[-SAID_KEPT:] or [sign(Stage.COMMIT, head, self.members[0], b"")]
        heard: dict[Stage, list[Signed]] = {}
        for signed in said:
            heard.setdefault(signed.stage, []).append(signed)
        pool = Pool(
            heads=tuple(dict.fromkeys(heads)),
            digests=tuple(dict.fromkeys((*heads, *names))),
            peers=self.world.genesis.peers,
            liars=self.members,
            said=said,
            heard=heard,
            chains=known.chains,
            records=[msgspec.msgpack.encode(record) for record in known.records],
        )
        return Speaker(pool, self.stream)

    # --- what is thrown ---------------------------------------------------------------------------

    def draw(self, victim: Host) -> Input:
        """The next lie for a victim."""
        if self._count % FRESH == 0 or victim.core.head != self.speaker.pool.heads[0]:
            self.speaker = self._look(victim.core.head)
        self._count += 1
        if self.recent and self.stream.below(14) == 0:
            return self.stream.pick(self.recent)
        drawn = self.stream.pick(SLY_WAYS if self.sly else WAYS)(self)
        self.recent = [*self.recent[1 - REPEATED :], drawn]
        return drawn

    def word(self) -> Input:
        """A word on a slot: as somebody said it, but for a field, under a liar's name."""
        return self._say(self.draw_word())

    def draw_word(self) -> Signed:
        """See `word`."""
        stream, pool = self.stream, self.speaker.pool
        stage, liar, head = stream.pick(SLOTS), self.speaker.liar(), self.speaker.head()
        if stream.below(30) == 0:  # as long as it may be, and nothing else
            return sign(stage, head, liar, bytes(self.world.limits.payload_bytes(stage)))
        said = [signed for signed in pool.heard.get(stage, ()) if signed.head == head]
        mine = [signed for signed in said if signed.sender == liar]
        if not said or stream.below(5) == 0:
            return sign(stage, head, liar, self.lie(self.speaker.payload(stage)))
        base = stream.pick(mine) if mine and stream.below(3) else stream.pick(said)
        return sign(stage, head, liar, self.lie(base.payload))

    def old_word(self) -> Input:
        """A word of an attempt that is over, or never was."""
        now = [host.core.head for host in self.world.hosts.values()]
        old = [head for head in self.speaker.pool.heads if head not in now]
        stage = self.stream.pick(SLOTS)
        payload = self.lie(self.speaker.payload(stage))
        return self._say(sign(stage, self.stream.pick(old), self.speaker.liar(), payload))

    def ask(self) -> Input:
        """For a set, or for bytes."""
        speaker = self.speaker
        relay: Relay = BlobRequest(speaker.name())
        if self.stream.below(2):
            relay = SetRequest(speaker.head(), self.stream.pick(SLOTS))
        return Input(speaker.liar(), encode_relay(relay))

    def lie(self, payload: bytes) -> bytes:
        """The same, or with one field changed, or several, or garbled."""
        way = self.stream.below(10)
        if way == 0:
            return payload
        if way == 1:
            return garble(payload, self.stream, payload)
        for _ in range(1 if way < 8 else 2 + self.stream.below(3)):
            payload = alter_encoded(payload, self.stream, self.speaker.pool.digests)
        return payload

    def lie_behind_echo(self, payload: bytes) -> bytes:
        """One field changed, mostly not the first, by which it would be told at once."""
        tree = msgspec.msgpack.decode(payload)
        first = int(len(tree) > 1 and self.stream.below(8) > 0)
        place = first + self.stream.below(len(tree) - first)
        tree[place] = alter(tree[place], self.stream, self.speaker.pool.digests)
        return msgspec.msgpack.encode(tree)

    def pass_on(self) -> Input:
        """Anybody's word, by a liar; old ones too."""
        return self._say(self.stream.pick(self.speaker.pool.said))

    def relay(self) -> Input:
        """A control message that is no slot; a chain mostly from who signed it last."""
        relay, liar = self.speaker.relay(), self.speaker.liar()
        if isinstance(relay, Chain) and self.stream.below(8):
            last = (relay.view, *relay.witnesses)[-1].sender
            liar = last if last in self.members else liar
        return Input(liar, encode_relay(relay))

    def altered_relay(self) -> Input:
        """The same with something changed that no signature covers, or that one did."""
        relay = encode_relay(self.speaker.relay())
        changed = alter_encoded(relay, self.stream, self.speaker.pool.digests)
        return Input(self.speaker.liar(), changed)

    def altered_record(self) -> Input:
        """A certificate with a record that is almost one."""
        certificate = self.speaker.certificate()
        names = self.speaker.pool.digests
        record = alter_encoded(certificate.record, self.stream, names)
        named = self.name_record(record)
        words = tuple(
            sign(each.stage, self.speaker.pool.heads[0], liar, named)
            for each, liar in zip(certificate.messages, self.members, strict=False)
        )
        changed = msgspec.structs.replace(certificate, record=record, messages=words)
        return Input(self.speaker.liar(), encode_relay(changed))

    def name_record(self, record: bytes) -> bytes:
        """The payload of a DECIDED on it."""
        try:
            head = msgspec.msgpack.decode(record, type=Record).head
        except (msgspec.MsgspecError, ValueError):
            head = self.speaker.name()
        return msgspec.msgpack.encode([head])

    def garbage(self) -> Input:
        """A frame with its bytes disturbed."""
        data = encode_signed(self.draw_word())
        return Input(self.speaker.liar(), garble(data, self.stream, self.relay().frame))

    def bytes_arrive(self) -> Input:
        """A tensor of any size, committed to or not."""
        header = make_header(self.stream.pick(KINDS), self.speaker.head())
        if self.stream.below(20) == 0:
            header = garble(header, self.stream, header)
        size, finite = self.stream.pick(SIZES), bool(self.stream.below(4))
        return Input(self.speaker.liar(), tensor=Tensor(header, self.speaker.name(), size, finite))

    def timer(self) -> Input:
        """The timer, too early, in time, or far too late."""
        return Input(self.speaker.liar(), later=self.stream.pick(JUMPS) * self.stream.share())

    def wait(self) -> Input:
        """The timer, somewhat early."""
        return Input(self.speaker.liar(), later=0.1 * self.stream.share())

    def _say(self, signed: Signed) -> Input:
        sender = signed.sender if signed.sender in self.members else self.speaker.liar()
        return Input(sender, encode_signed(signed))

    # --- what their own cores say -----------------------------------------------------------------

    def tamper(self, host: Host, effect: fx.Broadcast) -> list[tuple[Signed, tuple[PeerId, ...]]]:
        """Said as it is, with a lie in it, with an accusation, to some, to none, or in two ways."""
        stage, head, to = effect.stage, effect.head, effect.to
        true = sign(stage, head, host.me, effect.payload)
        way = self.stream.below(13 if self.sly else 16)
        if way < 5:
            return [(true, to)]
        if stage is Stage.CHECK and way < 13:
            payload = (
                effect.payload
                if way < 7
                else accuse(self.world, host.me, head, effect.payload, self.stream)
            )
            lie = self.lie_behind_echo(payload) if way < 7 or way > 10 else payload
            return [(sign(stage, head, host.me, lie), to)]
        if way < 13 - (not self.sly):
            lie = self.lie_behind_echo(effect.payload) if self.sly else self.lie(effect.payload)
            return [(sign(stage, head, host.me, lie), to)]
        few = tuple(self.stream.some(to, self.stream.below(len(to) + 1)))
        rest = tuple(peer for peer in to if peer not in few)
        if way < 14:
            return [(true, few)]
        return [(true, few), (sign(stage, head, host.me, self.lie(effect.payload)), rest)]


def find_digests(payload: bytes) -> list[Digest]:
    """What an honest payload names first: echoes, digests, secrets."""
    try:
        tree = msgspec.msgpack.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return []
    leaves = tree if isinstance(tree, list) else []
    nested = leaves[0] if leaves and isinstance(leaves[0], list) else []
    return [
        Digest(leaf) for leaf in (*leaves, *nested) if isinstance(leaf, bytes) and len(leaf) == 32
    ]


WAYS: tuple[Callable[[Liars], Input], ...] = (
    *(Liars.word,) * 8,
    *(Liars.relay,) * 5,
    *(Liars.pass_on,) * 3,
    *(Liars.bytes_arrive,) * 3,
    *(Liars.timer,) * 2,
    *(Liars.altered_relay, Liars.altered_record, Liars.garbage),
)
SLY_WAYS: tuple[Callable[[Liars], Input], ...] = (
    *(Liars.pass_on, Liars.pass_on, Liars.ask, Liars.ask, Liars.old_word, Liars.old_word),
    *(Liars.bytes_arrive, Liars.bytes_arrive, Liars.wait, Liars.garbage),
)
