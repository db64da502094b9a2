"""Signatures: deterministic, low s, and the same answers from both libraries."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from zpeer.crypto import (
    ORDER,
    EcdsaBackend,
    OpensslBackend,
    PublicKey,
    Remembered,
    SigningKey,
    Verifier,
)
from zpeer.errors import IdentityError
from zpeer.ids import Digest, PeerId, digest, digest_bytes, number
from zpeer.signed import Signed, Stage, body_digest

if TYPE_CHECKING:
    from zpeer.signed import Statement

KEY = SigningKey.generate(bytes(32))
OTHER = SigningKey.generate(bytes(31) + b"\x01")
BODY = digest_bytes(b"a body")
SIGNATURE = KEY.sign(BODY)
BACKENDS = (EcdsaBackend(KEY.public.compressed), OpensslBackend(KEY.public.compressed))


def pack(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def unpack(signature: bytes) -> tuple[int, int]:
    return int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")


def both(signature: bytes, body: Digest = BODY) -> bool:
    answers = {KEY.public.verify(body, signature, backend) for backend in BACKENDS}
    assert len(answers) == 1, "the libraries disagree"
    return answers.pop()


def test_the_signature_of_rfc_6979_is_made() -> None:
    # RFC 6979, A.2.5: P-256, SHA-256, message "sample"; its s is the high one.
    secret = "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"
    r = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
    s = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
    key = SigningKey(bytes.fromhex(secret))
    assert key.sign(Digest(sha256(b"sample").digest())) == pack(r, ORDER - s)


def test_both_libraries_make_the_same_signatures() -> None:
    bodies = [digest("zpeer/test", number(index)) for index in range(40)]
    for body in [*bodies, Digest(bytes(32)), Digest(b"\xff" * 32)]:
        r, s = KEY.sign_plainly(body)
        assert KEY.sign(body) == pack(r, min(s, ORDER - s))
        assert both(KEY.sign(body), body)


def test_a_signature_has_low_s_and_the_high_one_is_refused() -> None:
    r, s = unpack(SIGNATURE)
    assert s <= ORDER // 2
    assert both(SIGNATURE)
    assert not both(pack(r, ORDER - s))


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        SIGNATURE[:-1],
        SIGNATURE + b"\x00",
        bytes(64),
        pack(0, unpack(SIGNATURE)[1]),
        pack(unpack(SIGNATURE)[0], 0),
        pack(ORDER, unpack(SIGNATURE)[1]),
        pack(ORDER + 1, 1),
        pack(unpack(SIGNATURE)[0], ORDER),
        pack(1, 1),
        pack(ORDER - 1, ORDER // 2),
        b"\xff" * 64,
    ],
)
def test_malformed_signatures_are_refused_by_both(signature: bytes) -> None:
    assert not both(signature)


def test_a_signature_of_the_point_at_infinity_is_refused_by_both() -> None:
    # With r = -e/d the two terms of the verification cancel, whatever s is. Its owner can do it.
    secret = int.from_bytes(KEY.secret, "big")
    r = -int.from_bytes(BODY, "big") * pow(secret, -1, ORDER) % ORDER
    assert not both(pack(r, 5))


@given(st.integers(0, 511))
def test_one_changed_bit_is_refused_by_both(bit: int) -> None:
    changed = (int.from_bytes(SIGNATURE, "big") ^ (1 << bit)).to_bytes(64, "big")
    assert not both(changed)


@settings(max_examples=50)
@given(st.binary(max_size=80))
def test_any_bytes_get_an_answer_and_the_same_from_both(signature: bytes) -> None:
    assert not both(signature)


@settings(max_examples=20)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=64))
def test_any_key_of_the_one_library_is_read_by_the_other(body: bytes, entropy: bytes) -> None:
    key = SigningKey.generate(entropy)
    signature = key.sign(Digest(body))
    for backend in (EcdsaBackend(key.public.compressed), OpensslBackend(key.public.compressed)):
        assert key.public.verify(Digest(body), signature, backend)


def test_another_key_and_another_body_are_refused() -> None:
    assert not OTHER.public.verify(BODY, SIGNATURE)
    assert not KEY.public.verify(digest_bytes(b"another"), SIGNATURE)


def test_the_same_entropy_gives_the_same_key_and_another_another() -> None:
    assert SigningKey.generate(bytes(32)).secret == KEY.secret != OTHER.secret
    with pytest.raises(IdentityError):
        SigningKey.generate(bytes(31))


@pytest.mark.parametrize(
    "secret", [bytes(32), ORDER.to_bytes(32, "big"), b"\x01", b"\x00" * 32 + b"\x01"]
)
def test_a_secret_out_of_range_is_refused(secret: bytes) -> None:
    with pytest.raises(IdentityError):
        SigningKey(secret)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        KEY.public.compressed[1:],
        b"\x04" + KEY.public.compressed[1:],
        b"\x05" + KEY.public.compressed[1:],
        b"\x02" + b"\xff" * 32,
        b"\x02" + bytes(31) + b"\x01",
        bytes(33),
        b"\x04" + bytes(64),
    ],
)
def test_what_is_no_compressed_point_is_refused(data: bytes) -> None:
    with pytest.raises(IdentityError):
        PublicKey(data)


def test_a_peer_is_named_by_the_digest_of_its_compressed_key() -> None:
    public = PublicKey(KEY.public.compressed)
    assert public == KEY.public
    assert public.peer == PeerId(digest("zpeer/peer", KEY.public.compressed))


def test_the_secret_is_not_shown() -> None:
    assert KEY.secret.hex() not in repr(KEY)
    assert str(int.from_bytes(KEY.secret, "big")) not in repr(KEY)


def signed_by(key: SigningKey, payload: bytes, stage: Stage = Stage.COMMIT) -> Signed:
    sender = key.public.peer
    body = body_digest(stage, BODY, sender, payload)
    return Signed(stage, BODY, sender, payload, key.sign(body))


def test_a_verifier_knows_the_peers_of_its_run_alone() -> None:
    verifier = Verifier([KEY.public])
    assert verifier.verify(signed_by(KEY, b"payload"))
    assert not verifier.verify(signed_by(OTHER, b"payload"))
    assert not verifier.verify_digest(PeerId(BODY), BODY, SIGNATURE)


def test_a_signature_serves_for_its_own_slot_and_payload_alone() -> None:
    verifier = Verifier([KEY.public, OTHER.public])
    signed = signed_by(KEY, b"payload")
    for change in (
        Signed(Stage.REVEAL, signed.head, signed.sender, signed.payload, signed.signature),
        Signed(signed.stage, digest_bytes(b""), signed.sender, signed.payload, signed.signature),
        Signed(signed.stage, signed.head, OTHER.public.peer, signed.payload, signed.signature),
        Signed(signed.stage, signed.head, signed.sender, b"another", signed.signature),
    ):
        assert not verifier.verify(change)


def test_a_statement_is_verified_like_the_message_it_names() -> None:
    verifier = Verifier([KEY.public])
    signed = signed_by(KEY, b"payload", Stage.CHECK)
    assert verifier.verify(signed.statement)
    other = signed_by(KEY, b"another", Stage.CHECK).statement
    assert not verifier.verify(replace(other, signature=signed.signature))
    assert not verifier.verify(signed_by(OTHER, b"payload").statement)


# --- remembered answers ---------------------------------------------------------------------------


class Counting:
    """A verifier that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def verify(self, signed: Signed | Statement) -> bool:
        """Ideal: the body twice."""
        self.asked += 1
        return signed.signature == bytes(signed.body) * 2


def ideal(payload: bytes, *, good: bool = True) -> Signed:
    body = body_digest(Stage.COMMIT, BODY, KEY.public.peer, payload)
    signature = bytes(body) * 2 if good else bytes(64)
    return Signed(Stage.COMMIT, BODY, KEY.public.peer, payload, signature)


def test_a_signature_is_verified_once_and_a_good_one_vouches_for_no_other() -> None:
    counting = Counting()
    verify = Remembered(counting.verify)
    for _ in range(3):
        assert verify(ideal(b"x"))
        assert verify(ideal(b"x").statement)
        assert not verify(ideal(b"x", good=False))
        assert not verify(replace(ideal(b"y"), signature=ideal(b"x").signature))
    assert counting.asked == 3


def test_a_flood_of_forgeries_pushes_no_good_signature_out() -> None:
    counting = Counting()
    verify = Remembered(counting.verify, count_max=5)
    assert verify(ideal(b"x"))
    for place in range(20):
        assert not verify(ideal(number(place), good=False))
    assert verify(ideal(b"x"))
    assert counting.asked == 21
    assert (len(verify._good), len(verify._bad)) == (1, 5)


def test_the_oldest_of_too_many_is_asked_about_again() -> None:
    counting = Counting()
    verify = Remembered(counting.verify, count_max=5)
    for _ in range(2):
        assert all(verify(ideal(number(place))) for place in range(6))
    assert counting.asked == 12
