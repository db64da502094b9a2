"""What is counted, and how: bytes as they stand in the TCP streams.

A ZMTP 3.1 frame costs its size and a header of 2 bytes, or 9 from 256 bytes on; CURVE puts a frame
into a command with 33 bytes more (name, nonce, tag, flags). Handshakes, greetings and ZMTP's own
pings are not counted, nor what TCP and IP add. Beats (liveness and acknowledgement) are counted
apart from messages.
"""

from __future__ import annotations

import msgspec

SHORT_FRAME_MAX = 255
CURVE_BYTES = 33


def plain_bytes(*sizes: int) -> int:
    """TCP bytes of a message with frames of these sizes."""
    return sum(size + (2 if size <= SHORT_FRAME_MAX else 9) for size in sizes)


def curve_bytes(*sizes: int) -> int:
    """The same under CURVE."""
    return plain_bytes(*(size + CURVE_BYTES for size in sizes))


class Counters(msgspec.Struct):
    """Sums since the start, in bytes unless said otherwise."""

    control_sent: int = 0
    control_received: int = 0
    bulk_sent: int = 0
    """Tensors with their headers, tags and framing."""
    bulk_received: int = 0
    tensor_sent: int = 0
    """Of `bulk_sent`, the tensors alone."""
    tensor_received: int = 0
    """Delivered: opened, and not seen before."""
    beats_sent: int = 0
    beats_received: int = 0
    undelivered: int = 0
    """Messages that found no room or no keys: the receiver does not read, or is not connected."""
    bad_frames: int = 0
    """Frames that were malformed, or sealed tensors that did not open."""
    repeated: int = 0
    """Tensors that came again: after a broken connection, or replayed by somebody."""
    strangers: int = 0
    """Connections turned away."""
    cut: int = 0
    """Connections cut off because more came over them than can be a message."""
