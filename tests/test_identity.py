"""Key files and the slot journal: what is refused, and that it says why."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import msgspec
import pytest
import zmq

from zpeer.crypto import Verifier
from zpeer.errors import IdentityError, StartError
from zpeer.identity import (
    Identity,
    PublicIdentity,
    keygen,
    load_private,
    load_public,
    public_text,
    verified,
)
from zpeer.ids import digest_bytes
from zpeer.shell.journal import SecondBodyError, SlotJournal, journal_path, read_slots
from zpeer.signed import Stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ALICE = Identity.generate("alice", bytes(32))
BOB = Identity.generate("bob", b"\x01" * 32)
RUN = digest_bytes(b"a run")
HEAD = digest_bytes(b"a head")


def test_a_new_key_is_read_back_and_its_public_half_verifies(tmp_path: Path) -> None:
    made = keygen(tmp_path / "alice.v1", "alice")
    private = load_private(tmp_path / "alice.v1.key")
    public = load_public(tmp_path / "alice.v1.pub")
    assert private.public == made.public == public
    assert private.signing.secret == made.signing.secret
    assert private.curve_secret == made.curve_secret
    assert zmq.curve_public(private.curve_secret).decode() == public.curve
    assert public.peer == made.peer


def test_a_private_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    keygen(tmp_path / "alice", "alice")
    assert stat.S_IMODE((tmp_path / "alice.key").stat().st_mode) == 0o600
    text = (tmp_path / "alice.pub").read_text()
    assert load_private(tmp_path / "alice.key").signing.secret.hex() not in text


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o601])
def test_a_key_that_others_can_use_is_refused_with_the_command_to_run(
    tmp_path: Path, mode: int
) -> None:
    keygen(tmp_path / "alice", "alice")
    (tmp_path / "alice.key").chmod(mode)
    with pytest.raises(IdentityError, match=rf"{mode:04o}.*chmod 600 .*alice\.key"):
        load_private(tmp_path / "alice.key")
    (tmp_path / "alice.key").chmod(0o600)
    assert load_private(tmp_path / "alice.key").public.name == "alice"


@pytest.mark.parametrize("suffix", [".key", ".pub"])
def test_no_file_is_ever_overwritten(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"alice{suffix}").write_text("mine")
    with pytest.raises(IdentityError, match="already exists"):
        keygen(tmp_path / "alice", "alice")
    assert (tmp_path / f"alice{suffix}").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="nowhere"):
        keygen(tmp_path / "nowhere" / "alice", "alice")
    with pytest.raises(IdentityError, match="nowhere"):
        load_private(tmp_path / "nowhere" / "alice.key")


@pytest.mark.parametrize("name", ["", "-x", "a b", 'a"b', "a\n", "x" * 33, "é"])
def test_a_name_that_would_need_quoting_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(IdentityError, match="name"):
        keygen(tmp_path / "key", name)


ALTERATIONS: dict[str, Callable[[str], str]] = {
    "no toml": lambda text: text.replace("=", ""),
    "another format": lambda text: text.replace("format = 1", "format = 2"),
    "format as text": lambda text: text.replace("format = 1", 'format = "1"'),
    "an unknown field": lambda text: text + 'more = "x"\n',
    "a missing field": lambda text: text.replace("ecdsa_secret", "# ecdsa_secret"),
    "another peer": lambda text: text.replace('peer = "', 'peer = "00'),
    "secret of another length": lambda text: text.replace('ecdsa_secret = "', 'ecdsa_secret = "00'),
    "secret in capitals": lambda text: text.replace('ecdsa_secret = "', 'ecdsa_secret = "AA'),
    "no hexadecimal": lambda text: text.replace('ecdsa_secret = "', 'ecdsa_secret = "zz'),
    "curve of another length": lambda text: text.replace('curve_secret = "', 'curve_secret = "0'),
    "curve beyond 32 bits": lambda text: text[: text.index('curve_secret = "')]
    + 'curve_secret = "' + "#" * 40 + '"\n',
    "curve of other letters": lambda text: text[: text.index('curve_secret = "')]
    + 'curve_secret = "' + "é" * 20 + '"\n',
    "too large": lambda text: text + "#" * 5000,
    "empty": lambda text: "",
}  # fmt: skip


@pytest.mark.parametrize("change", ALTERATIONS)
def test_an_altered_private_key_is_refused_by_file_and_without_its_secret(
    tmp_path: Path, change: str
) -> None:
    path = tmp_path / "alice.key"
    identity = keygen(tmp_path / "alice", "alice")
    path.write_text(ALTERATIONS[change](path.read_text()))
    with pytest.raises(IdentityError, match=r"alice\.key") as caught:
        load_private(path)
    assert identity.signing.secret.hex() not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "alice.pub"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(IdentityError, match="not text"):
        load_public(path)
    path.write_text(f"x = {'[' * 4000}")
    with pytest.raises(IdentityError, match="not valid TOML"):
        load_public(path)


def test_a_private_key_beside_the_public_file_of_another_is_refused(tmp_path: Path) -> None:
    keygen(tmp_path / "alice", "alice")
    (tmp_path / "alice.pub").write_text(public_text(BOB.public))
    with pytest.raises(IdentityError, match=r"not those of .*alice\.pub"):
        load_private(tmp_path / "alice.key")


@pytest.mark.parametrize(
    "forged",
    [
        msgspec.structs.replace(ALICE.public, curve=BOB.public.curve),
        msgspec.structs.replace(ALICE.public, ecdsa=BOB.public.ecdsa),
        msgspec.structs.replace(ALICE.public, signature=BOB.public.signature),
        msgspec.structs.replace(ALICE.public, signature=""),
        msgspec.structs.replace(ALICE.public, ecdsa="02" + "ff" * 32),
        msgspec.structs.replace(ALICE.public, curve="x" * 40),
        msgspec.structs.replace(ALICE.public, name="not a name"),
    ],
)
def test_a_public_identity_with_a_part_exchanged_is_refused(
    tmp_path: Path, forged: PublicIdentity
) -> None:
    with pytest.raises(IdentityError):
        verified(forged)
    path = tmp_path / "forged.pub"
    path.write_text("\n".join(f'{k} = "{v}"' for k, v in msgspec.structs.asdict(forged).items()))
    with pytest.raises(IdentityError, match=r"forged\.pub"):
        load_public(path)


def test_a_public_identity_survives_its_text(tmp_path: Path) -> None:
    path = tmp_path / "alice.pub"
    path.write_text(public_text(ALICE.public))
    assert load_public(path) == verified(ALICE.public) == ALICE.public


def test_no_secret_is_shown() -> None:
    shown = repr(ALICE) + str(ALICE) + repr(ALICE.public)
    assert ALICE.signing.secret.hex() not in shown
    assert ALICE.curve_secret.decode() not in shown


def claim(tmp_path: Path) -> SlotJournal:
    return SlotJournal.claim(tmp_path / "alice.key", RUN, ALICE.signing)


def test_a_signed_slot_verifies_and_is_on_disk_when_the_signature_is_made(tmp_path: Path) -> None:
    journal = claim(tmp_path)
    signed = journal.sign(Stage.COMMIT, HEAD, b"payload")
    written = list(read_slots(journal.path))  # the writer is still open: nothing waits in memory
    assert Verifier([ALICE.signing.public]).verify(signed)
    assert written == [(HEAD, Stage.COMMIT, signed.body, b"payload")]
    journal.close()


def test_the_same_body_is_signed_again_and_another_one_never(tmp_path: Path) -> None:
    journal = claim(tmp_path)
    first = journal.sign(Stage.COMMIT, HEAD, b"payload")
    for index in range(300):
        journal.sign(Stage.COMMIT, digest_bytes(bytes([index // 256, index % 256])), b"later")
    assert journal.sign(Stage.COMMIT, HEAD, b"payload") == first
    with pytest.raises(SecondBodyError, match="COMMIT"):
        journal.sign(Stage.COMMIT, HEAD, b"another")
    assert journal.sign(Stage.REVEAL, HEAD, b"another").payload == b"another"
    assert len(list(read_slots(journal.path))) == 302
    journal.close()


def test_any_number_of_witnesses_is_signed_and_none_takes_a_slot(tmp_path: Path) -> None:
    journal = claim(tmp_path)
    views = [digest_bytes(view) for view in (b"of bob", b"of cleo", b"of bob again")]
    verifier = Verifier([ALICE.signing.public])
    assert all(verifier.verify(journal.sign(Stage.WITNESS, HEAD, view)) for view in views)
    assert list(read_slots(journal.path)) == []
    journal.close()


def test_a_key_used_in_this_run_refuses_to_start_again(tmp_path: Path) -> None:
    journal = claim(tmp_path)
    journal.close()
    with pytest.raises(StartError, match="already signed in this run") as caught:
        claim(tmp_path)
    assert str(journal_path(tmp_path / "alice.key", RUN)) in str(caught.value)


def test_a_key_may_start_in_another_run(tmp_path: Path) -> None:
    claim(tmp_path).close()
    SlotJournal.claim(tmp_path / "alice.key", HEAD, ALICE.signing).close()


def test_a_claim_outlives_a_process_that_dies_at_once(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        claim(tmp_path).sign(Stage.COMMIT, HEAD, b"payload")
        os._exit(9)  # no close, no flush
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert [slot.payload for slot in read_slots(journal_path(tmp_path / "alice.key", RUN))] == [
        b"payload"
    ]
    with pytest.raises(StartError):
        claim(tmp_path)


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="nowhere"):
        claim(tmp_path / "nowhere")
