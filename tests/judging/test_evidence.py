"""Evidence files are whole, and an altered one is told from a false one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.plain import peer, sign
from tests.core.toy import Ring, Toy
from zpeer.effects import WriteEvidence
from zpeer.errors import EvidenceError
from zpeer.events import PartsComputed
from zpeer.faults import FaultKind
from zpeer.ids import NOTHING, digest, digest_bytes
from zpeer.judging.evidence import (
    FORMAT_VERSION,
    MAGIC,
    Evidence,
    collect_evidence,
    decode_evidence,
    encode_evidence,
    evidence_name,
    read_evidence,
    render_evidence,
    write_evidence,
)
from zpeer.record import Departure
from zpeer.signed import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from zpeer.effects import Computation, Project
    from zpeer.events import Event, Projected
    from zpeer.ids import Digest


class Infinite(Toy):
    """Sends owner 0 a part that is not finite, commits to it, and speaks of zeros."""

    def compute(self, effect: Computation) -> Event:
        event = super().compute(effect)
        if not isinstance(event, PartsComputed):
            return event
        mine = self.parts[event.head]
        mine[0] = mine[0][:-4] + b"\x00\x00\x80\x7f"
        return PartsComputed(event.head, tuple(digest_bytes(part) for part in mine))

    def project(self, effect: Project) -> Projected:
        if effect.part < 0:
            return super().project(effect)
        mine = self.parts[effect.head]
        self.parts[effect.head] = [bytes(len(mine[0])), *mine[1:]]
        projected = super().project(effect)
        self.parts[effect.head] = mine
        return projected


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    ring = Ring(5, 4, toys={3: Infinite}).run()
    toy = ring.toys[peer(0)]
    assert ring.departures(3) == {3: "PART_NOT_FINITE"}
    keys = {each: b"\x02" + each for each in ring.genesis.peers}
    held = [*toy.blobs.values(), *toy.rows.values(), *toy.results.values()]

    def find(name: Digest) -> bytes | None:
        return next((data for data in held if digest_bytes(data) == name), None)

    return collect_evidence(toy.evidence[0], ring.genesis, keys, find)


def test_evidence_comes_back_as_it_was_written(tmp_path: Path, evidence: Evidence) -> None:
    path = write_evidence(tmp_path / "evidence", evidence)
    assert path.name.startswith("part-not-finite-03030303-")
    assert path.suffix == ".evidence"
    assert read_evidence(path) == evidence
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_evidence_holds_the_bytes_it_rests_on(evidence: Evidence) -> None:
    assert evidence.blobs[0].endswith(b"\x00\x00\x80\x7f")
    assert evidence.departure.peer == peer(3)
    assert {witness.peer for witness in evidence.witnesses} == {peer(i) for i in range(5)}
    assert evidence.witnesses[3].name == "peer-3"
    assert evidence.witnesses[3].key == b"\x02" + peer(3)


@given(place=st.integers(min_value=0), flip=st.integers(min_value=1, max_value=255))
@settings(max_examples=100)
def test_any_altered_byte_is_noticed(evidence: Evidence, place: int, flip: int) -> None:
    data = bytearray(encode_evidence(evidence))
    data[place % len(data)] ^= flip
    with pytest.raises(EvidenceError):
        decode_evidence(bytes(data), "x")


@given(cut=st.integers(min_value=1))
@settings(max_examples=50)
def test_a_file_that_was_cut_off_is_noticed(evidence: Evidence, cut: int) -> None:
    data = encode_evidence(evidence)
    with pytest.raises(EvidenceError):
        decode_evidence(data[: -1 - cut % (len(data) - 1)], "x")


@given(st.binary(max_size=200))
def test_whatever_the_bytes_only_its_own_error_is_raised(data: bytes) -> None:
    whole = MAGIC + data
    for content in (data, whole, whole + digest_bytes(whole)):
        with pytest.raises(EvidenceError):
            decode_evidence(content, "x")


def test_a_second_encoding_is_refused(evidence: Evidence) -> None:
    surplus = list(msgspec.to_builtins(evidence, builtin_types=(bytes,)))
    whole = MAGIC + msgspec.msgpack.encode([*surplus, "more"])
    with pytest.raises(EvidenceError, match="not in the one encoding"):
        decode_evidence(whole + digest_bytes(whole), "x")


def test_a_file_of_another_format_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.evidence"
    path.write_bytes(MAGIC[:8] + (FORMAT_VERSION + 1).to_bytes(4, "little") + bytes(40))
    with pytest.raises(EvidenceError, match=r"x\.evidence: evidence format 3, expected 2"):
        read_evidence(path)
    path.write_bytes(b"something else")
    with pytest.raises(EvidenceError, match=r"x\.evidence: no evidence file"):
        read_evidence(path)
    with pytest.raises(EvidenceError, match="cannot be read: No such file"):
        read_evidence(tmp_path / "none")


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path, evidence: Evidence) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceError, match=r"file/part-not-finite-.*: cannot be written"):
        write_evidence(tmp_path / "file", evidence)


def test_bytes_that_are_gone_are_left_out(evidence: Evidence) -> None:
    ring = Ring(5, 4, toys={3: Infinite}).run()
    effect = ring.toys[peer(0)].evidence[0]
    keys = dict.fromkeys(ring.genesis.peers, b"")
    assert collect_evidence(effect, ring.genesis, keys, lambda _: None).blobs == ()


def test_two_signatures_are_kept_without_what_was_signed(tmp_path: Path) -> None:
    genesis = Ring(4, 1).genesis
    one, two = (
        sign(Stage.VIEW, genesis.run, peer(2), payload).statement for payload in (b"one", b"two")
    )
    departure = Departure(peer(2), FaultKind.EQUIVOCATION, genesis.run)
    effect = WriteEvidence(departure, (), (), (), (one, two), (), (), NOTHING)
    keys = {each: b"\x02" + each for each in genesis.peers}
    evidence = collect_evidence(effect, genesis, keys, lambda _: None)
    assert evidence.statements == (one, two)
    assert [witness.name for witness in evidence.witnesses] == ["peer-2"]
    assert read_evidence(write_evidence(tmp_path, evidence)) == evidence
    lines = [line.strip() for line in render_evidence(evidence)]
    for payload in (b"one", b"two"):
        content = digest_bytes(payload)[:4].hex()
        shown = f"own signature: VIEW from peer-2: content {content}"
        assert any(line.startswith(shown) for line in lines)


def test_every_fault_peer_and_attempt_has_a_name_of_its_own() -> None:
    names = {
        evidence_name(Departure(peer(i), fault, digest("attempt", bytes([a]))))
        for i in range(3)
        for fault in FaultKind
        for a in range(3)
    }
    assert len(names) == 9 * len(FaultKind)


def test_evidence_is_shown_with_names_and_the_claim_first(evidence: Evidence) -> None:
    lines = render_evidence(evidence)
    assert lines[0].startswith("claims: BANNED peer-3: sent a part as committed that is not")
    assert "(PART_NOT_FINITE, part 0, accused by peer-0)" in lines[0]
    assert any(line.strip().startswith("COMMIT from peer-3: 5 parts") for line in lines)
