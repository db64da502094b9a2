"""Signatures of peers: ECDSA on P-256, deterministic (RFC 6979), 64 bytes r || s with low s.

Guarantees: one signature for a key and digest, the same from either library; `verify` answers True
or False, never raises, and does not depend on the library in use: ranges are checked here before
any library is asked (0 < r < q, 0 < s <= q/2), because two libraries that accept different
signatures would split the swarm. No files, clocks or random source: entropy is an argument.
"""

from __future__ import annotations

from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from ecdsa import NIST256p, VerifyingKey
from ecdsa import SigningKey as EcdsaSigningKey
from ecdsa.ecdsa import Signature
from ecdsa.ellipticcurve import PointJacobi
from ecdsa.errors import MalformedPointError

from zpeer.errors import IdentityError
from zpeer.ids import Digest, PeerId, digest

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import (
        Prehashed,
        decode_dss_signature,
        encode_dss_signature,
    )
    from cryptography.hazmat.primitives.hashes import SHA256
except ImportError:  # the `ecdsa` package alone does all of it, ten times slower
    HAS_OPENSSL = False
else:
    HAS_OPENSSL = True

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zpeer.signed import Signed, Statement

ORDER = int(NIST256p.order)
"""q, the order of the group."""
SECRET_SIZE = 32
PUBLIC_SIZE = 33
SIGNATURE_SIZE = 64
SIGNATURES_REMEMBERED = 4096
"""Answers of each kind that a peer keeps: in a slow path of 40 peers it sees 2,000 signatures."""


class Backend(Protocol):
    """A library's public key. Asked only about 0 < r < q and 0 < s <= q/2."""

    def accepts(self, body: Digest, r: int, s: int) -> bool:
        """Whether (r, s) signs the digest."""
        ...


class EcdsaBackend:
    """The `ecdsa` package, with gmpy2 if that is installed."""

    def __init__(self, compressed: bytes) -> None:
        """Read a point; raises MalformedPointError."""
        point = VerifyingKey.from_string(compressed, curve=NIST256p).pubkey.point
        # A point read from bytes has no order, and precompute() needs it: make it again with one.
        known = PointJacobi(NIST256p.curve, point.x(), point.y(), 1, ORDER, generator=True)
        self._key = VerifyingKey.from_public_point(known, curve=NIST256p).pubkey

    def accepts(self, body: Digest, r: int, s: int) -> bool:
        """Whether (r, s) signs the digest."""
        try:
            return bool(self._key.verifies(int.from_bytes(body, "big"), Signature(r, s)))
        except TypeError:
            # Who knows a key can choose r so that the point is the one at infinity; its x is None.
            return False


class OpensslBackend:
    """OpenSSL through `cryptography`: the same answers in a tenth of the time."""

    def __init__(self, compressed: bytes) -> None:
        """Read a point; raises ValueError."""
        self._key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), compressed)

    def accepts(self, body: Digest, r: int, s: int) -> bool:
        """Whether (r, s) signs the digest."""
        try:
            self._key.verify(encode_dss_signature(r, s), body, ec.ECDSA(Prehashed(SHA256())))
        except InvalidSignature:
            return False
        return True


class PublicKey:
    """A peer's public key as a compressed point of 33 bytes, and its name."""

    def __init__(self, compressed: bytes) -> None:
        """Check that the bytes are the one compressed encoding of a point; IdentityError if not."""
        if len(compressed) != PUBLIC_SIZE:
            raise IdentityError(f"public key of {len(compressed)} bytes; expected {PUBLIC_SIZE}")
        try:
            self._plain = EcdsaBackend(compressed)
        except (ValueError, MalformedPointError) as problem:
            raise IdentityError(f"not a compressed P-256 public key: {problem}") from problem
        self.compressed = bytes(compressed)

    @cached_property
    def peer(self) -> PeerId:
        """The name: digest of the compressed key."""
        return PeerId(digest("zpeer/peer", self.compressed))

    @cached_property
    def backend(self) -> Backend:
        """The fastest library at hand."""
        return OpensslBackend(self.compressed) if HAS_OPENSSL else self._plain

    def verify(self, body: Digest, signature: bytes, backend: Backend | None = None) -> bool:
        """Whether the signature is this key's over the digest, in its one accepted form."""
        if len(signature) != SIGNATURE_SIZE:
            return False
        r = int.from_bytes(signature[:32], "big")
        s = int.from_bytes(signature[32:], "big")
        in_range = 0 < r < ORDER and 0 < s <= ORDER // 2
        return in_range and (backend or self.backend).accepts(body, r, s)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.compressed == other.compressed

    def __hash__(self) -> int:
        return hash(self.compressed)

    def __repr__(self) -> str:
        return f"PublicKey({self.compressed.hex()})"


class SigningKey:
    """A peer's secret. Its representation shows the public half only."""

    def __init__(self, secret: bytes) -> None:
        """Take a scalar from 1 to q - 1, 32 bytes big-endian; IdentityError if it is not."""
        scalar = int.from_bytes(secret, "big")
        if len(secret) != SECRET_SIZE or not 0 < scalar < ORDER:
            raise IdentityError("not a P-256 secret: expected 32 bytes, a number from 1 to q - 1")
        self.secret = bytes(secret)
        self._plain = EcdsaSigningKey.from_secret_exponent(scalar, NIST256p)
        self.public = PublicKey(self._plain.verifying_key.to_string("compressed"))

    @classmethod
    def generate(cls, entropy: bytes) -> SigningKey:
        """Make a key of at least 32 unpredictable bytes; the same ones give the same key."""
        if len(entropy) < SECRET_SIZE:
            raise IdentityError(f"{len(entropy)} bytes of entropy; a key needs {SECRET_SIZE}")
        # 64 bytes before the reduction: no scalar is visibly more likely than another.
        wide = digest("zpeer/secret/low", entropy) + digest("zpeer/secret/high", entropy)
        scalar = int.from_bytes(wide, "big") % (ORDER - 1) + 1
        return cls(scalar.to_bytes(SECRET_SIZE, "big"))

    def sign(self, body: Digest) -> bytes:
        """Sign a digest: 64 bytes, the same every time."""
        r, s = self._sign_fast(body) or self.sign_plainly(body)
        low = min(s, ORDER - s)
        return r.to_bytes(32, "big") + low.to_bytes(32, "big")

    def sign_plainly(self, body: Digest) -> tuple[int, int]:
        """Sign with the `ecdsa` package: r and s, either of the two."""
        pair: tuple[int, int] = self._plain.sign_digest_deterministic(
            body, hashfunc=sha256, sigencode=lambda r, s, _order: (int(r), int(s))
        )
        return pair

    def _sign_fast(self, body: Digest) -> tuple[int, int] | None:
        """Sign with OpenSSL: the same r and s; None where it cannot sign deterministically."""
        if self._openssl is None:
            return None
        scheme = ec.ECDSA(Prehashed(SHA256()), deterministic_signing=True)
        return decode_dss_signature(self._openssl.sign(body, scheme))

    @cached_property
    def _openssl(self) -> ec.EllipticCurvePrivateKey | None:
        if not HAS_OPENSSL:
            return None
        try:
            ec.ECDSA(Prehashed(SHA256()), deterministic_signing=True)
        except UnsupportedAlgorithm:
            return None
        return ec.derive_private_key(int.from_bytes(self.secret, "big"), ec.SECP256R1())

    def __repr__(self) -> str:
        return f"SigningKey(of {self.public!r})"


class Verifier:
    """The public keys of a run, by peer."""

    def __init__(self, keys: Iterable[PublicKey]) -> None:
        self._keys = {key.peer: key for key in keys}

    def verify(self, signed: Signed | Statement) -> bool:
        """Whether its sender belongs to the run and signed exactly these bytes for this slot."""
        return self.verify_digest(signed.sender, signed.body, signed.signature)

    def verify_digest(self, peer: PeerId, body: Digest, signature: bytes) -> bool:
        """Whether the peer belongs to the run and signed the digest."""
        key = self._keys.get(peer)
        return key is not None and key.verify(body, signature)


class Remembered:
    """A pure `verify` that is asked once for each signature: what peers show each other, and carry
    in what they say, is mostly what one has seen already.

    Good ones and bad ones are kept apart, so that a flood of forgeries pushes out only forgeries.
    """

    def __init__(
        self, verify: Callable[[Signed | Statement], bool], count_max: int = SIGNATURES_REMEMBERED
    ) -> None:
        self._verify = verify
        self._count_max = count_max
        self._good: dict[tuple[Digest, bytes], None] = {}
        self._bad: dict[tuple[Digest, bytes], None] = {}

    def __call__(self, signed: Signed | Statement) -> bool:
        """What `verify` says; body and signature say it all, for the body names its signer."""
        key = (signed.body, signed.signature)
        if key in self._good:
            return True
        if key in self._bad:
            return False
        answer = self._verify(signed)
        known = self._good if answer else self._bad
        known[key] = None
        if len(known) > self._count_max:
            del known[next(iter(known))]
        return answer
