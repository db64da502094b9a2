"""Changes to payloads: one at a time, of every kind, and never an exception."""

from __future__ import annotations

import math

import msgspec

from zpeer.errors import WireError
from zpeer.ids import Digest, digest
from zpeer.messages import Aggregated, Commit, Projections, Verdict, View
from zpeer.signed import Stage
from zpeer.simulate.adversaries.mutations import alter, flip, walk
from zpeer.simulate.streams import Stream
from zpeer.wire import WireLimits, decode_payload, encode_payload

PEERS = [digest("test/mutation", bytes([place])) for place in range(4)]
ONE, TWO = digest("one"), digest("two")
PAYLOAD = encode_payload(Projections(ONE, TWO, ((0.5, -1.0), (2.0, 3.0)), (1.0, 4.0)))
LIMITS = WireLimits(4, 2)


def alter_often(payload: bytes, count: int = 400) -> list[bytes]:
    return [
        alter(payload, Stream(digest("seed", bytes([n % 256, n // 256]))), [], PEERS)
        for n in range(count)
    ]


def test_an_altered_payload_is_another_one_and_the_same_for_the_same_stream() -> None:
    altered = alter_often(PAYLOAD)
    assert altered == alter_often(PAYLOAD)
    assert sum(each != PAYLOAD for each in altered) > 380
    assert len(set(altered)) > 50


def test_many_altered_payloads_decode_and_some_do_not() -> None:
    good, bad = 0, 0
    for each in alter_often(PAYLOAD):
        try:
            decode_payload(Stage.PROJECTIONS, each, LIMITS)
            good += 1
        except WireError:
            bad += 1
    assert good > 100
    assert bad > 50


def test_scalars_become_infinite_no_number_or_of_another_sign() -> None:
    seen: list[float] = []
    for each in alter_often(PAYLOAD):
        tree = msgspec.msgpack.decode(each)
        seen += [node for _, node in walk(tree) if isinstance(node, float)]
    assert any(math.isnan(value) for value in seen)
    assert {math.inf, -math.inf, -0.5, 1e308} <= set(seen)


def test_what_others_have_at_the_same_place_is_borrowed() -> None:
    mine, theirs = (encode_payload(Verdict(ONE, record)) for record in (TWO, Digest(b"\7" * 32)))
    altered = [alter(mine, Stream(digest("s", bytes([n]))), [theirs], []) for n in range(100)]
    assert theirs in altered


def test_every_kind_of_payload_and_even_garbage_can_be_altered() -> None:
    payloads = [
        encode_payload(Commit((), ONE)),
        encode_payload(Aggregated(ONE, None)),
        encode_payload(View(claims=(PEERS[0],))),  # type: ignore[arg-type]
        b"",
        b"\xc1",
        b"\xff" * 40,
    ]
    for payload in payloads:
        assert set(alter_often(payload, 60)) - {payload}


def test_one_bit_is_flipped() -> None:
    for n in range(50):
        flipped = flip(PAYLOAD, Stream(digest("f", bytes([n]))))
        differing = [a ^ b for a, b in zip(PAYLOAD, flipped, strict=True) if a != b]
        assert len(differing) == 1
        assert differing[0].bit_count() == 1
