"""Who hears all others: so that all honest peers start together, or none does.

Due times count from a peer's own start, so starts must lie as close as messages travel. Yet one
peer's connections stand later than another's, and a liar may connect to some alone: those would
start, and remove the others for being silent. So who hears all others signs a *word* that says so.
With words of all, or after a while of all but F, a peer starts, and shows all others these words.
Who is shown that many starts, too, at once. At least one of them is honest, so all honest peers are
there; and no liar can keep the words from those to whom it does not talk.

A word names the sessions, random for each process, of all whom its signer hears. It counts only for
who finds its own there: what was said in a start that failed starts nothing later. It is no slot:
a peer may sign any number, and nothing is held against it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from zpeer.core.broadcast import faulty_max
from zpeer.ids import Digest, PeerId, digest
from zpeer.signed import PROTOCOL_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MARK = b"\xc1ready"
"""First bytes of a frame of words; no other control message begins with such a byte."""
FORGERIES_MAX = 16
"""Bad signatures shown by one peer, after which it is not listened to: each costs time."""
CHECKS_EACH = 64
"""Signatures looked at for one peer, of each peer: good ones cost as much, and there may be a new
one for every connection that is made again."""


class Word(msgspec.Struct, frozen=True, array_like=True):
    """That its signer hears all others."""

    signer: PeerId
    sessions: tuple[bytes, ...]
    """Of all peers, in the order of the run file; its own, too."""
    signature: bytes = b""


_DECODER = msgspec.msgpack.Decoder(tuple[Word, ...], strict=True)


def is_words(data: bytes) -> bool:
    """Whether a control message is a frame of words, which nobody needs after the start."""
    return data.startswith(MARK)


class Readiness:
    """The words of one run as one peer has them."""

    def __init__(
        self,
        run: Digest,
        peers: Sequence[PeerId],
        me: PeerId,
        *,
        session: bytes,
        sign: Callable[[Digest], bytes],
        verify: Callable[[PeerId, Digest, bytes], bool],
    ) -> None:
        """`peers`: all, in the order of the run file; `session`: that of this process."""
        self._run = run
        self._peers = tuple(peers)
        self._me = me
        self._session = session
        self._sign = sign
        self._verify = verify
        self._words: dict[PeerId, Word] = {}
        self._forgeries = dict.fromkeys(peers, 0)
        self._checks = dict.fromkeys(peers, 0)
        self._told = False
        self._enough = len(self._peers) - faulty_max(len(self._peers))

    @property
    def is_told(self) -> bool:
        """Whether somebody has shown all at once what it takes to start."""
        return self._told

    @property
    def is_enough(self) -> bool:
        """Whether so many hear all others that one of them is honest, and has told all who are."""
        return len(self._words) >= self._enough

    @property
    def missing(self) -> list[PeerId]:
        """Whose word is not here."""
        return [peer for peer in self._peers if peer not in self._words]

    def say(self, sessions: Mapping[PeerId, bytes]) -> bytes | None:
        """My word, for all others, once I hear these; None if it is said."""
        heard = {**sessions, self._me: self._session}
        word = Word(self._me, tuple(heard[peer] for peer in self._peers))
        known = self._words.get(self._me)
        if known is not None and known.sessions == word.sessions:
            return None
        signature = self._sign(self._compute_body(word))
        self._words[self._me] = Word(word.signer, word.sessions, signature)
        return encode_words((self._words[self._me],))

    def show(self) -> bytes:
        """All words, for all others, when I start."""
        return encode_words(tuple(self._words[p] for p in self._peers if p in self._words))

    def take(self, sender: PeerId, data: bytes) -> bool:
        """Take what a peer shows; False if it has shown what no honest peer shows."""
        words = decode_words(data)
        if words is None or len(words) > len(self._peers):
            return False
        good = {word.signer for word in words if self._accepts(sender, word)}
        self._told = self._told or len(good) >= self._enough
        return self._forgeries[sender] == 0

    def _accepts(self, sender: PeerId, word: Word) -> bool:
        """Whether a word counts here. What is known already costs no time."""
        if word == self._words.get(word.signer):
            return True
        if not self._names_me(word) or not self._may_show(sender):
            return False
        self._checks[sender] += 1
        if not self._verify(word.signer, self._compute_body(word), word.signature):
            self._forgeries[sender] += 1
            return False
        self._words.setdefault(word.signer, word)
        return True

    def _may_show(self, sender: PeerId) -> bool:
        few_checks = self._checks[sender] < CHECKS_EACH * len(self._peers)
        return few_checks and self._forgeries[sender] < FORGERIES_MAX

    def _names_me(self, word: Word) -> bool:
        if word.signer not in self._peers or len(word.sessions) != len(self._peers):
            return False
        return word.sessions[self._peers.index(self._me)] == self._session

    def _compute_body(self, word: Word) -> Digest:
        return digest(f"zpeer/{PROTOCOL_VERSION}/ready", self._run, word.signer, *word.sessions)


def encode_words(words: tuple[Word, ...]) -> bytes:
    """A frame."""
    return MARK + msgspec.msgpack.encode(words)


def decode_words(data: bytes) -> tuple[Word, ...] | None:
    """The words in a frame; None if it is none."""
    if not is_words(data):
        return None
    try:
        return _DECODER.decode(data[len(MARK) :])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
