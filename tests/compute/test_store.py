"""Tensor store and parameter files: bounded whatever peers send, whole whatever the disk does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from zpeer.compute.parameters import ParameterFiles
from zpeer.compute.store import HEADS_REMEMBERED, TensorStore, hold
from zpeer.errors import StartError, ZpeerError
from zpeer.ids import Digest, PeerId, digest, digest_bytes
from zpeer.parts import Bulk

if TYPE_CHECKING:
    from pathlib import Path

    from zpeer.interfaces import Float32

ME, ALICE, BOB = (PeerId(digest("peer", name)) for name in (b"me", b"alice", b"bob"))
HEADS = [digest("head", bytes([place])) for place in range(8)]
BLOB_BYTES_MAX = 300


def make_store() -> TensorStore:
    return TensorStore(ME, HEADS[0], BLOB_BYTES_MAX)


def arrive(store: TensorStore, kind: Bulk, head: Digest, sender: PeerId, data: bytes) -> bool:
    """What the worker does with an arrival; whether it had a slot."""
    if not store.is_welcome(kind, head, sender):
        return False
    store.arrive(kind, head, sender, hold(data))
    return True


# --- parts and results ----------------------------------------------------------------------------


def test_a_part_lies_under_its_head_and_sender_with_its_digest() -> None:
    store = make_store()
    assert arrive(store, Bulk.PART, HEADS[0], ALICE, b"abcd")
    held = store.row(HEADS[0], ALICE, part=2)
    assert (held.data, held.digest) == (b"abcd", digest_bytes(b"abcd"))


def test_my_row_of_a_part_is_my_own_part() -> None:
    store = make_store()
    store.put_own(HEADS[0], [hold(b"0000"), hold(b"1111")])
    assert store.row(HEADS[0], ME, part=1).data == b"1111"


def test_the_first_delivery_counts() -> None:
    store = make_store()
    assert arrive(store, Bulk.PART, HEADS[0], ALICE, b"1st.")
    assert not arrive(store, Bulk.PART, HEADS[0], ALICE, b"2nd.")
    assert store.row(HEADS[0], ALICE, 0).data == b"1st."
    assert store.dropped[ALICE] == 1


def test_a_result_and_a_part_of_one_sender_do_not_share_a_slot() -> None:
    store = make_store()
    assert arrive(store, Bulk.PART, HEADS[0], ALICE, b"part")
    assert arrive(store, Bulk.RESULT, HEADS[0], ALICE, b"resu")
    assert store.result(HEADS[0], ALICE).data == b"resu"


def test_what_comes_one_head_early_is_in_place_when_that_head_is_adopted() -> None:
    store = make_store()
    assert arrive(store, Bulk.PART, HEADS[1], ALICE, b"soon")
    store.adopt(HEADS[1])
    assert store.row(HEADS[1], ALICE, 0).data == b"soon"


def test_a_sender_has_one_early_slot_a_kind_and_the_first_one_stays() -> None:
    """The core was told of the first: replacing it would leave the core with a name for nothing."""
    store = make_store()
    assert arrive(store, Bulk.PART, HEADS[1], ALICE, b"true")
    assert not arrive(store, Bulk.PART, HEADS[2], ALICE, b"fake")
    assert arrive(store, Bulk.PART, HEADS[1], BOB, b"bob.")
    store.adopt(HEADS[1])
    assert store.row(HEADS[1], ALICE, 0).data == b"true"


def test_what_came_early_for_a_head_that_never_was_is_dropped() -> None:
    store = make_store()
    assert arrive(store, Bulk.PART, HEADS[5], ALICE, b"fake")
    store.adopt(HEADS[1])
    assert store.size_bytes == 0
    assert arrive(store, Bulk.PART, HEADS[1], ALICE, b"true")


def test_what_comes_late_for_a_past_head_has_no_slot() -> None:
    store = make_store()
    store.adopt(HEADS[1])
    assert not arrive(store, Bulk.RESULT, HEADS[0], ALICE, b"late")


def test_memory_stays_bounded_under_a_flood_of_heads_and_blobs() -> None:
    store = make_store()
    for place in range(500):
        head = digest("flood", place.to_bytes(4, "little"))
        arrive(store, Bulk.PART, head, ALICE, b"x" * 100)
        arrive(store, Bulk.RESULT, head, ALICE, b"x" * 100)
        store.publish(ALICE, hold(place.to_bytes(100, "little")))
    assert store.size_bytes <= 2 * 100 + BLOB_BYTES_MAX
    assert store.dropped[ALICE] == 2 * 499 + 500 - 3


def test_past_heads_are_remembered_by_a_fixed_number() -> None:
    store = make_store()
    for place in range(3 * HEADS_REMEMBERED):
        store.adopt(digest("many", place.to_bytes(4, "little")))
    assert len(store._past) == HEADS_REMEMBERED


def test_one_sender_cannot_use_up_the_blobs_of_another() -> None:
    store = make_store()
    for place in range(10):
        store.publish(ALICE, hold(bytes([place]) * 100))
    assert store.publish(BOB, hold(b"bob's"))
    assert store.find(digest_bytes(b"bob's")) == b"bob's"


def test_bytes_published_twice_take_one_slot() -> None:
    store = make_store()
    for sender in (ALICE, BOB):
        for _ in range(10):
            assert store.publish(sender, hold(b"same"))
    assert store.dropped == {}


def test_any_bytes_held_are_found_by_digest() -> None:
    store = make_store()
    store.put_own(HEADS[0], [hold(b"mine")])
    store.put_result(HEADS[0], hold(b"aggr"))
    arrive(store, Bulk.PART, HEADS[0], ALICE, b"part")
    store.publish(BOB, hold(b"blob"))
    arrive(store, Bulk.PART, HEADS[1], BOB, b"soon")
    for data in (b"mine", b"aggr", b"part", b"blob", b"soon"):
        assert store.find(digest_bytes(data)) == data
    assert store.find(digest_bytes(b"none")) is None


def test_released_heads_and_blobs_are_gone_and_others_stay() -> None:
    store = make_store()
    arrive(store, Bulk.PART, HEADS[0], ALICE, b"old.")
    store.put_own(HEADS[0], [hold(b"mine")])
    store.publish(BOB, hold(b"blob"))
    store.adopt(HEADS[1])
    arrive(store, Bulk.PART, HEADS[1], ALICE, b"new.")
    store.release([HEADS[0]], [digest_bytes(b"blob")], told=1)
    assert store.find(digest_bytes(b"new.")) == b"new."
    assert store.size_bytes == 4


def test_bytes_told_of_again_outlast_a_release_that_knew_only_of_the_first_time() -> None:
    """Else a peer that sends them twice could have its receiver rest on bytes that are gone."""
    store, name = make_store(), digest_bytes(b"blob")
    for _ in range(2):
        assert store.publish(BOB, hold(b"blob"))
    store.release([], [name], told=1)
    assert store.find(name) == b"blob"
    store.release([], [name], told=2)
    assert store.find(name) is None


# --- placing --------------------------------------------------------------------------------------


def test_bytes_that_came_by_their_digest_take_the_place_of_what_a_sender_sent() -> None:
    store, name = make_store(), digest_bytes(b"true")
    assert arrive(store, Bulk.RESULT, HEADS[0], ALICE, b"fake")
    store.publish(BOB, hold(b"true"))
    store.place(HEADS[0], Bulk.RESULT, ALICE, name)
    store.place(HEADS[0], Bulk.PART, ALICE, name)
    for held in (store.result(HEADS[0], ALICE), store.row(HEADS[0], ALICE, 0)):
        assert (held.digest, held.data) == (name, b"true")
    assert store.find(digest_bytes(b"fake")) is None
    assert not arrive(store, Bulk.RESULT, HEADS[0], ALICE, b"late")


def test_placed_bytes_stay_when_the_published_ones_go_until_their_head_is_released() -> None:
    store, name = make_store(), digest_bytes(b"true")
    store.publish(BOB, hold(b"true"))
    store.place(HEADS[0], Bulk.RESULT, ALICE, name)
    store.release([], [name], told=1)
    assert store.result(HEADS[0], ALICE).data == store.find(name) == b"true"
    store.adopt(HEADS[1])
    assert store.result(HEADS[0], ALICE).data == b"true"
    store.release([HEADS[0]], [], told=1)
    assert store.size_bytes == 0


# --- parameters -----------------------------------------------------------------------------------


def vector(*numbers: float) -> Float32:
    return np.array(numbers, dtype=np.float32)


def name_of(parameters: Float32) -> Digest:
    return digest_bytes(parameters.tobytes())


def start_files(path: Path, parameters: Float32) -> ParameterFiles:
    files = ParameterFiles(path, len(parameters))
    files.start(parameters, name_of(parameters))
    return files


def test_parameters_are_found_again_by_digest_after_newer_ones_were_adopted(tmp_path: Path) -> None:
    first, second = vector(1, 2, 3), vector(4, 5, 6)
    files = start_files(tmp_path, first)
    files.adopt(files.write(second), second)
    assert files.digest == name_of(second)
    assert files.load(name_of(second)).tolist() == [4, 5, 6]
    assert files.load(name_of(first)).tolist() == [1, 2, 3]


def test_a_file_of_parameters_is_their_raw_bytes_under_their_digest(tmp_path: Path) -> None:
    files = start_files(tmp_path, vector(1, 2, 3))
    path = files.path(name_of(vector(1, 2, 3)))
    assert path.read_bytes() == vector(1, 2, 3).tobytes()
    assert path.name == f"{name_of(vector(1, 2, 3)).hex()}.f32"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_other_initial_parameters_than_those_of_the_run_are_refused(tmp_path: Path) -> None:
    files = ParameterFiles(tmp_path, 3)
    with pytest.raises(StartError, match=name_of(vector(9, 9, 9)).hex()):
        files.start(vector(1, 2, 3), name_of(vector(9, 9, 9)))


def test_released_files_are_deleted_but_neither_the_present_nor_evidence(tmp_path: Path) -> None:
    first, second, third = vector(1), vector(2), vector(3)
    files = start_files(tmp_path, first)
    for parameters in (second, third):
        files.adopt(files.write(parameters), parameters)
    files.pin(name_of(first))
    files.release([name_of(first), name_of(second), name_of(third)])
    assert files.path(name_of(first)).exists()
    assert not files.path(name_of(second)).exists()
    assert files.path(name_of(third)).exists()


def test_discarded_parameters_are_gone_but_neither_older_nor_adopted_ones(tmp_path: Path) -> None:
    first, second, third = vector(1), vector(2), vector(3)
    files = start_files(tmp_path, first)
    files.adopt(files.write(second), second)
    for parameters in (first, second, third):
        files.discard(files.write(parameters))
    assert files.path(name_of(first)).exists(), "something may rest on it since before"
    assert files.path(name_of(second)).exists()
    assert not files.path(name_of(third)).exists()
    files.discard(name_of(third))


def test_a_damaged_file_is_refused_and_convicts_nobody(tmp_path: Path) -> None:
    files = start_files(tmp_path, vector(1, 2))
    files.adopt(files.write(vector(3, 4)), vector(3, 4))
    files.path(name_of(vector(1, 2))).write_bytes(vector(1, 7).tobytes())
    with pytest.raises(ZpeerError, match="damaged"):
        files.load(name_of(vector(1, 2)))


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    files = start_files(tmp_path, vector(1, 2))
    with pytest.raises(ZpeerError, match=r"\.f32: parameters cannot be read"):
        files.load(Digest(bytes(32)))
