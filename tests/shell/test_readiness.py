"""Who starts when: by words of enough peers that hear all, and never by old ones."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import msgspec
import pytest

from zpeer.core.broadcast import faulty_max
from zpeer.crypto import SigningKey, Verifier
from zpeer.errors import WireError
from zpeer.ids import Digest, PeerId, digest
from zpeer.shell.readiness import CHECKS_EACH, FORGERIES_MAX, MARK, Readiness, Word, is_words
from zpeer.wire import WireLimits, decode_control

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

N = 5
ENOUGH = N - faulty_max(N)
KEYS = [SigningKey.generate(bytes([i]) * 32) for i in range(1, N + 1)]
PEERS = [key.public.peer for key in KEYS]
VERIFIER = Verifier(key.public for key in KEYS)
RUN = digest("run")


def session_of(i: int, process: int = 0) -> bytes:
    return bytes([i, process]) * 4


def sessions_for(i: int, **processes: int) -> Mapping[PeerId, bytes]:
    """What a peer hears of the others; `p2=1`: the second process of peer 2."""
    return {PEERS[j]: session_of(j, processes.get(f"p{j}", 0)) for j in range(len(PEERS)) if j != i}


class Counting:
    """Verifies, and counts how often."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, peer: PeerId, body: Digest, signature: bytes) -> bool:
        self.count += 1
        return VERIFIER.verify_digest(peer, body, signature)


def make(
    i: int,
    process: int = 0,
    run: Digest = RUN,
    verify: Callable[[PeerId, Digest, bytes], bool] = VERIFIER.verify_digest,
) -> Readiness:
    return Readiness(
        run, PEERS, PEERS[i], session=session_of(i, process), sign=KEYS[i].sign, verify=verify
    )


def word(i: int, run: Digest = RUN, **processes: int) -> bytes:
    """What a peer says that hears all."""
    said = make(i, processes.get(f"p{i}", 0), run).say(sessions_for(i, **processes))
    assert said is not None
    return said


def shown_by(*signers: int) -> bytes:
    """The words of these in one frame, as a peer shows them that starts."""
    readiness = make(signers[0])
    readiness.say(sessions_for(signers[0]))
    for i in signers[1:]:
        assert readiness.take(PEERS[i], word(i))
    return readiness.show()


def test_each_word_counts_once_and_enough_is_all_but_those_who_may_be_faulty() -> None:
    readiness = make(0)
    assert readiness.say(sessions_for(0)) is not None
    for k, i in enumerate((1, 1, 2, 3, 4, 4), start=0):
        assert readiness.is_enough == (len(PEERS) - len(readiness.missing) >= ENOUGH), k
        assert readiness.take(PEERS[i], word(i))
    assert readiness.missing == []
    assert not readiness.is_told, "each spoke for itself alone"


def test_a_word_is_said_once_and_again_when_another_process_is_heard() -> None:
    readiness = make(0)
    assert readiness.say(sessions_for(0)) is not None
    assert readiness.say(sessions_for(0)) is None
    again = readiness.say(sessions_for(0, p2=1))
    assert again is not None
    late = make(2, process=1)
    assert late.take(PEERS[0], again)
    assert PEERS[0] not in late.missing


@pytest.mark.parametrize("signers", list(combinations(range(1, N), ENOUGH)))
def test_who_is_shown_enough_words_at_once_is_told_whoever_shows_them(
    signers: tuple[int, ...],
) -> None:
    readiness = make(0)
    assert readiness.take(PEERS[4], shown_by(*signers))
    assert readiness.is_told
    assert readiness.is_enough


def test_one_word_too_few_tells_nobody() -> None:
    readiness = make(0)
    assert readiness.take(PEERS[1], shown_by(*range(1, ENOUGH)))
    assert not readiness.is_told
    assert not readiness.is_enough


def test_the_same_word_many_times_is_one() -> None:
    once = msgspec.msgpack.decode(word(1)[len(MARK) :])
    readiness = make(0)
    assert readiness.take(PEERS[1], MARK + msgspec.msgpack.encode(once * N))
    assert not readiness.is_told
    assert not readiness.is_enough


# --- what does not count --------------------------------------------------------------------------


def test_words_that_name_an_earlier_process_of_mine_start_nothing() -> None:
    """Whoever kept them since a start that failed."""
    readiness = make(0, process=1)
    assert readiness.take(PEERS[1], shown_by(1, 2, 3, 4)), "no fault: it may not know yet"
    assert not readiness.is_told
    assert len(readiness.missing) == N


def test_words_of_another_run_are_forged() -> None:
    readiness = make(0)
    assert not readiness.take(PEERS[1], word(1, run=digest("another run")))
    assert len(readiness.missing) == N


def test_nobody_can_speak_for_another() -> None:
    said = msgspec.msgpack.decode(word(1)[len(MARK) :], type=tuple[Word, ...])
    forged = [Word(PEERS[2], each.sessions, each.signature) for each in said]
    readiness = make(0)
    assert not readiness.take(PEERS[1], MARK + msgspec.msgpack.encode(forged))
    assert len(readiness.missing) == N


def test_who_forges_costs_little_time_and_what_others_show_still_counts() -> None:
    verify = Counting()
    readiness = make(0, verify=verify)
    forged = [Word(PEERS[2], tuple(session_of(j) for j in range(N)), bytes(64))] * N
    for _ in range(2 * FORGERIES_MAX):
        assert not readiness.take(PEERS[1], MARK + msgspec.msgpack.encode(forged))
    assert verify.count == FORGERIES_MAX
    assert readiness.take(PEERS[3], shown_by(2, 3, 4))
    assert readiness.is_told


def test_what_is_known_is_not_verified_again() -> None:
    verify = Counting()
    readiness = make(0, verify=verify)
    for _ in range(50):
        assert readiness.take(PEERS[1], shown_by(1, 2, 3))
    assert verify.count == ENOUGH


def test_who_signs_words_without_end_costs_no_more_than_so_many_checks() -> None:
    verify = Counting()
    readiness = make(0, verify=verify)
    for process in range(1, 2 * CHECKS_EACH * N):
        others = {**sessions_for(1), PEERS[2]: process.to_bytes(8, "little")}
        said = make(1).say(others)
        assert said is not None
        assert readiness.take(PEERS[1], said), "signing is no fault"
    assert verify.count == CHECKS_EACH * N
    assert readiness.take(PEERS[3], shown_by(2, 3, 4))
    assert readiness.is_told


@pytest.mark.parametrize(
    "data",
    [
        MARK,
        MARK + b"\xc1",
        MARK + msgspec.msgpack.encode([1, 2]),
        MARK + msgspec.msgpack.encode([[b"", [], b""]] * (N + 1)),
        MARK + b"\x91" * 5000,
    ],
)
def test_garbage_is_refused(data: bytes) -> None:
    readiness = make(0)
    assert not readiness.take(PEERS[1], data)


@pytest.mark.parametrize("signer", [b"", b"\1" * 32, PEERS[1]])
@pytest.mark.parametrize("sessions", [(), (b"",) * N, (session_of(0),) * (N + 1)])
def test_words_out_of_shape_count_for_nothing(signer: bytes, sessions: tuple[bytes, ...]) -> None:
    readiness = make(0)
    frame = MARK + msgspec.msgpack.encode([Word(PeerId(signer), sessions, bytes(64))])
    readiness.take(PEERS[1], frame)
    assert not readiness.is_enough
    assert len(readiness.missing) == N


def test_words_are_no_message_of_the_run() -> None:
    assert is_words(word(1))
    with pytest.raises(WireError):
        decode_control(word(1), WireLimits(N, 4))
