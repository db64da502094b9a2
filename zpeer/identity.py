"""Identities: an ECDSA key that names a peer, a CURVE key it vouches for, and their two files.

`NAME.key` is private: created with mode 0600, never overwritten, refused when others can read it.
`NAME.pub` may be shown to anybody: in it the ECDSA key signs the CURVE key, so that who accepts the
one can trust the other, and a run file can hold it as it is. Only `IdentityError` is raised here.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import struct
import tomllib
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import msgspec
import zmq
from zmq.utils import z85

from zpeer.crypto import PublicKey, SigningKey
from zpeer.errors import IdentityError
from zpeer.ids import Digest, PeerId, digest

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T", bound=msgspec.Struct)

FORMAT = 1
FILE_BYTES_MAX = 4096
OTHERS = stat.S_IRWXG | stat.S_IRWXO
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
Z85_KEY_LENGTH = 40


class PublicIdentity(msgspec.Struct, frozen=True, dict=True, forbid_unknown_fields=True):
    """What a peer tells the world, as text: the fields of a `.pub` file and in a run file."""

    name: str
    """A label for people; not signed, the run decides it."""
    ecdsa: str
    """Public ECDSA key, compressed, 66 hex digits."""
    curve: str
    """Public CURVE key, 40 characters of Z85."""
    signature: str
    """Of the CURVE key by the ECDSA key, 128 hex digits."""

    @cached_property
    def key(self) -> PublicKey:
        """The public ECDSA key."""
        return PublicKey(_unhex("ecdsa", self.ecdsa))

    @cached_property
    def peer(self) -> PeerId:
        """The peer's name in the protocol."""
        return self.key.peer


class Identity:
    """Both secrets of a peer. Its representation shows the public half only."""

    def __init__(self, name: str, signing: SigningKey, curve_secret: bytes) -> None:
        """Join an ECDSA key and a secret CURVE key (Z85 text, as zmq takes it)."""
        _require_name(name)
        self.signing = signing
        self.curve_secret = curve_secret
        curve = zmq.curve_public(curve_secret)
        self.public = PublicIdentity(
            name=name,
            ecdsa=signing.public.compressed.hex(),
            curve=curve.decode(),
            signature=signing.sign(_binding(curve)).hex(),
        )

    @classmethod
    def generate(cls, name: str, entropy: bytes) -> Identity:
        """Make an identity of at least 32 unpredictable bytes; the same ones give the same one."""
        signing = SigningKey.generate(entropy)
        return cls(name, signing, z85.encode(digest("zpeer/curve-secret", entropy)))

    @property
    def peer(self) -> PeerId:
        """The peer's name in the protocol."""
        return self.signing.public.peer

    def __repr__(self) -> str:
        return f"Identity({self.public.name!r}, {self.signing.public!r})"


class PrivateFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of a `.key` file."""

    format: int
    name: str
    peer: str
    ecdsa_secret: str
    curve_secret: str

    def __repr__(self) -> str:
        return f"PrivateFile({self.name!r})"


def keygen(path: Path, name: str) -> Identity:
    """Make an identity and write `path.key` and `path.pub`; refuses to overwrite either."""
    private, public = with_suffix(path, ".key"), with_suffix(path, ".pub")
    for file in (private, public):
        if file.exists():
            raise IdentityError(
                f"{file} already exists; keys are never overwritten, choose another"
            )
    identity = Identity.generate(name, secrets.token_bytes(64))
    _write_new(private, _private_text(identity), 0o600)
    _write_new(public, public_text(identity.public), 0o644)
    return identity


def load_private(path: Path) -> Identity:
    """The identity in a `.key` file; refused if others can read it or the `.pub` beside differs."""
    file = _parse(path, _read(path, private=True), PrivateFile)
    if file.format != FORMAT:
        raise IdentityError(f"{path}: format {file.format}; this zpeer reads format {FORMAT}")
    try:
        secret = _unhex("ecdsa_secret", file.ecdsa_secret)
        identity = Identity(file.name, SigningKey(secret), _z85("curve_secret", file.curve_secret))
    except IdentityError as problem:
        raise IdentityError(f"{path}: {problem}") from problem
    if identity.peer.hex() != file.peer:
        raise IdentityError(
            f"{path}: its secret is that of peer {identity.peer.hex()}, but it says {file.peer}; "
            "the file was altered, make a new key with `zpeer keygen`"
        )
    _require_same_public(path, identity)
    return identity


def load_public(path: Path) -> PublicIdentity:
    """The identity in a `.pub` file, its signature verified."""
    identity = _parse(path, _read(path, private=False), PublicIdentity)
    try:
        return verified(identity)
    except IdentityError as problem:
        raise IdentityError(f"{path}: {problem}") from problem


def verified(identity: PublicIdentity) -> PublicIdentity:
    """The same identity, if its keys are keys and the one has signed the other."""
    _require_name(identity.name)
    curve = _z85("curve", identity.curve)
    signature = _unhex("signature", identity.signature)
    if not identity.key.verify(_binding(curve), signature):
        raise IdentityError(
            f"identity {identity.name!r}: its CURVE key is not signed by its ECDSA key; "
            "ask its owner for the public identity file again"
        )
    return identity


def public_text(identity: PublicIdentity) -> str:
    """A `.pub` file's text (TOML)."""
    fields = msgspec.structs.asdict(identity)
    lines = [f'{key} = "{value}"' for key, value in fields.items()]
    return "\n".join([f"# Public identity of zpeer peer {identity.peer.hex()}", *lines, ""])


def with_suffix(path: Path, suffix: str) -> Path:
    """Like `Path.with_suffix`, but a dot in the name stays."""
    stem = path.name.removesuffix(".key").removesuffix(".pub")
    return path.with_name(stem + suffix)


def sync_directory(path: Path) -> None:
    """Wait until the names in a directory are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _binding(curve: bytes) -> Digest:
    """What the ECDSA key signs: a domain of its own, so the signature serves for nothing else."""
    return digest("zpeer/identity", curve)


def _private_text(identity: Identity) -> str:
    return (
        "# Private key of a zpeer peer: whoever reads it can act as this peer. Never send it.\n"
        f"format = {FORMAT}\n"
        f'name = "{identity.public.name}"\n'
        f'peer = "{identity.peer.hex()}"\n'
        f'ecdsa_secret = "{identity.signing.secret.hex()}"\n'
        f'curve_secret = "{identity.curve_secret.decode()}"\n'
    )


def _write_new(path: Path, text: str, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(path.parent)
    except OSError as problem:
        raise IdentityError(f"{path} cannot be written: {problem.strerror}") from problem


def _read(path: Path, *, private: bool) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if private and mode & OTHERS:
                raise IdentityError(
                    f"{path}: its mode is {stat.S_IMODE(mode):04o}, so others can use this private "
                    f"key; expected 0600: run `chmod 600 {path}`"
                )
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as problem:
        raise IdentityError(f"{path} cannot be read: {problem.strerror}") from problem
    if len(data) > FILE_BYTES_MAX:
        raise IdentityError(f"{path}: more than {FILE_BYTES_MAX} bytes; this is no zpeer key file")
    try:
        return data.decode()
    except UnicodeDecodeError as problem:
        raise IdentityError(f"{path}: not text; this is no zpeer key file") from problem


def _parse(path: Path, text: str, kind: type[T]) -> T:
    try:
        return msgspec.convert(tomllib.loads(text), kind, strict=True)
    except (ValueError, RecursionError) as problem:  # numbers and nesting without end, too
        # The cause could quote a secret: only what was expected and where is passed on.
        where = str(problem) if isinstance(problem, msgspec.ValidationError) else "not valid TOML"
        expected = ", ".join(field.name for field in msgspec.structs.fields(kind))
        raise IdentityError(f"{path}: {where}; expected the fields {expected}") from None


def _require_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise IdentityError(
            f"name {name!r}: expected 1 to 32 letters, digits, dots, dashes or underscores, "
            "a letter or digit first"
        )


def _require_same_public(path: Path, identity: Identity) -> None:
    beside = with_suffix(path, ".pub")
    if not beside.exists():
        return
    public = load_public(beside)
    if (public.ecdsa, public.curve) != (identity.public.ecdsa, identity.public.curve):
        raise IdentityError(
            f"{path}: its keys are not those of {beside} (peer {public.peer.hex()}); "
            "one of the two files belongs to another identity"
        )


def _unhex(what: str, text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        raise IdentityError(f"{what} is not hexadecimal") from None
    if data.hex() != text:
        raise IdentityError(f"{what} is not plain lower-case hexadecimal")
    return data


def _z85(what: str, text: str) -> bytes:
    """A CURVE key as zmq takes it: the bytes of its Z85 text."""
    data = text.encode()
    try:
        canonical = len(data) == Z85_KEY_LENGTH and z85.encode(z85.decode(data)) == data
    except (KeyError, ValueError, struct.error):
        canonical = False
    if not canonical:
        raise IdentityError(f"{what} is not a CURVE key: expected {Z85_KEY_LENGTH} Z85 characters")
    return data
