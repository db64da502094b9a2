"""Addresses that others can be told to dial, as people write them: HOST:PORT.

Strict, since they also come from other peers: a name of letters, digits, dots and hyphens, an IPv4
address of four numbers, or an IPv6 address in brackets, that may mean one machine; and a port.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

ADDRESS_CHARACTERS_MAX = 262
"""253 of a name, a colon and a port, with room for brackets."""
PORT_MAX = 65535
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]{1,253})):([0-9]{1,5})")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LOOKS_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_BROADCAST = IPv4Address("255.255.255.255")


def read_address(text: str) -> tuple[str, int]:
    """Host without brackets, and port; ValueError saying what was found and expected."""
    if len(text) > ADDRESS_CHARACTERS_MAX:
        raise ValueError(
            f"found {len(text)} characters, expected host:port of at most {ADDRESS_CHARACTERS_MAX}"
        )
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found[3]) <= PORT_MAX:
        raise ValueError(f"found {text!r}, expected host:port with a port from 1 to {PORT_MAX}")
    host = found[1] or found[2]
    if not (is_reachable(host) if is_numeric(host) else _is_name(host)):
        raise ValueError(
            f"found {text!r}, expected the name or the address of a machine that others can reach"
        )
    return host, int(found[3])


def is_numeric(host: str) -> bool:
    """Whether a host is a number, also in one of the odd spellings resolvers take ("0x7f.1")."""
    return ":" in host or _LOOKS_NUMERIC.fullmatch(_last_label(host)) is not None


def is_reachable(host: str) -> bool:
    """Whether a host is a number in its usual spelling that can be that of one machine."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    plain = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    meant = plain or address
    return not (meant.is_unspecified or meant.is_multicast or meant == _BROADCAST)


def _last_label(host: str) -> str:
    return host.rstrip(".").rpartition(".")[2]


def _is_name(host: str) -> bool:
    return all(_LABEL.fullmatch(label) for label in host.removesuffix(".").split("."))
