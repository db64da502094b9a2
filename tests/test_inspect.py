"""Every file of ours is told for what it is; anything else is refused by name."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.recorded.logs import HEADER, PEERS, CounterCore, make_events, make_record, record_counter
from zpeer.effects import Decide
from zpeer.errors import ZpeerError
from zpeer.events import TimerFired
from zpeer.faults import FaultKind
from zpeer.identity import keygen
from zpeer.ids import digest, digest_bytes
from zpeer.inspect import inspect_file
from zpeer.judging.evidence import Evidence, Witness, write_evidence
from zpeer.record import Departure
from zpeer.recorded.recording import Recorder
from zpeer.recorded.zlog import PayloadKind

if TYPE_CHECKING:
    from pathlib import Path


def inspect(path: Path) -> str:
    """All that is printed, on one line."""
    out = io.StringIO()
    assert inspect_file(path, out) == 0
    return " ".join(out.getvalue().split())


def test_a_log_says_whose_it_is_and_what_became_final(tmp_path: Path) -> None:
    record_counter(tmp_path / "ada", make_events(4))
    for path in (tmp_path, tmp_path / "ada", tmp_path / "ada.000001.zlog"):
        text = inspect(path)
        assert "recorded log" in text
        assert f"of ada {PEERS[0].hex()}" in text
        assert f"peer cleo {PEERS[2].hex()}" in text
        assert "aggregator counting(pace = 3)" in text
        assert "events MessageReceived 12, SecretDrawn 4, Started 1" in text
        assert "step 3.0 COUNTED, 4 counted" in text
        assert "payloads not recorded" in text


def test_a_log_says_who_was_banned_what_is_torn_and_where_the_core_raised(tmp_path: Path) -> None:
    record = msgspec.structs.replace(
        make_record(HEADER.genesis.run, 0),
        departures=(Departure(PEERS[3], FaultKind.WRONG_SUM, HEADER.genesis.run, part=2),),
    )
    recorder = Recorder(tmp_path / "ada", HEADER, CounterCore().snapshot())
    recorder.payload(PayloadKind.RESULT, HEADER.genesis.run, PEERS[1], -1, bytes(12))
    recorder.entry(1.0, TimerFired(), [Decide(record, ())])
    recorder.crash(2.0, TimerFired(), ValueError("gone wrong"))
    recorder.close()
    path = tmp_path / "ada.000001.zlog"
    with path.open("ab") as file:
        file.write(b"torn")
    text = inspect(path)
    assert "BANNED dan: aggregated a part whose projections do not sum to zero" in text
    assert "the core raised: ValueError: gone wrong" in text
    assert "payloads 12 bytes" in text
    assert "its last 4 bytes are torn" in text


def test_evidence_says_what_it_claims_and_cannot_steer_the_terminal(tmp_path: Path) -> None:
    departure = Departure(PEERS[1], FaultKind.WRONG_GRADIENT, digest("head"))
    path = write_evidence(
        tmp_path,
        Evidence(
            protocol=1,
            run=HEADER.genesis.run,
            departure=departure,
            records=(msgspec.msgpack.encode(make_record(HEADER.genesis.run, 0)),),
            sets=(),
            messages=(),
            statements=(),
            blobs=(b"abcd",),
            results=(),
            parameters=digest("x"),
            witnesses=(Witness(PEERS[1], "b\x1b[2Jn", b""),),
        ),
    )
    text = inspect(path)
    assert "evidence" in text
    assert "claims: BANNED b\N{REPLACEMENT CHARACTER}[2Jn: committed to a gradient" in text
    assert "\x1b" not in text
    assert f"published part {digest_bytes(b'abcd')[:4].hex()}: 4 bytes" in text
    assert f"computing again from parameters {digest('x').hex()}" in text


def test_a_record_stands_alone(tmp_path: Path) -> None:
    record = make_record(HEADER.genesis.run, 3)
    (tmp_path / "head").write_bytes(msgspec.msgpack.encode(record))
    text = inspect(tmp_path / "head")
    assert "record" in text
    assert f"head {record.head.hex()}" in text
    assert "step 3.0 COUNTED" in text


def test_a_private_key_shows_only_what_is_public(tmp_path: Path) -> None:
    identity = keygen(tmp_path / "ada", "ada")
    for suffix, title in ((".key", "private key"), (".pub", "public identity")):
        text = inspect(tmp_path / f"ada{suffix}")
        assert title in text
        assert f"peer {identity.peer.hex()}" in text
        assert identity.signing.secret.hex() not in text
        assert identity.curve_secret.decode() not in text


def test_a_model_lists_its_tensors(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": np.zeros((3, 4), np.float32)}, path, {"task": "digits"})
    text = inspect(path)
    assert "weight F32 3 x 4" in text
    assert "task digits" in text
    assert digest_bytes(path.read_bytes()).hex() in text
    path.write_bytes(b"\xff" * 20)
    with pytest.raises(ZpeerError, match=r"model\.safetensors: no readable safetensors file"):
        inspect(path)


def test_a_parameter_vector_is_held_against_its_name(tmp_path: Path) -> None:
    name = digest_bytes(bytes(8)).hex()
    (tmp_path / f"{name}.f32").write_bytes(bytes(8))
    assert f"numbers 2 digest {name} name fits" in inspect(tmp_path / f"{name}.f32")
    (tmp_path / "other.f32").write_bytes(bytes(8))
    assert "DOES NOT FIT" in inspect(tmp_path / "other.f32")


def test_anything_else_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ZpeerError, match=r"notes\.txt: nothing that zpeer knows"):
        inspect(tmp_path / "notes.txt")
    (tmp_path / "x.toml").write_text("[tool]\na = 1\n")
    with pytest.raises(ZpeerError, match=r"x\.toml: neither run file, template nor peer file"):
        inspect(tmp_path / "x.toml")
    with pytest.raises(ZpeerError, match="none: no such file"):
        inspect(tmp_path / "none")
