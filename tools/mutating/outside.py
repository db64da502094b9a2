"""Rules that no patch of the core can switch off, and the tests that provoke them.

Some are upheld before a core hears anything, some by others who judge afterwards, some by the disk.
"""

from __future__ import annotations

from typing import NamedTuple


class Outside(NamedTuple):
    """A rule that is upheld somewhere else."""

    says: str
    where: str
    test: str
    """File and name of what breaks without it."""


OUTSIDE: tuple[Outside, ...] = (
    Outside(
        "A body has one encoding; any other is refused.",
        "zpeer/wire.py",
        "tests/test_wire.py::test_what_is_not_the_one_encoding_is_refused",
    ),
    Outside(
        "No message is larger than the run allows, and none is decoded to find that out.",
        "zpeer/wire.py",
        "tests/test_wire_limits.py::test_too_many_bytes_are_refused_before_they_are_decoded",
    ),
    Outside(
        "More peers, parts or accusations than the run can have are refused.",
        "zpeer/wire_checks.py",
        "tests/test_wire_limits.py::test_more_than_the_genesis_allows_is_refused",
    ),
    Outside(
        "A signature has a low s, so that one body has one signature.",
        "zpeer/crypto.py",
        "tests/test_crypto.py::test_a_signature_has_low_s_and_the_high_one_is_refused",
    ),
    Outside(
        "A signature serves for its own run, slot and payload alone.",
        "zpeer/crypto.py",
        "tests/test_crypto.py::test_a_signature_serves_for_its_own_slot_and_payload_alone",
    ),
    Outside(
        "A message with a bad signature is dropped, and whoever passed it on is counted.",
        "zpeer/shell/reception.py",
        "tests/shell/test_reception.py::test_a_forged_message_is_dropped_and_counted_by_who_sent_it",
    ),
    Outside(
        "A chain is as good as all of its signatures.",
        "zpeer/shell/reception.py",
        "tests/shell/test_reception.py::test_a_chain_with_one_bad_link_is_dropped",
    ),
    Outside(
        "Who asks or passes on too much is not heard until the next record.",
        "zpeer/shell/reception.py",
        "tests/shell/test_reception.py::test_a_peer_may_ask_only_so_often_until_the_next_record",
    ),
    Outside(
        "A tensor that was altered under way does not open.",
        "zpeer/transport/seal.py",
        "tests/transport/test_seal.py::test_a_changed_bit_anywhere_does_not_open",
    ),
    Outside(
        "A tensor opens once.",
        "zpeer/transport/seal.py",
        "tests/transport/test_seal.py::test_each_counter_opens_once_in_whatever_order",
    ),
    Outside(
        "Strangers, and peers of another run, are turned away.",
        "zpeer/transport",
        "tests/transport/test_refusals.py::test_strangers_are_turned_away_before_a_message_is_read",
    ),
    Outside(
        "A row that is no part counts as zeros, also where a core names it as a row.",
        "zpeer/compute/worker.py",
        "tests/compute/test_worker.py::test_a_missing_a_wrong_and_an_infinite_row_count_as_zeros",
    ),
    Outside(
        "The first delivery of bytes counts.",
        "zpeer/compute/store.py",
        "tests/compute/test_store.py::test_the_first_delivery_counts",
    ),
    Outside(
        "A slot is on disk before its signature leaves, and no other body is signed for it.",
        "zpeer/shell/journal.py",
        "tests/test_identity.py::test_the_same_body_is_signed_again_and_another_one_never",
    ),
    Outside(
        "A key that was used in a run does not start in it again.",
        "zpeer/shell/journal.py",
        "tests/test_identity.py::test_a_key_used_in_this_run_refuses_to_start_again",
    ),
    Outside(
        "Evidence convicts by the accused's own words alone.",
        "zpeer/judging/case.py",
        "tests/judging/test_framing.py::test_a_second_story_signed_afterwards_is_not_believed",
    ),
    Outside(
        "Every ban leaves evidence that a stranger can judge.",
        "zpeer/core/proofs.py",
        "tests/judging/test_judge.py::test_every_ban_of_a_run_is_proven_by_its_file",
    ),
)
