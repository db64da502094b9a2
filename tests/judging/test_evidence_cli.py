"""`zpeer verify-evidence` on a run of the real task with real keys; `inspect` of its files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import msgspec
import pytest

from plugins.attacks.sign_flip import SignFlip
from zpeer.compute.trainer import make_trainer
from zpeer.crypto import Verifier
from zpeer.errors import EvidenceError
from zpeer.faults import FaultKind, is_ban
from zpeer.identity import load_private
from zpeer.ids import NOTHING, digest_bytes
from zpeer.inspect import inspect_file
from zpeer.judging.evidence import MAGIC, encode_evidence, read_evidence
from zpeer.judging.evidence_cli import NOT_PROVEN, PROVEN, verify_file
from zpeer.plugins import Kind, load_plugins
from zpeer.record import Departure
from zpeer.runs.config import RunFile, load_run
from zpeer.runs.initialise import init_local
from zpeer.shell.preparation import make_ingredients
from zpeer.signed import Signed, Stage
from zpeer.simulation import LocalSwarm, RealSignatures

if TYPE_CHECKING:
    from zpeer.interfaces import Task
    from zpeer.signed import Statement

pytestmark = pytest.mark.simulation

TEMPLATE = Path(__file__).parents[2] / "config" / "digits.toml"


class Banned(NamedTuple):
    """A run in which a peer was banned for its gradient."""

    run: RunFile
    evidence: Path
    parameters: Path
    """Directory of the parameters files of who wrote it."""


@pytest.fixture(scope="module")
def banned(tmp_path_factory: pytest.TempPathFactory) -> Banned:
    directory = tmp_path_factory.mktemp("run")
    # Keys are new each time; in 24 steps one in 25,000 runs would not draw the attacker.
    init_local(TEMPLATE, directory, 4, changes={"run.steps": 24, "task.channels": 2})
    run = load_run(directory)
    plugins = load_plugins(run.plugin_paths)
    trainer = make_trainer(run, cast("Task", plugins.choose(Kind.TASK, run.task)))
    keys = [load_private(directory / "keys" / f"{peer.name}.key").signing for peer in run.peers]
    signatures = RealSignatures(
        {key.public.peer: key for key in keys}, Verifier(key.public for key in keys)
    )
    swarm = LocalSwarm(
        make_ingredients(run, plugins),
        trainer,
        tmp_path_factory.mktemp("state"),
        attacks={"peer-3": SignFlip()},
        start=1,
        signatures=signatures,
    )
    witness = swarm.run()[0]
    attacker = run.peer_ids[3]
    assert {(each.peer, each.fault.name) for each in witness.departures} == {
        (attacker, "WRONG_GRADIENT")
    }
    path = witness.evidence[0]
    return Banned(run, path, path.parent.parent / "parameters")


def verify(evidence: Path, run: Path) -> tuple[int, str]:
    out = io.StringIO()
    return verify_file(evidence, run, out=out), out.getvalue()


def test_a_ban_is_proven_from_the_file_and_the_run(banned: Banned) -> None:
    code, text = verify(banned.evidence, banned.run.path)
    assert code == PROVEN
    assert "BANNED peer-3: committed to a gradient that is not that of its minibatch" in text
    assert "PROVEN: 3 of the 3 parts it committed to are not those of its gradient" in text


def test_the_run_may_be_given_by_its_directory(banned: Banned) -> None:
    assert verify(banned.evidence, banned.run.path.parent)[0] == PROVEN


def test_a_false_claim_is_not_proven(banned: Banned, tmp_path: Path) -> None:
    evidence = read_evidence(banned.evidence)
    for peer in banned.run.peer_ids[:3]:
        claim = msgspec.structs.replace(evidence.departure, peer=peer)
        path = tmp_path / "framed.evidence"
        path.write_bytes(encode_evidence(msgspec.structs.replace(evidence, departure=claim)))
        for file in banned.parameters.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        code, text = verify(path, banned.run.path)
        assert code == NOT_PROVEN
        assert "NOT PROVEN: " in text


def test_parameters_that_are_nowhere_are_named(banned: Banned, tmp_path: Path) -> None:
    path = tmp_path / "alone.evidence"
    path.write_bytes(banned.evidence.read_bytes())
    name = read_evidence(path).parameters.hex()
    assert name != banned.run.parameters.digest
    with pytest.raises(EvidenceError, match=f"computed again from the parameters {name}"):
        verify(path, banned.run.path)
    data = (banned.parameters / f"{name}.f32").read_bytes()
    (tmp_path / f"{name}.f32").write_bytes(data[:-4] + bytes(4))
    with pytest.raises(EvidenceError, match="ask who wrote the evidence for that file"):
        verify(path, banned.run.path)
    (tmp_path / f"{name}.f32").write_bytes(data)
    assert verify(path, banned.run.path)[0] == PROVEN


def sign(run: RunFile, name: str, stage: Stage, payload: bytes) -> Statement:
    """A signature with a peer's own key, for the first attempt."""
    key = load_private(run.path.parent / "keys" / f"{name}.key").signing
    signed = Signed(stage, run.id, key.public.peer, payload, bytes(64))
    return msgspec.structs.replace(signed, signature=key.sign(signed.body)).statement


def write_claim(path: Path, banned: Banned, departure: Departure, *said: Statement) -> Path:
    """An evidence file that holds no more than signatures."""
    evidence = msgspec.structs.replace(
        read_evidence(banned.evidence),
        departure=departure,
        records=(),
        sets=(),
        messages=(),
        statements=said,
        blobs=(),
        results=(),
        parameters=NOTHING,
    )
    path.write_bytes(encode_evidence(evidence))
    return path


@pytest.mark.parametrize("stage", [Stage.CHECK, Stage.VIEW, Stage.CLOSED, Stage.DECIDED])
def test_two_signatures_of_one_slot_prove_that_a_peer_told_two_stories(
    banned: Banned, tmp_path: Path, stage: Stage
) -> None:
    run = banned.run
    one, two = (sign(run, "peer-1", stage, payload) for payload in (b"one", b"two"))
    departure = Departure(run.peer_ids[1], FaultKind.EQUIVOCATION, run.id)
    path = write_claim(tmp_path / "two.evidence", banned, departure, one, two)
    code, text = verify(path, run.path)
    assert code == PROVEN
    assert "BANNED peer-1: signed two different bodies for one slot (EQUIVOCATION)" in text
    slot = f"as its {stage.name} on head {run.id[:4].hex()}"
    hashes = " and ".join(digest_bytes(said)[:4].hex() for said in (b"one", b"two"))
    assert f"PROVEN: its key signed two different bodies {slot}" in text
    assert f"their contents have the digests {hashes}" in text
    shown = io.StringIO()
    assert inspect_file(path, shown) == 0
    first = f"own signature: {stage.name} from peer-1: content {hashes[:8]}"
    assert first in " ".join(shown.getvalue().split())


def test_a_signature_under_another_body_or_of_a_witness_proves_nothing(
    banned: Banned, tmp_path: Path
) -> None:
    run = banned.run
    departure = Departure(run.peer_ids[1], FaultKind.EQUIVOCATION, run.id)
    one, two = (sign(run, "peer-1", Stage.VIEW, payload) for payload in (b"one", b"two"))
    forged = msgspec.structs.replace(two, signature=one.signature)
    witnesses = [sign(run, "peer-1", Stage.WITNESS, bytes([i]) * 32) for i in range(2)]
    relabelled = [msgspec.structs.replace(each, stage=Stage.VIEW) for each in witnesses]
    for pair, why in (
        ((one, forged), "one of the two signatures is not valid"),
        (witnesses, "a WITNESS is no slot"),
        (relabelled, "one of the two signatures is not valid"),
        ((one, one), "it is the same body twice"),
    ):
        path = write_claim(tmp_path / "no.evidence", banned, departure, *pair)
        code, text = verify(path, run.path)
        assert code == NOT_PROVEN
        assert f"NOT PROVEN: {why}" in text


@pytest.mark.parametrize("fault", [fault for fault in FaultKind if not is_ban(fault)])
def test_a_removal_has_no_evidence_and_that_is_said(
    banned: Banned, tmp_path: Path, fault: FaultKind
) -> None:
    departure = Departure(banned.run.peer_ids[1], fault, banned.run.id)
    path = write_claim(tmp_path / "removal.evidence", banned, departure)
    code, text = verify(path, banned.run.path)
    assert code == NOT_PROVEN
    assert "REMOVED peer-1: " in text
    assert f"NOT PROVEN: {fault.name} is a removal: it costs the place, not the name" in text


def test_an_altered_file_is_no_evidence(banned: Banned, tmp_path: Path) -> None:
    data = bytearray(banned.evidence.read_bytes())
    data[len(MAGIC) + 100] ^= 1
    (tmp_path / "altered.evidence").write_bytes(data)
    with pytest.raises(EvidenceError, match=r"altered\.evidence: was altered or cut off"):
        verify(tmp_path / "altered.evidence", banned.run.path)


def test_evidence_of_another_run_is_refused(banned: Banned, tmp_path: Path) -> None:
    text = banned.run.path.read_text().replace("steps = 24", "steps = 25")
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(EvidenceError, match="the evidence is of run"):
        verify(banned.evidence, tmp_path / "run.toml")


def test_the_files_of_a_run_are_shown(banned: Banned) -> None:
    directory = banned.run.path.parent
    shown = {}
    for path in (directory, directory / "run.toml", directory / "peers" / "peer-1.toml", TEMPLATE):
        out = io.StringIO()
        assert inspect_file(path, out) == 0
        shown[path.name] = " ".join(out.getvalue().split())
    run = shown["run.toml"]
    assert f"run {banned.run.id.hex()}" in run
    assert all(f"{peer.name} at {peer.address}" in run for peer in banned.run.peers)
    assert all(peer.hex() in run for peer in banned.run.peer_ids)
    assert banned.run.id.hex() in shown[directory.name]
    assert "peer file" in shown["peer-1.toml"]
    assert banned.run.peer_ids[1].hex() in shown["peer-1.toml"]
    assert "template" in shown["digits.toml"]
