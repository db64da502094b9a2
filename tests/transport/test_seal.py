"""Sealing: what opens, what does not, and that a counter opens once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zpeer.ids import PeerId, digest_bytes
from zpeer.transport.seal import TAG_SIZE, WINDOW, Agreement, Ephemeral, Exchange

RUN, OTHER_RUN = digest_bytes(b"run"), digest_bytes(b"other run")
ALICE, BOB, CAROL = (PeerId(digest_bytes(name)) for name in (b"alice", b"bob", b"carol"))


def agreed(agreement: Agreement | None) -> Agreement:
    assert agreement is not None
    return agreement


def pair() -> tuple[Agreement, Agreement]:
    alice, bob = Ephemeral(), Ephemeral()
    hers = agreed(alice.agree(RUN, ALICE, Exchange(BOB, bob.public)))
    his = agreed(bob.agree(RUN, BOB, Exchange(ALICE, alice.public)))
    return hers, his


def test_what_one_seals_the_other_opens_and_no_other_key_does() -> None:
    hers, his = pair()
    counter, sealed = hers.sealer.seal(b"header", b"tensor")
    assert len(sealed) == len(b"tensor") + TAG_SIZE
    assert b"tensor" not in sealed
    for opener in (hers.opener, hers.beat_opener, his.beat_opener, pair()[1].opener):
        assert opener.open(counter, b"header", sealed) is None
    assert his.opener.open(counter, b"header", sealed) == b"tensor"


def test_keys_are_bound_to_the_run_and_to_both_ids() -> None:
    alice, bob = Ephemeral(), Ephemeral()
    hers = agreed(alice.agree(RUN, ALICE, Exchange(BOB, bob.public)))
    counter, sealed = hers.sealer.seal(b"", b"tensor")
    for run, me, other in ((OTHER_RUN, BOB, ALICE), (RUN, CAROL, ALICE), (RUN, BOB, CAROL)):
        keys = agreed(bob.agree(run, me, Exchange(other, alice.public)))
        assert keys.opener.open(counter, b"", sealed) is None


def test_a_changed_bit_anywhere_does_not_open() -> None:
    hers, his = pair()
    counter, sealed = hers.sealer.seal(b"header", b"tensor")
    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        assert his.opener.open(counter, b"header", bytes(changed)) is None
    assert his.opener.open(counter + 1, b"header", sealed) is None
    assert his.opener.open(counter, b"reader", sealed) is None
    assert his.opener.open(counter, b"header", sealed[:-1]) is None
    assert his.opener.open(counter, b"header", b"") is None
    assert his.opener.open(counter, b"header", sealed) == b"tensor"


def test_a_forged_counter_uses_none_up() -> None:
    hers, his = pair()
    counter, sealed = hers.sealer.seal(b"", b"tensor")
    assert his.opener.open(2**64 - 1, b"", sealed) is None
    assert his.opener.open(counter, b"", sealed) == b"tensor"


def test_no_counter_is_used_twice_with_one_ephemeral_even_under_new_keys() -> None:
    alice = Ephemeral()
    counters = []
    for _ in range(3):
        keys = agreed(alice.agree(RUN, ALICE, Exchange(BOB, Ephemeral().public)))
        counters += [keys.sealer.seal(b"", b"")[0] for _ in range(3)]
    assert len(set(counters)) == 9


@pytest.mark.parametrize(
    "point", [bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"]
)
def test_a_point_of_low_order_agrees_on_nothing(point: bytes) -> None:
    assert Ephemeral().agree(RUN, ALICE, Exchange(BOB, point)) is None


@given(st.lists(st.integers(0, 20), max_size=60))
def test_each_counter_opens_once_in_whatever_order(order: list[int]) -> None:
    hers, his = pair()
    sealed = [hers.sealer.seal(b"", bytes([index])) for index in range(21)]
    opened: set[int] = set()
    for index in order:
        counter, data = sealed[index]
        assert his.opener.is_fresh(counter) == (index not in opened)
        expected = None if index in opened else bytes([index])
        assert his.opener.open(counter, b"", data) == expected
        opened.add(index)


def test_what_fell_behind_the_window_is_refused_and_its_last_place_is_not() -> None:
    hers, his = pair()
    sealed = [hers.sealer.seal(b"", b"x") for _ in range(WINDOW + 1)]
    for index in (WINDOW, 1):
        assert his.opener.open(sealed[index][0], b"", sealed[index][1]) == b"x"
    for index in (0, 1, WINDOW):
        assert his.opener.open(sealed[index][0], b"", sealed[index][1]) is None
