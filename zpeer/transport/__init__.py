"""Sockets between peers: two planes, frames and peers, no message types.

Control messages travel over CURVE, whose keys the identities vouch for; tensors travel over plain
TCP, each sealed under a key of the pair. Read `sockets.py` for who connects to whom and why,
`hello.py` for what is agreed first, `links.py` for the class the peer's loop holds.
"""

from zpeer.transport.bulk import Sealed
from zpeer.transport.incoming import (
    BadFrame,
    BulkFrame,
    Connected,
    ControlFrame,
    Dropped,
    Incoming,
    Refused,
    Stranger,
)
from zpeer.transport.links import Transport
from zpeer.transport.terms import Listen, Sizes
from zpeer.transport.traffic import Counters

__all__ = [
    "BadFrame",
    "BulkFrame",
    "Connected",
    "ControlFrame",
    "Counters",
    "Dropped",
    "Incoming",
    "Listen",
    "Refused",
    "Sealed",
    "Sizes",
    "Stranger",
    "Transport",
]
