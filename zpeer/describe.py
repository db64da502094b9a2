"""Any value of the vocabulary as plain data, every field named: for exports and differences.

Payloads of signed messages, and records, are shown decoded. Pure. What it returns encodes as JSON.
"""

from __future__ import annotations

from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Any

import msgspec

from zpeer.effects import Broadcast, SendCertificate
from zpeer.events import CertificateReceived
from zpeer.narrator import read_record
from zpeer.signed import Signed

if TYPE_CHECKING:
    from zpeer.narrator import Narrator

Plain = dict[str, Any] | list[Any] | str | int | float | bool | None
"""What JSON knows. Bytes are hex, enums their names, numbers that are not finite their text."""

ABSENT = "(nothing)"


def describe(value: object, narrator: Narrator) -> Plain:  # noqa: PLR0911 - one a case
    """A value as plain data; a peer is shown by its name where the run names it."""
    match value:
        case msgspec.Struct():
            return describe_struct(value, narrator)
        case Enum():
            return value.name
        case bytes():
            return narrator.name_or_hex(value)
        case float() if not isfinite(value):
            return str(value)
        case bool() | int() | float() | str() | None:
            return value
        case tuple() | list():
            return [describe(item, narrator) for item in value]
        case dict():
            return {str(describe(key, narrator)): describe(value[key], narrator) for key in value}
        case _:
            raise TypeError(f"{type(value).__name__} is no value of the vocabulary")


def describe_struct(value: msgspec.Struct, narrator: Narrator) -> dict[str, Plain]:
    """Type and fields, and the message where the struct holds an encoded one."""
    plain: dict[str, Plain] = {"type": type(value).__name__}
    for name in value.__struct_fields__:
        plain[name] = describe(getattr(value, name), narrator)
    if isinstance(value, Signed | Broadcast):
        message = narrator.decode_payload(value.stage, value.payload)
        if message is not None:
            plain["payload"] = describe(message, narrator)
    if isinstance(value, SendCertificate | CertificateReceived):
        record = read_record(value.record)
        if record is not None:
            plain["record"] = describe(record, narrator)
    return plain


def list_differences(recorded: Plain, replayed: Plain, path: str = "") -> list[str]:
    """One line for each field in which two descriptions differ."""
    if isinstance(recorded, dict) and isinstance(replayed, dict):
        if recorded.get("type") == replayed.get("type"):
            names = list(dict.fromkeys([*recorded, *replayed]))
            return [
                line
                for name in names
                for line in list_differences(
                    recorded.get(name, ABSENT), replayed.get(name, ABSENT), f"{path}.{name}"
                )
            ]
    elif isinstance(recorded, list) and isinstance(replayed, list):
        return list_item_differences(recorded, replayed, path)
    if repr(recorded) == repr(replayed):
        return []
    return [
        f"{path.lstrip('.') or 'value'}: recorded {brief(recorded)}, replayed {brief(replayed)}"
    ]


def list_item_differences(recorded: list[Any], replayed: list[Any], path: str) -> list[str]:
    """The same for lists, place by place."""
    length = max(len(recorded), len(replayed))
    padded = [(items + [ABSENT] * length)[:length] for items in (recorded, replayed)]
    return [
        line
        for place, (left, right) in enumerate(zip(*padded, strict=True))
        for line in list_differences(left, right, f"{path}[{place}]")
    ]


def brief(plain: Plain, length_max: int = 160) -> str:
    """A description on one line, cut where it is long."""
    if isinstance(plain, dict):
        fields = ", ".join(f"{k}={brief(plain[k], 24)}" for k in plain if k != "type")
        text = f"{plain.get('type', '')}({fields})"
    elif isinstance(plain, list):
        text = f"[{', '.join(brief(item, 24) for item in plain)}]"
    else:
        text = str(plain)
    return text if len(text) <= length_max else text[: length_max - 3] + "..."
