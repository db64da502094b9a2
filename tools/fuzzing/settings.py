"""Files that people write, and the first words on a connection: read, or refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import tomlkit

from tools.fuzzing.bytes import garble
from tools.fuzzing.doors import expect_only
from tools.fuzzing.trees import alter
from zpeer.addresses import read_address
from zpeer.errors import ConfigError, IdentityError, WireError
from zpeer.foreign import say_foreign
from zpeer.identity import Identity, load_private, load_public, public_text
from zpeer.ids import Digest, digest
from zpeer.runs.config import PeerFile, RunFile, Template, load, parse
from zpeer.shell.reception import read_header
from zpeer.signed import PROTOCOL_VERSION
from zpeer.transport.announcement import Announcement, decode_announcement, encode_announcement
from zpeer.transport.hello import Hello, HelloError, decode_hello, encode_hello

if TYPE_CHECKING:
    from pathlib import Path

    from zpeer.runs.config import File
    from zpeer.simulate.streams import Stream

NAME = "ab" * 32
NESTED_MAX = 3000
CONFUSION = 0.2
ODD_TEXTS = (
    *("[[[[", "]]", "{", "}", "\n[run]\n", "\n[[peers]]\n", "=", '"""', "'''", "\\u0000", "\x00"),
    *("1e999", "nan", "-inf", "9" * 5000, "0x", "1979-05-27T07:32:00Z", "25:61:61", "\ufeff", "ü"),
    *("a.b.c", "true", "#", "\r", "\u202e", "_", "1__0", "[", "\t"),
)


def make_identity(place: int) -> Identity:
    """A peer's, always the same."""
    return Identity.generate(f"peer-{place}", digest("fuzz", bytes([place])) * 2)


def make_run(identities: list[Identity]) -> dict[str, Any]:
    """A run file as TOML gives it."""
    fields = ("name", "ecdsa", "curve", "signature")
    return {
        "plugins": ["my.py"],
        "run": {"name": "test", "nonce": NAME, "protocol": PROTOCOL_VERSION, "steps": 10},
        "task": {"name": "digits", "batch_size": 8, "channels": 4},
        "optimizer": {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.5, "nesterov": True},
        "aggregator": {"name": "centered_clip", "tau": 1.0},
        "limits": {"typical_norm": 0.1, "block": 16},
        "reference": {
            "torch": "2.6.0",
            "instruction_set": "AVX2",
            "gradient": NAME,
            "seconds": 0.5,
            "peers_per_core": 2.0,
        },
        "parameters": {"dimension": 100, "digest": NAME, "file": "x.safetensors"},
        "peers": [
            {field: getattr(each.public, field) for field in fields}
            | {"address": f"127.0.0.1:{4000 + place}"}
            for place, each in enumerate(identities)
        ],
    }


class Settings:
    """Run files, templates, peer files, identities; as trees and as texts."""

    def __init__(self, directory: Path) -> None:
        identities = [make_identity(place) for place in range(3)]
        run = make_run(identities)
        template = {key: run[key] for key in ("run", "task", "optimizer", "aggregator")}
        template["run"] = {"name": "test", "steps": 10}
        own: dict[str, Any] = {
            "run": "run.toml",
            "key": "me.key",
            "bind": "127.0.0.1:4000",
            "state": "state",
        }
        own |= {"attack": {"name": "sign_flip"}, "entropy": NAME}
        self._kinds: list[tuple[type[File], dict[str, Any]]] = [
            (RunFile, run),
            (Template, template),
            (PeerFile, own),
        ]
        for kind, fields in self._kinds:
            parse(fields, kind, directory / "true.toml")
        self._texts = [tomlkit.dumps(fields) for _, fields in self._kinds]
        self._path = directory / "file.toml"
        self._key = directory / "me.key"
        self._public = public_text(identities[0].public)
        self._private = (
            f'format = 1\nname = "peer-0"\npeer = "{identities[0].peer.hex()}"\n'
            f'ecdsa_secret = "{identities[0].signing.secret.hex()}"\n'
            f'curve_secret = "{identities[0].curve_secret.decode()}"\n'
        )

    def try_one(self, stream: Stream) -> bool:
        """Whether it was read."""
        kind, fields = stream.pick(self._kinds)
        way = stream.below(4)
        if way == 0:
            changed = alter_table(fields, stream)
            shown = repr(changed).encode()
            return expect_only((ConfigError,), lambda: parse(changed, kind, self._path), shown)
        if way == 1:
            text = garble_text(self._public.encode(), stream)
            self._path.write_bytes(text)
            return expect_only((IdentityError,), lambda: load_public(self._path), text)
        if way == 2:
            return self._try_private(garble_text(self._private.encode(), stream))
        text = garble_text(self._texts[stream.below(len(self._texts))].encode(), stream)
        self._path.write_bytes(text)
        return expect_only((ConfigError,), lambda: load(self._path, kind), text)

    def _try_private(self, text: bytes) -> bool:
        self._key.write_bytes(text)
        self._key.chmod(0o600)
        return expect_only((IdentityError,), lambda: load_private(self._key), text)


def garble_text(text: bytes, stream: Stream) -> bytes:
    """Bytes disturbed, an odd piece put in, or brackets without end."""
    way = stream.below(8)
    place = stream.below(len(text) + 1)
    if way < 3:
        return garble(text, stream, text)
    if way == 3:
        depth = stream.below(NESTED_MAX)
        return (
            text[:place] + b"\nx = " + stream.pick((b"[", b"{a=", b"[{b=")) * depth + text[place:]
        )
    cut = stream.below(12)
    return text[:place] + stream.pick(ODD_TEXTS).encode() + text[place + cut :]


def alter_table(table: Any, stream: Stream) -> Any:
    """A table with one value changed, added or taken away."""
    if isinstance(table, list) and table and stream.below(6):
        place = stream.below(len(table))
        return [*table[:place], alter_table(table[place], stream), *table[place + 1 :]]
    if not isinstance(table, dict) or not table:
        return alter(table, stream, (), CONFUSION)
    key = stream.pick(tuple(table))
    way = stream.below(8)
    if way == 0:
        return {name: value for name, value in table.items() if name != key}
    if way == 1:
        return {**table, stream.pick(ODD_TEXTS): table[key]}
    return {**table, key: alter_table(table[key], stream)}


class Greetings:
    """Hellos, announcements, headers of tensors, addresses, and payloads of others."""

    def __init__(self) -> None:
        self._key = make_identity(0).signing
        self._me = make_identity(1).peer
        run = Digest(digest("fuzz", b"run"))
        sections = tuple((name, digest("section", name.encode())) for name in ("run", "task"))
        self._hello = Hello(PROTOCOL_VERSION, run, sections, bytes(8), 4000, bytes(32))
        self._announcement = Announcement(run, "127.0.0.1:4000")

    def try_one(self, stream: Stream) -> bool:
        """Whether it was taken."""
        way = stream.below(5)
        if way == 0:
            data = self._greet(stream)
            return expect_only((HelloError,), lambda: self._hear(data), data)
        if way == 1:
            data = self._announce(stream)
            return expect_only((HelloError,), lambda: self._hear_address(data), data)
        if way == 2:
            header = garble(bytes([1]) + self._me, stream, self._me)
            return expect_only((WireError,), lambda: read_header(header), header)
        if way == 3:
            address = garble(b"[::1]:4000", stream, b"host.example.org:70000")
            text = address.decode(errors="replace")
            return expect_only((ValueError,), lambda: read_address(text), address)
        payload = garble(msgspec.msgpack.encode([bytes(32), 1.5, {"a": [1]}]), stream, bytes(9))
        return expect_only((), lambda: say_foreign(payload), payload)

    def _hear(self, data: bytes) -> None:
        decode_hello(data, self._key.public, self._hello, self._me)

    def _hear_address(self, data: bytes) -> None:
        decode_announcement(data, self._key.public, self._announcement.run, self._me)

    def _greet(self, stream: Stream) -> bytes:
        """Mostly signed as it is."""
        tree = alter(msgspec.to_builtins(self._hello, builtin_types=(bytes,)), stream, (), 0.1)
        try:
            hello = msgspec.convert(tree, Hello, builtin_types=(bytes,))
            data = encode_hello(hello, self._key, self._me)
        except (msgspec.ValidationError, OverflowError, UnicodeEncodeError):
            return msgspec.msgpack.encode(tree)
        return garble(data, stream, data) if stream.below(2) else data

    def _announce(self, stream: Stream) -> bytes:
        address = garble(self._announcement.address.encode(), stream, b"[::1]:9")
        text = address.decode(errors="replace")
        data = encode_announcement(self._announcement.run, text, self._key, self._me)
        return garble(data, stream, data) if stream.below(2) else data
